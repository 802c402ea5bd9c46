import CofferCore
@testable import CofferServer
import Testing

@Suite struct ReadyStreamsTests {
    private let start = BootInstant(nanoseconds: 1_000_000_000)
    private let pause = ReadyStreams.pause

    /// Takes all that are ready, and lets those rest whose uid has no room.
    private func taken(_ streams: inout ReadyStreams, uids: [UInt64: UInt32], full: Set<UInt32>, at now: BootInstant) -> [UInt64] {
        streams.wake(at: now)
        var taken: [UInt64] = []
        while let token = streams.popFirst() {
            let uid = uids[token]!
            if full.contains(uid) {
                streams.rest(token, uid: uid, at: now)
            } else {
                streams.noteRoom(uid: uid)
                taken.append(token)
            }
        }
        return taken
    }

    @Test func aUIDWithoutRoomKeepsNoOtherFromATurn() {
        var streams = ReadyStreams()
        let uids: [UInt64: UInt32] = [1: 7, 2: 7, 3: 8, 4: 7, 5: 8]
        for token in [1, 2, 3, 4] as [UInt64] { streams.append(token) }
        #expect(taken(&streams, uids: uids, full: [7], at: start) == [3])
        #expect(streams.nextTurn(after: start) == start + pause)
        streams.append(5)
        #expect(streams.nextTurn(after: start) == start)
        #expect(taken(&streams, uids: uids, full: [7], at: start) == [5])
        #expect(taken(&streams, uids: uids, full: [], at: start + pause) == [1, 2, 4])
        #expect(streams.isEmpty && streams.nextTurn(after: start) == nil)
    }

    @Test func oneConnectionLooksForRoomForItsUID() {
        var streams = ReadyStreams()
        for token in [1, 2, 3] as [UInt64] {
            streams.append(token)
            #expect(streams.popFirst() == token)
            streams.rest(token, uid: 7, at: start)
        }
        streams.wake(at: start)
        #expect(streams.popFirst() == nil)
        streams.wake(at: start + pause)
        #expect(streams.popFirst() == 1)
        #expect(streams.popFirst() == nil)
        // That one goes meanwhile: the next one looks, and so on.
        let next = start + pause
        #expect(streams.nextTurn(after: next) == next + pause)
        streams.wake(at: next + pause)
        #expect(streams.popFirst() == 2)
        streams.noteRoom(uid: 7)
        #expect(streams.popFirst() == 3)
        #expect(streams.isEmpty)
    }

    /// Room for a turn that asks no vault is no room for one that does; where there is room for that, there is for all.
    @Test func thoseThatRestForRoomToAskAVaultRestByThemselves() {
        var streams = ReadyStreams()
        streams.rest(1, uid: 7, asksVault: true, at: start)
        streams.rest(2, uid: 7, asksVault: true, at: start)
        streams.rest(3, uid: 7, at: start)
        streams.noteRoom(uid: 7)
        #expect(streams.popFirst() == 3 && streams.popFirst() == nil)
        // One of each that rest looks.
        streams.rest(3, uid: 7, at: start)
        streams.wake(at: start + pause)
        #expect(Set([streams.popFirst(), streams.popFirst()]) == [1, 3] && streams.popFirst() == nil)
        streams.rest(1, uid: 7, asksVault: true, at: start + pause)
        streams.rest(3, uid: 7, at: start + pause)
        streams.noteRoom(uid: 7, asksVault: true)
        #expect(Set([streams.popFirst(), streams.popFirst(), streams.popFirst()]) == [1, 2, 3])
        #expect(streams.isEmpty)
    }

    /// Its call asks no vault any more.
    @Test func oneThatRestsForRoomToAskAVaultIsWokenForAnotherTurn() {
        var streams = ReadyStreams()
        streams.rest(1, uid: 7, asksVault: true, at: start)
        streams.rest(2, uid: 7, asksVault: true, at: start)
        streams.rest(3, uid: 7, at: start)
        // Only one that rests for that.
        for token in [3, 4, 1] as [UInt64] { streams.wake(token, uid: 7) }
        #expect(streams.popFirst() == 1 && streams.popFirst() == nil)
        #expect(streams.nextTurn(after: start) == start + pause)
        streams.wake(2, uid: 7)
        streams.noteRoom(uid: 7)
        #expect(streams.popFirst() == 2 && streams.popFirst() == 3)
        #expect(streams.isEmpty)
    }

    /// A thousand of them would keep the next one of the uid waiting for ten seconds.
    @Test func connectionsThatHaveGoneAreNotWaitedFor() {
        var streams = ReadyStreams()
        for token in 1...1_000 as ClosedRange<UInt64> { streams.rest(token, uid: 7, at: start) }
        streams.wake(at: start + pause) { $0 == 1_000 }
        #expect(streams.popFirst() == 1_000)
        #expect(streams.isEmpty)
    }
}
