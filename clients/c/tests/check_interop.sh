#!/bin/sh
# The C and Python runners and the bad requests, each against a fresh stand-in.
set -eu
python=$1 run_cases=$2 interop=$3
folder=$(mktemp -d)
daemon=
stop() {
    [ -z "$daemon" ] || kill "$daemon"
    daemon=
}
trap 'stop; rm -rf "$folder"' EXIT

start() {
    stop
    rm -f "$folder/ready"
    "$python" "$interop/python/fake_daemon.py" --socket "$folder/$1" > "$folder/ready" &
    daemon=$!
    tries=0
    until grep -q ready "$folder/ready"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { echo "the stand-in did not start" >&2; exit 1; }
        sleep 0.1
    done
}

start vectors
"$python" "$interop/python/run_vectors.py" --socket "$folder/vectors"
start python
"$python" "$interop/python/run_cases.py" --socket "$folder/python"
start c
"$run_cases" --socket "$folder/c" "$interop/cases.txt"
