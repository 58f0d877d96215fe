#!/usr/bin/env bash
# Installs what alerts, packages and the Helm chart are checked with, into .tools. Does nothing where it is there already. What cannot be
# installed is named, and the checks say NOT RUN; it fails only if REQUIRE_REAL=1.
#
#     scripts/setup-deploy.sh         Prometheus, promtool and busybox, in seconds
#     scripts/setup-deploy.sh chart   helm, kubeconform and Kubernetes' schemas; building helm takes a minute or two
set -euo pipefail
cd "$(dirname "$0")/.."

helm=3.22.0
kubeconform=0.8.0
# Has the schemas of Kubernetes 1.25 to 1.37, made from its OpenAPI specification.
schemas=1.37.0

main() {
    mkdir -p .tools
    if [ "${1:-}" != chart ]; then
        install_from_debian prometheus promtool prometheus
        install_from_debian busybox-static busybox
        return
    fi
    install_schemas
    install_by_go "kubeconform-$kubeconform" "github.com/yannh/kubeconform/cmd/kubeconform@v$kubeconform"
    install_by_go "helm-$helm" "helm.sh/helm/v3/cmd/helm@v$helm"
}

missing() {
    echo "setup-deploy: $1" >&2
    if [ "${REQUIRE_REAL:-}" = 1 ]; then exit 1; else exit 0; fi
}

# install_from_debian PACKAGE PROGRAM...: programs of a package, without the service that the package would start.
install_from_debian() {
    local program
    if [ -x ".tools/${*: -1}" ]; then return; fi
    command -v apt-get >/dev/null || missing "no apt-get here for $1"
    local folder as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    folder=$(mktemp -d)
    if ! (cd "$folder" && apt-get download -q "$1") >/dev/null 2>&1; then
        "${as_root[@]}" apt-get update -q || missing "apt-get cannot update its lists"
        (cd "$folder" && apt-get download -q "$1") || missing "apt-get does not find $1"
    fi
    dpkg -x "$folder"/*.deb "$folder/files"
    # Where a distribution puts programs differs.
    for program in "${@:2}"; do find "$folder/files" -path "*bin/$program" -type f -exec mv {} .tools/ \;; done
    [ -x ".tools/${*: -1}" ] || missing "there is no ${*: -1} in Debian's $1"
    rm -rf "$folder"
}

# install_by_go NAME-VERSION MODULE
install_by_go() {
    local program=${1%%-*} go
    if [ ! -x ".tools/$1/$program" ]; then
        go=$(command -v go || command -v /usr/local/go/bin/go) || missing "no Go here, to build $program"
        echo "setup-deploy: building $program" >&2
        GOBIN="$PWD/.tools/$1" CGO_ENABLED=0 GOTOOLCHAIN=auto "$go" install "$2" || missing "Go cannot build $program"
    fi
    ln -sfn "$1/$program" ".tools/$program"
}

# kubeconform looks for what a schema refers to beside it, if the schema does not say that it is from elsewhere.
install_schemas() {
    local folder=.tools/kubernetes-schemas-$schemas
    if [ ! -d "$folder" ]; then
        python3 -c 'import ensurepip' 2>/dev/null || missing "no Python with venv here, for Kubernetes' schemas"
        local scratch
        scratch=$(mktemp -d)
        python3 -m venv "$scratch/venv"
        "$scratch/venv/bin/pip" install --quiet --no-input --disable-pip-version-check --no-deps --no-compile \
            --only-binary :all: --target "$scratch/package" "kubernetes-validate==$schemas" || missing "pip cannot install Kubernetes' schemas"
        rm -rf "$folder.part"
        python3 - "$scratch/package/kubernetes_validate/kubernetes-json-schema" "$folder.part" <<'END'
import json, pathlib, sys

source, target = map(pathlib.Path, sys.argv[1:])
for version in ("1.30", "1.36"):
    folder = target / version
    folder.mkdir(parents=True)
    for file in (source / f"v{version}.0-local-strict").glob("*.json"):
        schema = json.loads(file.read_text().replace('"/api/_definitions.json', '"_definitions.json'))
        schema.pop("$id", None)
        (folder / file.name).write_text(json.dumps(schema))
END
        mv "$folder.part" "$folder"
        rm -rf "$scratch"
    fi
    ln -sfn "kubernetes-schemas-$schemas" .tools/kubernetes-schemas
}

main "$@"
