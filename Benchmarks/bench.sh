#!/bin/bash
# Measures cofferd against its limits, side by side, and prints a Markdown table.
#
#     Benchmarks/bench.sh [--rounds N] [--seconds S] [--callgrind] [--one-cpu]
#                         [--build FOLDER] [--daemon PROGRAM]
#
#   --rounds     how often every case is measured; medians are printed (5)
#   --seconds    how long each measurement takes (3), after one second of warm-up
#   --callgrind  count the instructions of a cached Get too (needs valgrind)
#   --one-cpu    keep generator and server on one CPU in every Get case: steady on a
#                busy machine, but the generator's work counts on both sides then
#   --build      the scratch path of swift build (.build)
#   --daemon     measure this program instead of building cofferd
#
# Limit and daemon take turns within a round, so what else the machine does falls
# on both. Servers run on one CPU and the generator on another, because the scheduler
# would do now this and now that, and that alone changes a rate by half. Where only
# one call is in flight, both share one CPU: there is nothing to do in parallel, and
# waking the other CPU would cost more than what is measured. Ratios are quoted, never rates: those are the machine's. What could not
# be measured is missing from the table, and the exit status is then 1.
# COFFER_BENCH_FOLDER says where data is written (else TMPDIR): it should be the
# disk that matters, not memory.
set -euo pipefail

rounds=5 seconds=3 callgrind=no one_cpu=no build=.build daemon=
command="Benchmarks/bench.sh $*"
while [[ $# -gt 0 ]]; do
    case $1 in
    --callgrind) callgrind=yes; shift; continue ;;
    --one-cpu) one_cpu=yes; shift; continue ;;
    --rounds | --seconds | --build | --daemon) ;;
    *) echo "bench.sh: unknown option $1" >&2; exit 2 ;;
    esac
    [[ $# -ge 2 ]] || { echo "bench.sh: $1 needs a value" >&2; exit 2; }
    declare "${1#--}=$2"
    shift 2
done
cd "$(dirname "$0")/.."

folder=$(mktemp -d "${COFFER_BENCH_FOLDER:-${TMPDIR:-/tmp}}/coffer-bench-XXXXXX")
results=$folder/results
socket= daemon_pid=
failed=no

# The CPUs that this script may use: the first, the last, and all.
read -r server_cpu load_cpu all_cpus < <(python3 -c '
import os
cpus = sorted(os.sched_getaffinity(0))
print(cpus[0], cpus[-1], ",".join(map(str, cpus)))')

stop_daemon() {
    [[ -n $daemon_pid ]] || return 0
    kill "$daemon_pid" 2> /dev/null || true
    for _ in {1..100}; do
        kill -0 "$daemon_pid" 2> /dev/null || break
        sleep 0.1
    done
    kill -KILL "$daemon_pid" 2> /dev/null || true
    wait "$daemon_pid" 2> /dev/null || true
    daemon_pid=
}
trap 'stop_daemon; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

# Starts "$@" with a socket and a data folder of its own, and waits until it
# stores and answers. $1 is the folder's name.
start_daemon() {
    local data=$folder/$1
    shift
    socket=$data.sock
    mkdir -m 700 "$data"
    "$@" --socket "$socket" --data "$data" --reactors 1 > "$data.log" 2>&1 &
    daemon_pid=$!
    for _ in {1..300}; do
        if "$load" --socket "$socket" --prepare --keys 1 --requests 1 > /dev/null 2>&1; then return; fi
        kill -0 "$daemon_pid" 2> /dev/null || break
        sleep 0.1
    done
    echo "bench.sh: the daemon did not start, or does not answer:" >&2
    "$load" --socket "$socket" --prepare --keys 1 --requests 1 >&2 || true
    tail -n 20 "$data.log" >&2
    exit 1
}

# measure CASE SIDE ARGUMENTS: one run, kept if every answer was right.
measure() {
    local name=$1 side=$2 report
    shift 2
    if report=$(timeout 300 "$load" --seconds "$seconds" --json "$@"); then
        printf '%s\t%s\t%s\t%s\n' "$name" "$round" "$side" "$report" >> "$results"
    else
        echo "bench.sh: not measured: $name, $side: ${report:-coffer-load failed}" >&2
        failed=yes
    fi
}

measure_round() {
    local shape cpu
    taskset -acp "$server_cpu" "$daemon_pid" > /dev/null
    for shape in 8x1 1x1 16x16; do
        cpu=$load_cpu
        [[ $shape != 1x1 && $one_cpu == no ]] || cpu=$server_cpu
        set -- --cpu "$cpu" --connections "${shape%x*}" --depth "${shape#*x}"
        measure "Get $shape" floor --floor --floor-cpu "$server_cpu" "$@"
        measure "Get $shape" daemon --socket "$socket" "$@"
    done
    # Here the disk decides, and the daemon has threads to keep it busy.
    taskset -acp "$all_cpus" "$daemon_pid" > /dev/null
    measure "Store 16x1" floor --floor-commits "$folder" --prepare --connections 16
    measure "Store 16x1" daemon --socket "$socket" --mix 1 --connections 16
}

# instructions GETS: what a daemon executes from its start to its end, with that
# many cached Gets between.
instructions() {
    local name=callgrind-$1 out=$folder/callgrind-$1.out
    start_daemon "$name" env LD_PRELOAD="$folder/sigsuspend.so" \
        valgrind --tool=callgrind --callgrind-out-file="$out" "$folder/cofferd-stripped"
    # Said aloud, for errexit does not work in a condition.
    "$load" --socket "$socket" --connections 1 --keys 1 --requests "$1" > /dev/null || return 1
    stop_daemon
    awk '/^(totals|summary):/ { total = $2 } END { if (total == "") exit 1; print total }' "$out"
}

measure_instructions() {
    local few many
    # Valgrind cannot read the debugging information that Swift writes.
    strip -g -o "$folder/cofferd-stripped" "$daemon"
    cc -O2 -shared -fPIC -o "$folder/sigsuspend.so" Benchmarks/sigsuspend.c
    # In subshells, so that a failure here costs only this figure.
    if few=$(trap stop_daemon EXIT; instructions 2000) && many=$(trap stop_daemon EXIT; instructions 22000); then
        printf 'instructions\t0\tdaemon\t%s\n' $(((many - few) / 20000)) >> "$results"
    else
        echo "bench.sh: not measured: instructions of a cached Get" >&2
        failed=yes
    fi
}

swift build -c release --scratch-path "$build" --product coffer-load >&2
load=$build/release/coffer-load
if [[ -z $daemon ]]; then
    swift build -c release --scratch-path "$build" --product cofferd >&2
    daemon=$build/release/cofferd
fi

start_daemon data "$daemon"
"$load" --socket "$socket" --prepare --requests 1 > /dev/null
for ((round = 1; round <= rounds; round++)); do
    echo "bench.sh: round $round of $rounds" >&2
    measure_round
done
stop_daemon
[[ $callgrind == no ]] || measure_instructions

printf '`%s` · %s · Linux %s · %s cores · data on %s\n\n' "${command% }" "$(date -u +%F)" \
    "$(uname -r)" "$(nproc)" "$(stat -f -c %T "$folder")"
python3 Benchmarks/table.py "$results"
[[ $failed == no ]]
