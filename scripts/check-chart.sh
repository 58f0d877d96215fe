#!/usr/bin/env bash
# Checks the Helm chart: helm lints and renders it with each file of values in its folder `ci`, and kubeconform holds what comes out
# against the schemas of the oldest Kubernetes that it is for and of a new one. What values must not say is refused.
set -euo pipefail
cd "$(dirname "$0")/.."

chart=deploy/helm/livekit-presence
versions=(1.30 1.36)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

main() {
    if [ ! -x .tools/helm ] || [ ! -x .tools/kubeconform ] || [ ! -d .tools/kubernetes-schemas ]; then
        echo "check-chart: NOT RUN: scripts/setup-deploy.sh chart installs what it needs"
        return
    fi
    local values version
    for values in "$chart"/ci/*-values.yaml; do
        attempt "lint $values" .tools/helm lint --strict "$chart" --values "$values"
        for version in "${versions[@]}"; do is_valid "$values" "$version"; done
    done
    the_pod_has_time_to_drain
    alerts_are_those_of_prometheus
    refuses "several instances without Redis" redis --values "$chart/ci/one-values.yaml" --set replicaCount=2
    refuses "no key of LiveKit" livekit
    refuses "a key and a Secret" livekit --values "$chart/ci/one-values.yaml" --set livekit.existingSecret=keys
    refuses "a misspelt value" replicas --values "$chart/ci/one-values.yaml" --set replicas=2
    refuses "a drain of its own" shutdown.drain --values "$chart/ci/one-values.yaml" --set-string 'config.shutdown\.drain=5m'
    refuses "an ingress without hosts" ingress --values "$chart/ci/one-values.yaml" --set ingress.enabled=true
    echo "check-chart: ok"
}

# render VALUES VERSION
render() {
    .tools/helm template presence "$chart" --namespace live --kube-version "$2.0" --values "$1"
}

is_valid() {
    local out
    # kubeconform passes over a file with another ending.
    out=$scratch/$2-$(basename "$1")
    # Helm says that it followed our links to the alerts and the dashboard.
    render "$1" "$2" >"$out" 2>"$scratch/log" || { cat "$scratch/log" >&2 && fail "render $1"; }
    attempt "$1 for Kubernetes $2" .tools/kubeconform -strict -summary \
        -schema-location ".tools/kubernetes-schemas/$2/{{.ResourceKind}}{{.KindSuffix}}.json" \
        -schema-location "deploy/helm/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$out"
    grep -q 'Valid: [1-9]' "$scratch/log" || fail "kubeconform found nothing in $1"
}

# The pause before the end, the drain, and six seconds for the requests under way.
the_pod_has_time_to_drain() {
    local out=$scratch/1.36-three-values.yaml grace
    grace=$(sed -n 's/^ *terminationGracePeriodSeconds: //p' "$out")
    grep -q 'value: "30s"' "$out" || fail "the drain is not that of the values"
    [ "$grace" -ge $((5 + 30 + 6)) ] || fail "a pod is killed after $grace seconds, before it has drained"
}

alerts_are_those_of_prometheus() {
    local ours theirs
    ours=$(grep -c -- '- alert: ' deploy/prometheus/alerts.yml)
    theirs=$(grep -c 'runbook_url: https://github.com/example/livekit-presence/blob/main/docs/runbooks.md#' "$scratch/1.36-three-values.yaml")
    [ "$ours" = "$theirs" ] || fail "the PrometheusRule has $theirs alerts with a runbook, and there are $ours"
}

# refuses WHAT WORD ARGUMENTS...: the error must have the word.
refuses() {
    if .tools/helm template presence "$chart" --kube-version 1.36.0 "${@:3}" >"$scratch/log" 2>&1; then fail "it takes $1"; fi
    grep -v 'symbolic link' "$scratch/log" | grep -q "$2" || { cat "$scratch/log" >&2 && fail "it refuses $1 for another reason"; }
}

attempt() {
    "${@:2}" >"$scratch/log" 2>&1 && return
    cat "$scratch/log" >&2
    fail "$1"
}

fail() {
    echo "check-chart: FAILED: $1" >&2
    exit 1
}

main
