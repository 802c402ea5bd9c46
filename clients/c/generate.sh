#!/bin/sh
# Generates src/generated from proto/ with protoc-c 1.4.1.
# With --check it changes nothing and fails if the result would differ.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
proto=$here/../../proto
out=$here/src/generated

case $(protoc-c --version | head -n 1) in
"protobuf-c 1.4.1") ;;
*)
    echo "generate.sh: expected protobuf-c 1.4.1, got: $(protoc-c --version | head -n 1)" >&2
    exit 2
    ;;
esac

if [ "${1-}" = --check ]; then
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
fi
mkdir -p "$out"
protoc-c -I"$proto" --c_out="$out" coffer/v1/credentials.proto coffer/v1/admin.proto
if [ "${1-}" = --check ]; then
    diff -r "$out" "$here/src/generated"
fi
