#!/bin/sh
# The library exports what the headers declare, and nothing else.
set -eu
library=$1
shift
exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort)
declared=$(cat "$@" | tr '\n' ' ' | sed 's/COFFER_API/\n&/g' | sed -n 's/^COFFER_API [^(]*[ *]\(coffer_[a-z_]*\)(.*/\1/p' | sort)
[ -n "$declared" ]
if [ "$exported" != "$declared" ]; then
    echo "exported, not declared or the reverse:"
    printf '%s\n%s\n' "$exported" "$declared" | sort | uniq -u
    exit 1
fi
