"""The appliance on a booted systemd: its package, its units, its upgrades and its sandbox. Needs root and Debian's systemd-container."""
