#!/usr/bin/env bash
# Builds the package for Debian and Ubuntu: scripts/build-deb.sh PROGRAM ARCHITECTURE FOLDER
#
#     scripts/build-deb.sh target/x86_64-unknown-linux-musl/release/livekit-presence amd64 dist
#
# Needs dpkg-deb and nothing else. Prints the path of the package. COMPRESSION="-Zgzip -z1" is quick, and for tests. A static program depends on nothing; another one on the C library
# of the Debian that this runs on.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -ne 3 ]; then
    echo "usage: scripts/build-deb.sh PROGRAM ARCHITECTURE FOLDER" >&2
    exit 2
fi
program=$1 architecture=$2 folder=$3

# The first version that Cargo.toml names is ours. A `-` would begin Debian's own revision.
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1 | tr - '~')
package=livekit-presence_${version}_$architecture.deb
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

install -D -m 755 "$program" "$root/usr/bin/livekit-presence"
install -D -m 644 deploy/systemd/livekit-presence.service "$root/usr/lib/systemd/system/livekit-presence.service"
install -D -m 644 deploy/deb/config.toml "$root/etc/livekit-presence/config.toml"
install -D -m 600 deploy/deb/environment "$root/etc/livekit-presence/environment"
documentation=$root/usr/share/doc/livekit-presence
install -D -m 644 -t "$documentation" README.md CHANGELOG.md config/default.toml
gzip -n -9 "$documentation/CHANGELOG.md"
cat >"$documentation/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: the contributors of livekit-presence
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
END

dynamic=$(LC_ALL=C ldd "$program" 2>/dev/null | grep -c 'libc\.so' || true)
depends=
if [ "$dynamic" -gt 0 ]; then
    depends="Depends: libc6 (>= $(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)), libgcc-s1"
fi
mkdir "$root/DEBIAN"
sed '/^$/d' >"$root/DEBIAN/control" <<END
Package: livekit-presence
Version: $version
Architecture: $architecture
Maintainer: The contributors of livekit-presence <livekit-presence@localhost>
Installed-Size: $(du -sk "$root" | cut -f 1)
$depends
Section: net
Priority: optional
Description: who is in which LiveKit room, right now, in every browser that asks
 Takes LiveKit's webhooks, makes up for lost ones by asking LiveKit's API, and
 pushes each room's list to the browsers that watch it.
END
printf '%s\n' /etc/livekit-presence/config.toml /etc/livekit-presence/environment >"$root/DEBIAN/conffiles"
install -m 755 deploy/deb/postinst deploy/deb/prerm deploy/deb/postrm "$root/DEBIAN/"

mkdir -p "$folder"
read -ra compression <<<"${COMPRESSION:--Zxz}"
dpkg-deb --root-owner-group "${compression[@]}" --build "$root" "$folder/$package" >/dev/null
echo "$folder/$package"
