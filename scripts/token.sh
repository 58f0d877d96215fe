#!/usr/bin/env bash
# Prints a LiveKit access token that is valid for an hour: scripts/token.sh KEY SECRET GRANT
#
#     scripts/token.sh devkey only-for-development-on-one-machine '{"roomList":true}'
#
# GRANT is the token's `video` claim, as JSON. For a try in a shell; a server signs tokens with LiveKit's SDK.
set -euo pipefail

if [ $# -ne 3 ]; then
    echo "usage: scripts/token.sh KEY SECRET GRANT" >&2
    exit 2
fi

base64url() {
    openssl base64 -A | tr '+/' '-_' | tr -d '='
}

head=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
claims=$(printf '{"iss":"%s","sub":"alice","exp":%d,"video":%s}' "$1" $(($(date +%s) + 3600)) "$3" | base64url)
echo "$head.$claims.$(printf %s "$head.$claims" | openssl dgst -sha256 -hmac "$2" -binary | base64url)"
