#!/bin/sh
# Get what the system tests need: programs of Debian, and a Debian 12 without Python as BASE, a tar.
#
#   tests/system/prepare.sh BASE
#
# Exits with 1 after one line that says why they can't be run here.
set -eu
base=$1
suite=bookworm

impossible() {
    echo "$1"
    exit 1
}

[ "$(uname -s)" = Linux ] || impossible "this is not Linux"
[ "$(id -u)" = 0 ] || impossible "only root can boot a container"

missing() {
    for pair in debootstrap:debootstrap systemd-nspawn:systemd-container nsenter:util-linux dpkg-deb:dpkg; do
        command -v "${pair%%:*}" >/dev/null || printf '%s ' "${pair#*:}"
    done
}
packages=$(missing)
if [ -n "$packages" ]; then
    command -v apt-get >/dev/null || impossible "$packages missing, and no apt-get to install from"
    # shellcheck disable=SC2086 # names of packages
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $packages; } \
        >/dev/null 2>&1 || impossible "$packages can't be installed"
fi
unshare --mount --pid --fork --mount-proc true 2>/dev/null || impossible "no namespaces can be made here"

usable() {
    tar -tf "$base" ./usr/lib/systemd/systemd ./usr/bin/dbus-daemon ./etc/ssl/certs/ca-certificates.crt >/dev/null 2>&1
}
if ! usable; then
    mkdir -p "$(dirname "$base")"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    log=$work/log
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates "$suite" "$work/root" >"$log" 2>&1 ||
        impossible "debootstrap can't make a Debian: $(tail -1 "$log")"
    rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
    tar -cf "$base.new" -C "$work/root" .
    mv "$base.new" "$base"
fi
