"""The binary and the Debian package on a Debian 12 without Python, booted with systemd: `make test-system`."""
