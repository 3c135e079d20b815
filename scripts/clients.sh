#!/usr/bin/env bash
# Stock Redis clients against a cluster of three processes, tiers 0 and 1 (docs: shared/reference/clients.md).
#
# Installs what is missing into a cache of its own (redis-tools by apt; redis-py, ioredis and redis-rs at the
# versions below). What cannot be installed is skipped loudly; with STRICT=1 a skip fails. ATOLL names a binary.
set -euo pipefail
cd "$(dirname "$0")"
source ./lib.sh
cache=${CLIENTS_CACHE:-$HOME/.cache/atoll-clients}
work=$(mktemp -d)
trap 'stop_cluster; rm -rf "$work"' EXIT
status=0

skip() {
    echo "SKIPPED $1" >&2
    if [[ "${STRICT:-0}" == 1 ]]; then status=1; fi
}
run() { "$@" || status=1; }

find_atoll
mkdir -p "$cache"
start_cluster "$work" "${FIRST_PORT:-23000}"

if ! command -v redis-cli redis-benchmark >/dev/null; then
    apt-get install -y -q redis-tools >"$work/apt.log" 2>&1 || true
fi
if command -v redis-cli >/dev/null && command -v redis-benchmark >/dev/null; then
    run ./clients/redis_cli.sh "${ports[@]}"
else
    skip "redis-cli: redis-tools is not there and apt-get could not install it"
fi

if [[ -x "$cache/venv/bin/python" ]] ||
    { python3 -m venv "$cache/venv" && "$cache/venv/bin/pip" install -q 'redis>=8,<9'; } >"$work/pip.log" 2>&1; then
    run "$cache/venv/bin/python" ./clients/smoke.py "${ports[@]}"
else
    skip "redis-py: $(tail -n 1 "$work/pip.log")"
fi

if [[ -d "$cache/node_modules/ioredis" ]] ||
    npm install --silent --prefix "$cache" 'ioredis@6' >"$work/npm.log" 2>&1; then
    NODE_MODULES_BASE="$cache/" run node ./clients/smoke.mjs "${ports[@]}"
else
    skip "ioredis: $(tail -n 1 "$work/npm.log")"
fi

if CARGO_TARGET_DIR="$cache/target" cargo build --quiet --locked \
    --manifest-path "$root/oracles/Cargo.toml" >"$work/cargo.log" 2>&1; then
    run "$cache/target/debug/redis-rs" "$root/scripts/clients/commands.txt" "${ports[@]}"
else
    skip "redis-rs: $(tail -n 3 "$work/cargo.log" | tr '\n' ' ')"
fi

for n in 1 2 3; do
    if [[ -s "$work/node-$n.log" ]]; then
        echo "node $n logged:" >&2
        head -n 20 "$work/node-$n.log" >&2
    fi
done
exit "$status"
