#!/usr/bin/env bash
# Checks what Docker would build and run, as far as that goes without it: the Compose file, the configuration of LiveKit, of
# nginx and of Caddy, and the steps of the Dockerfile, in an empty folder. Nothing is compiled unless it is told to: `--build`.
# Says NOT RUN of what needs a tool that is not here.
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian keeps nginx where only root looks.
PATH=$PATH:/usr/sbin
compose_go=2.16.2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

main() {
    check_compose
    check_keys
    check_livekit
    check_nginx
    check_caddy
    check_image "${1:-}"
}

check_compose() {
    local parser=.tools/compose-go-$compose_go/cmd
    if docker compose version >/dev/null 2>&1; then
        attempt "docker-compose.yml" docker compose -f docker-compose.yml config --quiet
    elif install_parser "$parser" >/dev/null 2>&1; then
        attempt "docker-compose.yml" "$parser" docker-compose.yml
    else
        not_run "docker-compose.yml" "no docker compose, and no Go to build its parser"
        return
    fi
    ok "docker-compose.yml"
}

# The library with which `docker compose` reads its files has a command that does only that.
install_parser() {
    [ -x "$1" ] && return
    GOBIN="$PWD/$(dirname "$1")" CGO_ENABLED=0 GOTOOLCHAIN=auto \
        go install "github.com/compose-spec/compose-go/v2/cmd@v$compose_go"
}

check_keys() {
    local key
    key=$(sed -n '/^keys:/{n;s/^  //p}' config/livekit.yaml)
    grep -qF "\"$key\"" docker-compose.yml || fail "LiveKit's key is another one in docker-compose.yml"
    grep -qF "SECRET=${key#devkey: }" docs/deployment.md || fail "LiveKit's key is another one in docs/deployment.md"
    ok "the same key everywhere"
}

check_livekit() {
    if [ ! -x .tools/bin/livekit-server ]; then
        not_run "config/livekit.yaml" "no livekit-server"
        return
    fi
    attempt "config/livekit.yaml" livekit_reads_its_configuration
    ok "config/livekit.yaml"
}

# A key that it does not know is an error, but not one that its exit status tells of.
livekit_reads_its_configuration() {
    local said
    said=$(.tools/bin/livekit-server --config config/livekit.yaml ports 2>&1)
    echo "$said"
    [[ $said == *"HTTP service"* ]]
}

check_nginx() {
    if ! command -v nginx >/dev/null; then
        not_run "config/nginx.conf" "no nginx"
        return
    fi
    sed 's/presence-[0-9]:8080/127.0.0.1:8080/' config/nginx.conf >"$scratch/nginx.conf"
    attempt "config/nginx.conf" nginx -t -p "$scratch" -c "$scratch/nginx.conf"
    ok "config/nginx.conf"
}

check_caddy() {
    if ! command -v caddy >/dev/null; then
        not_run "config/Caddyfile" "no caddy"
        return
    fi
    attempt "config/Caddyfile" env HOME="$scratch" XDG_CONFIG_HOME="$scratch" XDG_DATA_HOME="$scratch" \
        caddy validate --adapter caddyfile --config config/Caddyfile
    ok "config/Caddyfile"
}

# The Dockerfile's first stage, in an empty folder.
check_image() {
    local compiled=$1 instruction arguments paths
    [ "$compiled" = --build ] || cargo() { command cargo metadata --locked --format-version 1 >/dev/null; }
    mkdir "$scratch/build"
    while read -r instruction arguments; do
        case $instruction in
            ENV) export "${arguments?}" ;;
            COPY) read -ra paths <<<"$arguments" && copy "${paths[@]}" ;;
            RUN) attempt "Dockerfile: RUN $arguments" in_build_folder "$arguments" ;;
        esac
    done < <(first_stage)
    includes_are_there
    if [ "$compiled" = --build ]; then
        "$scratch/build/target/release/livekit-presence" --version | grep livekit-presence >/dev/null || fail "Dockerfile: our program"
        ok "Dockerfile, compiled"
    else
        ok "Dockerfile, but for compiling"
    fi
}

in_build_folder() {
    (cd "$scratch/build" && eval "$1")
}

first_stage() {
    grep -v '^#' Dockerfile | sed -e ':line' -e '/\\$/{N;s/\\\n//;b line' -e '}' | awk '/^FROM/ { stage++ } stage == 1'
}

# copy SOURCE... FOLDER
copy() {
    local source folder=$scratch/build/${*: -1}
    for source in "${@:1:$#-1}"; do
        [ -e "$source" ] || fail "Dockerfile: there is no $source"
        grep -qx "!$source" .dockerignore || fail ".dockerignore leaves out $source"
        mkdir -p "$folder"
        if [ -d "$source" ]; then cp -R "$source/." "$folder"; else cp "$source" "$folder"; fi
    done
}

includes_are_there() {
    local file included
    while IFS=: read -r file included; do
        [ -f "$(dirname "$file")/$included" ] || fail "Dockerfile: $file includes $included, which is not copied"
    done < <(grep -roP --include='*.rs' --exclude=tests.rs --exclude-dir=tests 'include_(str|bytes)!\("\K[^"]+' "$scratch/build/src")
}

# attempt WHAT COMMAND...: what the command says is shown only if it fails.
attempt() {
    "${@:2}" >"$scratch/log" 2>&1 && return
    cat "$scratch/log" >&2
    fail "$1"
}

ok() { echo "check-deploy: ok: $1"; }

not_run() { echo "check-deploy: NOT RUN: $1: $2"; }

fail() {
    echo "check-deploy: FAILED: $1" >&2
    exit 1
}

main "$@"
