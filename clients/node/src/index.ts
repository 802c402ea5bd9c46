export type { CallOptions, CancelSignal, Channel, Method } from "./channel.js";
export { Coffer } from "./coffer.js";
export { type ConnectorCredentials, createCredentialManager, CredentialManager } from "./credential-manager.js";
export { CofferError, type Code } from "./error.js";
export { AdminClient } from "./generated/admin.js";
export { CredentialsClient } from "./generated/credentials.js";
export { CredentialRecord, type Source } from "./record.js";
export { defaultSocketPath } from "./socket-rule.js";
export type {
    CofferOptions, DeleteOptions, Entry, Examination, ExaminationStep, Freshness, GetOptions, GetResult, Health, Identity, Key,
    ListOptions, Receipt, Scope, StoreOptions, VaultHealth,
} from "./types.js";
