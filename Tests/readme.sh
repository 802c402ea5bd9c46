#!/usr/bin/env bash
# Does what README.md says, line by line, and compares what it shows.
#
# Blocks of README.md, in their order:
#   ```sh daemon   runs in the background until the end; then its socket is waited for
#   ```sh          runs in one shell, the same for all blocks; a command that fails ends it
#   ```sh terminal the same, but for its exports at a terminal, where programs print for people
#   ```output      what the block before it printed; … in a line stands for any text,
#                  a line with nothing else for any lines
#
# Home, runtime and data folders are temporary, so the default paths are those of a
# first user. Everything started here is stopped, by its process group.
set -euo pipefail
cd "$(dirname "$0")/.."
limit_seconds=1500
[ -n "${COFFER_README_BOUNDED:-}" ] || COFFER_README_BOUNDED=1 exec timeout -k 20 "$limit_seconds" "$PWD/Tests/readme.sh"

work=$(mktemp -d)
daemon=
passed=0
failed=0

finish() {
    [ -z "$daemon" ] || kill -TERM -- "-$daemon" 2>/dev/null || true
    [ -z "$daemon" ] || wait "$daemon" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

# Writes each block to $work/NUMBER.KIND, the kind being daemon, sh or output.
awk -v work="$work" '
    /^```/ && open { open = 0; close(file); next }
    /^```sh daemon$/ { open = ++number; file = work "/" number ".daemon"; printf "" >file; next }
    /^```sh terminal$/ { open = ++number; file = work "/" number ".sh"; printf "" >file; print >(work "/" number ".terminal"); next }
    /^```sh$/ { open = ++number; file = work "/" number ".sh"; printf "" >file; next }
    /^```output$/ { open = number; file = work "/" number ".output"; printf "" >file; next }
    /^```/ { open = 1; file = "/dev/null"; next }
    open { print >file }
' README.md

# Where SwiftPM keeps what it has fetched, and git its settings, stay those of the caller.
export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache} GIT_CONFIG_GLOBAL=${GIT_CONFIG_GLOBAL:-$HOME/.gitconfig}
export HOME=$work/home XDG_RUNTIME_DIR=$work/run XDG_DATA_HOME=$work/home/.local/share
unset COFFER_SOCKET COFFER_DATA COFFER_ENV COFFER_KEY_FILE CREDENTIAL_ENCRYPTION_KEY CREDENTIAL_ENCRYPTION_KEY_FILE
unset VAULT_TYPE NODE_ENV CREDENTIALS_DIRECTORY MAKEFLAGS MAKELEVEL MFLAGS
mkdir -p "$HOME" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"

# judge NAME COMMAND…: counts it as passed or failed.
judge() {
    if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAIL $1"; fi
}

start_daemon() {
    setsid bash -eu "$1" >"$work/daemon.log" 2>&1 &
    daemon=$!
    for _ in $(seq 1 6000); do
        [ ! -S "$XDG_RUNTIME_DIR/coffer/coffer.sock" ] || return 0
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.2
    done
    echo "the daemon did not start:" && tail -n 20 "$work/daemon.log" && return 1
}

# Runs a command at a terminal of its own; what it prints there goes to standard output.
cat >"$work/at_terminal" <<'PYTHON'
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
PYTHON

# shows EXPECTED PRINTED: whether it printed that.
shows() {
    python3 - "$1" "$2" <<'PYTHON' && return 0
import re, sys
expected, printed = (open(path, encoding="utf-8").read().strip() + "\n" for path in sys.argv[1:])
printed = re.sub(" +\n", "\n", printed)  # A table's last column.
lines = [r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in expected.splitlines()]
sys.exit(re.fullmatch("".join(lines), printed) is None)
PYTHON
    echo "expected:" && cat "$1" && echo "printed:" && cat "$2" && return 1
}

