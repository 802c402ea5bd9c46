// One implementation for both kinds of modules: a program that has both gets the same classes.
export { AdminClient, Coffer, CofferError, createCredentialManager, CredentialManager, CredentialRecord, CredentialsClient, defaultSocketPath, } from "./index.js";
