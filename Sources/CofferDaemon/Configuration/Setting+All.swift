import CofferCache
import CofferProcess
import CofferServer
import CofferVaultKit
import Logging

extension Setting {
    /// All settings but those of vaults and routes, in the order of the file.
    package static let all: [Setting] = [
        Setting(
            "socket", .text("a path of 1 to 107 bytes") { (1...107).contains($0.utf8.count) }, \.socket,
            unset: "`$XDG_RUNTIME_DIR/coffer/coffer.sock`; without that variable `/run/coffer/coffer.sock` for root, for others `/run/user/UID/coffer/coffer.sock`, or `/tmp/coffer-UID/coffer.sock` if that folder is not theirs",
            summary: "Where to listen; a relative path begins in the working directory. The folder is made, mode 0700, if only it is missing. One that is there must be the daemon's or root's, and others, the group too, must not be able to write to it, unless its sticky bit is set",
            risk: "In a folder with the sticky bit, such as `/tmp`, somebody else can take the path first; the daemon then does not start"),
        Setting(
            "socket_mode", .mode, \.socketMode,
            summary: "The mode of the socket. Where it is not set and `socket_group` is, it is 0660",
            risk: "Who can write to the socket can connect. A connection of a caller who may do nothing gets PERMISSION_DENIED and is closed at once, logged at most once a second"),
        Setting(
            "socket_group", .text("the name or number of a group") { !$0.isEmpty }, \.socketGroup, unset: "the daemon's own",
            summary: "The group of the socket, so that its members can connect: one that the daemon's user is in, or any for root. The folder is this group's too, mode 0750, if the daemon makes it",
            risk: "Whoever can connect may still do only what the [policy](policy.md) says"),
        Setting(
            "policy_file", .text("the path, from / on, of a YAML file") { $0.hasPrefix("/") }, \.policyFile, unset: "none",
            isReloadable: true,
            summary: "The file that says who may do what: see [Policy](policy.md). Without it the daemon's own uid may do everything and everybody else nothing. SIGHUP reads it again. It belongs to root or to the daemon's user, and nobody else may write it",
            risk: "With it the daemon's own uid, and root, may do only what it says"),
        Setting(
            "data", .text("the absolute path of a folder") { $0.hasPrefix("/") && $0 != "/" }, \.data,
            unset: "`$XDG_DATA_HOME/coffer`; without that variable `/var/lib/coffer` for root, for others `~/.local/share/coffer`",
            summary: "The folder for database and keys, made with mode 0700. It may be a link of the daemon's or root's, as with systemd's `DynamicUser=`",
            risk: "Must be the daemon's own and closed to others, or it does not start. On a file system that loses synced writes, acknowledged Stores are lost"),
        Setting(
            path: "environment", expects: EnvironmentName.expects, unset: "none",
            summary: "A name bound into every record, for instance `production`. White space around it does not count, nor do capitals in `production`; white space in it, `#` and a name that is nearly `production` (`prod`, `produktion`) are refused",
            risk: "Records of another environment do not open, and the daemon does not start on their database, unless `former_environment` names it. `production` refuses the memory vault and a generated key",
            apply: { text, configuration in
                guard let name = EnvironmentName.meant(by: text) else { return false }
                configuration.environment = name
                configuration.writtenEnvironment = text == name ? nil : text
                return true
            },
            show: { $0.environment }, explain: { text, _ in EnvironmentName.mistake(text) }),
        Setting(
            "former_environment", .text("a name of 1 to 64 bytes without control characters") { $0.utf8.count <= 64 },
            \.earlierEnvironment, unset: "none",
            summary: "What this environment was called before, for instance `prod`: records sealed under that name are read, and a database bound to it opens and stays bound to it",
            risk: "Records of that other environment count as this one's. `production` is refused where `environment` is another"),
        Setting(
            path: "vault.type", expects: "a type of vault", unset: "none",
            summary: "Where records are kept: see [Vaults](vaults.md). Variables configure it: `COFFER_VAULT_NAME` for its setting NAME",
            risk: "A vault that keeps nothing, as `memory`, loses everything when the daemon stops",
            apply: { text, configuration in
                guard let driver = configuration.catalogue[type: text] else { return false }
                configuration.vaultType = driver.type
                return true
            },
            show: { $0.vaultType }, explain: { _, before in "expected \(before.catalogue.expects)" }),
        Setting(
            "vault.timeout_ms", .quantity(1...600_000, .milliseconds), \.vaultMilliseconds,
            summary: "How long one read of the vault may take, whoever waits for it. Writes, lists and Health go by the time of their call",
            risk: "Too short: reads fail while the disk is busy. Longer than a call's time: the call is answered first, and the read only fills the cache"),
        Setting(
            "key.file", .text("the path, from / on, of a file with 32 bytes or 64 hex digits") { $0.hasPrefix("/") }, \.keyFile, unset: "none",
            summary: "A file with the root key: 32 bytes, or 64 hex digits with or without a line end. Owned by the daemon's uid and closed to others (0600 or 0400), or root's with at most a group of the daemon's that may read it",
            risk: "Whoever has this file, the file `keyring` and the database has the credentials"),
        Setting(
            "key.passphrase_file", .text("the path, from / on, of a file with the passphrase") { $0.hasPrefix("/") }, \.passphraseFile, unset: "none",
            summary: "A file with a passphrase, to 4096 bytes; one line end (LF or CRLF) at its end does not count. Excludes `key.file`. In production it has at least 12 bytes. Owned by the daemon's uid and closed to others (0600 or 0400), or root's with at most a group of the daemon's that may read it",
            risk: "Guessing costs an attacker what a start costs: scrypt with 128 MiB. A short passphrase is found all the same"),
        Setting(
            "reactors", .number(0...64), \.reactors,
            summary: "Threads that serve connections; 0 = one for each core, at most 4",
            risk: "More than cores only take turns"),
        Setting(
            "spin_us", .quantity(0...1_000, .microseconds), \.spinMicroseconds,
            summary: "How long such a thread looks for the next request before it sleeps: whoever comes within it is not kept waiting until it has been woken",
            risk: "While calls come, each of the threads takes a whole core. It stops once a millisecond brings none"),
        Setting(
            "cache.bytes", .quantity(0...(1 << 40), .bytes), \.cache.maximumBytes,
            summary: "Bytes of names, sealed values and 160 bytes for each entry, over 16 shards of equal size. What is larger than a shard is not cached. When it is full, a uid that holds more than a quarter makes room at its own expense",
            risk: "It is a bound, not taken at the start. 0 caches nothing"),
        Setting(
            "cache.ttl_seconds", .quantity(0...3_600, .seconds, stored: 1_000), \.cache.ttlMilliseconds,
            summary: "How long an answer is repeated without asking the vault; 0 = no caching. A record's own expiry always wins",
            risk: "A change made past the daemon, in the database itself, is not seen until then or until `coffer invalidate`"),
        Setting(
            "cache.stale_seconds", .quantity(0...86_400, .seconds, stored: 1_000), \.cache.staleMilliseconds,
            summary: "How long past the TTL an answer may stand in for a vault that cannot be asked, marked as stale; 0 = never, nor after a Store or Delete of which nobody knows whether it was done. After 1.5 s without an answer from the vault, or at once if the last read failed less than 30 s ago, or 5 s if nothing was sent to the vault",
            risk: "A credential that was revoked while the vault is out of reach is given until then. A definite no of the vault ends it at once"),
        Setting(
            "cache.negative_seconds", .quantity(0...60, .seconds, stored: 1_000), \.cache.negativeMilliseconds,
            summary: "How long NOT_FOUND is repeated without asking, but at most a tenth of the TTL; 0 = never",
            risk: "A record that is made past the daemon is not seen until then"),
        Setting(
            "cache.refresh_ahead", .number(0...64), \.cache.maximumRefreshes,
            summary: "Cached records that may be refreshed at the same time, in the background, because they were asked for in the last fifth of their TTL; 0 = none",
            risk: "0: the first request after the TTL waits for the vault"),
        Setting(
            "limits.connections", .number(1...1_000_000), \.limits.connections,
            isReloadable: true, summary: "Open connections in all. The limit of open files, less 64, caps it; the daemon raises its soft limit to the hard one",
            risk: "The log warns at the start if the cap is lower than what is set"),
        Setting(
            "limits.connections_per_uid", .number(1...1_000_000), \.limits.connectionsPerUID,
            isReloadable: true, summary: "Open connections of one uid. Where the limit of open files caps `limits.connections`, this shrinks with it",
            risk: "As high as `limits.connections`: one uid can take all"),
        Setting(
            "limits.calls", .number(1...1_000_000), \.limits.calls,
            isReloadable: true, summary: "Calls in hand, of all uids; more are refused. A call is in hand until its work is done, also when it was cancelled, ran out of time, or lost its connection. A GetMany counts once for every 8 keys that are read at once, up to 3 times, or 8 with a vault that reads more at once; a Store once and again for every 16 KiB",
            risk: "Each may hold a credential in memory"),
        Setting(
            "limits.calls_per_connection", .number(1...65_536), \.limits.callsPerConnection,
            isReloadable: true, summary: "Calls of a connection that wait for the vault; more are refused. The connection is read all the same"),
        Setting(
            "limits.calls_per_uid", .number(1...1_000_000), \.limits.callsPerUID,
            isReloadable: true, summary: "Calls in hand of a uid, counted as for `limits.calls`; more are refused",
            risk: "As high as `limits.calls`, one uid can leave nothing for others"),
        Setting(
            "limits.flights_per_uid", .number(1...CacheConfiguration().maximumFlights / 2), \.cache.maximumFlightsPerUID,
            summary: "Reads of the vault under way that one uid has set off, for each sixteenth of the names; half of all that there may be, at most"),
        Setting(
            "limits.queue_per_uid", .number(1...65_536), \.limits.queuePerUID,
            summary: "Calls of one uid that wait in the queue of a vault on another host; more are refused. It is never more than half of the vault's `queue`, whatever is set"),
        Setting(
            "limits.credential_bytes", .quantity(1...(1 << 20), .bytes), \.limits.credentialBytes,
            summary: "The largest credential",
            risk: "A credential that was stored under a higher limit stays readable"),
        Setting(
            "limits.frame_bytes", .quantity(4_096...ServerLimits().frameBytes, .bytes), \.limits.frameBytes,
            summary: "The largest frame, header included. At least `limits.credential_bytes` + 16KiB",
            risk: "A GetMany of many long ids needs room too"),
        Setting(
            "limits.output_bytes", .quantity(65_536...(64 << 20), .bytes), \.limits.outputBytes,
            isReloadable: true, summary: "Reply bytes that wait for a client to take them. Beyond it the connection is not read from"),
        Setting(
            "limits.buffered_bytes", .quantity((4 << 20)...(64 << 30), .bytes), \.limits.bufferedBytes,
            isReloadable: true, summary: "Bytes of memory that wait for clients, all together: starts of frames, replies that are not read yet, the keys of GetManys, and what their answers are made of",
            risk: "With the cache and some 40 MiB for the daemon itself it must fit the unit's `MemoryMax`; the kernel's socket buffers, up to some 200 KiB for each connection that does not read, come on top"),
        Setting(
            "limits.buffered_bytes_per_uid", .quantity((4 << 20)...(64 << 30), .bytes), \.limits.bufferedBytesPerUID,
            isReloadable: true, summary: "The same of one uid. Beyond it calls are refused, and connections that have not read for the longest are closed",
            risk: "As high as `limits.buffered_bytes`: one uid can take all"),
        Setting(
            "limits.frame_seconds", .quantity(1...600, .seconds), \.limits.frameSeconds,
            isReloadable: true, summary: "The time for a frame to arrive whole, from its first byte, also for one that is skipped; then the connection is cut"),
        Setting(
            "limits.write_stall_seconds", .quantity(1...600, .seconds), \.limits.writeStallSeconds,
            isReloadable: true, summary: "How long a client may take no byte while replies wait; then it is cut"),
        Setting(
            "limits.idle_seconds", .quantity(0...604_800, .seconds), \.limits.idleSeconds,
            isReloadable: true, summary: "How long a connection may be silent with no call waiting; then it is closed. 0 = for ever"),
        Setting(
            "limits.drain_seconds", .quantity(1...300, .seconds), \.limits.drainSeconds,
            isReloadable: true, summary: "The time from SIGTERM until the connections are closed, however busy",
            risk: "Longer than the service manager waits: SIGKILL comes first. That loses no acknowledged write, but cuts clients off"),
        Setting(
            "limits.call_ms", .quantity(1...600_000, .milliseconds), \.limits.callMilliseconds,
            isReloadable: true, summary: "How long a call may take if the client does not say",
            risk: "Above `limits.maximum_call_ms` it is refused; that caps it where it is not set"),
        Setting(
            "limits.maximum_call_ms", .quantity(1...600_000, .milliseconds), \.limits.maximumCallMilliseconds,
            isReloadable: true, summary: "How long a call may take, whatever the client says"),
        Setting(
            "log.level", .choice, \.logLevel,
            isReloadable: true, summary: "The least that is logged",
            risk: "`trace` logs every connection"),
        Setting(
            "log.format", .choice, \.logFormat,
            summary: "One line for each message, on standard error. `auto` = text on a terminal, JSON elsewhere"),
    ]
}
