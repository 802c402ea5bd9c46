#!/usr/bin/env bash
# The package as others get it: packed, installed without a network into a fresh project, imported both ways, its
# declarations read by tsc. Needs tsc. With npm on the PATH it packs and installs; without it (Debian's nodejs has none)
# the same tarball is made and unpacked by hand, which is all that npm does for a package without dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf dist

mkdir "$work/project"
echo '{ "name": "project", "private": true }' >"$work/project/package.json"
if command -v npm >/dev/null; then
    export npm_config_cache=$work/cache npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false
    # It builds first: `prepack`.
    npm pack --silent --pack-destination "$work" >"$work/name"
    (cd "$work/project" && npm install --silent --offline "$work/$(tail -n 1 "$work/name")")
    echo "packed and installed by npm $(npm --version)"
else
    tsc -p .
    mkdir -p "$work/package" "$work/project/node_modules/@coffer/client"
    cp -r package.json LICENSE README.md dist "$work/package"
    tar -czf "$work/coffer-client.tgz" -C "$work" package
    tar -xzf "$work/coffer-client.tgz" -C "$work/project/node_modules/@coffer/client" --strip-components=1
    echo "packed and installed by hand: there is no npm"
fi

cd "$work/project"
installed=node_modules/@coffer/client
cat >module.mjs <<'JS'
import { Coffer, CofferError, createCredentialManager } from "@coffer/client";
const error = await new Coffer({ socket: "/nowhere/coffer.sock" }).get("ann", "github").catch((error) => error);
console.log(error instanceof CofferError, error.code, typeof createCredentialManager);
JS
cat >common.cjs <<'JS'
const { Coffer, CofferError, createCredentialManager } = require("@coffer/client");
new Coffer({ socket: "/nowhere/coffer.sock" }).get("ann", "github").catch((error) => {
    console.log(error instanceof CofferError, error.code, typeof createCredentialManager);
});
JS
cat >both.mjs <<'JS'
import { createRequire } from "node:module";
import { Coffer } from "@coffer/client";
console.log(createRequire(import.meta.url)("@coffer/client").Coffer === Coffer);
JS
# A program that uses every public method, with each kind of options, as TypeScript reads the declarations.
cat >program.ts <<'TS'
import { Coffer, CofferError, CredentialManager, CredentialRecord, createCredentialManager, type Entry, type GetResult } from "@coffer/client";
interface OAuth { accessToken: string; refreshToken?: string }
async function program(signal: { aborted: boolean; addEventListener(type: "abort", listener: () => void): void; removeEventListener(type: "abort", listener: () => void): void }): Promise<void> {
    const coffer = new Coffer({ timeoutMs: 100, maxInFlight: 8 });
    const record: CredentialRecord = await coffer.get("ann", "github", { maxAgeMs: 0, signal });
    const bytes: Uint8Array = record.bytes();
    const token: string = record.json<OAuth>().accessToken;
    const none: CredentialRecord | undefined = await coffer.tryGet("ann", "github");
    const version: string = (await coffer.store("ann", "github", bytes, { ifVersion: record.version, labels: { env: "prod" } })).version;
    const existed: boolean = (await coffer.delete("ann", "github", { ifVersion: version })).existed;
    const results: GetResult[] = await coffer.getMany([{ user: "ann", connection: "github" }]);
    for (const one of results) { if (one.error) one.error.code; else one.record.text(); }
    for await (const entry of coffer.list("ann", { pageSize: 10 })) { const known: Entry = entry; known.connection; }
    const uptime: number = (await coffer.health()).uptimeMs + (await coffer.stats())["calls_total"];
    const manager: CredentialManager<OAuth> = createCredentialManager<OAuth>();
    await manager.storeCredentials("conn", "user", { accessToken: token });
    try { await manager.getCredentials("conn", "user"); }
    catch (error) { if (error instanceof CofferError && error.code === "NOT_FOUND") error.reason; }
    // @ts-expect-error a code that there is not
    if (new CofferError("UNAVAILABLE", "x").code === "NOPE") return;
    await coffer.close();
    void [none, existed, uptime];
}
void program;
TS
failed=0
# expect NAME EXPECTED COMMAND…
expect() {
    local printed
    printed=$("${@:3}" 2>&1) || true
    if [ "$printed" = "$2" ]; then return; fi
    echo "FAIL $1: expected \"$2\", printed \"$printed\""
    failed=$((failed + 1))
}
expect "import" "true UNAVAILABLE function" node module.mjs
expect "require" "true UNAVAILABLE function" node common.cjs
expect "one implementation for both" "true" node both.mjs
for kind in "Node16 Node16" "Node CommonJS"; do
    read -r resolution module <<<"$kind"
    cat >tsconfig.json <<JSON
{ "compilerOptions": { "strict": true, "noEmit": true, "types": [], "lib": ["ES2022"], "target": "ES2022",
  "moduleResolution": "$resolution", "module": "$module" }, "files": ["program.ts"] }
JSON
    expect "declarations, $resolution" "" tsc -p .
done
expect "no dependencies" "" node -p "Object.keys(require('./$installed/package.json').dependencies ?? {}).join()"
expect "only what programs need" "LICENSE README.md dist package.json" bash -c "ls $installed | LC_ALL=C sort | paste -sd ' '"
echo "package: $((7 - failed)) passed, $failed failed"
[ "$failed" = 0 ]