# fails_in_one_line COMMAND…: without a daemon it says so in one line, and fails.
fails_in_one_line() {
    local status=0
    COFFER_SOCKET=$work/nobody "$@" >"$work/alone" 2>&1 || status=$?
    [ "$status" != 0 ] && [ "$(wc -l <"$work/alone")" = 1 ] && grep -q cofferd "$work/alone" && return 0
    echo "exit code $status, printed:" && cat "$work/alone" && return 1
}

# first_minute: the first commands of README.md as an ordinary user who has just come: a home of
# their own, no XDG_RUNTIME_DIR, nothing else in the environment.
first_minute() {
    local place=$work/fresh command uid=64123 as=()
    mkdir -p "$place/bin" "$place/home"
    cp .build/release/cofferd .build/release/coffer "$place/bin"
    {
        echo 'set -eu'
        echo 'cofferd >"$HOME/log" 2>&1 & daemon=$!'
        echo 'trap "kill $daemon && wait $daemon" EXIT'
        echo 'for _ in $(seq 300); do coffer health >"$HOME/health" 2>&1 && break || kill -0 $daemon; sleep 0.1; done'
        printf 'python3 %q bash -euo pipefail %q </dev/null\n' "$place/at_terminal" "$place/first"
    } >"$place/commands"
    grep -v '^export PATH=' "$work/2.sh" >"$place/first"
    cp "$work/at_terminal" "$place"
    if [ "$(id -u)" = 0 ]; then
        chmod 711 "$work" && chown -R "$uid:$uid" "$place/home"
        as=(setpriv "--reuid=$uid" "--regid=$uid" --clear-groups)
    fi
    if timeout -k 5 60 "${as[@]}" env -i HOME="$place/home" PATH="$place/bin:/usr/bin:/bin" LANG=C.UTF-8 \
        bash "$place/commands" >"$place/printed" 2>&1; then
        shows "$work/2.output" "$place/printed" && return 0
    fi
    cat "$place/printed" "$place"/home/*
    return 1
}

# One shell for all blocks: what one exports the next one has.
runner=$work/runner
echo 'set -euo pipefail' >"$runner"
for block in $(find "$work" -name '*.sh' | sort -V); do
    printf 'exec >%q.printed 2>&1\n' "$block" >>"$runner"
    printf 'echo %q >%q\n' "$block" "$work/current" >>"$runner"
    if [ -e "${block%.sh}.terminal" ]; then
        grep '^export ' "$block" >>"$runner" || true
        printf 'python3 %q bash -euo pipefail %q </dev/null\n' "$work/at_terminal" "$block" >>"$runner"
    else
        cat "$block" >>"$runner"
    fi
done

for block in "$work"/*.daemon; do judge "the daemon of README.md" start_daemon "$block"; done
if [ "$failed" = 0 ]; then
    judge "the commands of README.md" bash "$runner"
    [ "$failed" = 0 ] || { cat "$(cat "$work/current")" && tail -n 20 "$(cat "$work/current").printed"; }
    for expected in "$work"/*.output; do
        printed=${expected%.output}.sh.printed
        [ -e "$printed" ] || continue
        judge "what README.md shows of: $(tail -n 1 "${expected%.output}.sh")" shows "$expected" "$printed"
    done
    judge "the first minute of an ordinary user" first_minute
    judge "the Swift example without a daemon" fails_in_one_line .build/release/coffer-ten-lines
    judge "the Node example without a daemon" fails_in_one_line node clients/node/examples/ten_lines.mjs
    judge "the C example without a daemon" \
        fails_in_one_line env LD_LIBRARY_PATH="$HOME/.local/lib" .build-libcoffer/ten_lines
    judge "the Python example without a daemon" \
        fails_in_one_line .build-python-example/bin/python clients/python/examples/ten_lines.py
fi
[ -e "$work/1.daemon" ] && [ -e "$work/2.sh" ] && [ -e "$work/2.output" ] || {
    echo "FAIL README.md has no blocks to run"
    failed=$((failed + 1))
}

echo "readme: $passed passed, $failed failed"
[ "$failed" = 0 ]
