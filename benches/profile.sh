#!/usr/bin/env bash
#
# Where a row spends its instructions: ./profile.sh W1 ours [iterations] [functions]
#
# Without a warm-up of its own: 4,000 iterations hide that buffers grow in the first ones.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

workload=$1 row=$2 iterations=${3:-4000} functions=${4:-40}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cargo build --release --locked --quiet
valgrind --tool=callgrind --instr-atstart=no --separate-threads=yes --fair-sched=yes \
    --callgrind-out-file="$scratch/out" "${CARGO_TARGET_DIR:-target}/release/throughline-benches" \
    one "$workload" "$row" "$iterations" >/dev/null 2>&1

for file in "$scratch"/out-*; do
    total=$(awk '/^totals:/ { print $2 }' "$file")
    if ((${total:-0} < 100000)); then continue; fi
    printf '== thread %s: instructions per iteration\n' "${file##*-}"
    callgrind_annotate --auto=no --threshold=100 "$file" 2>/dev/null |
        awk -v iterations="$iterations" -v functions="$functions" '
            /file:function/ { on = 1; next }
            on && /^ *[0-9,]+ \(/ {
                count = $1
                gsub(",", "", count)
                sub(/^ *[0-9,]+ \([^)]*\) */, "")
                sub(/ \[[^\]]*\]$/, "")
                cost[substr($0, index($0, ":") + 1)] += count
            }
            END {
                sort = "sort -rn | head -n " functions
                for (name in cost) printf "%10.1f  %s\n", cost[name] / iterations, name | sort
            }'
done
