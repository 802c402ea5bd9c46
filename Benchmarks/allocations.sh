#!/bin/bash
# Heap allocations per cached Get, in steady state: expected none.
#
#     Benchmarks/allocations.sh SOCKET COUNTERFILE [coffer-load arguments]
#
# The daemon on SOCKET must have been started with the counter preloaded:
#
#     cc -O2 -shared -fPIC -o /tmp/malloc-counter.so Benchmarks/malloc-counter.c
#     COFFER_MALLOC_COUNTER=/tmp/count LD_PRELOAD=/tmp/malloc-counter.so cofferd --socket …
#
# Two runs differ by 100,000 Gets and in nothing else, so what a run itself costs
# (connections come and go) cancels out. What the daemon does on timers does not:
# up to 100 allocations are put down to that. Exit status 0 = none per Get.
set -euo pipefail

[[ $# -ge 2 ]] || { echo "usage: $0 SOCKET COUNTERFILE [coffer-load arguments]" >&2; exit 2; }
socket=$1 counters=$2
shift 2
load=${COFFER_LOAD:-$(dirname "$0")/../.build/release/coffer-load}
gets=100000
tolerated=100

# malloc, calloc, realloc and the aligned forms; free is the fifth number.
allocations() {
    od -An -v -t u8 -w40 "$counters" | awk '{ print $1 + $2 + $3 + $4 }'
}

# Runs $1 Gets and says how many allocations they took.
run() {
    local before after
    before=$(allocations)
    "$load" --socket "$socket" --requests "$1" --json "${@:2}" > /dev/null
    after=$(allocations)
    echo $((after - before))
}

[[ -s $counters ]] || { echo "$0: no counters in $counters: is the daemon preloaded?" >&2; exit 2; }
"$load" --socket "$socket" --prepare --requests 20000 "$@" > /dev/null
few=$(run 1000 "$@")
many=$(run $((gets + 1000)) "$@")
extra=$((many - few))
[[ $(allocations) -gt 0 ]] || { echo "$0: the counters of $counters do not move" >&2; exit 2; }
awk -v extra=$extra -v gets=$gets -v few="$few" 'BEGIN {
    printf "%d allocations more for %d Gets more: %.4f per Get (a run of 1,000: %d)\n", extra, gets, extra / gets, few
}'
[[ $extra -le $tolerated ]]
