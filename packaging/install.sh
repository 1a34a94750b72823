#!/bin/sh
# Install or upgrade rpsd from the unpacked tarball in which this lies: what the Debian package does, on other distributions.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=$(cat "$here/VERSION")
place=/opt/rpsd/releases/$version

if [ "$(id -u)" != 0 ]; then
    echo "install.sh: run it as root" >&2
    exit 77
fi
if ! [ -x "$(readlink -f "$here/release/venv/bin/python3")" ]; then
    echo "install.sh: this tarball needs $(readlink "$here/release/venv/bin/python3")" >&2
    exit 69
fi
(cd "$here/release" && sha256sum --check --quiet SHA256SUMS)

mkdir -p /opt/rpsd/releases /etc/rpsd /etc/default
rm -rf "$place.new"
cp -a "$here/release" "$place.new"
chown -R root:root "$place.new"
rm -rf "$place.old"
if [ -e "$place" ]; then
    mv "$place" "$place.old"
fi
mv "$place.new" "$place"
rm -rf "$place.old"

for unit in "$here"/systemd/rpsd*.*; do
    install -m 644 "$unit" /etc/systemd/system/
done
install -m 644 "$here/systemd/sysusers.d/rpsd.conf" /usr/lib/sysusers.d/rpsd.conf
install -m 644 "$here/systemd/tmpfiles.d/rpsd.conf" /usr/lib/tmpfiles.d/rpsd.conf
install -m 755 "$here/rpsd.sh" /usr/bin/rpsd
systemd-sysusers rpsd.conf
systemd-tmpfiles --create rpsd.conf
# settings that somebody may have changed stay
[ -e /etc/rpsd/config.yaml ] || install -m 640 -g rpsd "$here/etc/config.yaml" /etc/rpsd/config.yaml
[ -e /etc/default/rpsd ] || install -m 644 "$here/etc/default/rpsd" /etc/default/rpsd
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable rpsd.socket rpsd.service rpsd-outbound.service
fi
exec "$place/venv/bin/python" -m rpsd release activate "$version"
