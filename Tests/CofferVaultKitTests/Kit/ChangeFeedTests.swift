import CofferCore
import CofferVault
import CofferVaultKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct ChangeFeedTests {
    private let feed = ChangeFeed()

    private func change(_ number: Int) throws -> VaultChange {
        .record(try RecordKey(user: "user", connection: "connection-\(number)"))
    }

    private func rest(of iterator: inout ChangeFeed.Iterator) async -> [VaultChange] {
        var rest: [VaultChange] = []
        while let change = await iterator.next() { rest.append(change) }
        return rest
    }

    @Test func eachIteratorBeginsWithEverythingAndGetsAllThatIsPostedThen() async throws {
        feed.post(try change(0))
        var first = feed.makeAsyncIterator()
        #expect(await first.next() == .everything)
        feed.post(try change(1))
        var second = feed.makeAsyncIterator()
        #expect(await second.next() == .everything)
        feed.post(try change(2))
        feed.close()
        #expect(await rest(of: &first) == [try change(1), try change(2)])
        #expect(await rest(of: &second) == [try change(2)])
    }

    @Test func whoWaitsGetsAChangeAtOnce() async throws {
        let feed = feed
        let waiting = Task {
            var heard: [VaultChange] = []
            for await change in feed { heard.append(change) }
            return heard
        }
        for number in 0..<100 {
            feed.post(try change(number))
            if number % 10 == 0 { await Task.yield() }
        }
        feed.close()
        let heard = await waiting.value
        #expect(heard.first == .everything)
        // The task may have begun late: everything stands for what came before.
        #expect(heard.dropFirst() == (try (0..<100).map { try change($0) }).suffix(heard.count - 1))
    }

    @Test func aSlowIteratorHasEachRecordOnce() async throws {
        var iterator = feed.makeAsyncIterator()
        _ = await iterator.next()
        for number in [1, 2, 1, 1, 3, 2] { feed.post(try change(number)) }
        #expect(await iterator.next() == (try change(1)))
        feed.post(try change(1))
        feed.close()
        #expect(await rest(of: &iterator) == [try change(2), try change(3), try change(1)])
    }

    @Test func tooManyRecordsAreEverything() async throws {
        var iterator = feed.makeAsyncIterator()
        _ = await iterator.next()
        for number in 0..<ChangeFeed.maximumWaiting { feed.post(try change(number)) }
        // One of those that wait takes no more room.
        feed.post(try change(5))
        #expect(await iterator.next() == (try change(0)))
        feed.post(try change(-1))
        feed.post(try change(-2))
        feed.post(try change(7))
        #expect(await iterator.next() == .everything)
        feed.post(try change(8))
        feed.close()
        #expect(await rest(of: &iterator) == [try change(8)])
    }

    @Test func everythingTakesThePlaceOfWhatWaits() async throws {
        var iterator = feed.makeAsyncIterator()
        _ = await iterator.next()
        feed.post(try change(1))
        feed.post(.everything)
        feed.post(try change(2))
        feed.close()
        #expect(await rest(of: &iterator) == [.everything])
        var late = feed.makeAsyncIterator()
        #expect(await rest(of: &late) == [.everything])
    }

    @Test func aCancelledTaskGetsNil() async {
        let feed = feed
        let waiting = Task {
            var iterator = feed.makeAsyncIterator()
            _ = await iterator.next()
            return await iterator.next()
        }
        try? await Task.sleep(for: .milliseconds(20))
        waiting.cancel()
        #expect(await waiting.value == nil)
    }
}
