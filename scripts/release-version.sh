#!/usr/bin/env bash
# Fails unless the tag names the version of everything that is released: scripts/release-version.sh v1.2.3
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1#v}
says() {
    [ "$2" = "$version" ] || { echo "release-version: $1 says $2, and the tag $version" >&2 && exit 1; }
}
says Cargo.toml "$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
says clients/js/package.json "$(sed -n 's/^  "version": "\(.*\)",$/\1/p' clients/js/package.json)"
chart=deploy/helm/livekit-presence/Chart.yaml
says "$chart (version)" "$(sed -n 's/^version: //p' $chart)"
says "$chart (appVersion)" "$(sed -n 's/^appVersion: "\(.*\)"$/\1/p' $chart)"
grep -q "^## \[$version\] - " CHANGELOG.md || { echo "release-version: CHANGELOG.md has no section $version" >&2 && exit 1; }
