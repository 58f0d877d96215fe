#!/usr/bin/env bash
# Installs what the tests need and what is missing: two browsers, Node.js for its driver, Redis, PostgreSQL, nginx, Caddy,
# curl, openssl, a C++ compiler for the fuzz targets, what looks at units of systemd. Does nothing where all of it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian keeps nginx where only root looks.
PATH=$PATH:/usr/sbin

packages=()
# need COMMAND PACKAGE...
need() {
    command -v "$1" >/dev/null || packages+=("${@:2}")
}
need redis-server redis-server
need nginx nginx
# Debian keeps its programs in a folder for each version, outside of PATH.
PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' :)
need initdb postgresql
need caddy caddy
need curl curl
need openssl openssl
need chromium chromium fonts-liberation
need node nodejs
need npm npm
need g++ g++
need systemd-analyze systemd

if [ ${#packages[@]} -gt 0 ]; then
    echo "installing ${packages[*]}"
    if ! command -v apt-get >/dev/null; then
        echo "there is no apt-get here: install these with your package manager, and run this again" >&2
        exit 1
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    # The tests start servers of their own. Debian's would start with their installation, if nobody said no here.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap '"${as_root[@]}" rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
        "${as_root[@]}" chmod +x $policy
    fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${packages[@]}"
fi

# A second browser. Not every distribution has it; where it is missing the tests in it say NOT RUN, and fail only if REQUIRE_REAL=1.
if ! command -v firefox-esr >/dev/null && [ -z "${FIREFOX:-}" ]; then
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
    echo "installing firefox-esr"
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends firefox-esr; then
        echo "Firefox could not be installed: the tests in it will not run" >&2
        if [ "${REQUIRE_REAL:-}" = 1 ]; then exit 1; fi
    fi
fi

# What the browser's driver, the package for browsers and its example depend on.
scripts/setup-node.sh tests/browser clients/js examples/react

# A real LiveKit, and clients for it.
scripts/setup-real-livekit.sh

# Other versions of Redis.
scripts/setup-redis.sh

# What alerts and packages are checked with.
scripts/setup-deploy.sh
