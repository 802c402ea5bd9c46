#!/usr/bin/env bash
# Shows that a cached Get allocates nothing: starts cofferd with a counter of
# allocations preloaded and compares the counts of a short and a long run.
#
#     Tests/allocations.sh BIN
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || { echo "usage: $0 BIN" >&2; exit 2; }
bin=$1
folder=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || { kill "$daemon"; wait "$daemon" || true; }; rm -rf "$folder"' EXIT

cc -O2 -shared -fPIC -o "$folder/counter.so" Benchmarks/malloc-counter.c
COFFER_MALLOC_COUNTER="$folder/count" LD_PRELOAD="$folder/counter.so" \
    "$bin/cofferd" --reactors 1 --socket "$folder/s.sock" --data "$folder/data" >"$folder/log" 2>&1 &
daemon=$!
for _ in $(seq 100); do
    [ -S "$folder/s.sock" ] && break
    sleep 0.1
done
for shape in "--connections 8 --depth 1" "--connections 16 --depth 16"; do
    COFFER_LOAD="$bin/coffer-load" Benchmarks/allocations.sh "$folder/s.sock" "$folder/count" $shape
done
echo "2 passed, 0 failed"
