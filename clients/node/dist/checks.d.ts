/** Throws INVALID_ARGUMENT unless the value, where there is one, has this type. It is not repeated. */
export declare function isOptional(name: string, value: unknown, type: "string" | "number"): void;
export declare function checkText(name: string, text: string): void;
/** Texts by name; `undefined` is left out, but for user and connection, which must be there. */
export declare function checkTexts(texts: Record<string, string | undefined>): void;
/** Throws INVALID_ARGUMENT unless the number, where there is one, is whole and in the range. */
export declare function checkWhole(name: string, value: number | undefined, least: number, most: number): void;
/** A copy of a credential that the caller wipes. */
export declare function checkCredential(value: Uint8Array | string): Uint8Array;
