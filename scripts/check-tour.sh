#!/usr/bin/env bash
# The end of README's tour, for real: a cluster of Atoll whose nodes are killed and paused under load is judged `ok`;
# a Redis primary whose replica answers reads, as many run it, is a violation. Files go to FOLDER (default
# target/check-tour): the histories, and the picture of the violation. redis-server comes from Debian's packages;
# where it cannot be had the second half is skipped loudly; with STRICT=1 a skip fails. ATOLL names another binary.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
out=${1:-$root/target/check-tour}
seconds=${SECONDS_OF_LOAD:-5}
work=$(mktemp -d)
servers=()
finish() {
    for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT
mkdir -p "$out"
find_atoll

# judge CODE FILE ARGUMENT...: the verdict must be that one.
judge() {
    local expected=$1 code=0
    echo "\$ atoll check ${*:2}"
    "$ATOLL" check "${@:2}" || code=$?
    [[ $code == "$expected" ]] || { echo "error: exit code $code, expected $expected" >&2; exit 1; }
}

echo "\$ atoll bench --history atoll.jsonl --nemesis kill,pause --seconds $seconds"
"$ATOLL" bench --history "$out/atoll.jsonl" --nemesis kill,pause --seconds "$seconds"
(cd "$out" && judge 0 atoll.jsonl)

command -v redis-server >/dev/null || apt-get install -y -q redis-server >"$work/apt.log" 2>&1 || true
if ! command -v redis-server >/dev/null; then
    echo "SKIPPED Redis: redis-server is not there and apt-get could not install it" >&2
    [[ "${STRICT:-0}" == 1 ]] && exit 1
    exit 0
fi

# serve PORT ARGUMENT...
serve() {
    mkdir "$work/$1"
    redis-server --port "$1" --bind 127.0.0.1 --dir "$work/$1" --save '' --appendonly no \
        --repl-diskless-sync-delay 0 "${@:2}" >"$work/$1.log" 2>&1 &
    servers+=($!)
    until redis-cli -p "$1" ping >/dev/null 2>&1; do sleep 0.05; done
}
primary=${PRIMARY:-16379} replica=${REPLICA:-16380}
for port in "$primary" "$replica"; do
    if redis-cli -p "$port" ping >/dev/null 2>&1; then
        echo "error: something answers on port $port already; PRIMARY and REPLICA name others" >&2
        exit 1
    fi
done
serve "$primary"
serve "$replica" --replicaof "127.0.0.1 $primary"
until redis-cli -p "$replica" info replication | grep -q 'master_link_status:up'; do sleep 0.05; done
echo "\$ atoll bench --history redis.jsonl --addr 127.0.0.1:$primary --addr 127.0.0.1:$replica --seconds 1"
"$ATOLL" bench --history "$out/redis.jsonl" --addr "127.0.0.1:$primary" --addr "127.0.0.1:$replica" --seconds 1
(cd "$out" && judge 1 redis.jsonl --html redis.html)
echo "check-tour: $out"
