"""What a release is made of: the tree below /opt/rpsd, the Debian package, the tarball, and what describes them."""
