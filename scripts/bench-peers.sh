#!/usr/bin/env bash
# Measures the service beside nchan and a plain Node.js service, with the same load. Arguments go to the benchmark: a number is how many
# rounds, --tenth a tenth of the size. Installs nginx and Node.js where they are missing; nchan's module goes into .tools/nchan.
# Where nchan cannot be had (it is built for Debian's nginx) it says so, and measures the others.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v nginx >/dev/null && command -v apt-get >/dev/null; then
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nginx-light
fi
scripts/setup-node.sh

module=$PWD/.tools/nchan/usr/lib/nginx/modules/ngx_nchan_module.so
if [ ! -e "$module" ] && command -v apt-get >/dev/null; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    if (cd "$folder" && apt-get download -q libnginx-mod-nchan); then
        mkdir -p .tools/nchan
        dpkg -x "$folder"/libnginx-mod-nchan_*.deb .tools/nchan
    fi
fi
if [ -e "$module" ]; then
    export BENCH_NCHAN=$module
else
    echo "bench-peers: there is no nchan here; the others are measured" >&2
fi

cargo bench --locked --bench service -- peers "$@"
