#!/bin/sh
# simplevoice in one file: this script, and behind it a tar.gz of the program's folder. The first start unpacks it into
# the user's cache folder; every start runs it from there. It needs what every Debian has: tar, gzip, flock, mktemp, mv -T.
set -eu

programs=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}/simplevoice/programs
folder=$programs/@DIGEST@
program=$folder/simplevoice

fail() {
    printf 'simplevoice: %s\n' "$1" >&2
    exit 1
}

# Whoever can write there decides what this user runs.
check_owner() {
    [ ! -e "$programs" ] || [ -O "$programs" ] ||
        fail "won't start from $programs: it belongs to another user; XDG_CACHE_HOME may name another folder"
}

# The lock goes over to the program and is held as long as it runs, so that nobody removes its folder.
start() {
    [ -f "$folder/.lock" ] || return 0
    exec 9<"$folder/.lock"
    flock --shared 9
    [ ! -x "$program" ] || exec "$program" "$@"
}

prepare() {
    if ! mkdir -p -m 700 "$programs" 2>/dev/null || [ ! -w "$programs" ]; then
        fail "can't unpack: $programs can't be written; XDG_CACHE_HOME may name another folder"
    fi
}

# One process at a time; who had to wait finds the work done. What a killed one left is removed.
unpack() {
    exec 8>>"$programs/.lock"
    flock 8
    [ ! -x "$program" ] || return 0
    rm -rf "$programs"/.new.* "$programs"/.old.*
    new=$(mktemp -d "$programs/.new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    trap 'exit 130' HUP INT TERM
    tail -n "+@FIRST_LINE@" "$0" | tar -xzf - --no-same-owner -C "$new" ||
        fail "can't unpack into $programs: the disk is full, or $0 is damaged"
    : >"$new/.lock"
    rm -rf "$folder"
    mv -T "$new" "$folder"
    remove_others
}

remove_others() {
    for other in "$programs"/*/; do
        [ "$other" != "$folder/" ] || continue
        (
            exec 7>>"$other/.lock"
            flock --exclusive --nonblock 7 || exit 0
            gone=$(mktemp -d "$programs/.old.XXXXXX")
            mv -T "$other" "$gone" && rm -rf "$gone"
        )
    done
}

[ -n "${XDG_CACHE_HOME:-}${HOME:-}" ] || fail "can't unpack: neither HOME nor XDG_CACHE_HOME says where"
check_owner
start "$@"
prepare
(unpack)
start "$@"
fail "can't run $program: are programs forbidden there (noexec)? XDG_CACHE_HOME may name another folder"
