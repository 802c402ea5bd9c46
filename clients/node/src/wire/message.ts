import type { Reader } from "./reader.js";
import type { Writer } from "./writer.js";

/** A 64-bit count: a number up to 2^53 - 1, and a BigInt above, so that none is rounded. */
export type UInt64 = number | bigint;

/** How a message is written and read. */
export interface MessageType<Message = any> {
    /** Writes the message's fields; throws INVALID_ARGUMENT for text that is not well-formed. */
    encode(message: Message, writer: Writer): void;
    /** Reads a message that ends at `end`; throws `DecodeFault`. */
    decode(reader: Reader, end: number): Message;
}

/** Counts and times as plain numbers; over 2^53 the nearest one. */
export type Plain<T> = T extends number | bigint ? number
    : T extends string | boolean | undefined ? T
    : T extends (infer Element)[] ? Plain<Element>[]
    : { [Name in keyof T]: Plain<T[Name]> };

/** The same message with plain numbers. */
export function plain<T>(value: T): Plain<T> {
    if (typeof value === "bigint") return Number(value) as Plain<T>;
    if (Array.isArray(value)) return value.map(plain) as Plain<T>;
    if (typeof value !== "object" || value === null) return value as Plain<T>;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)])) as Plain<T>;
}
