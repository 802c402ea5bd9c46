import CofferCore
import CofferNameSurvey
import Testing

@testable import CofferFly

@Suite struct FlyNamesTests {
    private let names = FlyNames()

    @Test(arguments: [
        ("user123", "conn456", "CONNECTOR_user123_conn456"), ("USER123", "CONN456", "CONNECTOR_USER123_CONN456"),
        ("0", "9", "CONNECTOR_0_9"),
    ])
    func plainIDsHaveTheNamesOfTheGuide(_ user: String, _ connection: String, _ name: String) throws {
        let key = try RecordKey(user: user, connection: connection)
        #expect(names.name(of: key) == name)
        #expect(names.key(ofName: name) == key)
    }

    @Test(arguments: [
        ("a_b", "c", "CONNECTOR_a__5Fb_c"), ("a", "b_c", "CONNECTOR_a_b__5Fc"), ("a-", "b", "CONNECTOR_a__2D_b"),
        ("a", "-b", "CONNECTOR_a___2Db"), ("_", "_", "CONNECTOR___5F___5F"), ("ü", "a:b", "CONNECTOR___C3__BC_a__3Ab"),
        ("auth0|5f", "2D", "CONNECTOR_auth0__7C5f_2D"), ("a", "__2D", "CONNECTOR_a___5F__5F2D"),
    ])
    func otherBytesAreEscaped(_ user: String, _ connection: String, _ name: String) throws {
        let key = try RecordKey(user: user, connection: connection)
        #expect(names.name(of: key) == name)
        #expect(names.key(ofName: name) == key)
    }

    @Test(arguments: [
        "CONNECTOR_", "CONNECTOR_a", "CONNECTOR_a_", "CONNECTOR__b", "CONNECTOR_a_b_c", "connector_a_b", "CONNECTOR_a__b",
        "CONNECTOR_a__2d_b", "CONNECTOR_a__41_b", "CONNECTOR_a_b__2", "CONNECTOR_a_b__", "CONNECTOR_a_b__80", "OTHER_a_b",
        "CONNECTOR_a-b_c", "CONNECTOR_a__0A_b",
    ])
    func aNameThatIsNotGivenIsNoRecord(_ name: String) { #expect(names.key(ofName: name) == nil) }

    /// `coffer-simulate names` runs a million pairs.
    @Test func randomPairsHaveLegalNamesOfTheirOwn() throws {
        let scheme = try #require(try NamingScheme.all().first { $0.vault == "fly" })
        var survey = NameSurvey(scheme, seed: 7)
        try survey.run(pairs: 20_000)
    }
}
