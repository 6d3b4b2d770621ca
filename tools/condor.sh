#!/usr/bin/env bash
# A real personal HTCondor on the loopback interface, to try the profile and the exported submit files by hand.
# Needs root, apt-get and about 700 MB. Not part of the tests: Debian 12 has no HTCondor, so that of Debian 13 is
# put into a directory of its own, and its daemons see that directory as their root, in a mount namespace of
# their own. Python and this package are seen there at the paths that they have outside.
#
#   tools/condor.sh up                 installs what is missing, starts, waits until the node is there
#   tools/condor.sh as-user COMMAND    runs a command as the user 'scan', for root may not submit jobs
#   tools/condor.sh down               ends the daemons by the process id that they wrote
#
# Everything lies in $CONDOR_LAB [/tmp/anomaly-condor]; what users write belongs into $CONDOR_LAB/root/home/scan,
# which is /home/scan for them.
set -euo pipefail

lab=${CONDOR_LAB:-/tmp/anomaly-condor}
root=$lab/root
python=$(command -v python)
environment=$(dirname "$(dirname "$python")")
interpreter=$(python -c 'import sys; print(sys.base_prefix)')
package=$(cd "$(dirname "$0")/.." && pwd)
pid_file=$root/var/run/condor/namespace.pid

install_packages() {
  [ -x "$root/usr/sbin/condor_master" ] && return
  export DEBIAN_FRONTEND=noninteractive
  if ! command -v debootstrap >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
  fi
  mkdir -p "$lab"
  [ -s "$root/etc/shadow" ] && [ ! -d "$root/debootstrap" ] || debootstrap --variant=minbase --components=main trixie "$root" >"$lab/install.log"
  # its set-up asks for a running system
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  chroot "$root" env -u CONDOR_CONFIG apt-get install -y -qq --no-install-recommends \
    condor procps libssl3t64 libsqlite3-0 libffi8 libbz2-1.0 liblzma5 libreadline8t64 libgomp1 >>"$lab/install.log" 2>&1

  # later clients cannot prove who they are to this server: "Directory name doesn't match"
  python -m pip install --quiet --no-deps --target "$root/opt/client" htcondor==24.12.20
}

configure() {
  chroot "$root" id scan >/dev/null 2>&1 || chroot "$root" useradd --create-home --shell /bin/bash scan
  mkdir -p "$root/etc/condor/config.d" "$root/var/run/condor"
  cat >"$root/etc/condor/config.d/99-lab.conf" <<CONF
CONDOR_HOST = 127.0.0.1
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
USE_SHARED_PORT = False
COLLECTOR_PORT = 19618
COLLECTOR_HOST = 127.0.0.1:19618
DAEMON_LIST = MASTER, COLLECTOR, NEGOTIATOR, SCHEDD, STARTD
NUM_CPUS = 4
MEMORY = 8000
use FEATURE : PartitionableSlot
START = True
SUSPEND = False
PREEMPT = False
KILL = False
UID_DOMAIN = lab
FILESYSTEM_DOMAIN = lab
TRUST_UID_DOMAIN = True
SEC_DEFAULT_AUTHENTICATION = OPTIONAL
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
SEC_DEFAULT_ENCRYPTION = OPTIONAL
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = *
ALLOW_ADMINISTRATOR = *
ALLOW_NEGOTIATOR = *
ALLOW_ADVERTISE_STARTD = *
ALLOW_ADVERTISE_SCHEDD = *
ALLOW_ADVERTISE_MASTER = *
MOUNT_UNDER_SCRATCH =
BASE_CGROUP =
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_MIN_INTERVAL = 1
SCHEDD_INTERVAL = 2
UPDATE_INTERVAL = 5
CONF
}

# what stands in the namespace: proc, devices, and Python with this package, readable for everybody
prepare='
  set -e
  mount --make-rprivate /
  mount --rbind /proc "$ROOT/proc"; mount --rbind /sys "$ROOT/sys"; mount --rbind /dev "$ROOT/dev"
  for place in $PLACES; do
    mkdir -p "$ROOT$place"
    mount --bind "$place" "$ROOT$place"
  done
  mkdir -p "$ROOT/var/run/condor" "$ROOT/var/lock/condor"
  echo $$ >"$ROOT/var/run/condor/namespace.pid"
  exec chroot "$ROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin condor_master -f
'

alive() { [ -s "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null; }

inside() { nsenter --target "$(cat "$pid_file")" --mount --root --wdns=/ "$@"; }

up() {
  [ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 1; }
  install_packages
  configure
  if ! alive; then
    ROOT=$root PLACES="$environment $interpreter $package" setsid unshare --mount bash -c "$prepare" \
      >"$lab/master.log" 2>&1 </dev/null &
  fi
  chmod 755 "$root" "$root/root"
  for _ in $(seq 120); do
    if alive && [ -n "$(inside condor_status -af Name 2>/dev/null)" ]; then
      inside condor_version | head -1
      return
    fi
    sleep 0.5
  done
  tail -20 "$lab/master.log" "$root"/var/log/condor/*Log >&2
  echo "HTCondor did not come up" >&2
  exit 1
}

as_user() {
  inside setpriv --reuid scan --regid scan --init-groups env -i HOME=/home/scan USER=scan LANG=C.UTF-8 \
    PATH="$environment/bin:/usr/bin:/bin" PYTHONPATH="/opt/client:$package" PYTHONDONTWRITEBYTECODE=1 \
    CONDOR_CONFIG=/etc/condor/condor_config sh -c 'cd && exec "$@"' as-user "$@"
}

down() {
  if alive; then
    pid=$(cat "$pid_file")
    kill "$pid"
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
  fi
  rm -f "$pid_file"
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  as-user) shift; as_user "$@" ;;
  *) echo "usage: $0 up | down | as-user COMMAND" >&2; exit 2 ;;
esac
