import CofferCache
import CofferCore
import CofferVault
import CofferWire

/// Store and Delete: the vault does it, with the cache fenced off meanwhile.
extension CredentialService {
    /// Seals the record here and now, on the thread of the caller's reactor. What
    /// the vault says comes back to that thread, too.
    ///
    /// - Parameter tellsHistory: the answer says when the record came to be, and its version.
    func store(_ command: StoreCommand, tellsHistory: Bool, deadline: BootInstant, replyTo address: ReturnAddress) {
        let started = clock.boot
        let ticket = cache.beginWrite(command.key, uid: address.uid, now: started)
        do throws(Failure) {
            let records = try pool.store(for: command.key)
            let write = try records.seal(
                command.key, credential: command.credential, labels: command.labels,
                ttlSeconds: command.ttlSeconds, condition: command.condition)
            let store = PendingStore(self, write, ticket, records, started, tellsHistory: tellsHistory, address)
            if records.beginWrite(write, deadline: deadline, on: address.inbox, completion: store.end) { return }
            Task(executorPreference: address.inbox) {
                await VaultCaller.$uid.withValue(address.uid) {
                    store.end(await records.outcome(of: write, deadline: deadline))
                }
            }
        } catch {
            endFailedWrite(ticket, error, address)
        }
    }

    func delete(
        _ key: RecordKey, ifVersion: String?, deadline: BootInstant, replyTo address: ReturnAddress
    ) {
        Task(executorPreference: address.inbox) {
            let ticket = self.cache.beginWrite(key, uid: address.uid, now: self.clock.boot)
            do throws(Failure) {
                let records = try self.pool.store(for: key)
                let existed = try await VaultCaller.$uid.withValue(address.uid) {
                    await records.removal(of: key, ifVersion: ifVersion, deadline: deadline)
                }.get()
                // Where nothing was, nothing shows that it could have been removed.
                self.statuses[records].noteSuccess(existed ? .write : .read)
                self.endWrite(ticket, records.isReadable ? .acknowledged(nil) : .uncertain)
                address.send(.message(ReplyMessages.deleteResponse(existed: existed)))
            } catch {
                self.endFailedWrite(ticket, error, address)
            }
        }
    }

    fileprivate func endFailedWrite(
        _ ticket: WriteTicket, _ failure: Failure, _ address: ReturnAddress
    ) {
        statuses[failure.vault]?.noteFailure(failure, .write)
        endWrite(ticket, failure.writeOutcome)
        address.send(.failure(failure.ofChange))
    }

    fileprivate func endWrite(_ ticket: WriteTicket, _ outcome: WriteOutcome) {
        cache.endWrite(ticket, outcome, now: clock.boot, wall: clock.wall)
    }
}

/// A Store whose vault has not answered yet.
private final class PendingStore: Sendable {
    private let service: CredentialService
    private let write: SealedWrite
    private let ticket: WriteTicket
    private let records: RecordStore
    private let started: BootInstant
    private let tellsHistory: Bool
    private let address: ReturnAddress

    init(
        _ service: CredentialService, _ write: SealedWrite, _ ticket: WriteTicket, _ records: RecordStore,
        _ started: BootInstant, tellsHistory: Bool, _ address: ReturnAddress
    ) {
        self.tellsHistory = tellsHistory
        self.service = service
        self.write = write
        self.ticket = ticket
        self.records = records
        self.started = started
        self.address = address
    }

    /// The fence moves before the answer goes: a Get behind it must not follow a flight
    /// that may have read what was there before.
    func end(_ outcome: Result<VaultReceipt, Failure>) {
        switch outcome {
        case .success(let receipt):
            service.statuses[records].noteSuccess(.write)
            let record = write.record(receipt)
            service.endWrite(ticket, written(record))
            address.send(.message(ReplyMessages.storeResponse(told(record.metadata))))
        case .failure(let failure):
            service.endFailedWrite(ticket, failure, address)
        }
    }

    /// As of a record that nobody had stored before, to one who may not know whether anybody had.
    private func told(_ metadata: RecordMetadata) -> RecordMetadata {
        guard !tellsHistory else { return metadata }
        var metadata = metadata
        metadata.createdAt = metadata.updatedAt
        metadata.version = ""
        return metadata
    }

    /// What cannot be read back is not given from the cache either, nor is it absent.
    private func written(_ record: Record) -> WriteOutcome {
        records.isReadable ? .acknowledged(service.prepare(record, fetchedAt: started).1) : .uncertain
    }
}

extension RecordStore {
    /// A function of its own: see `VaultAdapter.outcome`.
    @inline(never)
    fileprivate func outcome(
        of write: SealedWrite, deadline: BootInstant
    ) async -> Result<VaultReceipt, Failure> {
        do throws(Failure) {
            return .success(try await self.write(write, deadline: deadline))
        } catch {
            return .failure(error)
        }
    }

    fileprivate func removal(
        of key: RecordKey, ifVersion: String?, deadline: BootInstant
    ) async -> Result<Bool, Failure> {
        do throws(Failure) {
            return .success(try await remove(key, ifVersion: ifVersion, deadline: deadline))
        } catch {
            return .failure(error)
        }
    }
}
