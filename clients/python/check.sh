#!/usr/bin/env bash
# Everything that is checked of the Python client: its tests with each Python there is of those it is for, mypy, and the
# package as others install it. Needs PyPI the first time.
#
#     clients/python/check.sh [BIN]
#
# With BIN, the folder that holds cofferd, both clients also go through its stops, kills and starts under load.
# What it makes is in .build-python-client, or in the folder that COFFER_PYTHON_BUILD names.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${1:-}
build=${COFFER_PYTHON_BUILD:-.build-python-client}
client=clients/python
mkdir -p "$build"

# python_of VERSION: the interpreter, if there is one.
python_of() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python3; do
        "$candidate" -c '' 2>/dev/null && echo "$candidate" && return 0
    done
    return 1
}

# environment FOLDER PYTHON PACKAGE…: a virtual environment, made once.
environment() {
    local folder=$1 python=$2
    shift 2
    [ -e "$folder/ready" ] && return 0
    rm -rf "$folder"
    "$python" -m venv "$folder"
    "$folder/bin/pip" install -q --disable-pip-version-check "$@"
    touch "$folder/ready"
}

environment "$build/main" python3 protobuf mypy types-protobuf build "setuptools>=77"
main=$build/main/bin/python
tests=()
"$main" $client/tests/run.py >"$build/tests-main" 2>&1 &
tests+=("$!:main")
for version in 3.9 3.13; do
    python=$(python_of "$version") || { echo "no Python $version here: not tested with it" && continue; }
    [ "$("$main" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" != "$version" ] || continue
    environment "$build/$version" "$python" protobuf
    "$build/$version/bin/python" $client/tests/run.py >"$build/tests-$version" 2>&1 &
    tests+=("$!:$version")
done

# Built from a copy: setuptools writes beside the sources.
package() {
    rm -rf "$build/source" "$build/dist" "$build/fresh"
    mkdir "$build/source"
    cp -R $client/src $client/pyproject.toml $client/README.md $client/LICENSE "$build/source"
    "$main" -m build --no-isolation "$build/source" --outdir "$build/dist" >"$build/package" || { tail -n 20 "$build/package" && return 1; }
    python3 -m venv "$build/fresh"
    "$build/fresh/bin/pip" install -q --disable-pip-version-check "$build"/dist/*.whl
    # Not from the checkout: what answers is the wheel.
    (cd / && "$OLDPWD/$build/fresh/bin/python" - "$OLDPWD/$build/fresh") <<'PYTHON'
import importlib.metadata, pathlib, sys
import coffer_client
folder = pathlib.Path(coffer_client.__file__).parent
assert folder.is_relative_to(sys.argv[1]), folder
assert (folder / "py.typed").is_file() and (folder / "generated/credentials_pb2.pyi").is_file()
wheel = importlib.metadata.distribution("coffer-client")
assert wheel.version == coffer_client.__version__, wheel.version
assert any(path.name == "LICENSE" for path in wheel.files), "no licence in the wheel"
tops = {path.parts[0] for path in wheel.files}
assert tops == {"coffer_client", f"coffer_client-{wheel.version}.dist-info"}, tops
PYTHON
    "$build/fresh/bin/python" $client/tests/run.py CallTests
    tar -tzf "$build"/dist/*.tar.gz | grep -q '/LICENSE$'
    # A program of its own that is checked strictly finds the wheel's types.
    "$main" -m mypy --strict --cache-dir "$build/mypy" --python-executable "$build/fresh/bin/python" \
        $client/examples/*.py
}

failed=0
if [ -n "$bin" ]; then
    "$main" $client/tests/load/run.py "$bin" >"$build/tests-load" 2>&1 &
    tests+=("$!:load")
fi
"$main" -m mypy --config-file $client/pyproject.toml $client/src/coffer_client --cache-dir "$build/mypy-own" || failed=1
package || failed=1
for one in "${tests[@]}"; do
    wait "${one%%:*}" || failed=1
    grep -v '^$' "$build/tests-${one#*:}" | tail -n 40
done
exit $failed
