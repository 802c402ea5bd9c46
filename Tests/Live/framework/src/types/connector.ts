/** What a connector needs to call its API. */
export type ConnectorCredentials = Record<string, any>;
