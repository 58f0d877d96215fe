#!/usr/bin/env bash
# Builds the program for Linux with everything in it, for x86_64 or aarch64, on either: scripts/build-static.sh x86_64
#
# It needs no library of the machine that it runs on, and runs on any distribution. Zig, from PyPI, compiles the C in it (SQLite, ring) for
# musl, and links. Prints the path of the program.
set -euo pipefail
cd "$(dirname "$0")/.."

ziglang=0.15.2
zigbuild=0.24.0

case ${1:-} in
    x86_64 | aarch64) target=$1-unknown-linux-musl ;;
    *) echo "usage: scripts/build-static.sh x86_64|aarch64" >&2 && exit 2 ;;
esac

venv=$PWD/.tools/zig-$ziglang-$zigbuild
if [ ! -x "$venv/bin/cargo-zigbuild" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-input --disable-pip-version-check --only-binary :all: \
        "ziglang==$ziglang" "cargo-zigbuild==$zigbuild"
fi
rustup target add "$target" >&2
PATH=$venv/bin:$PATH cargo zigbuild --release --locked --bin livekit-presence --target "$target" >&2
echo "${CARGO_TARGET_DIR:-target}/$target/release/livekit-presence"
