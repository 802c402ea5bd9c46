"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.plain = void 0;
/** The same message with plain numbers. */
function plain(value) {
    if (typeof value === "bigint")
        return Number(value);
    if (Array.isArray(value))
        return value.map(plain);
    if (typeof value !== "object" || value === null)
        return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}
exports.plain = plain;
