#!/usr/bin/env bash
# deploy/slurm/campaign.sbatch on a real single-node Slurm (Debian's slurmctld, slurmd and munge), as root.
#
# Installs what is missing by apt, runs its own daemons with its own configuration and ports on loopback, submits
# an array, removes one shard and requeues it, merges. Skips loudly where that cannot be; STRICT=1 makes a skip fail.
set -euo pipefail
cd "$(dirname "$0")"
source ./lib.sh

skip() {
    echo "SKIPPED $1" >&2
    exit "${STRICT:-0}"
}

[[ $(id -u) == 0 ]] || skip "slurm: needs root"
if ! command -v slurmctld slurmd munged sbatch >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurmctld slurmd munge >/dev/null ||
        skip "slurm: cannot be installed by apt"
    # The packages start services of their own where there is an init system; ours have other folders and ports.
fi
find_atoll

work=$(mktemp -d /tmp/atoll-slurm.XXXXXX)
# The campaign's folder is written by the job's user, here root; munge insists on folders that only it can write.
chmod 755 "$work"
mkdir "$work"/{state,spool,munge,campaign}
started=()
finish() {
    local pid
    for pid in "${started[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do tail --pid="$pid" -f /dev/null 2>/dev/null || true; done
    [[ -n "${KEEP:-}" ]] || rm -rf "$work"
}
trap finish EXIT

# pid_from FILE: the pid a daemon wrote, once it has.
pid_from() {
    local tries=0
    until [[ -s "$1" ]]; do
        tries=$((tries + 1))
        ((tries < 200)) || { echo "error: $1 does not appear" >&2; tail -n 5 "$work"/*.log >&2; exit 1; }
        sleep 0.05
    done
    cat "$1"
}

dd if=/dev/urandom bs=1 count=1024 of="$work/munge/key" status=none
chown -R munge: "$work/munge"
chmod 700 "$work/munge"
chmod 400 "$work/munge/key"
# The socket's folder must be open to all, the key's to munge alone.
mkdir "$work/socket"
chown munge: "$work/socket"
chmod 755 "$work/socket"
socket=$work/socket/munge.socket
setpriv --reuid=munge --regid=munge --clear-groups munged --key-file="$work/munge/key" --socket="$socket" \
    --pid-file="$work/munge/pid" --log-file="$work/munge/log" --seed-file="$work/munge/seed"
started+=("$(pid_from "$work/munge/pid")")

export SLURM_CONF=$work/slurm.conf
host=$(hostname -s)
cat >"$SLURM_CONF" <<CONF
ClusterName=atoll
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$socket
CredType=cred/munge
SlurmctldPort=26817
SlurmdPort=26818
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
slurmctld -c
started+=("$(pid_from "$work/slurmctld.pid")")
slurmd -c
started+=("$(pid_from "$work/slurmd.pid")")

seeds=0..40
tasks=4
submit() {
    ATOLL=$ATOLL SEEDS=$seeds OUT=$work/campaign sbatch --wait --export=ALL --chdir="$work" \
        --array="$1" "$root/deploy/slurm/campaign.sbatch"
}
submit "0-$((tasks - 1))" || { cat "$work"/*.log >&2; exit 1; }
"$ATOLL" sim merge "$work/campaign" >"$work/first.txt"

# A shard is lost: merge says which and is not satisfied. The same array again: whoever finds a file has nothing to do.
rm "$work/campaign/shard-00002-of-0000$tasks.jsonl"
code=0
"$ATOLL" sim merge "$work/campaign" >"$work/merge.txt" || code=$?
if ((code != 4)) || ! grep -q "^Missing: shard 2/$tasks:" "$work/merge.txt"; then
    echo "error: merge ended with $code where shard 2 of $tasks is missing:" >&2
    cat "$work/merge.txt" >&2
    exit 1
fi
submit "0-$((tasks - 1))"
"$ATOLL" sim merge "$work/campaign" >"$work/again.txt"
cmp "$work/first.txt" "$work/again.txt"
echo "OK slurm $(sbatch --version): an array of $tasks, one shard lost and run again"
