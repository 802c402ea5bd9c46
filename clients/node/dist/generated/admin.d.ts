import type { CallOptions, Channel, Method } from "../channel.js";
import type { MessageType, UInt64 } from "../wire/message.js";
import type { Reader } from "../wire/reader.js";
import type { Writer } from "../wire/writer.js";
import type { Failure, Failure_Reason, Key } from "./credentials.js";
/** Whether calls reach the vault. */
export declare const VaultHealth_Breaker: {
    /** this vault has none */
    readonly UNSPECIFIED: 0;
    /** they do */
    readonly CLOSED: 1;
    /** they fail at once, after too many failures */
    readonly OPEN: 2;
    /** one of them does, to see whether it works again */
    readonly HALF_OPEN: 3;
};
/** One of `VaultHealth_Breaker`, or a number that a later daemon has added. */
export declare type VaultHealth_Breaker = number;
/** How writes end. To check that, something would have to be written. */
export declare const VaultHealth_Writes: {
    /** none has succeeded since the start, or failed */
    readonly UNSPECIFIED: 0;
    /** one has succeeded, and none failed since */
    readonly WORK: 1;
    /** the last one failed, as others will: a policy forbids them */
    readonly FAIL: 2;
};
/** One of `VaultHealth_Writes`, or a number that a later daemon has added. */
export declare type VaultHealth_Writes = number;
/** The values of `DoctorStep_Action`. */
export declare const DoctorStep_Action: {
    readonly UNSPECIFIED: 0;
    readonly STORE: 1;
    readonly GET: 2;
    /** what was read with what was stored */
    readonly COMPARE: 3;
    readonly DELETE: 4;
};
/** One of `DoctorStep_Action`, or a number that a later daemon has added. */
export declare type DoctorStep_Action = number;
/** `coffer.v1.HealthRequest` */
export interface HealthRequest {
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeHealthRequest(_message: HealthRequest, _writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeHealthRequest(reader: Reader, end: number): HealthRequest;
/** `coffer.v1.HealthResponse` */
export interface HealthResponse {
    /** True if requests are taken: started, and not draining. */
    serving: boolean;
    /** The daemon's version, as `cofferd --version` prints it. */
    version: string;
    /** Milliseconds since the daemon started, time asleep included. */
    uptimeMs: UInt64;
    /** In the order of the configuration. */
    vaults: VaultHealth[];
    /**
     * What a person should look at, a sentence each: protections that the host
     * does not give, a key that nobody has copied, variables that nothing uses.
     */
    warnings: string[];
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeHealthResponse(message: Partial<HealthResponse>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeHealthResponse(reader: Reader, end: number): HealthResponse;
/** `coffer.v1.VaultHealth` */
export interface VaultHealth {
    /** The configured name. */
    name: string;
    /** "embedded", "memory", … */
    kind: string;
    /** The check made for this call succeeded. */
    reachable: boolean;
    /** How long that check took, in microseconds. */
    latencyUs: UInt64;
    /** When a call to this vault last succeeded; 0 = not since the start. */
    lastGoodContactMs: UInt64;
    /** The class of the last failure; unspecified = none since the start. */
    lastFailure: Failure_Reason;
    /** What records are written as: "sealed", "json", "legacy-aes". */
    format: string;
    /**
     * The routes that lead here, in their order, for people:
     * "user=crm-* connection=*".
     */
    routes: string[];
    breaker: VaultHealth_Breaker;
    /** Milliseconds until the vault is asked again; 0 = the breaker is not open. */
    breakerRetryMs: UInt64;
    /** Calls that the vault is working on now. */
    inFlight: UInt64;
    /** Calls that wait for others of the vault to end. */
    queued: UInt64;
    /**
     * Since the start: calls that ended, those of them that failed, and how
     * often one was tried again.
     */
    calls: UInt64;
    failures: UInt64;
    retries: UInt64;
    /**
     * Calls that were refused without asking the vault: the breaker was open, or
     * too many waited.
     */
    refusals: UInt64;
    /** When a call to this vault last failed; 0 = not since the start. */
    lastFailureMs: UInt64;
    /**
     * Whether Stores and Deletes succeed. The check made for this call tells it
     * for a vault of the daemon's own only: others are not written to.
     */
    writes: VaultHealth_Writes;
    /** Why they fail; unspecified = they do not. */
    writeFailure: Failure_Reason;
    /** The status of the check made for this call; 0 = it succeeded. */
    checkStatus: number;
    /**
     * Set if check_status is not 0. VAULT_UNREACHABLE and DEADLINE: no answer
     * came. With another reason the vault answered with a refusal, or the daemon
     * lacks what it would ask it with: a token file, say.
     */
    checkFailure?: Failure;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeVaultHealth(message: Partial<VaultHealth>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeVaultHealth(reader: Reader, end: number): VaultHealth;
/** `coffer.v1.StatsRequest` */
export interface StatsRequest {
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeStatsRequest(_message: StatsRequest, _writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeStatsRequest(reader: Reader, end: number): StatsRequest;
/** `coffer.v1.StatsResponse` */
export interface StatsResponse {
    /**
     * Sorted by name. Names and meanings are listed in the manual; names ending
     * in _total only grow, those starting with limit_ are the limits in force.
     */
    stats: Stat[];
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeStatsResponse(message: Partial<StatsResponse>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeStatsResponse(reader: Reader, end: number): StatsResponse;
/** `coffer.v1.Stat` */
export interface Stat {
    name: string;
    value: UInt64;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeStat(message: Partial<Stat>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeStat(reader: Reader, end: number): Stat;
/** `coffer.v1.InvalidateRequest` */
export interface InvalidateRequest {
    key?: Key;
    /** Every record of this user. */
    userId?: string;
    /** Every record. Must be true. */
    all?: boolean;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeInvalidateRequest(message: Partial<InvalidateRequest>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeInvalidateRequest(reader: Reader, end: number): InvalidateRequest;
/** `coffer.v1.InvalidateResponse` */
export interface InvalidateResponse {
    /** How many cached records were dropped. */
    dropped: UInt64;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeInvalidateResponse(message: Partial<InvalidateResponse>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeInvalidateResponse(reader: Reader, end: number): InvalidateResponse;
/** `coffer.v1.DoctorRequest` */
export interface DoctorRequest {
    /** The configured name of the vault to examine; empty = each of them. */
    vault: string;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeDoctorRequest(message: Partial<DoctorRequest>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeDoctorRequest(reader: Reader, end: number): DoctorRequest;
/** `coffer.v1.DoctorResponse` */
export interface DoctorResponse {
    /** In the order of the configuration. */
    vaults: VaultExamination[];
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeDoctorResponse(message: Partial<DoctorResponse>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeDoctorResponse(reader: Reader, end: number): DoctorResponse;
/** `coffer.v1.VaultExamination` */
export interface VaultExamination {
    /** The configured name. */
    name: string;
    /** "embedded", "memory", … */
    kind: string;
    /** In the order in which they were done. */
    steps: DoctorStep[];
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeVaultExamination(message: Partial<VaultExamination>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeVaultExamination(reader: Reader, end: number): VaultExamination;
/** `coffer.v1.DoctorStep` */
export interface DoctorStep {
    action: DoctorStep_Action;
    /** The status that a call of a client would have had; 0 = the step succeeded. */
    status: number;
    /** The step was not done, as one before it failed; its status is 0. */
    skipped: boolean;
    durationUs: UInt64;
    /** Set if status is not 0. */
    failure?: Failure;
    /** What to check, in words; empty if there is nothing. */
    advice: string;
}
/** Writes the fields that are set and not at their default, in order of their numbers. */
export declare function encodeDoctorStep(message: Partial<DoctorStep>, writer: Writer): void;
/** Reads to `end`; refuses what the protocol does not allow in a response. */
export declare function decodeDoctorStep(reader: Reader, end: number): DoctorStep;
/** The messages of this file, by full name. */
export declare const messages: Record<string, MessageType>;
/** The methods of `coffer.v1.Admin`. */
export declare const AdminMethods: {
    health: Method<HealthRequest, HealthResponse>;
    stats: Method<StatsRequest, StatsResponse>;
    invalidate: Method<InvalidateRequest, InvalidateResponse>;
    doctor: Method<DoctorRequest, DoctorResponse>;
};
/** Calls the methods of `coffer.v1.Admin`. */
export declare class AdminClient {
    private readonly channel;
    constructor(channel: Channel);
    /** Whether the daemon and its vaults can do their work now. */
    health(request: Partial<HealthRequest>, options?: CallOptions): Promise<HealthResponse>;
    /** Counters, gauges and the limits in force. */
    stats(request: Partial<StatsRequest>, options?: CallOptions): Promise<StatsResponse>;
    /**
     * Drops records from the cache; the vaults are not touched. A read that is
     * on its way to a vault is not cached either when it comes back.
     */
    invalidate(request: Partial<InvalidateRequest>, options?: CallOptions): Promise<InvalidateResponse>;
    /**
     * Stores a marked test record in each vault, reads it, compares it and
     * deletes it, past cache and routes. What failed is told in the response;
     * the call itself fails only for the reasons that any call does, and with
     * NOT_FOUND if no vault has the name that was asked for.
     */
    doctor(request: Partial<DoctorRequest>, options?: CallOptions): Promise<DoctorResponse>;
}
