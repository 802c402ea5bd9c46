#!/usr/bin/env bash
# Every client runs the same cases against a daemon of its own; then the
# malformed frames of proto/vectors go to one more.
#
#     Tests/Interop/run.sh BIN C-BUILD
#
# BIN holds cofferd and coffer-interop-swift, C-BUILD is the build folder of clients/c. The Node client is built if it is not.
set -uo pipefail
cd "$(dirname "$0")/../.."
[ $# = 2 ] || { echo "usage: $0 BIN C-BUILD" >&2; exit 2; }
bin=$1 c_build=$2
cases=Tests/Interop/cases.txt
folder=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; wait; rm -rf "$folder"' EXIT
passed=0
failed=0
[ -e clients/node/dist/esm.mjs ] || tsc -p clients/node || exit 1

# with_daemon NAME COMMAND…: runs it against a fresh daemon; --socket comes first.
with_daemon() {
    local name=$1 socket=$folder/$1.sock output
    shift
    "$bin/cofferd" --socket "$socket" --data "$folder/$name" >"$folder/$name.log" 2>&1 &
    daemon=$!
    for _ in $(seq 100); do
        [ -S "$socket" ] && break
        sleep 0.1
    done
    output=$("${@//SOCKET/$socket}" 2>&1)
    local status=$?
    kill "$daemon" && wait "$daemon"
    [ $? = 0 ] || { echo "$name: cofferd did not end with 0"; status=1; }
    daemon=
    echo "$output" | sed "s/^/$name: /"
    local line
    line=$(echo "$output" | grep -aE '^[0-9]+ passed, [0-9]+ failed$' | tail -n 1)
    [ -n "$line" ] || { echo "$name: no summary"; failed=$((failed + 1)); return; }
    passed=$((passed + ${line%% *}))
    line=${line#*, }
    failed=$((failed + ${line%% *}))
    [ $status = 0 ] || [ "${line%% *}" != 0 ] || failed=$((failed + 1))
}

with_daemon python python3 Tests/Interop/python/run_cases.py --socket SOCKET $cases
with_daemon python-client python3 Tests/Interop/python/run_cases.py --client blocking --socket SOCKET $cases
with_daemon python-asyncio python3 Tests/Interop/python/run_cases.py --client asyncio --socket SOCKET $cases
with_daemon frames python3 Tests/Interop/python/run_vectors.py --socket SOCKET
with_daemon c "$c_build/interop/run_cases" --socket SOCKET $cases
with_daemon c-valgrind valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=all \
    "$c_build/interop/run_cases" --socket SOCKET $cases
with_daemon swift "$bin/coffer-interop-swift" --socket SOCKET --cases $cases
with_daemon node node Tests/Interop/node/run_cases.mjs --socket SOCKET $cases
with_daemon node-guide node Tests/Interop/node/guide.mjs SOCKET

# counted NAME COMMAND…: what says itself how many passed.
counted() {
    local name=$1 output status line
    output=$("${@:2}" 2>&1)
    status=$?
    echo "$output" | sed "s/^/$name: /"
    line=$(echo "$output" | grep -aE '^[0-9]+ passed, [0-9]+ failed$' | tail -n 1)
    [ -n "$line" ] && passed=$((passed + ${line%% *}))
    [ -n "$line" ] && [ $status = 0 ] || failed=$((failed + 1))
}

# One rule for the socket, in the daemon and in every client.
counted socket python3 Tests/Interop/socket_rule.py "$bin" "$c_build"

# Under load, while the daemon is stopped, killed and started again. Those for Node and Python have programs of their own.
counted swift-load python3 Tests/Interop/load.py "$bin" -- "$bin/coffer-interop-swift" load
counted c-load python3 Tests/Interop/load.py "$bin" -- "$c_build/interop/run_load"
counted c-load-valgrind python3 Tests/Interop/load.py "$bin" --gets 500 -- \
    valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=all "$c_build/interop/run_load"

# libcoffer as the projects of others find it, from C and from C++.
if output=$(clients/c/tests/check_find_package.sh "$c_build" "$bin/cofferd" 2>&1); then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "find_package: failed"
    echo "$output" | sed "s/^/find_package: /"
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
