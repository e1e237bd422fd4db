#!/usr/bin/env bash
#
# Instructions per unit (request, extract, poll, …) under callgrind.

set -euo pipefail

usage() {
    cat <<EOF
usage: ./instructions.sh [W1 W2 …]     the workloads, by default all

  ONLY=bare,ours ./instructions.sh W1  these rows alone
  LOW=2000 N=2000                      iterations that warm up, and that are counted
  RAW=file                             rows of "workload row request-thread background" go there, too
  KEEP=dir                             callgrind's files stay there
EOF
}

# A process runs LOW+N iterations, another one LOW; their difference is divided by N. LOW is so long that every buffer
# has its final size. W8's chunk of 100 requests has 1,100 spans, so it is there sooner.
iterations() {
    case $1 in
        W5) echo 2 20 ;;                   # of 1,000 polls each
        W6) echo 2000 10000 ;;             # with fewer, the shape of the heap outweighs what is measured
        W8) echo "${LOW:-500}" "${N:-3000}" ;;
        *) echo "${LOW:-2000}" "${N:-2000}" ;;
    esac
}

main() {
    case ${1-} in --help | -h) usage; return ;; esac
    local workload row low count before after scale wanted=("$@")
    raw=${RAW:-$scratch/raw}
    : >"$raw"
    while read -r workload row; do
        if ((${#wanted[@]})) && [[ " ${wanted[*]} " != *" $workload "* ]]; then continue; fi
        if [[ -n ${ONLY-} && ",$ONLY," != *",$row,"* ]]; then continue; fi
        read -r low count < <(iterations "$workload")
        read -r -a before < <(instructions "$workload" "$row" "$low")
        read -r -a after < <(instructions "$workload" "$row" $((low + count)))
        scale=$count
        if [[ $workload == W5 ]]; then scale=$((1000 * count)); fi
        awk -v workload="$workload" -v row="$row" -v n="$scale" \
            -v thread=$((after[0] - before[0])) -v background=$((after[1] - before[1])) \
            'BEGIN { printf "%s %s %.1f %.1f\n", workload, row, thread / n, background / n }' | tee -a "$raw" >&2
    done < <("$benches" pairs)
    tables "$raw"
}

# Instructions of the main thread and of all others: what a row moves to the background is seen.
instructions() {
    local out=$scratch/$1.$2.$3 main=0 others=0 file total
    rm -f "$out"*
    valgrind --tool=callgrind --instr-atstart=no --separate-threads=yes --fair-sched=yes \
        --callgrind-out-file="$out" "$benches" one "$1" "$2" "$3" >/dev/null 2>"$out.log" </dev/null ||
        { tail -5 "$out.log" >&2; return 1; }
    for file in "$out"-*; do
        total=$(awk '/^totals:/ { print $2 }' "$file")
        if [[ $file == *-01 ]]; then main=$total; else others=$((others + ${total:-0})); fi
    done
    echo "$main $others"
}

# Markdown. A layer is compared with the layer that does nothing, everything else with the bare thing.
tables() {
    awk '
        function ratio(a, b) { return b == "" ? "–" : sprintf("%.2f", a / b) }
        function print_table(   i, base, name, over, own) {
            name = ("noop-layer" in thread) ? "noop-layer" : "bare"
            base = (name in thread) ? thread[name] : ""
            printf "\n### %s: instructions\n\n", workload
            printf "| row | request thread | ÷ bare | ÷ ours | over %s | over, ÷ ours | background |\n", base == "" ? "–" : name
            print "|---|---:|---:|---:|---:|---:|---:|"
            own = ("ours" in thread && base != "") ? thread["ours"] - base : ""
            for (i = 1; i <= rows; i++) {
                over = base == "" ? "–" : sprintf("%+.1f", thread[order[i]] - base)
                printf "| %s | %.1f | %s | %s | %s | %s | %.1f |\n", order[i], thread[order[i]],
                    ratio(thread[order[i]], thread["bare"]), ratio(thread[order[i]], thread["ours"]), over,
                    (base == "" || own == "" || thread[order[i]] <= base) ? "–" : sprintf("%.2f", (thread[order[i]] - base) / own),
                    background[order[i]]
            }
            delete thread; delete background; rows = 0
        }
        $1 != workload && rows { print_table() }
        { workload = $1; order[++rows] = $2; thread[$2] = $3; background[$2] = $4 }
        END { if (rows) print_table() }
    ' "$1"
}

cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
scratch=${KEEP:-$(mktemp -d)}
mkdir -p "$scratch"
if [[ -z ${KEEP-} ]]; then trap 'rm -rf "$scratch"' EXIT; fi
cargo build --release --locked --quiet
benches=${CARGO_TARGET_DIR:-target}/release/throughline-benches
main "$@"
