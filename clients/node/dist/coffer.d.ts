import type { CallOptions } from "./channel.js";
import { AdminClient } from "./generated/admin.js";
import { CredentialsClient } from "./generated/credentials.js";
import { CredentialRecord } from "./record.js";
import type { CofferOptions, DeleteOptions, Entry, Examination, GetOptions, GetResult, Health, Identity, Key, ListOptions, Receipt, Scope, StoreOptions } from "./types.js";
declare global {
    interface SymbolConstructor {
        readonly asyncDispose: unique symbol;
    }
}
/**
 * A client of `cofferd`. It connects when it is first used; all its calls share one connection, so one client serves a
 * whole program. With no call in flight it does not keep the process alive.
 *
 * Calls fail with `CofferError`.
 */
export declare class Coffer {
    /** The generated stubs of the service that connectors call. */
    readonly credentials: CredentialsClient;
    /** The generated stubs of the service that operators call. */
    readonly admin: AdminClient;
    private readonly channel;
    /** Closes the client at the end of an `await using` block, where the language has it. */
    [Symbol.asyncDispose]: () => Promise<void>;
    constructor(options?: CofferOptions);
    /** The credential and what is known about it. NOT_FOUND is never an outage, and an outage never NOT_FOUND. */
    get(user: string, connection: string, options?: GetOptions): Promise<CredentialRecord>;
    /** As `get`, but undefined in place of NOT_FOUND. */
    tryGet(user: string, connection: string, options?: GetOptions): Promise<CredentialRecord | undefined>;
    /**
     * Creates the credential, or replaces it whole: labels and expiry too.
     *
     * Never made again once it may have been carried out: then `mayHaveHappened` is set. With a condition the caller can
     * repeat it safely.
     *
     * @param value 1 byte to 64 KiB, unless the daemon allows more; text as UTF-8
     */
    store(user: string, connection: string, value: Uint8Array | string, options?: StoreOptions): Promise<Receipt>;
    /** Removes the credential. Deleting what is not there succeeds. As `store`, it is not made again in doubt. */
    delete(user: string, connection: string, options?: DeleteOptions): Promise<{
        existed: boolean;
    }>;
    /**
     * Many credentials, one result for each key in the order of `keys`. Asks for 256 at a time; each such call has the
     * time to itself.
     */
    getMany(keys: readonly Key[], options?: GetOptions): Promise<GetResult[]>;
    /**
     * Which connections a user has, without their credentials: each live record once, if nothing changes meanwhile, in no
     * promised order. Pages are fetched as they are needed.
     *
     * @param user empty = all users, only for callers whose policy grants it
     */
    list(user: string, options?: ListOptions): AsyncGenerator<Entry, void, undefined>;
    /** Whether the daemon answers, which process it is, and the limits that it has. No vault and no policy is asked. */
    ping(options?: CallOptions): Promise<Identity>;
    /** Whether the daemon and its vaults can do their work now. */
    health(options?: CallOptions): Promise<Health>;
    /** Counters, gauges and the limits in force, by name; the manual lists them. */
    stats(options?: CallOptions): Promise<Record<string, number>>;
    /** Drops records from the daemon's cache; the vaults are not touched. Gives how many. */
    invalidate(scope: Scope, options?: CallOptions): Promise<number>;
    /**
     * Has the daemon store, read, compare and delete a test record in each vault. What fails there is in the result.
     *
     * @param vault the name of one; each of them if it is not given
     */
    doctor(vault?: string, options?: CallOptions): Promise<Examination[]>;
    /** Ends calls in flight with CANCELLED; later calls fail the same way. */
    close(): Promise<void>;
    private dropped;
}
