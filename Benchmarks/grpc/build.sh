#!/usr/bin/env bash
# Builds the gRPC server from the repository's own messages.
#
#     Benchmarks/grpc/build.sh PROGRAM
set -euo pipefail
[[ $# = 1 ]] || { echo "usage: $0 PROGRAM" >&2; exit 2; }
program=$(realpath -m "$1")
cd "$(dirname "$0")"
if [[ -x $program && $program -nt server.cpp && $program -nt ../../proto/coffer/v1/credentials.proto ]]; then exit; fi
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
protoc -I ../../proto --cpp_out="$made" --grpc_out="$made" \
    --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" ../../proto/coffer/v1/credentials.proto
mkdir -p "$(dirname "$program")"
# shellcheck disable=SC2207  # options have no spaces in them
flags=($(pkg-config --cflags --libs grpc++ protobuf))
c++ -std=c++17 -O2 -I "$made" -o "$program" server.cpp "$made"/coffer/v1/*.cc "${flags[@]}"
