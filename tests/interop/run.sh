#!/usr/bin/env bash
#
# throughline and the official OpenTelemetry SDKs for JavaScript and Python call each other.

set -euo pipefail

usage() {
    cat <<'EOT'
usage: bash tests/interop/run.sh          let throughline and the official SDKs call each other
       bash tests/interop/run.sh --help   print this

Works from any folder and reads no input. The SDKs and uv are installed below ${XDG_CACHE_HOME:-~/.cache} the
first time; later runs need no network. node with npm, and python3 with pip, are taken from the machine or, where
apt-get is, installed (as root, or through sudo).

The exit code is 0 only if nothing failed. What could not run is printed as `skipped: what: why`; where a
registry is out of reach that is `skipped: registry: …`.
EOT
}

# Of everything but the build of our side.
readonly LIMIT_SECONDS=300
readonly UV_VERSION=0.13.9

# What npm, pip and uv say of names that do not resolve, refused or silent connections, and proxies that say no.
readonly UNREACHABLE='E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH|HOSTUNREACH|SOCKETTIMEDOUT|403|407|50[0-9])|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|\(from versions: none\)|dns error|[Cc]onnection refused|connect error|error sending request|timed out|HTTP status (server error|client error \(40[37])|took too long'

main() {
    case "${1-}" in
        '') ;;
        --help | -h) usage; return ;;
        *) usage >&2; return 2 ;;
    esac
    trap on_exit EXIT
    exec </dev/null
    cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." >/dev/null

    command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    cargo build --quiet --locked -p throughline-tests --bin interop
    started=$SECONDS
    scratch=$(mktemp -d)

    local peers=()
    if prepare_js; then peers+=(--js node "$scratch/peer.mjs"); fi
    if prepare_python; then peers+=(--python python3 "$PWD/tests/interop/python/peer.py"); fi
    ((${#peers[@]} > 0)) || return 0
    twice cargo run --quiet --locked -p throughline-tests --bin interop -- "${peers[@]}"
}

# Called as conditions, these two and what they call cannot lean on `set -e`.
prepare_js() {
    local cache
    node_works || apt_install nodejs npm
    node_works || { skip 'interop: there is no node (18.19, 20.6 or later) with npm'; return 1; }
    cache=$(cache_of js "$(node --version)" tests/interop/js/package-lock.json) || die 'there is no folder to install into'
    [[ -e $cache ]] || install npm "$cache" install_js || return 1
    # Node looks for packages beside the script, and the repository stays as it is.
    cp tests/interop/js/peer.mjs "$scratch/" && ln -s "$cache/node_modules" "$scratch/node_modules" || die 'no peer.mjs'
    printf 'js: node %s, %s\n' "$(node --version)" "$(versions_js)"
}

prepare_python() {
    local cache
    python_works || apt_install python3 python3-pip
    python_works || { skip 'interop: there is no python3 (3.10 or later) with pip'; return 1; }
    cache=$(cache_of python "$(python3 --version)" tests/interop/python/requirements.txt) ||
        die 'there is no folder to install into'
    [[ -e $cache ]] || install PyPI "$cache" install_python || return 1
    export PYTHONPATH=$cache
    printf 'python: %s, %s\n' "$(python3 --version)" "$(versions_python)"
}

node_works() {
    command -v npm >/dev/null && command -v node >/dev/null &&
        node -e 'const [a, b] = process.versions.node.split(".").map(Number);
            process.exit(a > 20 || (a === 20 && b >= 6) || (a === 18 && b >= 19) ? 0 : 1)'
}

python_works() {
    command -v python3 >/dev/null && python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' &&
        { command -v uv || python3 -m pip --version; } >/dev/null 2>&1
}

install_js() {
    cp tests/interop/js/{package.json,package-lock.json,.npmrc} "$1/" || return
    twice npm --prefix "$1" ci --ignore-scripts --no-audit --no-fund --no-update-notifier \
        --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000
}

install_python() {
    local uv tools
    if ! uv=$(command -v uv); then
        tools=$(cache_of "uv-$UV_VERSION" '') || return
        uv=$tools/bin/uv
        [[ -x $uv ]] || twice python3 -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 30 \
            --upgrade --target "$tools" "uv==$UV_VERSION" || return
    fi
    twice env UV_HTTP_TIMEOUT=30 "$uv" pip install --quiet --no-python-downloads --python "$(command -v python3)" \
        --require-hashes --target "$1" -r tests/interop/python/requirements.txt
}

# Calls the third argument with a new folder, which becomes the second argument's if all went well.
install() {
    local registry=$1 cache=$2 new log=$scratch/install.log
    printf 'installing the packages of %s into %s\n' "$registry" "$cache"
    mkdir -p -- "$(dirname -- "$cache")" && new=$(mktemp -d "$cache.XXXXXX") || die 'there is no folder to install into'
    if "$3" "$new" >"$log" 2>&1; then
        # Somebody else may have been faster.
        if [[ -e $cache ]]; then rm -rf -- "$new"; else mv -- "$new" "$cache"; fi
        return 0
    fi
    rm -rf -- "$new"
    cat -- "$log" >&2
    if grep -Eq "$UNREACHABLE" "$log"; then
        skip "registry: $registry is out of reach: no interoperability with the SDK that comes from there"
        return 1
    fi
    die "the packages of $registry were not installed"
}

# The folder for this content: same locks and interpreter, same folder.
cache_of() {
    local name=$1 salt=$2 hash
    hash=$({ printf '%s\n' "$salt"; if (($# > 2)); then cat -- "${@:3}"; fi; } | cksum | tr ' ' -) || return
    printf '%s/throughline-tools/interop-%s-%s\n' "${XDG_CACHE_HOME:-$HOME/.cache}" "$name" "$hash"
}

versions_js() {
    sed -n 's|^ *"\(@opentelemetry/[^"]*\)": "\(.*\)",*$|\1 \2|p' tests/interop/js/package.json | paste -sd, - | sed 's/,/, /g'
}

versions_python() {
    sed -n 's|^\(opentelemetry-[^=]*\)==\([^ ]*\).*|\1 \2|p' tests/interop/python/requirements.txt | paste -sd, - | sed 's/,/, /g'
}

apt_install() {
    local as_root=()
    command -v apt-get >/dev/null || return 0
    if ((EUID != 0)); then
        command -v sudo >/dev/null || return 0
        as_root=(sudo -n)
    fi
    { limited "${as_root[@]}" apt-get update -q && limited "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@"; } || true
}

twice() {
    local status=0
    limited "$@" || status=$?
    ((status != 0)) || return 0
    printf 'once more, after exit code %d: %s\n' "$status" "$1"
    limited "$@"
}

limited() {
    local left=$((LIMIT_SECONDS - SECONDS + started)) status=0
    if ((left <= 0)); then
        printf 'interop: took too long: %s\n' "$1" >&2
        return 124
    fi
    if ! command -v timeout >/dev/null; then "$@"; return; fi
    timeout "$left" "$@" || status=$?
    if ((status == 124)); then printf 'interop: took too long: %s\n' "$1" >&2; fi
    return "$status"
}

skip() {
    printf 'skipped: %s\n' "$1"
}

die() {
    printf '%s\n' "$1" >&2
    exit 1
}

on_exit() {
    [[ -z $scratch ]] || rm -rf -- "$scratch"
}

started=0
scratch=''
main "$@"
