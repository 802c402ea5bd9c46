/// What the server takes, per connection, per user and in all. Every value is
/// shown by Stats as `limit_…`.
package struct ServerLimits: Equatable, Sendable {
    /// The largest frame, header included, in bytes.
    package var frameBytes = (1 << 20) + (64 << 10)
    /// The largest credential, in bytes; at most 1 MiB.
    package var credentialBytes = 64 << 10
    /// Open connections in all.
    package var connections = 8_192
    /// Open connections of one uid.
    package var connectionsPerUID = 4_096
    /// Calls that wait for a vault, per connection; then they are refused.
    package var callsPerConnection = 1_024
    /// Calls whose work is not done, per uid, whether or not somebody still waits for
    /// them; then they are refused. Large ones count more: see `CallWork.Weight`.
    package var callsPerUID = 4_096
    /// The same in all.
    package var calls = 16_384
    /// Calls of one uid that wait in the queue of a vault on another host; at most half of it.
    package var queuePerUID = 4_096
    /// Reply bytes waiting, per connection; then it is not read from.
    package var outputBytes = 256 << 10
    /// Bytes of memory that wait for clients, all together: starts of frames, replies not yet
    /// read, and what large answers are made of.
    package var bufferedBytes = 96 << 20
    /// The same of one uid.
    package var bufferedBytesPerUID = 48 << 20
    /// Seconds for a frame to arrive whole, counted from its first byte.
    package var frameSeconds = 10
    /// Seconds that a peer may take no reply bytes while some wait.
    package var writeStallSeconds = 10
    /// Seconds that a connection may be silent; 0 = for ever.
    package var idleSeconds = 3_600
    /// Milliseconds that a call may take if the client does not say.
    package var callMilliseconds: UInt32 = 5_000
    /// Milliseconds that a call may take, whatever the client says.
    package var maximumCallMilliseconds: UInt32 = 60_000
    /// Seconds between SIGTERM and the end, however busy.
    package var drainSeconds = 4

    package init() {}

    /// Fewer connections in all; a uid's share of them stays the same.
    package mutating func shrink(toConnections room: Int) {
        connectionsPerUID = max(1, min(room, room * connectionsPerUID / connections))
        connections = room
    }

    /// About the largest record in an answer: credential, labels, version and ids.
    var recordBytes: Int { credentialBytes + (16 << 10) }
}
