import type { CallOptions } from "./channel.js";
import type { CofferError } from "./error.js";
import type {
    DoctorStep as DoctorStepMessage, HealthResponse, VaultExamination, VaultHealth as VaultHealthMessage,
} from "./generated/admin.js";
import type { PingResponse } from "./generated/credentials.js";
import type { CredentialRecord } from "./record.js";
import type { Plain } from "./wire/message.js";

/** How a client finds its daemon and how long it waits. */
export interface CofferOptions {
    /** The path of the daemon's socket; found by the rule of PROTOCOL.md if it is not given. */
    socket?: string;
    /** How long a call may take that does not say otherwise; 10,000. */
    timeoutMs?: number;
    /** How long after losing the daemon calls wait for it to come back, within their own time; 2,000. */
    reconnectWindowMs?: number;
    /** How many calls are in flight at once; further ones wait. From 1 to 1,024; 256. */
    maxInFlight?: number;
    /** A uid whose daemon is trusted beside root's and this process's own; `$COFFER_SERVER_UID` if it is not given. */
    serverUid?: number;
}

/** Names one credential. */
export interface Key {
    /** 1 to 256 bytes of UTF-8 without control characters. */
    user: string;
    /** 1 to 256 bytes of UTF-8 without control characters. */
    connection: string;
}

/** The oldest copy from the daemon's memory that will do, in milliseconds; 0 asks the vault. */
export interface Freshness { maxAgeMs?: number }

/** What a Get may be given. */
export type GetOptions = CallOptions & Freshness;

/** What a Store may be given. */
export interface StoreOptions extends CallOptions {
    /** Store only if this is the version in the vault, else ABORTED. Not together with `ifAbsent`. */
    ifVersion?: string;
    /** Store only if there is no live record, else ALREADY_EXISTS. */
    ifAbsent?: boolean;
    /** Seconds until the record expires, a fraction counts as a whole one; the vault's default if it is not given. */
    ttlSeconds?: number;
    /** At most 16; names to 64 bytes, values to 256. Not secret. */
    labels?: Readonly<Record<string, string>>;
}

/** What a Delete may be given. */
export interface DeleteOptions extends CallOptions {
    /** Delete only if this is the version in the vault, else ABORTED. */
    ifVersion?: string;
}

/** What a listing may be given; the time is that of each page. */
export interface ListOptions extends CallOptions {
    /** Entries asked for at a time, at most 1,000; 100 if it is not given. */
    pageSize?: number;
}

/** What a Store has done. */
export interface Receipt {
    /** The new version, for `ifVersion` and to compare with `CredentialRecord.version`. */
    version: string;
    createdAt: Date;
    updatedAt: Date;
    /** From this moment on the record is not found; absent = never. */
    expiresAt?: Date;
}

/** The answer to one key of `getMany`: a record, or why there is none. */
export type GetResult =
    | { key: Key; record: CredentialRecord; error?: undefined }
    | { key: Key; record?: undefined; error: CofferError };

/** One connection of a user, without its credential. */
export interface Entry {
    /** May be empty where there is an `error`. */
    user: string;
    /** May be empty where there is an `error`. */
    connection: string;
    /** Why the record, which is there, cannot be read. Then nothing below is known. */
    error?: CofferError;
    version: string;
    labels: Readonly<Record<string, string>>;
    createdAt?: Date;
    updatedAt?: Date;
    expiresAt?: Date;
}

/** Which records `invalidate` drops from the daemon's cache. */
export type Scope = { all: true } | { all?: undefined; user: string; connection?: string };

/** What a daemon says of itself. */
export type Identity = Plain<PingResponse>;

/** Whether the daemon and its vaults can do their work. */
export type Health = Plain<Omit<HealthResponse, "vaults">> & { vaults: VaultHealth[] };

type NamesOfVault = "breaker" | "writes" | "lastFailure" | "writeFailure" | "checkStatus" | "checkFailure";

/** One vault, as the daemon sees it. */
export type VaultHealth = Plain<Omit<VaultHealthMessage, NamesOfVault>> & {
    /** Calls reach the vault, or fail at once, or one of them does to see whether it works again; none = the vault has no breaker. */
    breaker: "none" | "closed" | "open" | "half-open" | "unknown";
    /** How Stores and Deletes end; unknown = none has succeeded since the start, or failed. */
    writes: "unknown" | "work" | "fail";
    /** The reason of the last failure, as in `CofferError`; UNSPECIFIED = none since the start. */
    lastFailure: string;
    /** Why writes fail; UNSPECIFIED = they do not. */
    writeFailure: string;
    /** Why the check made for this call failed. */
    checkError?: CofferError;
};

/** What the doctor did in one vault. */
export type Examination = Plain<Omit<VaultExamination, "steps">> & { steps: ExaminationStep[] };

/** One step of an examination. */
export type ExaminationStep = Plain<Omit<DoctorStepMessage, "action" | "status" | "failure">> & {
    action: "store" | "get" | "compare" | "delete" | "unknown";
    /** Why the step failed; absent = it succeeded, or was skipped. */
    error?: CofferError;
};
