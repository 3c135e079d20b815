#!/usr/bin/env bash
# What `cargo xtask bench-peers` compares with, from the distribution's packages, and protoc for its driver.
# Services stay off: a policy-rc.d that exits 101 stands in the way while dpkg runs.
set -euo pipefail
packages=(redis-server redis-tools etcd-server etcd-client zookeeper nats-server protobuf-compiler libprotobuf-dev)
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get install -y --no-install-recommends "${packages[@]}" || {
    echo "error: the packages could not be installed; without a reachable registry: apt-get update" >&2
    exit 1
}
