#!/bin/sh
# Get what the yardsticks need besides Python packages: ffmpeg, which pydub starts.
#
# Exits with 1 after one line that says why it can't be had.
set -eu

impossible() {
    echo "$1"
    exit 1
}

if ! command -v ffmpeg >/dev/null; then
    command -v apt-get >/dev/null || impossible "ffmpeg is missing, and no apt-get to install it with"
    [ "$(id -u)" = 0 ] || impossible "ffmpeg is missing, and only root can install it"
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends ffmpeg; } \
        >/dev/null 2>&1 || impossible "ffmpeg can't be installed"
fi
