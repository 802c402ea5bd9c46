#!/usr/bin/env bash
# Uses the Swift client as somebody else's package does: by the repository's address and a version.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What is here, committed or not, as a repository with a version.
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar -cf - --null -T - | { mkdir "$work/coffer" && tar -xf - -C "$work/coffer"; }
export GIT_AUTHOR_NAME=tests GIT_AUTHOR_EMAIL=tests@localhost GIT_COMMITTER_NAME=tests GIT_COMMITTER_EMAIL=tests@localhost
git -C "$work/coffer" -c init.defaultBranch=main init -q
git -C "$work/coffer" add -A
git -C "$work/coffer" commit -qm "A version"
git -C "$work/coffer" tag 0.1.0

mkdir -p "$work/worker/Sources/worker"
cp clients/swift/examples/TenLines/TenLines.swift "$work/worker/Sources/worker/Worker.swift"
cat >"$work/worker/Package.swift" <<MANIFEST
// swift-tools-version:6.2
import PackageDescription

let package = Package(
    name: "worker",
    dependencies: [.package(url: "file://$work/coffer", from: "0.1.0")],
    targets: [
        .executableTarget(name: "worker", dependencies: [.product(name: "Coffer", package: "coffer")])
    ]
)
MANIFEST
swift build --package-path "$work/worker" --disable-index-store -debug-info-format none
# Nothing but what the client needs was fetched.
fetched=$(ls "$work/worker/.build/checkouts" | paste -sd ' ')
[ "$fetched" = "coffer swift-protobuf" ] || { echo "fetched: $fetched, expected: coffer swift-protobuf" && exit 1; }
status=0
COFFER_SOCKET=$work/nobody "$work/worker/.build/debug/worker" >"$work/printed" || status=$?
cat "$work/printed"
[ "$status" = 1 ] && grep -q "cofferd is not running at $work/nobody" "$work/printed"
echo "1 passed, 0 failed"
