#!/usr/bin/env bash
# Checks the alerts for Prometheus, and has promtool show each of them firing and not firing. The queries of the dashboard for Grafana are
# checked as rules are.
set -euo pipefail
cd "$(dirname "$0")/.."

promtool=.tools/promtool
if [ ! -x $promtool ]; then
    echo "check-alerts: NOT RUN: no promtool"
    exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

$promtool check rules --lint=all --lint-fatal deploy/prometheus/alerts.yml >"$scratch/log" || { cat "$scratch/log" && exit 1; }
$promtool test rules deploy/prometheus/tests/*.yml >"$scratch/log" 2>&1 || { cat "$scratch/log" && exit 1; }

{
    echo 'groups: [{ name: dashboard, rules: ['
    # Grafana puts a length of time in the place of its variable.
    sed -n 's/^ *"expr": \(".*"\),\?$/\1/p' deploy/grafana/dashboard.json | sed 's/[$]__rate_interval/5m/g' | nl -w1 -s ' ' |
        sed 's/^\([0-9]*\) \(.*\)$/{ record: query:\1, expr: \2 },/'
    echo ']}]'
} >"$scratch/dashboard.yml"
$promtool check rules "$scratch/dashboard.yml" >"$scratch/log" 2>&1 || { cat "$scratch/log" && exit 1; }
echo "check-alerts: ok: $(grep -c -- '- alert:' deploy/prometheus/alerts.yml) alerts, $(grep -c 'record: query' "$scratch/dashboard.yml") queries"
