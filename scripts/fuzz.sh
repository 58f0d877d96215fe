#!/usr/bin/env bash
# Fuzzes every target for FUZZ_SECONDS (10), or those that are named. What it finds is left in fuzz/artifacts.
#
# cargo-fuzz needs a nightly compiler. The same coverage-guided fuzzing without its sanitizers (this crate has no unsafe code)
# works on a stable one: these are cargo-fuzz's flags, less those.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-10}
host=$(rustc --print host-tuple)
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(webhook token query last_event_id client_frames livekit_redis_value)
fi

# With --target, build scripts and macros are compiled without these flags.
RUSTFLAGS="--cfg fuzzing \
    -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --locked --release --manifest-path fuzz/Cargo.toml --target "$host"

# Real webhooks, a dozen in a row. Long ones are left out: they say nothing that short ones do not.
captured=fuzz/corpus/webhook
if [ ! -d "$captured" ]; then
    mkdir -p "$captured.part"
    for capture in tests/fixtures/webhooks/*.jsonl; do
        grep -o '"body_base64":"[^"]*"' "$capture" | cut -d '"' -f 4 | awk 'length <= 4000' \
            | while read -r body; do base64 -d <<<"$body"; echo; done \
            | split -l 12 - "$captured.part/$(basename "$capture" .jsonl)-"
    done
    mv "$captured.part" "$captured"
fi

for target in "${targets[@]}"; do
    corpus=fuzz/corpus/$target
    found=fuzz/artifacts/$target
    mkdir -p "$corpus" "$found"
    if ! "fuzz/target/$host/release/$target" "$corpus" "fuzz/seeds/$target" \
        -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
        -dict="fuzz/dictionaries/$target.dict" -artifact_prefix="$found/" \
        -verbosity=0 -print_final_stats=1 >"$found/log" 2>&1; then
        cat "$found/log"
        echo "fuzzing $target failed; inputs that break it, if it found any, are in $found" >&2
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log")
    echo "fuzzed $target for $seconds s: $runs inputs"
done
