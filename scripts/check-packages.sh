#!/usr/bin/env bash
# Installs the package for Debian into an empty root, runs what it installed as its unit says, and removes it again:
#
#     scripts/check-packages.sh [PROGRAM]
#
# PROGRAM is target/debug/livekit-presence if nothing is given. The root has busybox, the libraries that the program needs, and nothing
# else. The unit is held against `systemd-analyze`; its sandbox itself needs a running systemd, which containers do not have.
set -euo pipefail
cd "$(dirname "$0")/.."
# Debian keeps chroot where only root looks.
PATH=$PATH:/usr/sbin

program=${1:-target/debug/livekit-presence}
# Lower is better; most services of a distribution have more than 9.
most_exposed=2.5
scratch=$(mktemp -d)
root=$scratch/root
service=
trap 'end_service; rm -rf "$scratch"' EXIT

main() {
    check_unit
    if ! command -v dpkg-deb >/dev/null || [ "$(id -u)" -ne 0 ] || [ ! -x .tools/busybox ]; then
        not_run "the package for Debian" "it needs dpkg, root and busybox"
        return
    fi
    local package
    # As a release is: without information for debuggers.
    strip --strip-debug -o "$scratch/program" "$program"
    program=$scratch/program
    package=$(COMPRESSION="-Zgzip -z1" scripts/build-deb.sh "$program" "$(dpkg --print-architecture)" "$scratch/dist")
    make_root
    list_root >"$scratch/before"
    attempt "dpkg --install" in_root --install "$package"
    is_installed
    give_it_a_key
    start_service
    answers
    keeps_configuration "$package"
    attempt "dpkg --remove" in_root --remove livekit-presence
    [ -f "$root/etc/livekit-presence/environment" ] || fail "its removal took the configuration along"
    mkdir -p "$root/var/lib/private/livekit-presence"
    touch "$root/var/lib/private/livekit-presence/history.db"
    attempt "dpkg --purge" in_root --purge livekit-presence
    list_root >"$scratch/after"
    attempt "what is left after dpkg --purge" diff "$scratch/before" "$scratch/after"
    ok "the package for Debian ($(du -h "$package" | cut -f 1), unit exposed ${exposed:-unknown})"
}

