#!/bin/sh
# Make the environment of a peer, again when what it needs changes: prepare.sh FOLDER REQUIREMENTS PYTHON CONSTRAINTS
#
# Exits with 1 after one line that says why it can't be had.
set -eu
folder=$1 requirements=$2 python=$3 constraints=$4

if ! cmp -s "$requirements" "$folder/requirements.txt"; then
    {
        rm -rf "$folder" && "$python" -m venv "$folder" &&
            "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
                --requirement "$requirements" --constraint "$constraints"
    } >/dev/null 2>&1 || {
        echo "the packages of $requirements can't be installed"
        exit 1
    }
    cp "$requirements" "$folder/requirements.txt"
fi
