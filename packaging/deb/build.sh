#!/bin/sh
# Put the program's folder, the units, the settings and the docs into a Debian package.
#
#   packaging/deb/build.sh FOLDER INTO
#
# It needs dpkg-deb. The version is the program's own.
set -eu
umask 022
folder=$1
into=$2
here=$(dirname "$0")
top=$here/../..

command -v dpkg-deb >/dev/null || { echo "dpkg-deb is needed: apt install dpkg" >&2; exit 1; }

# Before a release comes ~ in Debian's order: 1.2.0.dev3 and 1.2.0rc1 become 1.2.0~dev3 and 1.2.0~rc1.
version=$("$folder/simplevoice" --version | sed -E 's/^simplevoice //; s/\.?(dev|a|b|rc)([0-9])/~\1\2/')
architecture=$(dpkg --print-architecture)
# The newest glibc that anything inside asks for.
glibc=$(grep -rahoE 'GLIBC_2\.[0-9]+' "$folder" | sort -Vu | tail -1)

maintainer=$(sed -n 's/^Maintainer: //p' "$here/control")

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

put() { # MODE FILE PLACE
    install -D -m "$1" "$2" "$root$3"
}

mkdir -p "$root/usr/lib" "$root/usr/bin"
cp -a "$folder" "$root/usr/lib/simplevoice"
find "$root/usr/lib/simplevoice" -type f ! -name simplevoice -exec chmod 644 {} +
ln -s ../lib/simplevoice/simplevoice "$root/usr/bin/simplevoice"

for unit in "$top"/systemd/*.service "$top"/systemd/*.socket; do
    put 644 "$unit" "/lib/systemd/system/$(basename "$unit")"
    sed -i 's:/usr/local/bin/:/usr/bin/:' "$root/lib/systemd/system/$(basename "$unit")"
done
put 644 "$top/systemd/simplevoice.sysusers" /usr/lib/sysusers.d/simplevoice.conf
put 644 "$top/systemd/simplevoice.toml" /etc/simplevoice/simplevoice.toml

doc=/usr/share/doc/simplevoice
put 644 "$here/copyright" "$doc/copyright"
put 644 "$top/README.md" "$doc/README.md"
for part in docs systemd; do
    (cd "$top" && find "$part" -type f ! -name '*.service' ! -name '*.socket' ! -name '*.sysusers' -printf '%P\n') |
        while read -r page; do put 644 "$top/$part/$page" "$doc/$part/$page"; done
done
put 644 "$top/CHANGELOG.md" "$doc/CHANGELOG.md"
gzip -9n >"$root$doc/changelog.gz" <<END
simplevoice ($version) stable; urgency=medium

  * What changed is told in CHANGELOG.md.

 -- $maintainer  $(date -R -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}")
END
put 644 "$here/lintian-overrides" /usr/share/lintian/overrides/simplevoice

mkdir "$root/DEBIAN"
for script in postinst prerm postrm; do
    put 755 "$here/$script" "/DEBIAN/$script"
done
echo /etc/simplevoice/simplevoice.toml >"$root/DEBIAN/conffiles"
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@GLIBC@/${glibc#GLIBC_}/" \
    -e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" "$here/control" >"$root/DEBIAN/control"

mkdir -p "$into"
rm -f "$into"/simplevoice_*.deb
dpkg-deb --root-owner-group -Zgzip -z6 --build "$root" "$into/simplevoice_${version}_$architecture.deb"
