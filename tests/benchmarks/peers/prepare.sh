#!/bin/sh
# Make the environment of a peer, anew when its packages change: prepare.sh FOLDER REQUIREMENTS PYTHON
#
# Exits with 1 after one line that says why it can't be had.
set -eu
folder=$1 requirements=$2 python=$3

if ! cmp -s "$requirements" "$folder/requirements.txt"; then
    {
        rm -rf "$folder" && "$python" -m venv "$folder" &&
            "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    } >/dev/null 2>&1 || {
        echo "its packages can't be installed"
        exit 1
    }
    cp "$requirements" "$folder/requirements.txt"
fi
