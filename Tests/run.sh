#!/usr/bin/env bash
# Runs every test there is and says at the end what passed. `make test` calls
# it; --soak runs the long campaigns too. Nothing is skipped: what cannot run
# has failed.
set -uo pipefail
cd "$(dirname "$0")/.."

soak=()
[ "${1:-}" = --soak ] && soak=(--soak)
logs=.build-logs
rm -rf "$logs"
mkdir -p "$logs"
passed=0
failed=()

limit=1200
[ ${#soak[@]} = 0 ] || limit=86400
declare -A began work watch

# begin NAME COMMAND…: starts a step, in a process group of its own, which is ended when its time is over.
begin() {
    local name=$1
    shift
    began[$name]=$SECONDS
    set -m
    "$@" </dev/null >"$logs/$name" 2>&1 &
    work[$name]=$!
    (
        sleep "$limit"
        echo "ended: it took more than $limit s" >>"$logs/$name"
        kill -TERM -- "-${work[$name]}" && sleep 10 && kill -KILL -- "-${work[$name]}"
    ) &
    watch[$name]=$!
    set +m
}

stop_all() {
    local name
    for name in "${!work[@]}"; do kill -TERM -- "-${work[$name]}" "-${watch[$name]}" 2>/dev/null; done
    exit 130
}
trap stop_all INT TERM

# end NAME: waits for a step that has begun, and shows the end of its output if it fails.
end() {
    local name=$1 seconds status
    wait "${work[$name]}"
    status=$?
    # What it left behind would hold the next step's processor.
    kill -KILL -- "-${work[$name]}" "-${watch[$name]}" 2>/dev/null
    wait "${watch[$name]}" 2>/dev/null
    seconds=$((SECONDS - began[$name]))
    unset "work[$name]" "watch[$name]"
    if [ "$status" = 0 ]; then
        passed=$((passed + 1))
        printf '%-22s ok      %4d s   %s\n' "$name" "$seconds" "$(summary "$name")"
    else
        failed+=("$name")
        printf '%-22s FAILED  %4d s\n' "$name" "$seconds"
        grep -aE '✘|error:|FAIL|warning: var|AssertionError' "$logs/$name" | head -40
        tail -n 40 "$logs/$name"
    fi
}

# step NAME COMMAND…: a step with nothing beside it.
step() {
    begin "$@"
    end "$1"
}

# The lines in which runners say how many tests they ran.
summary() {
    grep -aE '^([a-z]+: )?[0-9]+ passed, [0-9]+ failed|Test run with|tests passed, ' "$logs/$1" | paste -sd ' '
}

python_environment() {
    [ -x .build-python/bin/python ] || python3 -m venv .build-python
    # All at once: steps that run beside each other would each install what is missing.
    .build-python/bin/pip install -q --disable-pip-version-check \
        cryptography -r Tests/Interop/python/requirements.txt -r Tests/Live/requirements.txt
}

# Tests name their place themselves; what a debugger would read costs a sixth of the debug build's processor time.
debug_flags=(-debug-info-format none)

# A debug build in which our own code gives no warning.
build_debug() {
    swift build --build-tests --scratch-path .build-debug "${debug_flags[@]}" 2>&1 | tee "$logs/build-debug.raw"
    [ "${PIPESTATUS[0]}" = 0 ] || return 1
    ! grep -E "^$PWD/(Sources|Tests|clients)/.*warning:" "$logs/build-debug.raw"
}

# swift_test BUILD OPTION…: runs tests of the debug build in that folder. That there are none of the name is a failure
# too, which SwiftPM lets pass.
swift_test() {
    local build=$1
    shift
    swift test --skip-build --scratch-path "$build" "$@" 2>&1 | tee "$logs/swift-tests.part"
    [ "${PIPESTATUS[0]}" = 0 ] && grep -Eq 'Test run with [1-9]' "$logs/swift-tests.part"
}

# Targets that measure time run one after another: the tests of a process share
# as many threads as there are cores, and some keep all of them busy.
swift_tests() {
    local apart=(CofferDaemonTests CofferHTTPTests CofferVaultTests CofferEmbeddedTests CofferHashiCorpTests CofferAWSTests CofferGoogleTests CofferAzureTests CofferFlyTests CofferEtcdTests CofferPostgresTests CofferCacheTests CofferCryptoTests CofferTests)
    local target
    for target in "${apart[@]}"; do swift_test .build-debug --filter "^$target\\." || return 1; done
    swift_test .build-debug --skip CofferVaultsLiveTests "${apart[@]/#/--skip=^}"
}

# Release builds keep one processor busy, mostly, so the C clients are built beside them. All of it gives way to the tests
# that wait beside it: it only has the processor that they leave.
build_release() {
    local product others
    chrt --idle --pid 0 $BASHPID
    build_clients >"$logs/build-others" 2>&1 &
    others=$!
    for product in cofferd coffer coffer-load coffer-interop-swift coffer-simulate coffer-policy-cost; do
        swift build -c release --product "$product" || return 1
    done
    wait "$others" || { tail -n 40 "$logs/build-others" && return 1; }
}

build_clients() {
    cmake -S clients/c -B .build-c -DCMAKE_BUILD_TYPE=Debug \
            -DCOFFER_TEST_PYTHON="$PWD/.build-python/bin/python" \
        && cmake --build .build-c -j2 \
        && cmake -S clients/c -B .build-c-sanitized -DCMAKE_BUILD_TYPE=Debug -DCOFFER_SANITIZE=ON \
        && cmake --build .build-c-sanitized -j2
}

# An independent decoder reads the vectors; an independent encoder makes them again.
envelope_vectors() {
    (cd Tests/Vectors && python3 generate.py | cmp - vectors.json && python3 decoder.py vectors.json)
}

# Packed and installed, against daemons inside of the tests, and under load while a real one is killed.
node_client() {
    clients/node/test/package.sh \
        && node --test clients/node/test/*.test.mjs \
        && node Tests/Interop/node/load.mjs .build-debug/debug
}

c_client() {
    ctest --test-dir .build-c --no-tests=error --output-on-failure \
        && ctest --test-dir .build-c-sanitized --no-tests=error --output-on-failure
}

# Whatever it runs only has the processor that others leave.
idle() {
    chrt --idle --pid 0 $BASHPID
    "$@"
}

clients() { c_client && Tests/Interop/run.sh .build/release .build-c; }

begin python-environment python_environment
step tidy python3 Tests/Tidy/tidy.py
step tidy-self-test python3 Tests/Tidy/tidy.py --self-test
step generated-code env COFFER_SCRATCH_PATH=.build-debug COFFER_SWIFT_FLAGS="${debug_flags[*]}" proto/generate.sh --check
step planted-bugs python3 Tests/Fuzzing/planted-bugs.py --check
end python-environment
export PATH=$PWD/.build-python/bin:$PATH
step vectors-envelope envelope_vectors
step vectors-frames python3 proto/vectors/generate.py --check
step build-debug build_debug
step swift-tests swift_tests
step manual Tests/manual.py .build-debug/debug/cofferd --check
# These wait most of their time, for vaults and for lifetimes to end.
begin build-release build_release
begin swift-package chrt --idle 0 Tests/swift-package.sh
begin live-formats python3 Tests/Live/formats.py --bin .build-debug/debug
step live python3 Tests/Live/run.py --scratch-path .build-debug
step python-client clients/python/check.sh .build-debug/debug
step node-client node_client
end live-formats
# So does this one, for faults to end.
begin hard-life python3 Tests/Live/hardlife/run.py --bin .build-debug/debug "${soak[@]}"
step oracle python3 Tests/Fuzzing/oracle.py .build-debug/debug/coffer-oracle
end build-release
end swift-package
end hard-life
grep -a -A 12 '^An outage' "$logs/hard-life"
begin names idle .build/release/coffer-simulate names ${soak:+--pairs 10000000}
step simulation .build/release/coffer-simulate ${soak:+--seeds 1000000 --pairs 10000000}
step flood .build/release/coffer-simulate flood ${soak:+--keys 10000000}
step trace Tests/trace.sh .build/release
step readme Tests/readme.sh
end names
# The daemon's own tests wait most of their time, too.
begin clients idle clients
step system python3 Tests/System/run.py --bin .build/release "${soak[@]}"
end clients
# Builds the fuzzer first; these tests leave it more than one processor.
begin fuzz chrt --idle 0 Tests/Fuzzing/fuzz.sh ${soak:+--frames 20000000}
step live-system python3 Tests/Live/system/run.py --bin .build/release --part waiting "${soak[@]}"
end fuzz
step live-measured python3 Tests/Live/system/run.py --bin .build/release --part measuring "${soak[@]}"
step allocations Tests/allocations.sh .build/release
step policy-cost Tests/policy-cost.sh .build/release
step bench-smoke Tests/bench.sh .build/release
if [ ${#soak[@]} -gt 0 ]; then
    COFFER_POLICY_EFFORT=200 step policies swift_test .build-debug --filter '^CofferAccessTests\.PolicyPropertyTests'
    step fuzz-policy Tests/Fuzzing/fuzz.sh --target policy --seconds 600
    step node-speed node clients/node/bench/speed.mjs .build/release
    step node-memory node clients/node/bench/memory.mjs .build/release
    step python-speed python3 clients/python/bench/ratios.py .build/release --least 0.75
    step python-memory python3 clients/python/bench/memory.py .build/release
    step python-memory-threads python3 clients/python/bench/memory.py .build/release --gets 1000000 --client blocking
fi

echo
echo "Output of each step: $logs/"
for name in "${failed[@]}"; do echo "FAILED: $name"; done
echo "$passed passed, ${#failed[@]} failed"
[ ${#failed[@]} = 0 ]
