#!/usr/bin/env bash
# Installs what the tests against a real LiveKit need, into .tools: livekit-server by Go's own client, the client SDK from
# PyPI. Does nothing where it is there already. Where Go or Python is missing it says so, and fails only if REQUIRE_REAL=1.
# With a version (`scripts/setup-real-livekit.sh 1.8.0`) that server is installed beside it, into .tools/livekit/1.8.0.
set -euo pipefail
cd "$(dirname "$0")/.."

# v1.13.0 and v1.13.1 cannot be installed this way: their go.mod has replace directives.
livekit_server=1.13.5
livekit_sdk=1.2.1

bin=$PWD/.tools/bin
if [ $# -gt 0 ]; then
    livekit_server=$1
    bin=$PWD/.tools/livekit/$1
fi
venv=$PWD/.tools/venv

missing() {
    echo "setup-real-livekit: $1; the tests against a real LiveKit will not run" >&2
    if [ "${REQUIRE_REAL:-}" = 1 ]; then exit 1; else exit 0; fi
}

install_package() {
    command -v apt-get >/dev/null || return 1
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

install_server() {
    if "$bin/livekit-server" --version 2>/dev/null | grep -qxF "livekit-server version $livekit_server"; then return; fi
    local go
    go=$(command -v go || command -v /usr/local/go/bin/go) || missing "no Go here (1.26, or from 1.21 on, which fetches it)"
    # Go knows how to fetch a newer one since 1.21, and only then has this setting.
    [ -n "$("$go" env GOTOOLCHAIN)" ] || missing "$("$go" version) is too old (1.21)"
    echo "setup-real-livekit: building livekit-server $livekit_server, which takes some minutes" >&2
    mkdir -p "$bin"
    GOBIN="$bin" CGO_ENABLED=0 GOTOOLCHAIN=auto \
        nice -n 10 "$go" install "github.com/livekit/livekit-server/cmd/server@v$livekit_server"
    mv "$bin/server" "$bin/livekit-server"
}

install_sdk() {
    local installed=("$venv"/lib/python3*/site-packages/livekit-"$livekit_sdk".dist-info/RECORD)
    if [ -x "$venv/bin/python" ] && [ -f "${installed[0]}" ]; then return; fi
    command -v python3 >/dev/null || install_package python3 || missing "no Python here"
    # Debian's Python comes without what makes a virtual environment.
    python3 -c 'import ensurepip' 2>/dev/null || install_package python3-venv || missing "Python has no venv module"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-input --disable-pip-version-check "livekit==$livekit_sdk"
}

install_server
install_sdk
