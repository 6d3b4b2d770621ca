#!/usr/bin/env bash
# A real Slurm of one node on the loopback interface, for tests: controller, node daemon and munge, as root,
# without systemd and without control groups. Tried with Debian 12 (Slurm 22.05).
#
#   tools/slurm.sh up        installs what is missing, starts, waits until the node is idle
#   tools/slurm.sh down      cancels jobs and ends the daemons by the process ids that they wrote
#
# Everything that changes lies in $SLURM_LAB [/tmp/anomaly-slurm]; one link is put into /etc/slurm, since the
# job-step plugin of Snakemake takes all SLURM_* variables, the configuration's place among them, from its jobs.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # where the daemons are

lab=${SLURM_LAB:-/tmp/anomaly-slurm}
cpus=${SLURM_LAB_CPUS:-4}
link=/etc/slurm/slurm.conf
export SLURM_CONF=$lab/slurm.conf

install_packages() {
  for tool in munged slurmctld slurmd sbatch; do
    command -v "$tool" >/dev/null || { missing=1; break; }
  done
  [ -z "${missing:-}" ] && return
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends munge slurmctld slurmd slurm-client >/dev/null
}

configure() {
  local host
  host=$(hostname -s)
  install -d -m 755 "$lab" "$lab"/{state,spool,log,run} /etc/slurm
  install -d -m 700 "$lab/munge"
  [ -s "$lab/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom >"$lab/munge/key")
  cat >"$SLURM_CONF" <<CONF
ClusterName=anomaly
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SrunPortRange=16900-16999
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$lab/run/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,batch_sched_delay=0
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$lab/log/jobs.txt
MinJobAge=600
KillWait=5
ReturnToService=2
StateSaveLocation=$lab/state
SlurmdSpoolDir=$lab/spool
SlurmctldPidFile=$lab/run/slurmctld.pid
SlurmdPidFile=$lab/run/slurmd.pid
SlurmctldLogFile=$lab/log/slurmctld.log
SlurmdLogFile=$lab/log/slurmd.log
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=8000 State=UNKNOWN
PartitionName=short Nodes=$host Default=YES MaxTime=02:00:00 DefaultTime=00:10:00 State=UP
CONF
  if [ -e "$link" ] && [ ! -L "$link" ]; then
    echo "$link belongs to a Slurm of this machine: not touched" >&2
    exit 1
  fi
  ln -sfn "$SLURM_CONF" "$link"
}

alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

up() {
  install_packages
  configure
  alive "$lab/run/munged.pid" || munged --force --key-file="$lab/munge/key" --socket="$lab/run/munge.socket" \
    --pid-file="$lab/run/munged.pid" --log-file="$lab/log/munged.log" --seed-file="$lab/munge/seed"
  alive "$lab/run/slurmctld.pid" || slurmctld -f "$SLURM_CONF"
  alive "$lab/run/slurmd.pid" || slurmd -f "$SLURM_CONF"
  for _ in $(seq 100); do
    if [ "$(sinfo -h -o %T -p short 2>/dev/null)" = idle ]; then
      echo "$(sinfo --version): up"
      return
    fi
    sleep 0.2
  done
  tail -20 "$lab"/log/*.log >&2
  echo "Slurm did not come up" >&2
  exit 1
}

down() {
  timeout 10 scancel --quiet --user "$(id -un)" 2>/dev/null || true
  for daemon in slurmd slurmctld munged; do
    file=$lab/run/$daemon.pid
    if alive "$file"; then
      pid=$(cat "$file")
      kill "$pid"
      for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    fi
    rm -f "$file"
  done
  if [ "$(readlink "$link")" = "$SLURM_CONF" ]; then rm -f "$link"; fi
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  *) echo "usage: $0 up|down" >&2; exit 2 ;;
esac
