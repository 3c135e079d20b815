#!/usr/bin/env bash
# redis-benchmark against a cluster of three processes (client on the leader's node, and on another one) and against
# one redis-server with `appendfsync always`, in turn inside each repeat, on the same disk. Prints medians.
#   DATA=folder on the disk to measure  REPS=5  N=requests  bash scripts/bench-redis.sh
# Quote ratios: absolute figures of a shared machine mean little (shared/reference/baselines.md).
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

for tool in redis-benchmark redis-cli redis-server; do
    if ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: no $tool; apt-get install --no-install-recommends redis-server redis-tools"
        exit 0
    fi
done
find_atoll
reps=${REPS:-5}
count=${N:-100000}
data=$(mktemp -d "${DATA:-/var/tmp}/atoll-bench.XXXXXX")
redis_pid=
finish() {
    stop_cluster
    [[ -n "$redis_pid" ]] && kill -TERM "$redis_pid" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$data"
}
trap finish EXIT

first=${PORT:-17400}
start_cluster "$data/atoll" "$first"
mkdir -p "$data/redis"
redis-server --port $((first + 50)) --bind 127.0.0.1 --dir "$data/redis" --save "" \
    --appendonly yes --appendfsync always --logfile "$data/redis/log" &
redis_pid=$!
until redis-cli -p $((first + 50)) ping >/dev/null 2>&1; do sleep 0.05; done

leader=$(redis-cli -p $((first + 1)) keyspace show default | awk 'p=="leader"{print;exit}{p=$0}')
other=$((leader % 3 + 1))
echo "# leader: node $leader; -c 50 -d 256 -r 100000 -n $count; $reps repeats; $(nproc) cores; $(date -u +%F)"

# one SYSTEM PORT PIPELINE: lines `system pipeline test requests/s p50-ms p99-ms`.
one() {
    redis-benchmark -p "$2" -t ping,set,get,incr,mset -P "$3" -n "$count" -c 50 -d 256 -r 100000 --csv |
        tr -d '"' | awk -F, -v s="$1" -v p="$3" 'NR>1{print s"\t"p"\t"$1"\t"$2"\t"$5"\t"$7}'
}
for ((rep = 1; rep <= reps; rep++)); do
    for pipeline in 1 16; do
        one atoll-leader $((first + leader)) "$pipeline"
        one redis-always $((first + 50)) "$pipeline"
        one atoll-other $((first + other)) "$pipeline"
    done
done >"$data/rows"

python3 - "$data/rows" <<'PY'
import statistics, sys
rows = {}
for line in open(sys.argv[1]):
    system, pipeline, test, rps, p50, p99 = line.rstrip("\n").split("\t")
    rows.setdefault((int(pipeline), test), {}).setdefault(system, []).append((float(rps), float(p50), float(p99)))
print("| test | -P | atoll, leader's node | redis-server, always | ratio | atoll, another node | ratio |")
print("| --- | --- | --- | --- | --- | --- | --- |")
for (pipeline, test), systems in sorted(rows.items()):
    def cell(system):
        runs = systems[system]
        rps, p50, p99 = (statistics.median(x) for x in zip(*runs))
        low, high = min(r[0] for r in runs), max(r[0] for r in runs)
        return f"{rps/1e3:.1f}k ({low/1e3:.1f}-{high/1e3:.1f}k); {p50:.2f} / {p99:.2f} ms"
    def ratio(system):
        pairs = zip(systems[system], systems["redis-always"])
        return f"{statistics.median(a[0] / b[0] for a, b in pairs):.2f}"
    print(f"| {test} | {pipeline} | {cell('atoll-leader')} | {cell('redis-always')} | {ratio('atoll-leader')} "
          f"| {cell('atoll-other')} | {ratio('atoll-other')} |")
PY
