#!/usr/bin/env bash
# Has alerts fire with what the service really says: two instances, Redis and a Prometheus with deploy/prometheus/alerts.yml, in which minutes
# are seconds, or a few. Things break one after the other, and each time the alerts that must fire are waited for:
#
#     scripts/fire-alerts.sh [PROGRAM]
#
# The others, and that they stay silent while all is well, are in deploy/prometheus/tests.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(realpath "${1:-target/debug/livekit-presence}")
key=APIkey
secret=the-secret-of-that-key-in-32-characters
scratch=$(mktemp -d)
processes=()
# start_instance sets these.
instance_a='' instance_b='' address_a='' address_b=''
trap 'kill "${processes[@]}" 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT

main() {
    if [ ! -x .tools/prometheus ] || ! command -v redis-server >/dev/null; then
        echo "fire-alerts: NOT RUN: no Prometheus or no redis-server"
        return
    fi
    start_redis
    # Nobody answers there.
    start_instance a "LIVEKIT_URL=ws://127.0.0.1:9"
    start_instance b "LIVEKIT_URL=ws://127.0.0.1:9"
    start_prometheus

    watch_a_room
    fires "LiveKit's API is away" PresenceLiveKitApiDown
    keep post_unsigned
    fires "webhooks with another secret" PresenceWebhooksUnauthorized
    kill "$redis"
    # Redis ends when it likes. A stream that it still serves keeps its room, which is then shown as it was last known.
    wait "$redis" || true
    keep post_signed
    keep ask_for_a_stream
    fires "Redis is away" PresenceWebhooksUnavailable PresenceStoreFails PresenceStreamsRefused
    kill "$instance_b"
    fires "an instance is killed" PresenceInstanceDown
    kill "$instance_a"
    fires "all are" PresenceGone
}

start_redis() {
    redis_port=$(free_port)
    redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --dir "$scratch" >/dev/null &
    redis=$!
    processes+=("$redis")
    for _ in $(seq 100); do
        if redis-cli -p "$redis_port" ping >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    fail "Redis does not start"
}

# start_instance NAME SETTING...
start_instance() {
    local log=$scratch/$1.log
    (cd "$scratch" && exec env -i "${@:2}" LIVEKIT_KEYS="$key: $secret" REDIS_URL="redis://127.0.0.1:$redis_port" \
        LKP__HTTP__BIND=127.0.0.1:0 LKP__AUTH__MODE=open LKP__LOG__FORMAT=json "$program") >"$log" 2>&1 &
    processes+=("$!")
    declare -g "instance_$1=$!"
    for _ in $(seq 200); do
        address=$(sed -n 's/.*"listening","address":"\([^"]*\)".*/\1/p' "$log")
        if [ -n "$address" ]; then
            declare -g "address_$1=$address"
            return
        fi
        sleep 0.1
    done
    fail "an instance does not start: $(cat "$log")"
}

start_prometheus() {
    sed -E -e 's/\[5m\]/[15s]/g' -e 's/\[(10|15|30)m\]/[30s]/g' -e 's/\[6h\]/[10m]/' -e 's/\[(1h|1d)\]/[60s]/' -e 's/for: ([0-9]+)m/for: 1s/' \
        -e 's/offset 15m/offset 15s/' deploy/prometheus/alerts.yml >"$scratch/alerts.yml"
    cat >"$scratch/prometheus.yml" <<END
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
rule_files: [alerts.yml]
scrape_configs:
  - job_name: presence
    static_configs: [{ targets: ["$address_a", "$address_b"] }]
END
    prometheus=127.0.0.1:$(free_port)
    .tools/prometheus --config.file "$scratch/prometheus.yml" --storage.tsdb.path "$scratch/data" \
        --web.listen-address "$prometheus" >"$scratch/prometheus.log" 2>&1 &
    processes+=("$!")
}

# fires WHAT ALERT...
fires() {
    local alert firing=
    for _ in $(seq 600); do
        firing=$(curl -s "http://$prometheus/api/v1/query" --data-urlencode 'query=ALERTS{alertstate="firing"}' || true)
        for alert in "${@:2}"; do
            if [[ $firing != *"\"$alert\""* ]]; then
                sleep 0.2
                continue 2
            fi
        done
        echo "fire-alerts: ok: $1: ${*:2}"
        return
    done
    fail "$1, and not all of ${*:2} fire, but: $firing
$(tail -n 3 "$scratch/prometheus.log")"
}

# Does it again and again until the end.
keep() {
    (while true; do
        "$@" >/dev/null 2>&1 || true
        sleep 0.3
    done) &
    processes+=("$!")
}

# A room that is watched is compared with LiveKit's list.
watch_a_room() {
    curl -sN "http://$address_a/api/livekit/participants/stream?room=general" >/dev/null &
    processes+=("$!")
}

ask_for_a_stream() {
    curl -s --max-time 2 "http://$address_a/api/livekit/participants/stream?room=another"
}

post_unsigned() { post another-secret-that-livekit-does-not-have; }

post_signed() { post "$secret"; }

# post SECRET: somebody joins, in an event with an id of its own.
post() {
    local now
    now=$(date +%s)
    scripts/webhook.sh "$key" "$1" "http://$address_a/api/livekit/webhook" <<END
{"event":"participant_joined","id":"EV_$RANDOM$RANDOM","createdAt":"$now","room":{"sid":"RM_1","name":"general"},
 "participant":{"sid":"PA_1","identity":"alice","state":"ACTIVE","joinedAt":"$now"}}
END
}

free_port() {
    python3 -c 'import socket; one = socket.socket(); one.bind(("127.0.0.1", 0)); print(one.getsockname()[1])'
}

fail() {
    echo "fire-alerts: FAILED: $1" >&2
    exit 1
}

main
