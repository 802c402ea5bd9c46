import { Call } from "./call.js";
import type { CallOptions, Channel, Method } from "./channel.js";
import { Connection, type ConnectionOwner, type Ending } from "./connection.js";
import { type Trust } from "./daemon-socket.js";
import { CofferError } from "./error.js";
/** How a channel finds its daemon and how long it waits. */
export interface ChannelConfiguration extends Trust {
    path: string;
    timeoutMs: number;
    reconnectWindowMs: number;
    maxInFlight: number;
}
/**
 * Calls over one connection to the daemon, made when first needed and again when it is lost or the daemon goes away.
 *
 * A call that surely was not carried out is made again on a new connection; one that may have been only if it changes
 * nothing.
 */
export declare class SocketChannel implements Channel, ConnectionOwner {
    private readonly configuration;
    /** The one that takes new calls. */
    private connection;
    /** All that have calls. */
    private readonly connections;
    /** Calls that no connection has. */
    private readonly waiting;
    private isConnecting;
    private retryTimer;
    private lostAt;
    private readonly reconnector;
    private deadlineTimer;
    private nextDeadline;
    private isClosed;
    constructor(configuration: ChannelConfiguration);
    response<Request, Response>(method: Method<Request, Response>, request: Partial<Request>, options?: CallOptions): Promise<Response>;
    /** The one response, made into something else as it comes. */
    converted<Request, Response, Result>(method: Method<Request, Response>, request: Partial<Request>, options: CallOptions | undefined, convert: (response: Response) => Result): Promise<Result>;
    /** All responses of a call that changes nothing. */
    collected<Request, Response>(method: Method<Request, Response>, request: Partial<Request>, options?: CallOptions): Promise<Response[]>;
    responses<Request, Response>(method: Method<Request, Response>, request: Partial<Request>, options?: CallOptions): AsyncIterable<Response>;
    /** Ends calls in flight with CANCELLED; later calls fail the same way. */
    close(): void;
    /** @returns what gives the call up */
    private start;
    private dispatch;
    private hasRoom;
    private begin;
    /** Sends what waits, as far as there is room. */
    private pump;
    private giveUp;
    private planDeadline;
    private expire;
    private connect;
    private connected;
    private connectFailed;
    private failWaiting;
    closing(connection: Connection, unsent: Call[]): void;
    ended(connection: Connection, calls: Call[], cause: CofferError, how: Ending): void;
    refused(call: Call, error: CofferError): void;
    settled(): void;
    private leave;
    /** In front of those that came later. */
    private again;
}
