#!/usr/bin/env bash
# Installs Node.js if it is missing, and the packages of the given folders as their lock files say. Does nothing where all of it
# is there.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    if ! command -v apt-get >/dev/null; then
        echo "there is no apt-get here: install Node.js and npm with your package manager, and run this again" >&2
        exit 1
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nodejs npm
fi

for folder in "$@"; do
    if [ ! "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
        echo "installing the packages of $folder"
        npm ci --prefix "$folder" --no-audit --no-fund
    fi
done
