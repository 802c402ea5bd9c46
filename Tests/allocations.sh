#!/usr/bin/env bash
# Shows that a cached Get allocates nothing, without a policy and with one: starts cofferd with a
# counter of allocations preloaded and compares the counts of a short and a long run.
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
# What the load generator asks for is allowed by the last of several patterns, and denied by none of those that deny.
cat >"$folder/policy.yaml" <<'END'
allow:
- {name: own, who: {user: "0"}, verbs: [get, store, delete], keys: {user_id: ['${caller.uid}', '${caller.uid}:*', 'shared-*', 'load-*'], connection_id: '*'}}
- {name: all, who: {user: "0"}, verbs: [health, stats]}
deny:
- {name: no, who: anyone, verbs: [get, list], keys: {user_id: [root, 'admin-*', 'loads-*'], connection_id: '*'}}
END

for policy in "" "$folder/policy.yaml"; do
    COFFER_POLICY_FILE=$policy COFFER_MALLOC_COUNTER="$folder/count" LD_PRELOAD="$folder/counter.so" \
        "$bin/cofferd" --reactors 1 --socket "$folder/s.sock" --data "$folder/data" >"$folder/log" 2>&1 &
    daemon=$!
    for _ in $(seq 100); do
        [ -S "$folder/s.sock" ] && break
        sleep 0.1
    done
    for shape in "--connections 8 --depth 1" "--connections 16 --depth 16"; do
        COFFER_LOAD="$bin/coffer-load" Benchmarks/allocations.sh "$folder/s.sock" "$folder/count" $shape
    done
    kill "$daemon"
    wait "$daemon"
    daemon=
    rm -f "$folder/count"
done
echo "4 passed, 0 failed"
