#!/bin/sh
# Regenerates all that is made from the .proto files; the results are committed.
#
#   proto/generate.sh            writes them into the source tree
#   proto/generate.sh --check    writes nothing; lists what differs, exit status 1 if anything does
#
# Needs protoc and protoc-c (Debian: protobuf-compiler, protobuf-c-compiler) and
# Swift. The two Swift plugins are built from the versions that Package.swift
# names; COFFER_SCRATCH_PATH is SwiftPM's build folder, .build unless set, and
# COFFER_SWIFT_FLAGS are flags of `swift build`, the same as for others in that folder.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
scratch=${COFFER_SCRATCH_PATH:-.build}
protos="coffer/v1/credentials.proto coffer/v1/admin.proto"

check=false
case "${1-}" in
"") ;;
--check) check=true ;;
*) echo "usage: proto/generate.sh [--check]" >&2; exit 2 ;;
esac

for tool in protoc protoc-c swift; do
    command -v "$tool" >/dev/null || {
        echo "proto/generate.sh: $tool is not installed" >&2
        exit 1
    }
done

# One product at a time: SwiftPM builds the last --product only.
for plugin in protoc-gen-swift protoc-gen-coffer; do
    # shellcheck disable=SC2086 # flags are meant to be split
    swift build --scratch-path "$scratch" ${COFFER_SWIFT_FLAGS:-} --product "$plugin" >&2
done
# shellcheck disable=SC2086
plugins=$(swift build --scratch-path "$scratch" ${COFFER_SWIFT_FLAGS:-} --show-bin-path)

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# protoc's messages name the .proto files; nothing it writes holds a path of this machine.
run() {
    # shellcheck disable=SC2086 # the list of files is meant to be split
    protoc -I proto "$@" $protos
}

# C, once for the daemon and once for the C client: neither reaches into the other.
generate_c() {
    mkdir -p "$out/c"
    # shellcheck disable=SC2086
    protoc-c -I proto --c_out="$out/c" $protos
}

generate_swift() {
    messages=$out/clients/swift/Sources/Coffer/Generated
    server=$out/Sources/CofferServer/Generated
    fixtures=$out/Tests/CofferCodeGenTests/Fixtures
    mkdir -p "$messages" "$server" "$fixtures"
    run --plugin="$plugins/protoc-gen-swift" \
        --swift_opt=Visibility=Public,FileNaming=DropPath,UseAccessLevelOnImports=true \
        --swift_out="$messages"
    run --plugin="$plugins/protoc-gen-coffer" --coffer_opt=Side=client,Visibility=public \
        --coffer_out="$messages"
    run --plugin="$plugins/protoc-gen-coffer" --coffer_opt=Side=server,Visibility=package \
        --coffer_out="$server"
    run --include_imports --include_source_info --descriptor_set_out="$fixtures/coffer.v1.descriptors"
}

# Python. Its modules lie inside of the package and put their messages into its own pool, so that neither a
# top-level `coffer` nor the code of another program that has these .proto files is in the way.
generate_python() {
    modules=$out/clients/python/src/coffer_client/generated
    mkdir -p "$modules" "$out/python"
    run --python_out="pyi_out:$out/python"
    printf '"""Made by proto/generate.sh."""\n' >"$modules/__init__.py"
    for source in $protos; do
        plain=$out/python/${source%.proto}_pb2.py
        module=$modules/$(basename "$plain")
        {
            printf '"""Made by proto/generate.sh from %s."""\n\n' "$source"
            printf 'from .._pool import add_file\n'
            sed -n 's/^from coffer\.v1 import \([a-z0-9_]*\) as .*/from . import \1  # noqa: F401/p' "$plain"
            sed -n 's/^DESCRIPTOR = .*AddSerializedFile(\(.*\))$/\nadd_file(\1, globals())/p' "$plain"
        } >"$module"
        sed -e 's/^from coffer\.v1 import/from . import/' -e 's/__slots__ = \[\]/__slots__ = ()/' -e 's/_Mapping\]/_Mapping[str, object]]/g' "${plain}i" >"${module}i"
    done
}

# Node needs no other generator: messages and stubs are ours.
generate_node() {
    mkdir -p "$out/clients/node/src/generated"
    run --plugin="$plugins/protoc-gen-coffer" --coffer_opt=Side=typescript \
        --coffer_out="$out/clients/node/src/generated"
}

# install_file GENERATED DESTINATION: writes it, or under --check compares it.
differences=0
install_file() {
    if cmp -s "$1" "$2"; then return; fi
    if $check; then
        differences=$((differences + 1))
        if [ -e "$2" ]; then echo "differs: $2"; else echo "missing: $2"; fi
        case $2 in *.descriptors) ;; *) diff -u "$2" "$1" | head -n 40 || true ;; esac
    else
        mkdir -p "$(dirname "$2")"
        cp "$1" "$2"
        echo "wrote $2"
    fi
}

# report_stale FOLDER GENERATED: files in FOLDER that were not generated now.
report_stale() {
    for file in $(cd "$1" 2>/dev/null && find . -type f ! -name README.md ! -path "*/__pycache__/*"); do
        [ -e "$2/$file" ] && continue
        differences=$((differences + 1))
        echo "not generated any more, remove it: $1/${file#./}"
    done
}

generate_c
generate_swift
generate_python
generate_node

for base in coffer/v1/credentials coffer/v1/admin; do
    install_file "$out/c/$base.pb-c.c" "Sources/CofferMessages/$base.pb-c.c"
    install_file "$out/c/$base.pb-c.h" "Sources/CofferMessages/include/$base.pb-c.h"
    if [ -d clients/c/src/generated ]; then
        install_file "$out/c/$base.pb-c.c" "clients/c/src/generated/$base.pb-c.c"
        install_file "$out/c/$base.pb-c.h" "clients/c/src/generated/$base.pb-c.h"
    fi
done
for folder in clients/swift/Sources/Coffer/Generated Sources/CofferServer/Generated \
    Tests/CofferCodeGenTests/Fixtures clients/python/src/coffer_client/generated clients/node/src/generated; do
    for file in "$out/$folder"/*; do install_file "$file" "$folder/$(basename "$file")"; done
    report_stale "$folder" "$out/$folder"
done

if [ "$differences" -gt 0 ]; then
    $check && echo "run proto/generate.sh and commit what it writes" >&2
    exit 1
fi
