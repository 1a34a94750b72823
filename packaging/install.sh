#!/bin/sh
# Install or upgrade rpsd from the unpacked tarball in which this lies: what the Debian package does, on other distributions.
set -eu
umask 022 # whatever root's is: the service must be able to read what is installed

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

mkdir -p /opt/rpsd/releases /etc/rpsd /etc/default /usr/share/rpsd
rm -rf "$place.new"
cp -a "$here/release" "$place.new"
chown -R root:root "$place.new"
rm -rf "$place.old"
if [ -e "$place" ]; then
    mv "$place" "$place.old"
fi
mv "$place.new" "$place"
rm -rf "$place.old"

# units that are new to this machine are enabled; those that the operator has disabled stay so
fresh=
for unit in "$here"/systemd/rpsd*.*; do
    name=$(basename "$unit")
    [ -e "/etc/systemd/system/$name" ] || fresh="$fresh $name"
    install -m 644 "$unit" "/etc/systemd/system/$name"
done
install -m 644 "$here/systemd/sysusers.d/rpsd.conf" /usr/lib/sysusers.d/rpsd.conf
install -m 644 "$here/systemd/tmpfiles.d/rpsd.conf" /usr/lib/tmpfiles.d/rpsd.conf
install -m 755 "$here/rpsd.sh" /usr/bin/rpsd
install -m 755 "$here/renew-certificate.sh" /usr/share/rpsd/renew-certificate.sh
systemd-sysusers rpsd.conf
systemd-tmpfiles --create rpsd.conf

# settings that somebody may have changed stay; what the release brings lies beside them where it is another text
settle() {
    if ! [ -e "$4" ]; then
        install -m "$1" -g "$2" "$3" "$4"
    elif ! cmp -s "$3" "$4"; then
        install -m "$1" -g "$2" "$3" "$4.new"
    fi
}
settle 640 rpsd "$here/etc/config.yaml" /etc/rpsd/config.yaml
settle 644 root "$here/etc/default/rpsd" /etc/default/rpsd

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # shellcheck disable=SC2086 # a list of names
    [ -z "$fresh" ] || systemctl enable $fresh
fi
exec "$place/venv/bin/python" -m rpsd release activate "$version"
