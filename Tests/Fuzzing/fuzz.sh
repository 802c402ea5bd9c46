#!/bin/sh
# Fuzzes with libFuzzer and the address sanitizer; ends 0 only if nothing was
# found. Findings are kept in .build-fuzz/found, new inputs in .build-fuzz/corpus.
#
#   fuzz.sh [--target service|records|policy|configuration] [--seconds N | --frames N]
#
# Without --target: the service for N seconds (20 unless said), then the records and
# the policy for a quarter of that each. --frames plays until the service has taken N frames.
set -eu

cd "$(dirname "$0")/../.."
seconds=20 frames=0 targets="service records policy"
while [ $# -gt 0 ]; do
    case $1 in
    --target) targets=$2 ;;
    --seconds) seconds=$2 ;;
    --frames) frames=$2 targets=service ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
    esac
    shift 2
done

# The configuration's YAML brings the whole daemon with it, so it is apart.
case $targets in
*configuration*) kind=all scratch=.build-fuzz-all ;;
*) kind=service scratch=.build-fuzz ;;
esac
started=$(date +%s)
# The build tool passes sanitizers in an order that changes from run to run, and
# the compiler takes the last one only: both again, in one word.
COFFER_FUZZ=$kind swift build -c release --scratch-path $scratch --product coffer-fuzz \
    -debug-info-format none --sanitize=fuzzer --sanitize=address -Xswiftc -sanitize=address,fuzzer -Xswiftc -enable-testing >$scratch.log 2>&1 || {
    cat $scratch.log
    exit 1
}
mv $scratch.log $scratch/build.log
echo "build: $(($(date +%s) - started)) s"

# Swift's own backtrace would wait for a debugger that never comes.
export SWIFT_BACKTRACE=enable=no
export ASAN_OPTIONS="detect_leaks=1:malloc_context_size=6:intercept_tls_get_addr=0:${ASAN_OPTIONS:-}"

total() { awk -v key="$1=" '{ for (i = 1; i <= NF; i++) if (index($i, key) == 1) sum += substr($i, length(key) + 1) } END { printf "%.0f", sum }' "$report"; }
most() { awk -v key="$1=" '{ for (i = 1; i <= NF; i++) if (index($i, key) == 1 && substr($i, length(key) + 1) + 0 > top) top = substr($i, length(key) + 1) + 0 } END { printf "%.0f", top }' "$report"; }

player=
trap '[ -z "$player" ] || kill "$player"' EXIT
trap 'exit 130' INT TERM

# One process for at most $2 seconds.
play() {
    mkdir -p $scratch/corpus/$1 $scratch/found
    dictionary=
    [ ! -f Tests/Fuzzing/$1.dict ] || dictionary=-dict=Tests/Fuzzing/$1.dict
    COFFER_FUZZ_TARGET=$1 COFFER_FUZZ_REPORT=$report $scratch/release/coffer-fuzz \
        -max_total_time=$2 -max_len=4096 -len_control=0 -mutate_depth=3 -timeout=10 -rss_limit_mb=2048 \
        -malloc_limit_mb=64 -print_final_stats=1 -artifact_prefix=$scratch/found/$1- $dictionary \
        $scratch/corpus/$1 Tests/Fuzzing/Corpus/$1 >$scratch/$1.log 2>&1 &
    player=$!
    wait "$player" || {
        player=
        tail -40 $scratch/$1.log
        echo "fuzz: $1: found something; the input is in $scratch/found" >&2
        exit 1
    }
    player=
    counters=$(sed -n 's/.*(\([0-9]*\) inline 8-bit counters).*/\1/p' $scratch/$1.log)
    [ "${counters:-0}" -ge 5000 ] || {
        echo "fuzz: only ${counters:-0} places are counted; the Swift code is not instrumented" >&2
        exit 1
    }
}

for target in $targets; do
    report=$(mktemp)
    began=$(date +%s)
    time=$seconds
    [ "$target" = service ] || [ "$targets" = "$target" ] || time=$((seconds / 4))
    if [ "$frames" -gt 0 ]; then
        while :; do
            play "$target" 300
            echo "$target: $(total frames) frames after $(($(date +%s) - began)) s"
            [ "$(total frames)" -ge "$frames" ] && break
        done
    else
        play "$target" "$time"
    fi
    took=$(($(date +%s) - began))
    [ "$took" -gt 0 ] || took=1
    echo "$target: $(total inputs) inputs in $took s, $(($(total inputs) / took)) per second, the slowest took $(most slowest_ms) ms of CPU time"
    if [ "$target" = service ]; then
        share=$(($(total inputs_decoding) * 100 / $(total inputs)))
        echo "$target: $(total frames) frames, $(($(total frames) / took)) per second; $(total decoded) reached protobuf-c, from $share % of the inputs"
    fi
    rm -f "$report"
done
echo "fuzz: nothing found"