check_unit() {
    local unit=deploy/systemd/livekit-presence.service
    if ! command -v systemd-analyze >/dev/null; then
        not_run "$unit" "no systemd-analyze"
        return
    fi
    # The program that it names is not installed here.
    mkdir "$scratch/unit"
    sed "s,/usr/bin/livekit-presence,/bin/true," $unit >"$scratch/unit/livekit-presence.service"
    attempt "$unit" systemd-analyze verify "$scratch/unit/livekit-presence.service"
    [ ! -s "$scratch/log" ] || fail "$unit: $(cat "$scratch/log")"
    attempt "$unit" systemd-analyze security --offline=true --threshold="${most_exposed/./}" $unit
    exposed=$(sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p' "$scratch/log")
    local drain stop
    drain=$(sed -n 's/^drain = "\([0-9]*\)s"$/\1/p' config/default.toml)
    stop=$(sed -n 's/^TimeoutStopSec=//p' $unit)
    [ "$stop" -gt $((drain + 6)) ] || fail "$unit: TimeoutStopSec is not longer than shutdown.drain and six seconds"
    ok "$unit, exposed $exposed"
}

make_root() {
    mkdir -p "$root"/usr/{bin,lib,lib64} "$root"/{etc,tmp,var/lib/dpkg/info,var/lib/private}
    ln -s usr/bin usr/lib usr/lib64 "$root/"
    local library path
    while read -r library; do
        path=$root/usr/${library#/usr}
        install -D "$library" "${path/usr\/usr/usr}"
    done < <(ldd "$program" 2>/dev/null | grep -o '/[^ ]*' || true)
    cp .tools/busybox "$root/usr/bin/busybox"
    for command in sh rm echo; do ln -s busybox "$root/usr/bin/$command"; done
    # What the program's libraries are of is there: dpkg is told so.
    dpkg-query -s libc6 libgcc-s1 >"$root/var/lib/dpkg/status"
    # A package takes along the folders that are its alone.
    local folder
    for folder in etc usr/share/doc usr/lib/systemd/system; do
        mkdir -p "$root/$folder"
        touch "$root/$folder/of-another"
    done
}

in_root() {
    dpkg --root="$root" --force-not-root --log="$scratch/dpkg.log" "$@"
}

# Without what dpkg writes about itself.
list_root() {
    (cd "$root" && find . -path ./var/lib/dpkg -prune -o -print | sort)
}

is_installed() {
    local mode
    mode=$(stat -c '%a %u' "$root/etc/livekit-presence/environment")
    [ "$mode" = "600 0" ] || fail "the secrets are readable: $mode"
    grep -q '^ExecStart=/usr/bin/livekit-presence' "$root/usr/lib/systemd/system/livekit-presence.service" || fail "there is no unit"
    local printed
    printed=$(chroot "$root" /usr/bin/livekit-presence --version)
    [ "$printed" = "livekit-presence $(in_root_version)" ] || fail "it says that it is $printed"
}

in_root_version() {
    dpkg-query --root="$root" -W -f '${Version}' livekit-presence | tr '~' '-'
}

# As docs/deployment.md says it.
give_it_a_key() {
    sed -i -e 's/^#LIVEKIT_API_KEY=$/LIVEKIT_API_KEY=APIkey/' \
        -e 's/^#LIVEKIT_API_SECRET=$/LIVEKIT_API_SECRET=the-secret-of-that-key-in-32-characters/' "$root/etc/livekit-presence/environment"
    # Any free port, since others may be taken.
    echo PORT=0 >>"$root/etc/livekit-presence/environment"
}

# As the unit says it, with the rights of nobody.
start_service() {
    local command environment=()
    read -ra command < <(sed -n 's/^ExecStart=//p' "$root/usr/lib/systemd/system/livekit-presence.service")
    mapfile -t environment < <(grep -v '^#\|^$' "$root/etc/livekit-presence/environment")
    env -i "${environment[@]}" "$(command -v chroot)" --userspec=65534:65534 "$root" "${command[@]}" >"$scratch/service.log" 2>&1 &
    service=$!
    for _ in $(seq 200); do
        address=$(sed -n 's/.*"listening","address":"\([^"]*\)".*/\1/p' "$scratch/service.log")
        if [ -n "$address" ]; then return; fi
        kill -0 "$service" 2>/dev/null || fail "it does not start: $(cat "$scratch/service.log")"
        sleep 0.05
    done
    fail "it does not listen: $(cat "$scratch/service.log")"
}

# It is ready, takes LiveKit's webhook and nobody else's, shows who joined to those who have a token, and ends in order on SIGTERM.
answers() {
    [ "$(curl -sS "http://$address/readyz")" = ready ] || fail "it is not ready"
    local secret=the-secret-of-that-key-in-32-characters body status now list
    now=$(date +%s)
    body='{"event":"participant_joined","id":"EV_1","createdAt":"'$now'","room":{"sid":"RM_1","name":"general"},
        "participant":{"sid":"PA_1","identity":"alice","state":"ACTIVE","joinedAt":"'$now'"}}'
    status=$(scripts/webhook.sh APIkey "$secret" "http://$address/api/livekit/webhook" <<<"$body")
    [ "$status" = 200 ] || fail "a webhook is answered $status"
    status=$(scripts/webhook.sh APIkey another-secret-than-the-one-of-the-key "http://$address/api/livekit/webhook" <<<"$body")
    [ "$status" = 401 ] || fail "a webhook with another secret is answered $status"
    list=$(curl -sS "http://$address/api/livekit/participants?room=general" \
        -H "Authorization: Bearer $(scripts/token.sh APIkey "$secret" '{"room":"general","roomJoin":true}')")
    [[ $list == *'"identity":"alice"'* ]] || fail "the list of the room is $list"
    kill -TERM "$service"
    wait "$service" || fail "it ends with $? on SIGTERM"
    service=
}

# Installing it again leaves what an administrator wrote.
keeps_configuration() {
    attempt "dpkg --install, again" in_root --install "$1"
    grep -q '^LIVEKIT_API_KEY=APIkey$' "$root/etc/livekit-presence/environment" || fail "an upgrade overwrites the key"
}

end_service() {
    if [ -n "$service" ]; then kill "$service" 2>/dev/null || true; fi
}

attempt() {
    "${@:2}" >"$scratch/log" 2>&1 && return
    cat "$scratch/log" >&2
    fail "$1"
}

ok() { echo "check-packages: ok: $1"; }

not_run() {
    echo "check-packages: NOT RUN: $1: $2"
    if [ "${REQUIRE_REAL:-}" = 1 ]; then exit 1; fi
}

fail() {
    echo "check-packages: FAILED: $1" >&2
    exit 1
}

main
