#!/usr/bin/env bash
#
# The one test command. It needs Rust and nothing else; what else is missing it installs.

set -euo pipefail

usage() {
    cat <<'EOF'
usage: bash tests/run.sh            run every test, doctest and example
       bash tests/run.sh --prepare  only find or install what the tests need
       bash tests/run.sh --help     print this

Works from any folder and reads no input. The exit code is 0 only if nothing failed. What could not run
is printed as `skipped: what: why`, and once more at the end.

A C compiler is taken from the machine or, where apt-get is, installed (as root, or through sudo). So are Node and
Python for the interoperability tests, which are skipped where there are none, and where a registry is out of reach:
see tests/interop/README.md.
EOF
}

# An example that finishes by itself takes seconds; one that hangs must not hang the run.
readonly EXAMPLE_LIMIT_SECONDS=300

main() {
    trap on_exit EXIT
    exec </dev/null
    cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null

    case "${1-}" in
        '') ;;
        --prepare) step 'find or install what the tests need' prepare; return ;;
        --help | -h) usage; return ;;
        *) usage >&2; return 2 ;;
    esac

    scratch=$(mktemp -d)
    step 'find or install what the tests need' prepare
    step 'tests and doctests of the workspace' test_workspace
    step 'build each example by itself' build_examples
    step 'run the example: shop' run_shop
    step 'run the example: http-client' run_example http-client
    step 'run the example: public-edge' run_example public-edge
    step 'run the example: propagation' run_example propagation
    step 'fuzz targets under the seeded mutator' test_fuzz
    step 'interoperability with the official SDKs' test_interop

    printf '\n== done in %d s\n' "$SECONDS"
    if ((${#skips[@]} > 0)); then printf 'skipped: %s\n' "${skips[@]}"; fi
}

prepare() {
    command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    command -v cargo >/dev/null || die 'there is no cargo: install Rust with rustup'
    cargo --version

    if ! cc_works; then install_cc; fi
    cc --version | head -n 1
}

test_workspace() {
    # Doctests and the example targets of the crates are included: `--all-targets` would lose the former.
    cargo test --workspace --all-features --locked --no-fail-fast
}

# One at a time: built together, an example could lean on a feature that only its neighbour asks for.
build_examples() {
    local manifest
    for manifest in examples/*/Cargo.toml; do
        [[ -e $manifest ]] || { skip 'examples: there is no examples/*/Cargo.toml'; return; }
        printf '%s\n' "$(dirname -- "$manifest")"
        cargo build --quiet --locked --manifest-path "$manifest"
    done
}

run_shop() {
    [[ -e examples/shop/Cargo.toml ]] || { skip 'shop: there is no examples/shop/Cargo.toml'; return; }
    limited cargo run --quiet --locked -p shop -- --json >"$scratch/shop.json"
    [[ -s $scratch/shop.json ]] || die '`shop --json` printed nothing'
    printf '%s\n' "shop --json: $(wc -l <"$scratch/shop.json") lines"
    limited cargo run --quiet --locked -p shop
}

run_example() {
    [[ -e examples/$1/Cargo.toml ]] || { skip "$1: there is no examples/$1/Cargo.toml"; return; }
    limited cargo run --quiet --locked -p "$1"
}

test_fuzz() {
    [[ -e fuzz/Cargo.toml ]] || { skip 'fuzz: there is no fuzz/Cargo.toml'; return; }
    cargo test --manifest-path fuzz/Cargo.toml --release --locked
}

test_interop() {
    local line
    bash tests/interop/run.sh | tee "$scratch/interop.txt"
    while read -r line; do
        if [[ $line == 'skipped: '* ]]; then skips+=("${line#skipped: }"); fi
    done <"$scratch/interop.txt"
}

# Compiles and links: a compiler without the C library's headers and start-up files is not enough.
cc_works() {
    local dir status=0
    command -v cc >/dev/null || return 1
    dir=$(mktemp -d)
    printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' >"$dir/probe.c"
    cc -o "$dir/probe" "$dir/probe.c" >/dev/null 2>&1 || status=$?
    rm -rf -- "$dir"
    return "$status"
}

install_cc() {
    local as_root=()
    command -v apt-get >/dev/null || die 'there is no working C compiler (cc), and no apt-get to install one'
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die 'there is no working C compiler (cc): install one as root'
        as_root=(sudo -n)
    fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends gcc libc6-dev
    cc_works || die 'the C compiler was installed and still does not link a program'
}

# Not `if "$@"`, nor `"$@" || …`: either would switch `set -e` off inside the step.
step() {
    local start=$SECONDS
    current=$1
    printf '\n== %s\n' "$current"
    "${@:2}"
    printf -- '-- %s: %d s\n' "$current" "$((SECONDS - start))"
    current=''
}

skip() {
    printf 'skipped: %s\n' "$1"
    skips+=("$1")
}

limited() {
    if command -v timeout >/dev/null; then timeout "$EXAMPLE_LIMIT_SECONDS" "$@"; else "$@"; fi
}

die() {
    printf '%s\n' "$1" >&2
    exit 1
}

on_exit() {
    local status=$?
    [[ -z $scratch ]] || rm -rf -- "$scratch"
    if ((status != 0)) && [[ -n $current ]]; then
        printf '\n== FAILED after %d s, with exit code %d: %s\n' "$SECONDS" "$status" "$current" >&2
    fi
}

current=''
scratch=''
skips=()
main "$@"
