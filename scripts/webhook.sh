#!/usr/bin/env bash
# Posts a webhook as LiveKit does, signed, with the body that comes from the input: scripts/webhook.sh KEY SECRET URL
#
#     echo '{"event":"room_started","id":"EV_1","room":{"sid":"RM_1","name":"general"}}' |
#         scripts/webhook.sh devkey only-for-development-on-one-machine http://localhost:8080/api/livekit/webhook
#
# Prints the status of the answer.
set -euo pipefail

if [ $# -ne 3 ]; then
    echo "usage: scripts/webhook.sh KEY SECRET URL" >&2
    exit 2
fi

base64url() {
    openssl base64 -A | tr '+/' '-_' | tr -d '='
}

body=$(cat)
sum=$(printf %s "$body" | openssl dgst -sha256 -binary | openssl base64 -A)
head=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
claims=$(printf '{"iss":"%s","exp":%d,"sha256":"%s"}' "$1" $(($(date +%s) + 60)) "$sum" | base64url)
signature=$(printf %s "$head.$claims" | openssl dgst -sha256 -hmac "$2" -binary | base64url)
curl -sS --max-time 5 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/webhook+json' \
    -H "Authorization: $head.$claims.$signature" --data-binary "$body" "$3"
