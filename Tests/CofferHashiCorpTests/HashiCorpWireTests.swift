import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferHashiCorp

/// What every request carries, and answers that send elsewhere.
@Suite(.timeLimit(.minutes(1))) struct HashiCorpWireTests {
    @Test func headersOfACall() async throws {
        let bed = try Bed(namespace: "team/a") { _, _ in .absent }
        _ = try await bed.read()
        let request = try #require(bed.transport.requests.first { $0.path == "/v1/secret/data/ai2-connectors/u/c" })
        #expect(request.header("X-Vault-Token") == "s.token")
        #expect(request.header("X-Vault-Namespace") == "team/a")
        #expect(request.header("X-Vault-Request") == "true")
        #expect(request.header("X-Vault-Index") == nil && request.body == nil && request.origin == nil)
    }

    @Test func theIndexOfAWriteIsSentAgain() async throws {
        let bed = try Bed(writesMetadata: false) { request, _ in
            request.method == .post
                ? HTTPResponse(200, HTTPResponse.written(1).body.string, ["x-vault-index": "abc=="]) : .absent
        }
        _ = try await bed.write(bed.sealed())
        let reading = Task { try await bed.read() }
        await bed.time.advance(milliseconds: 3000)
        _ = try await reading.value
        #expect(bed.transport.requests.last?.header("X-Vault-Index") == "abc==")
    }

    @Test func anIndexThatIsNoHeaderIsNot() async throws {
        let bed = try Bed { _, _ in HTTPResponse(404, #"{"errors":[]}"#, ["x-vault-index": "a\r\nb"]) }
        for _ in 0..<2 { _ = try await bed.read() }
        #expect(bed.transport.requests.allSatisfy { $0.header("X-Vault-Index") == nil })
    }

    @Test func oneRedirectIsFollowed() async throws {
        let bed = try Bed(writesMetadata: false) { request, _ in
            guard request.method == .post else { return .absent }
            return request.origin == nil
                ? HTTPResponse(307, "", ["location": "https://Node-2.example:8200/v1/elsewhere"]) : .written(1)
        }
        _ = try await bed.write(bed.sealed())
        let posts = bed.transport.requests.filter { $0.method == .post }
        #expect(posts.count == 2 && posts[0].path == posts[1].path && posts[0].text == posts[1].text)
        #expect(posts[1].origin == HTTPOrigin(isSecure: true, host: "node-2.example", port: 8200))
        #expect(posts[1].header("X-Vault-Token") == "s.token")
    }

    @Test(arguments: [
        nil, "", "/v1/x", "http://node-2:8200/", "ftp://node-2/", "https://", "https://a@b/", "https://a:0/",
        "https://a:70000/", "https://[::1/", "https://[::1]x/", "https://a b/",
    ])
    func otherRedirectsAreNot(location: String?) async throws {
        let bed = try Bed { _, _ in HTTPResponse(307, "", location.map { ["location": $0] } ?? [:]) }
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == .unavailable && error?.message.contains("api_addr") == true)
        #expect(bed.lines.count == 1)
    }

    @Test func twoRedirectsAreNot() async throws {
        let bed = try Bed { _, _ in HTTPResponse(307, "", ["location": "https://[::1]:8200/"]) }
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == .unavailable && bed.lines.count == 2)
        #expect(bed.transport.requests.contains { $0.origin == HTTPOrigin(isSecure: true, host: "::1", port: 8200) })
    }

    @Test func aNodeThatLagsIsAskedAgain() async throws {
        let bed = try Bed { request, number in
            request.path.hasSuffix("/c") && number < 4 ? HTTPResponse(412, #"{"errors":["x"]}"#) : .absent
        }
        let reading = Task { try await bed.read() }
        await bed.time.advance(milliseconds: 2000)
        #expect(try await reading.value == nil)
        #expect(bed.lines.count >= 3 && bed.lines.count <= 4)
    }

    @Test(arguments: [HTTPResponse(412, #"{"errors":["x"]}"#), .lagging])
    func aNodeThatNeverCatchesUpIsUnavailable(answer: HTTPResponse) async throws {
        let bed = try Bed { _, _ in answer }
        let reading = Task { await failure { () async throws(Failure) in try await bed.read() } }
        await bed.time.advance(milliseconds: 5000)
        let error = await reading.value
        #expect(error?.code == .unavailable && error?.message.contains("caught up") == true)
        #expect((5...40).contains(bed.lines.count))
    }

    /// Behind a standby of OpenBao, which says of an index that it lags, and not that it limits the rate.
    @Test func aStandbyThatLagsIsAskedAgain() async throws {
        let bed = try Bed(writesMetadata: false) { request, number in
            if request.path.hasSuffix("lookup-self") { return .denied }
            if number < 4 || (7..<10).contains(number) { return .lagging }
            return request.method == .post ? .written(1) : .absent
        }
        let writing = Task { try await bed.write(bed.sealed()) }
        await bed.time.advance(milliseconds: 2000)
        _ = try await writing.value
    }

    @Test func aLimitOfTheRateIsNotRepeatedHere() async throws {
        let bed = try Bed { _, _ in .limited }
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == .resourceExhausted && error?.reason == .limit)
        #expect(bed.lines.count == 1)
    }

    /// Who has little time does not make the vault look broken.
    @Test(arguments: [HTTPResponse.lagging, .leaderless])
    func timeThatRunsOutMeanwhileIsTheCallers(answer: HTTPResponse) async throws {
        let bed = try Bed { _, _ in answer }
        let deadline = bed.time.boot + .milliseconds(300)
        let reading = Task {
            await failure { () async throws(Failure) in try await bed.vault.read(try Bed.key(), deadline: deadline) }
        }
        await bed.time.advance(milliseconds: 1000)
        let error = await reading.value
        #expect(error?.code == .deadlineExceeded && error?.message.hasSuffix("nothing was done") == true)
    }

    @Test func aVaultWithoutAnActiveNodeIsAskedUntilItHasOne() async throws {
        let bed = try Bed(writesMetadata: false) { request, number in
            request.method == .get ? .absent : number < 7 ? .leaderless : .written(1)
        }
        let writing = Task { try await bed.write(bed.sealed()) }
        await bed.time.advance(milliseconds: 3000)
        _ = try await writing.value
    }

    @Test func whatWasJustWrittenIsLookedForAgain() async throws {
        let bed = try Bed(writesMetadata: false) { request, number in
            if request.method == .post { return .written(2) }
            return number < 5 ? .absent : .kv(#"{"a":1}"#, version: 2)
        }
        _ = try await bed.write(bed.sealed())
        let reading = Task { try await bed.read() }
        await bed.time.advance(milliseconds: 1500)
        #expect(try await reading.value != nil)
        // Other keys are believed at once.
        let count = bed.lines.count
        _ = try await bed.read("u", "other")
        #expect(bed.lines.count == count + 1)
    }
}
