#!/usr/bin/env bash
#
# The results as markdown; RESULTS.md is made of them.

set -euo pipefail

usage() {
    cat <<EOF
usage: ./results.sh            print instructions and allocations, the figures to be reached first; some minutes
       ./results.sh --write    replace that part of RESULTS.md
       ./results.sh --noisy    print memory, W7 and the wall clock, which want a quiet machine; a quarter of an hour
EOF
}

main() {
    case ${1-} in
        '') counts ;;
        --write)
            { title; counts; sed -n "/^$MARK/,\$p" RESULTS.md; } >"$scratch/RESULTS.md"
            mv "$scratch/RESULTS.md" RESULTS.md
            ;;
        --noisy)
            printf '%s\n\n' "$MARK"
            times
            ;;
        *) usage; [[ $1 == --help ]] ;;
    esac
}

title() {
    cat <<'EOF'
# Results

How to read this is in [`README.md`](README.md); `./results.sh --write` makes the first part anew.

EOF
}

counts() {
    machine
    RAW=$scratch/raw ./instructions.sh >"$scratch/instructions.md"
    "$benches" allocs >"$scratch/allocations.md"
    cat <<'EOF'

## What is to be reached

Instructions of the request thread unless it says otherwise. `limit` (hand-written, unsafe, no API) and `spike` (safe
Rust, a throwaway) are yardsticks of the research before the project, measured on another machine; measured again on this
one, W1, W2, W3, W8 and W9 of `spike` differ by 2 % at most. `–` was not measured.

| figure | must be at most | limit | spike | ours | |
|---|---:|---:|---:|---:|---|
EOF
    figures
    formats
    printf '\n## Instructions\n'
    cat "$scratch/instructions.md"
    printf '\n## Allocations\n'
    cat "$scratch/allocations.md"
    printf '\n'
}

figures() {
    awk -F'[| ]+' '
        FNR == NR { split($0, field, " "); thread[field[1], field[2]] = field[3]; background[field[1], field[2]] = field[4]; next }
        /^### / { workload = $2; sub(/:$/, "", workload) }
        /^\| [a-z]/ { calls[workload, $2] = $3 }
        function figure(name, most, limit, spike, value, digits,   format, over) {
            format = "%." digits "f"
            value = sprintf(format, value) + 0
            over = value - most
            printf "| %s | %s | %s | %s | " format " | %s |\n", name, most, limit, spike, value,
                over <= 0 ? "reached" : sprintf("**missed** by " format ", %.0f %%", over, most ? 100 * over / most : 100)
        }
        function over(table, w, base) { return table[w, "ours"] - table[w, base] }
        function outgoing(table, row, base) { return table["W9", row] - table["W1", "ours"] - (table["W9", base] - table["W1", "bare"]) }
        END {
            figure("W1 over noop-layer", 2500, "1,059", "2,289", over(thread, "W1", "noop-layer"), 0)
            figure("W1 background", 500, 20, 181, background["W1", "ours"], 0)
            figure("W1 allocations over noop-layer", 1, 0, 1, over(calls, "W1", "noop-layer"), 2)
            figure("W2 over noop-layer", 1400, 790, "1,285", over(thread, "W2", "noop-layer"), 0)
            figure("W2 allocations over noop-layer", 0, 0, 0, over(calls, "W2", "noop-layer"), 2)
            figure("W3 over noop-layer", 2000, 628, "1,842", over(thread, "W3", "noop-layer"), 0)
            figure("W4E", 1000, 714, 949, thread["W4E", "ours"], 0)
            figure("W4E allocations", 0, 0, 0, calls["W4E", "ours"], 2)
            figure("W4I", 1250, 908, "1,121", thread["W4I", "ours"], 0)
            figure("W4I allocations", 1, 0.03, "–", calls["W4I", "ours"], 2)
            figure("W5 over bare, per poll", 10, 2.3, 2.8, over(thread, "W5", "bare"), 1)
            figure("W6 over bare", 180, 129, 135, over(thread, "W6", "bare"), 0)
            figure("W6 allocations over bare", 0, 0, 0, over(calls, "W6", "bare"), 2)
            figure("W8 per child", 550, 121, 513, (thread["W8", "ours"] - thread["W1", "ours"]) / 10, 0)
            figure("W8 per child, background", 150, 6, 81, (background["W8", "ours"] - background["W1", "ours"]) / 10, 0)
            figure("W8 allocations per child", 0, 0, 0, (calls["W8", "ours"] - calls["W1", "ours"]) / 10, 2)
            figure("W8 per child, names and values copied", 550, "–", "–", (thread["W8", "ours-text"] - thread["W1", "ours"]) / 10, 0)
            figure("W9 span and injection by hand, over W1 and bare", 2700, "1,153", "2,473", outgoing(thread, "ours-hand", "bare"), 0)
            figure("W9 by hand, allocations", 2, 0.03, 1.02, outgoing(calls, "ours-hand", "bare"), 2)
            figure("W9 client layer, over W1 and bare-client", 2700, "–", "–", outgoing(thread, "ours", "bare-client"), 0)
            figure("W9 client layer, over W1 and bare", 2700, "–", "–", outgoing(thread, "ours", "bare"), 0)
            figure("W9 client layer, allocations", 2, "–", "–", outgoing(calls, "ours", "bare"), 2)
        }
    ' "$scratch/raw" "$scratch/allocations.md"
}

