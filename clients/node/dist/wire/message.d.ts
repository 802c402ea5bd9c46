import type { Reader } from "./reader.js";
import type { Writer } from "./writer.js";
/** A 64-bit count: a number up to 2^53 - 1, and a BigInt above, so that none is rounded. */
export declare type UInt64 = number | bigint;
/** How a message is written and read. */
export interface MessageType<Message = any> {
    /** Writes the message's fields; throws INVALID_ARGUMENT for text that is not well-formed. */
    encode(message: Message, writer: Writer): void;
    /** Reads a message that ends at `end`; throws `DecodeFault`. */
    decode(reader: Reader, end: number): Message;
}
/** Counts and times as plain numbers; over 2^53 the nearest one. */
export declare type Plain<T> = T extends number | bigint ? number : T extends string | boolean | undefined ? T : T extends (infer Element)[] ? Plain<Element>[] : {
    [Name in keyof T]: Plain<T[Name]>;
};
/** The same message with plain numbers. */
export declare function plain<T>(value: T): Plain<T>;
