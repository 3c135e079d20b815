#!/usr/bin/env bash
# redis-cli and redis-benchmark against every node: commands.txt from one session each, then the tools' own modes.
# Usage: redis_cli.sh PORT...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checks=0
failed=0

check() { # what, got, wanted
    checks=$((checks + 1))
    if [[ "$2" != "$3" ]]; then
        failed=$((failed + 1))
        printf '%s: expected "%s", got "%s"\n' "$1" "$3" "$2" >&2
    fi
}

for port in "$@"; do
    for flag in -2 -3; do
        prefix="cli$flag.$port."
        mapfile -t lines < <(grep -v -e '^#' -e '^$' "$here/commands.txt" | sed "s/@/$prefix/g")
        answers=$(
            for line in "${lines[@]}"; do
                command=${line%% => *}
                [[ "$command" == *" " ]] && command="$command\"\""
                printf '%s\n' "$command"
            done | redis-cli "$flag" -p "$port" --no-raw 2>&1
        )
        # The transcript as a whole: no connection was lost, and errors are those that the table expects.
        # (redis-cli prints the answer to CLUSTER INFO as it is, so an error there has no mark.)
        wanted=$(printf '%s\n' "${lines[@]}" | grep -v '^CLUSTER' | grep -c ' => !' || true)
        got=$(grep -c '^(error)' <<<"$answers" || true)
        check "redis-cli $flag port $port: errors among ${#lines[@]} commands" "$got" "$wanted"
        check "redis-cli $flag port $port: connection" "$(grep -c 'Could not connect\|Server closed' <<<"$answers" || true)" 0
        for line in "${lines[@]}"; do
            command=${line%% => *}
            answer=${line#* => }
            [[ "$answer" == '!'* ]] || continue
            found=$(grep -qF -- "${answer#!}" <<<"$answers" && echo yes || echo no)
            check "redis-cli $flag port $port: $command answers '${answer#!}'" "$found" yes
        done
        check "redis-cli $flag port $port: set" "$(redis-cli "$flag" -p "$port" set "$prefix:x" 'two words')" OK
        for other in "$@"; do
            check "redis-cli $flag port $other: get" "$(redis-cli "$flag" -p "$other" get "$prefix:x")" 'two words'
        done
        check "redis-cli $flag --scan" "$(redis-cli "$flag" -p "$port" --scan --pattern "$prefix:x")" "$prefix:x"
    done
    check "redis-cli --pipe port $port" \
        "$(for i in $(seq 1000); do printf 'SET pipe%s.%s v\r\n' "$port" "$i"; done |
            redis-cli -p "$port" --pipe 2>&1 | tail -n 1)" "errors: 0, replies: 1000"
    for depth in 1 16; do
        out=$(redis-benchmark -p "$port" -t ping,set,get,incr,mset -n 2000 -c 20 -P "$depth" --csv 2>&1 || true)
        check "redis-benchmark -P $depth port $port" "$(grep -ci 'error' <<<"$out" || true)" 0
        check "redis-benchmark -P $depth rows" "$(grep -c '^"' <<<"$out")" 7
    done
done
echo "$(redis-cli --version), redis-benchmark (RESP2, RESP3): $checks checks, $failed failed"
exit $((failed > 0))