# The formats beside the crates of OpenTelemetry that speak them: five times fewer instructions are asked for.
formats() {
    cat <<'TEXT'

### Formats

Extract to a context from six headers (eight with B3's several), and inject where the headers are there already, as in a request
that is sent again; beside `opentelemetry-zipkin`, `opentelemetry-jaeger-propagator` and `opentelemetry-aws`. The last rows look for
nine formats, and for W3C's two, where there is nothing.

| | ours | allocations | OpenTelemetry's | allocations | ÷ ours | 5 × |
|---|---:|---:|---:|---:|---:|---|
TEXT
    awk -F'[| ]+' '
        FNR == NR { split($0, field, " "); thread[field[1], field[2]] = field[3]; next }
        /^### / { workload = $2; sub(/:$/, "", workload) }
        /^\| [a-z]/ { calls[workload, $2] = $3 }
        function row(w, title,   ratio) {
            if ((w, "otel-formats") in thread) {
                ratio = thread[w, "otel-formats"] / thread[w, "ours"]
                printf "| %s | %.0f | %.2f | %.0f | %.2f | %.1f | %s |\n", title, thread[w, "ours"], calls[w, "ours"],
                    thread[w, "otel-formats"], calls[w, "otel-formats"], ratio, ratio >= 5 ? "reached" : "**missed**"
            } else {
                printf "| %s | %.0f | %.2f | – | – | – | |\n", title, thread[w, "ours"], calls[w, "ours"]
            }
        }
        END {
            row("B3E", "B3 in one header, extract"); row("B3I", "B3 in one header, inject")
            row("B3MultiE", "B3 in several, extract"); row("B3MultiI", "B3 in several, inject")
            row("JaegerE", "Jaeger, extract"); row("JaegerI", "Jaeger, inject")
            row("XRayE", "X-Ray, extract"); row("XRayI", "X-Ray, inject")
            row("NoneE", "nothing there, all formats"); row("NoneW3cE", "nothing there, W3C")
        }
    ' "$scratch/raw" "$scratch/allocations.md"
}

times() {
    cargo build --release --locked --quiet
    machine
    printf '\n## Memory\n'
    "$benches" memory || true # it says what was missed
    printf '\n## Loopback\n'
    "$benches" w7 --rounds "${ROUNDS:-25}"
    printf '\n## Wall clock\n'
    "$benches" table
}

machine() {
    local commit
    commit=$(git rev-parse --short HEAD)
    if [[ -n $(git status --porcelain -- ../crates) ]]; then commit+=' and what was not committed'; fi
    printf 'Commit %s, %s, %s, %s, %s cores, load %s.\n' "$commit" "$(date -u +%F)" "$(rustc --version | cut -d' ' -f1-2)" \
        "$(lscpu | sed -n 's/^Model name: *//p')" "$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)"
}

readonly MARK='# On a machine that is not quiet'

cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
benches=${CARGO_TARGET_DIR:-target}/release/throughline-benches
main "$@"
