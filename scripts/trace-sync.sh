#!/usr/bin/env bash
# Shows by system-call traces that no reply leaves before its record is synced on two of three nodes.
#
# `kill -9` cannot show that: what was written survives it without any sync. Needs strace and the right to trace;
# skips loudly without (STRICT=1: fails). ATOLL names a binary, KEEP=1 keeps the traces.
set -euo pipefail
cd "$(dirname "$0")"
source ./lib.sh
count=${1:-200}
work=$(mktemp -d)
finish() {
    stop_cluster
    if [[ "${KEEP:-0}" == 1 ]]; then echo "kept $work" >&2; else rm -rf "$work"; fi
}
trap finish EXIT

if ! strace -o /dev/null true 2>"$work/strace.log"; then
    echo "SKIPPED trace-sync: $(head -n 1 "$work/strace.log")" >&2
    exit "${STRICT:-0}"
fi
find_atoll
# -D: the node stays our own child, and strace ends with it.
start_cluster "$work" "${FIRST_PORT:-24000}" strace -D -f -q -ttt -T -yy -s 65536 -o "$work/trace.%N" \
    -e trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg
python3 ./trace_sync.py load "$count" "${ports[@]}" >"$work/sets"
stop_cluster
python3 ./trace_sync.py judge "$work/sets" "$work/trace.1" "$work/trace.2" "$work/trace.3"
