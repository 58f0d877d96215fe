#!/usr/bin/env bash
# Runs two commands beside each other, for such as wait most of the time. Shows what the second says after the first has ended.
# Fails if one of them does.
set -uo pipefail

said=$(mktemp)
trap 'rm -f "$said"' EXIT
bash -c "$2" >"$said" 2>&1 &
second=$!
bash -c "$1"
first_status=$?
wait "$second"
second_status=$?
cat "$said"
[ "$first_status" -eq 0 ] && [ "$second_status" -eq 0 ]
