#!/usr/bin/env bash
# What a policy costs a call on the hit path: counts allocations with a preloaded
# counter, and nanoseconds of the thread. Needs a release build of coffer-policy-cost.
#
#     Tests/policy-cost.sh BIN
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || { echo "usage: $0 BIN" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cc -O2 -shared -fPIC -o "$folder/counter.so" Benchmarks/malloc-counter.c
COFFER_MALLOC_COUNTER="$folder/count" LD_PRELOAD="$folder/counter.so" timeout 120 "$1/coffer-policy-cost"
