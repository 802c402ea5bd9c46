#!/bin/sh
# What is installed, below a DESTDIR and moved from there, can be used by find_package and by pkg-config, from C and C++.
#
#     check_find_package.sh BUILD [COFFERD]: with COFFERD the programs store and read too
set -eu
build=$1 daemon=${2-}
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || { kill "$pid" && wait "$pid" || true; }; rm -rf "$root"' EXIT
DESTDIR=$root/stage cmake --install "$build" > "$root/log"
prefix=$(sed -n 's/^CMAKE_INSTALL_PREFIX:PATH=//p' "$build/CMakeCache.txt")
mv "$root/stage$prefix" "$root/moved"
PKG_CONFIG_PATH=$(dirname "$(find "$root/moved" -name coffer.pc)")
# The file names the prefix that it was made for.
sed -i "s,^prefix=.*,prefix=$root/moved," "$PKG_CONFIG_PATH/coffer.pc"
export PKG_CONFIG_PATH
cmake -S "$here/consumer" -B "$root/build" -DCMAKE_PREFIX_PATH="$root/moved" \
    -DTEN_LINES="$here/../examples/ten_lines.c" > "$root/log" 2>&1 || { cat "$root/log"; exit 1; }
cmake --build "$root/build" > "$root/log" 2>&1 || { cat "$root/log"; exit 1; }
LD_LIBRARY_PATH=$(dirname "$(find "$root/moved" -name libcoffer.so)")
export LD_LIBRARY_PATH
count=0
for program in "$root"/build/c_* "$root"/build/cpp_*; do
    status=0
    COFFER_SOCKET=$root/none "$program" 2> "$root/errors" || status=$?
    grep -q "cofferd is not running at $root/none; start it, or set COFFER_SOCKET" "$root/errors"
    [ "$status" -eq 14 ] # UNAVAILABLE
    count=$((count + 1))
done
[ "$count" -eq 6 ]
[ -n "$daemon" ] || exit 0
"$daemon" --socket "$root/s" --data "$root/data" > "$root/log" 2>&1 &
pid=$!
for _ in $(seq 100); do [ -S "$root/s" ] && break; sleep 0.1; done
for program in "$root"/build/c_* "$root"/build/cpp_*; do
    [ "$(COFFER_SOCKET=$root/s "$program")" = s3cret ]
done
