#!/bin/sh
# What is installed can be used by its pkg-config file alone, shared and static.
set -eu
build=$1 example=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cmake --install "$build" --prefix "$root" > "$root/log"
library=$(dirname "$(find "$root" -name libcoffer.so)")
PKG_CONFIG_PATH=$(dirname "$(find "$root" -name coffer.pc)")
export PKG_CONFIG_PATH
# The file has the prefix of the build's configuration; this is another one.
flags="--define-variable=prefix=$root"
cc -std=c11 -Wall -Wextra -Werror "$example" $(pkg-config "$flags" --cflags --libs coffer) -o "$root/shared"
cc -std=c11 "$example" $(pkg-config "$flags" --cflags coffer) "$library/libcoffer.a" \
    $(pkg-config --libs libprotobuf-c) -o "$root/static"
for program in shared static; do
    status=0
    COFFER_SOCKET=$root/none LD_LIBRARY_PATH=$library "$root/$program" 2> "$root/errors" || status=$?
    grep -q "cofferd is not running at $root/none; start it, or set COFFER_SOCKET" "$root/errors"
    [ "$status" -eq 14 ] # UNAVAILABLE
done
