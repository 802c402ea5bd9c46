import { Coffer } from "./coffer.js";
import type { CofferOptions } from "./types.js";
/** What a connector needs to call its API; any object that JSON can hold. */
export declare type ConnectorCredentials = Record<string, unknown>;
/**
 * The credential manager of the connectors' framework: same methods, same order of arguments, same texts of errors.
 * Credentials are stored as JSON.
 */
export declare class CredentialManager<C extends object = ConnectorCredentials> {
    private readonly coffer;
    /** @param coffer a client to share, or how to make one */
    constructor(coffer?: Coffer | CofferOptions);
    /** Stores the credentials of a user's connection, or replaces them. */
    storeCredentials(connectionId: string, userId: string, credentials: C): Promise<void>;
    /** The credentials of a user's connection; throws `Credentials not found for connection: ID` if there are none. */
    getCredentials(connectionId: string, userId: string): Promise<C>;
    /** Deletes the credentials of a user's connection; there need be none. */
    deleteCredentials(connectionId: string, userId: string): Promise<void>;
    /** Closes the client. Programs that end need not call it. */
    close(): Promise<void>;
}
/**
 * The framework's factory: it looks at the same variables and throws the same errors. The vault itself is the daemon's: what
 * is checked here is that a program's environment is complete, as it was before.
 *
 * `VAULT_TYPE=coffer` leaves all of that to the daemon, so that the program needs no variable of the vault.
 */
export declare function createCredentialManager<C extends object = ConnectorCredentials>(options?: CofferOptions): CredentialManager<C>;
