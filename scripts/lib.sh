# Sourced by the scripts beside it: a cluster of three processes on free loopback ports.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ports=()
pids=()

# The binary: $ATOLL, or a fresh release build.
find_atoll() {
    if [[ -z "${ATOLL:-}" ]]; then
        cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p cli
        ATOLL="${CARGO_TARGET_DIR:-$root/target}/release/atoll"
    fi
    [[ -x "$ATOLL" ]] || { echo "error: no binary at $ATOLL" >&2; exit 1; }
}

# start_cluster FOLDER FIRST_PORT [PREFIX COMMAND...]: three nodes, each under PREFIX with %N replaced by its number.
start_cluster() {
    local dir=$1 first=$2 n m
    shift 2
    mkdir -p "$dir"
    for n in 1 2 3; do
        {
            printf 'cluster = "script"\nnode = %s\ndir = "%s/node-%s"\n' "$n" "$dir" "$n"
            printf 'client = "127.0.0.1:%s"\npeer = "127.0.0.1:%s"\nhttp = "127.0.0.1:%s"\n' \
                $((first + n)) $((first + 100 + n)) $((first + 200 + n))
            for m in 1 2 3; do
                printf '\n[[join]]\nnode = %s\npeer = "127.0.0.1:%s"\nclient = "127.0.0.1:%s"\n' \
                    "$m" $((first + 100 + m)) $((first + m))
            done
        } >"$dir/node-$n.toml"
        "${@//%N/$n}" "$ATOLL" serve --config "$dir/node-$n.toml" --log-level warn 2>>"$dir/node-$n.log" &
        pids+=($!)
        ports+=($((first + n)))
    done
    for n in 1 2 3; do
        local tries=0
        until curl -sf -o /dev/null "http://127.0.0.1:$((first + 200 + n))/readyz"; do
            tries=$((tries + 1))
            if ((tries > 600)); then
                echo "error: node $n does not become ready" >&2
                tail -n 20 "$dir/node-$n.log" >&2
                exit 1
            fi
            sleep 0.05
        done
    done
}

# SIGTERM to each, by its own pid; all must end.
stop_cluster() {
    local pid
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    pids=()
}
