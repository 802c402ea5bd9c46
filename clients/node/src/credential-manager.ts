import { Coffer } from "./coffer.js";
import { CofferError } from "./error.js";
import type { CofferOptions } from "./types.js";

/** What a connector needs to call its API; any object that JSON can hold. */
export type ConnectorCredentials = Record<string, unknown>;

/**
 * The credential manager of the connectors' framework: same methods, same order of arguments, same texts of errors.
 * Credentials are stored as JSON.
 */
export class CredentialManager<C extends object = ConnectorCredentials> {
    private readonly coffer: Coffer;
    private readonly isOwn: boolean;

    /** @param coffer a client to share, or how to make one of its own */
    constructor(coffer: Coffer | CofferOptions = {}) {
        this.isOwn = !(coffer instanceof Coffer);
        this.coffer = coffer instanceof Coffer ? coffer : new Coffer(coffer);
    }

    /** Stores the credentials of a user's connection, or replaces them. */
    async storeCredentials(connectionId: string, userId: string, credentials: C): Promise<void> {
        const text = JSON.stringify(credentials);
        if (text === undefined) throw CofferError.badField("credentials: expected an object that JSON can hold");
        await this.coffer.store(userId, connectionId, text);
    }

    /** The credentials of a user's connection; throws `Credentials not found for connection: ID` if there are none. */
    async getCredentials(connectionId: string, userId: string): Promise<C> {
        const record = await this.coffer.tryGet(userId, connectionId);
        if (!record) {
            throw new CofferError(
                "NOT_FOUND", `Credentials not found for connection: ${connectionId}`, { reason: "NOT_FOUND" });
        }
        try {
            return record.json<C>();
        } finally {
            record.wipe();
        }
    }

    /** Deletes the credentials of a user's connection; there need be none. */
    async deleteCredentials(connectionId: string, userId: string): Promise<void> {
        await this.coffer.delete(userId, connectionId);
    }

    /** Closes the client, if it is the manager's own. Programs that end need not call it. */
    async close(): Promise<void> {
        if (this.isOwn) await this.coffer.close();
    }
}

/**
 * The framework's factory: it looks at the same variables and throws the same errors. The vault itself is the daemon's: what
 * is checked here is that a program's environment is complete, as it was before.
 *
 * `VAULT_TYPE=coffer` leaves all of that to the daemon, so that the program needs no variable of the vault.
 */
export function createCredentialManager<C extends object = ConnectorCredentials>(
    options: CofferOptions = {},
): CredentialManager<C> {
    const { env } = process;
    switch (env["VAULT_TYPE"] || "memory") {
        case "coffer": case "embedded": case "aws": break;
        case "cloudflare":
            if (!env["CLOUDFLARE_SECRETS_STORE"]) throw new Error("CLOUDFLARE_SECRETS_STORE not configured");
            break;
        case "vault":
            if (!env["VAULT_ADDR"] || !env["VAULT_TOKEN"]) throw new Error("VAULT_ADDR and VAULT_TOKEN must be set");
            break;
        default:
            if (env["NODE_ENV"] === "production") {
                throw new Error("Memory vault not allowed in production. Set VAULT_TYPE.");
            }
    }
    return new CredentialManager<C>(options);
}
