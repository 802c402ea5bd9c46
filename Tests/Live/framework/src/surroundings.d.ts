// What the framework has of Node and of packages, whose types are not here.

declare const process: { env: Record<string, any> };
declare type Buffer = any;
declare const Buffer: any;
declare type KVNamespace = any;
declare module 'crypto';
declare module 'node-vault' {
  export type Vault = any;
  export const Vault: any;
}
declare module '@aws-sdk/client-secrets-manager' {
  export type SecretsManagerClient = any;
  export const SecretsManagerClient: any;
  export const PutSecretValueCommand: any;
  export const GetSecretValueCommand: any;
  export const DeleteSecretCommand: any;
}
