"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.checkCredential = exports.checkWhole = exports.checkTexts = exports.checkText = exports.isOptional = void 0;
const error_js_1 = require("./error.js");
const writer_js_1 = require("./wire/writer.js");
// What is refused here, before anything is made of it: no daemon takes it. The narrower limits are the daemon's to check.
/** Of a credential, in bytes: the most that a daemon can be configured to take. */
const CREDENTIAL_BYTES = 1 << 20;
/** Of any text in a request; page tokens, the longest, have 8 KiB. */
const TEXT_LENGTH = 16 << 10;
/** Throws INVALID_ARGUMENT unless the value, where there is one, has this type. It is not repeated. */
function isOptional(name, value, type) {
    if (value !== undefined && typeof value !== type) {
        throw error_js_1.CofferError.badField(`${name}: expected a ${type}, got ${value === null ? "null" : typeof value}`);
    }
}
exports.isOptional = isOptional;
function checkText(name, text) {
    if (typeof text !== "string")
        throw error_js_1.CofferError.badField(`${name}: expected a string, got ${text === null ? "null" : typeof text}`);
    if (text.length > TEXT_LENGTH)
        throw error_js_1.CofferError.badField(`${name}: expected at most ${TEXT_LENGTH} bytes, got more`);
}
exports.checkText = checkText;
/** Texts by name; `undefined` is left out, but for user and connection, which must be there. */
function checkTexts(texts) {
    for (const [name, text] of Object.entries(texts)) {
        if (text === undefined && name !== "user" && name !== "connection")
            continue;
        checkText(name, text);
    }
}
exports.checkTexts = checkTexts;
/** Throws INVALID_ARGUMENT unless the number, where there is one, is whole and in the range. */
function checkWhole(name, value, least, most) {
    isOptional(name, value, "number");
    if (value !== undefined && !(Number.isInteger(value) && value >= least && value <= most)) {
        throw error_js_1.CofferError.badField(`${name}: expected a whole number from ${least} to ${most}, got ${value}`);
    }
}
exports.checkWhole = checkWhole;
/** A copy of a credential that the caller wipes. */
function checkCredential(value) {
    if (typeof value !== "string" && !(value instanceof Uint8Array)) {
        throw error_js_1.CofferError.badField(`value: expected a Uint8Array or a string, got ${value === null ? "null" : typeof value}`);
    }
    // A string has at least as many bytes as UTF-16 units.
    if (value.length > CREDENTIAL_BYTES)
        throw tooLarge(value.length);
    if (typeof value !== "string")
        return Uint8Array.from(value);
    (0, writer_js_1.requireWellFormed)("value", value);
    const size = Buffer.byteLength(value);
    if (size > CREDENTIAL_BYTES)
        throw tooLarge(size);
    const bytes = Buffer.allocUnsafeSlow(size);
    bytes.utf8Write(value, 0);
    return bytes;
}
exports.checkCredential = checkCredential;
function tooLarge(size) {
    return new error_js_1.CofferError("INVALID_ARGUMENT", `credential: expected 1 to ${CREDENTIAL_BYTES} bytes, got ${size}; no daemon accepts more`, { reason: "CREDENTIAL_TOO_LARGE" });
}
