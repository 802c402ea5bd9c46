import type { CallOptions, Channel, Method } from "../channel.js";
import type { MessageType, UInt64 } from "../wire/message.js";
import type { Reader } from "../wire/reader.js";
import type { Writer } from "../wire/writer.js";
/** Where an answer came from. */
export declare const Source: {
    readonly UNSPECIFIED: 0;
    /** From the cache, inside its TTL. */
    readonly MEMORY: 1;
    /** The vault was asked for this answer. */
    readonly VAULT: 2;
    /**
     * From the cache, because the vault could not be asked: past its TTL, or after a
     * Store or Delete of which nobody knows whether it was done.
     */
    readonly STALE_ON_ERROR: 3;
};
/** One of `Source`, or a number that a later daemon has added. */
export declare type Source = number;
/** Why, finer than the status. Programs act on the status; reasons may grow. */
export declare const Failure_Reason: {
    readonly UNSPECIFIED: 0;
    /** 10-29: the request is wrong; sending it again changes nothing. */
    readonly MALFORMED: 10;
    /** a field breaks its rule; the message names it */
    readonly BAD_FIELD: 11;
    readonly UNKNOWN_METHOD: 12;
    readonly FRAME_TOO_LARGE: 13;
    readonly CREDENTIAL_TOO_LARGE: 14;
    readonly DUPLICATE_CALL_ID: 15;
    /** this vault cannot do it; the message says what can */
    readonly NOT_SUPPORTED: 16;
    /** 30-39: about the record. */
    readonly NOT_FOUND: 30;
    /** if_version named another version */
    readonly VERSION_MISMATCH: 31;
    /** if_absent, and it is there */
    readonly ALREADY_EXISTS: 32;
    /** 40-49: about the caller. */
    readonly DENIED: 40;
    /** too many at once; try later or do fewer */
    readonly LIMIT: 41;
    readonly CANCELLED: 42;
    readonly DEADLINE: 43;
    /** 60-79: about the daemon and its vaults. */
    readonly DRAINING: 60;
    readonly VAULT_UNREACHABLE: 61;
    /** the vault said no to the daemon */
    readonly VAULT_REFUSED: 62;
    /** the vault answered, but not sensibly */
    readonly VAULT_FAILED: 63;
    /** damaged, or sealed under a key we lack */
    readonly UNREADABLE_RECORD: 64;
    /** the daemon's own storage failed or is full */
    readonly DISK: 65;
    readonly INTERNAL: 79;
};
/** One of `Failure_Reason`, or a number that a later daemon has added. */
export declare type Failure_Reason = number;
/** Names one credential. */
export interface Key {
    /** 1 to 256 bytes of UTF-8 without control characters. */
    userId: string;
    /** 1 to 256 bytes of UTF-8 without control characters. */
    connectionId: string;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeKey(message: Partial<Key>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeKey(reader: Reader, end: number): Key;
/** `coffer.v1.StoreRequest` */
export interface StoreRequest {
    /** 1 to 256 bytes of UTF-8 without control characters. */
    userId: string;
    /** 1 to 256 bytes of UTF-8 without control characters. */
    connectionId: string;
    /**
     * The secret: 1 byte to the configured limit (64 KiB unless raised, at most
     * 1 MiB), any bytes.
     */
    credential: Uint8Array;
    /**
     * Seconds until the record expires, counted from when the daemon takes the
     * call; 0 = the vault's default, which is never unless configured. At most
     * 3,153,600,000 (100 years).
     */
    ttlSeconds: number;
    /**
     * For people and List; not secret, yet kept sealed. At most 16; names 1 to 64
     * bytes, values to 256 bytes, both without control characters.
     */
    labels: Readonly<Record<string, string>>;
    /** Store only if this is the version now in the vault. 1 to 128 bytes. */
    ifVersion?: string;
    /** If true, store only if there is no live record. */
    ifAbsent?: boolean;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeStoreRequest(message: Partial<StoreRequest>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeStoreRequest(reader: Reader, end: number): StoreRequest;
/** `coffer.v1.StoreResponse` */
export interface StoreResponse {
    /** Opaque, 1 to 128 bytes: equal exactly when the stored value is the same write. */
    version: string;
    /** When the record first came to be; kept by replacing it. */
    createdAtMs: UInt64;
    /** When this version was written. */
    updatedAtMs: UInt64;
    /** From this moment on the record is NOT_FOUND; 0 = never. */
    expiresAtMs: UInt64;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeStoreResponse(message: Partial<StoreResponse>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeStoreResponse(reader: Reader, end: number): StoreResponse;
/** `coffer.v1.GetRequest` */
export interface GetRequest {
    /** 1 to 256 bytes of UTF-8 without control characters. */
    userId: string;
    /** 1 to 256 bytes of UTF-8 without control characters. */
    connectionId: string;
    /**
     * The oldest copy from memory that will do, in milliseconds. Unset = the
     * configured TTL; 0 = ask the vault now. Never stretches the TTL.
     */
    maxAgeMs?: UInt64;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeGetRequest(message: Partial<GetRequest>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeGetRequest(reader: Reader, end: number): GetRequest;
/** `coffer.v1.GetResponse` */
export interface GetResponse {
    /** The secret, as it was stored. */
    credential: Uint8Array;
    /** Opaque; see StoreResponse. */
    version: string;
    /** As they were stored. */
    labels: Readonly<Record<string, string>>;
    /** When the record first came to be. */
    createdAtMs: UInt64;
    /** When this version was written. */
    updatedAtMs: UInt64;
    /** From this moment on the record is NOT_FOUND; 0 = never. */
    expiresAtMs: UInt64;
    /** Where this answer came from. */
    source: Source;
    /** Milliseconds since the vault said so. */
    ageMs: UInt64;
    /**
     * True if the answer is older than the TTL allows, or may have been replaced, and
     * stands in for a vault that could not be asked.
     */
    stale: boolean;
    /**
     * The record's format in the vault, "json" for instance, if it is not the one
     * that the vault is written in: somebody else may have written it. Else empty.
     */
    foreignFormat: string;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeGetResponse(message: Partial<GetResponse>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeGetResponse(reader: Reader, end: number): GetResponse;
/** `coffer.v1.DeleteRequest` */
export interface DeleteRequest {
    /** 1 to 256 bytes of UTF-8 without control characters. */
    userId: string;
    /** 1 to 256 bytes of UTF-8 without control characters. */
    connectionId: string;
    /**
     * Delete only if this is the version now in the vault; ABORTED if it is
     * another one, OK if there is no record. 1 to 128 bytes.
     */
    ifVersion?: string;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeDeleteRequest(message: Partial<DeleteRequest>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeDeleteRequest(reader: Reader, end: number): DeleteRequest;
/** `coffer.v1.DeleteResponse` */
export interface DeleteResponse {
    /** True if a live record was there and this call removed it. */
    existed: boolean;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeDeleteResponse(message: Partial<DeleteResponse>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeDeleteResponse(reader: Reader, end: number): DeleteResponse;
/** `coffer.v1.GetManyRequest` */
export interface GetManyRequest {
    /** 1 to 256 keys. A key may come twice and is then answered twice. */
    keys: Key[];
    /** As in GetRequest, for all keys. */
    maxAgeMs?: UInt64;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeGetManyRequest(message: Partial<GetManyRequest>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeGetManyRequest(reader: Reader, end: number): GetManyRequest;
/** `coffer.v1.GetManyResponse` */
export interface GetManyResponse {
    /** Some of the results; together the responses hold one for each key. */
    results: GetResult[];
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeGetManyResponse(message: Partial<GetManyResponse>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeGetManyResponse(reader: Reader, end: number): GetManyResponse;
/** `coffer.v1.GetResult` */
export interface GetResult {
    /** Which key this answers: its place in GetManyRequest.keys, from 0. */
    index: number;
    /** The status that a Get of this key alone would have had; 0 = OK. */
    status: number;
    /** Present if status is 0. */
    record?: GetResponse;
    /** Present if status is not 0. */
    failure?: Failure;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeGetResult(message: Partial<GetResult>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeGetResult(reader: Reader, end: number): GetResult;
/** `coffer.v1.ListRequest` */
export interface ListRequest {
    /**
     * Whose connections: 1 to 256 bytes of UTF-8 without control characters.
     * May be empty (= all users) only for callers whose policy grants it.
     */
    userId: string;
    /**
     * Empty for the first page, then next_page_token of the one before. It is good for
     * this listing and until the daemon stops. At most 8,192 bytes.
     */
    pageToken: string;
    /**
     * The most entries to answer with, 0 = 100, at most 1,000. A page may hold
     * fewer, also where more follow.
     */
    pageSize: number;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeListRequest(message: Partial<ListRequest>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeListRequest(reader: Reader, end: number): ListRequest;
/** `coffer.v1.ListResponse` */
export interface ListResponse {
    /**
     * In no promised order; each live record once if nothing changes meanwhile. One
     * that cannot be read is an entry too, with its own status.
     */
    entries: ListEntry[];
    /** For the next page; empty = this was the last one. */
    nextPageToken: string;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeListResponse(message: Partial<ListResponse>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeListResponse(reader: Reader, end: number): ListResponse;
/** `coffer.v1.ListEntry` */
export interface ListEntry {
    /** May be empty if status is not 0: some vaults keep ids in the sealed part only. */
    userId: string;
    /** May be empty if status is not 0, as user_id. */
    connectionId: string;
    /** Opaque; see StoreResponse. */
    version: string;
    labels: Readonly<Record<string, string>>;
    createdAtMs: UInt64;
    updatedAtMs: UInt64;
    /** 0 = never. */
    expiresAtMs: UInt64;
    /**
     * The status that a Get of this record would have had; 0 = OK. If it is not 0, the
     * fields from version to expires_at_ms are empty.
     */
    status: number;
    /** Present if status is not 0. */
    failure?: Failure;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeListEntry(message: Partial<ListEntry>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeListEntry(reader: Reader, end: number): ListEntry;
/** The payload of every response whose status is not 0. */
export interface Failure {
    reason: Failure_Reason;
    /**
     * For people: what was expected, what came, what to do. Never a credential,
     * a token or a vault's own text. At most 1,024 bytes.
     */
    message: string;
    /** The configured name of the vault concerned; empty if none was. */
    vault: string;
    /** True if the same call may succeed later without a change. */
    retryable: boolean;
    /**
     * Of a call that changes something: it may have done so, or a part of it, all the
     * same. False = surely not. The message says it too.
     */
    mayHaveHappened: boolean;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeFailure(message: Partial<Failure>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeFailure(reader: Reader, end: number): Failure;
/** `coffer.v1.PingRequest` */
export interface PingRequest {
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodePingRequest(_message: PingRequest, _writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodePingRequest(reader: Reader, end: number): PingRequest;
/** `coffer.v1.PingResponse` */
export interface PingResponse {
    /** The daemon's version, as `cofferd --version` prints it. */
    version: string;
    /** 16 hexadecimal digits, drawn at each start: others are another process. */
    instance: string;
    /** The daemon is about to end: the next call belongs on a new connection. */
    draining: boolean;
    /** Bytes of the largest frame that it takes, header included. */
    maxFrameBytes: number;
    /** Bytes of the largest credential that it stores. */
    maxCredentialBytes: number;
    /** Calls of one connection that may wait for a vault at the same time. */
    maxWaitingCalls: number;
    /** Keys of one GetMany. */
    maxKeys: number;
    /** The most milliseconds that a call may take, whatever the client says. */
    maxCallMs: number;
    /**
     * What this daemon does that the first daemons of protocol 1 did not, a bit
     * for each thing; PROTOCOL.md lists them. Bits that a client does not know
     * mean nothing to it.
     */
    features: UInt64;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodePingResponse(message: Partial<PingResponse>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodePingResponse(reader: Reader, end: number): PingResponse;
/** The messages of this file, by full name. */
export declare const messages: Record<string, MessageType>;
/** The methods of `coffer.v1.Credentials`. */
export declare const CredentialsMethods: {
    store: Method<StoreRequest, StoreResponse>;
    get: Method<GetRequest, GetResponse>;
    delete: Method<DeleteRequest, DeleteResponse>;
    getMany: Method<GetManyRequest, GetManyResponse>;
    list: Method<ListRequest, ListResponse>;
    ping: Method<PingRequest, PingResponse>;
};
/** Calls the methods of `coffer.v1.Credentials`. */
export declare class CredentialsClient {
    private readonly channel;
    constructor(channel: Channel);
    /**
     * Creates the credential, or replaces it whole: labels and expiry too.
     * With a condition: ABORTED if the version is another one, ALREADY_EXISTS if
     * a live record is there, FAILED_PRECONDITION from a vault that cannot
     * promise the condition.
     */
    store(request: Partial<StoreRequest>, options?: CallOptions): Promise<StoreResponse>;
    /**
     * The credential and what is known about it. NOT_FOUND for what was never
     * stored, was deleted or has expired; never for a vault that is out of reach.
     */
    get(request: Partial<GetRequest>, options?: CallOptions): Promise<GetResponse>;
    /** Removes the credential. Deleting what is not there is OK. */
    delete(request: Partial<DeleteRequest>, options?: CallOptions): Promise<DeleteResponse>;
    /**
     * Many Gets in one call. One result for each key, in as many responses as
     * it takes to keep each below the frame limit, in no promised order.
     */
    getMany(request: Partial<GetManyRequest>, options?: CallOptions): AsyncIterable<GetManyResponse>;
    /** Which connections a user has, without their credentials. */
    list(request: Partial<ListRequest>, options?: CallOptions): Promise<ListResponse>;
    /**
     * Whether the daemon answers, and what it is. It asks no vault and no policy:
     * whoever may connect may call it.
     */
    ping(request: Partial<PingRequest>, options?: CallOptions): Promise<PingResponse>;
}
