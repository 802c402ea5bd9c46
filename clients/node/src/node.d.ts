// What this package uses of Node, so that it builds without @types/node. No public type names any of it.

interface Buffer extends Uint8Array {
    latin1Slice(start: number, end: number): string;
    utf8Write(text: string, at: number): number;
    subarray(start?: number, end?: number): Buffer;
}
declare const Buffer: {
    alloc(size: number): Buffer;
    allocUnsafeSlow(size: number): Buffer;
    byteLength(text: string): number;
    compare(a: Uint8Array, b: Uint8Array): number;
    from(source: ArrayBuffer | readonly number[]): Buffer;
    from(text: string, encoding?: "utf8"): Buffer;
};
declare class TextDecoder {
    constructor(label: string, options: { fatal: boolean; ignoreBOM: boolean });
    decode(bytes: Uint8Array): string;
}
declare const performance: { now(): number };
declare const process: {
    env: Record<string, string | undefined>;
    geteuid(): number;
    getuid(): number;
    getegid(): number;
    getgid(): number;
    nextTick(callback: () => void): void;
};
interface Timer {
    ref(): this;
    unref(): this;
}
declare function setTimeout(callback: () => void, milliseconds: number): Timer;
declare function clearTimeout(timer: Timer): void;
declare function setImmediate(callback: () => void): void;
declare function queueMicrotask(callback: () => void): void;

declare module "node:net" {
    interface SystemError extends Error {
        code?: string;
        syscall?: string;
    }
    interface Socket {
        on(event: "connect" | "end" | "close" | "drain", listener: () => void): this;
        on(event: "error", listener: (error: SystemError) => void): this;
        removeAllListeners(event: string): this;
        write(bytes: Uint8Array, done: (error?: Error | null) => void): boolean;
        end(): void;
        destroy(error?: SystemError): this;
        ref(): this;
        unref(): this;
        readonly destroyed: boolean;
        readonly errored: Error | null;
        readonly writableLength: number;
    }
    interface ConnectOptions {
        path: string;
        onread: { buffer: Uint8Array; callback(count: number, memory: Uint8Array): boolean };
    }
    function connect(options: ConnectOptions): Socket;
}

declare module "node:fs" {
    interface Stats {
        readonly uid: number;
        readonly mode: number;
        isDirectory(): boolean;
        isSocket(): boolean;
    }
    function openSync(path: string, flags: number): number;
    function closeSync(descriptor: number): void;
    function fstatSync(descriptor: number): Stats;
    function lstatSync(path: string): Stats;
    function existsSync(path: string): boolean;
}
