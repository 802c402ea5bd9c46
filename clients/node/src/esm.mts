// One implementation for both kinds of modules: a program that has both gets the same classes.
export {
    AdminClient, Coffer, CofferError, createCredentialManager, CredentialManager, CredentialRecord, CredentialsClient,
    defaultSocketPath,
} from "./index.js";
export type {
    CallOptions, CancelSignal, Channel, Code, CofferOptions, ConnectorCredentials, DeleteOptions, Entry, Examination,
    Freshness, GetOptions, GetResult, Health, Identity, Key, ListOptions, Method, Receipt, Scope, Source, StoreOptions,
} from "./index.js";
