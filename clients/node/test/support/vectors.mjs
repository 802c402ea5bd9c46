// The lines of proto/vectors; the format is in its README.md.

import { readFileSync } from "node:fs";

const folder = new URL("../../../../proto/vectors/", import.meta.url);

/** Bytes from `HEX+HEX*TIMES`. */
export function bytesOf(text) {
    return Buffer.concat(text.split("+").map((piece) => {
        const [digits, times = "1"] = piece.split("*");
        const once = Buffer.from(digits, "hex");
        return Buffer.alloc(once.length * Number(times), once.length > 0 ? once : undefined);
    }));
}

/** Each vector of a file: `name`, `bytes`, `outcome`, and the other tokens by key. */
export function vectors(file) {
    return readFileSync(new URL(file, folder), "utf8").split("\n")
        .filter((line) => line !== "" && !line.startsWith("#"))
        .map((line) => {
            const [name, bytes, arrow, outcome, ...tokens] = line.split(" ");
            if (arrow !== "=>") throw new Error(`${file}: no arrow in ${line.slice(0, 80)}`);
            const fields = new Map(tokens.map((token) => {
                const at = token.indexOf("=");
                return [token.slice(0, at), token.slice(at + 1)];
            }));
            return { name, bytes: bytesOf(bytes), outcome, fields };
        });
}
