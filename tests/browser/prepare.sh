#!/bin/sh
# Get what the browser tests need besides Python packages: Debian's Chromium, and letters for Arabic.
#
# Exits with 1 after one line that says why they can't be run here.
set -eu

impossible() {
    echo "$1"
    exit 1
}

if ! command -v chromium >/dev/null; then
    command -v apt-get >/dev/null || impossible "chromium is missing, and no apt-get to install it with"
    [ "$(id -u)" = 0 ] || impossible "chromium is missing, and only root can install it"
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends chromium fonts-dejavu-core; } \
        >/dev/null 2>&1 || impossible "chromium can't be installed"
fi
