import CofferCore
import CofferCrypto
import Testing

/// RS256 and PS256 by a key that was made for these tests, and opens nothing.
@Suite struct RSASignatureTests {
    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJeAgEAAoGBAM2nYF76IOUSLyEA
        sqon2QCQHZLEBXaku0ZB3KycjOEazauTp1eVRsrP3K91NmYsU+pNVCTog4cNRBi0
        dVmPhSTzH8pqSEDmYAF2tR52Q7fr0O/4e68OwwWUo26ES1iPdOkXVAKuPAdYgPNc
        +GBRI2P1m+0jf9vnwoS4802h8GavAgMBAAECgYB4AXrQEX/OjFzqEkEv387WcEKB
        mVdi01/g8J/4LeZbmUt5GtFk31wPD1rFHE3hM27IY9V9MB1IWqppDC0KVSCo0kXD
        7C2sX1uIJxN+V4KZL4oL2WtF4rnVy6gICFluAVP9O3OY+23x5CTShCVhvR2oxFY3
        N8esmkMTyZ4Ru8Mw6QJBAOr2k0nvAz1pF6yAaJy+Q3YKPPlilTzLZZr0aMikBThM
        cY+qRcH+BUekbpg4VReFFJCZDU9eb77IQV4ni/HOVg0CQQDgEQWT1ji0yyM1DUC+
        hJmhkSao26QQvu37/NKTHIdvYIu5DzktZVA0alPNSSbf8voh9sEhO7Gr3kL5o8At
        IZyrAkEAmet1iVVd1fjmXUaxQR0SrF0AnI4MHYtQwDWj/uwTz1GkguyUTgTOCKSb
        HnSoqYOweRkKMxg2M9CToc5eSsVUcQJBAM4KuQ9GOaT++6QoSLYpJ0EsQdmbCBai
        DCPhTB4daOlhZXrKZfC5rnRUpjUrJIVhYORkjRorU2lRHFOFYg3eT7sCQQCRmZmW
        44fHo76r8uRvGJBOH3f5YxXxREvto97fKxJItHPq+MyOUDwEgOHtrquHBeNr9R9V
        0IR46JS+D4N46lEH
        -----END PRIVATE KEY-----
        """

    /// The same key as PKCS #1 has it.
    private static let traditional = """
        -----BEGIN RSA PRIVATE KEY-----
        MIICXgIBAAKBgQDNp2Be+iDlEi8hALKqJ9kAkB2SxAV2pLtGQdysnIzhGs2rk6dX
        lUbKz9yvdTZmLFPqTVQk6IOHDUQYtHVZj4Uk8x/KakhA5mABdrUedkO369Dv+Huv
        DsMFlKNuhEtYj3TpF1QCrjwHWIDzXPhgUSNj9ZvtI3/b58KEuPNNofBmrwIDAQAB
        AoGAeAF60BF/zoxc6hJBL9/O1nBCgZlXYtNf4PCf+C3mW5lLeRrRZN9cDw9axRxN
        4TNuyGPVfTAdSFqqaQwtClUgqNJFw+wtrF9biCcTfleCmS+KC9lrReK51cuoCAhZ
        bgFT/TtzmPtt8eQk0oQlYb0dqMRWNzfHrJpDE8meEbvDMOkCQQDq9pNJ7wM9aRes
        gGicvkN2Cjz5YpU8y2Wa9GjIpAU4THGPqkXB/gVHpG6YOFUXhRSQmQ1PXm++yEFe
        J4vxzlYNAkEA4BEFk9Y4tMsjNQ1AvoSZoZEmqNukEL7t+/zSkxyHb2CLuQ85LWVQ
        NGpTzUkm3/L6IfbBITuxq95C+aPALSGcqwJBAJnrdYlVXdX45l1GsUEdEqxdAJyO
        DB2LUMA1o/7sE89RpILslE4Ezgikmx50qKmDsHkZCjMYNjPQk6HOXkrFVHECQQDO
        CrkPRjmk/vukKEi2KSdBLEHZmwgWogwj4UweHWjpYWV6ymXwua50VKY1KySFYWDk
        ZI0aK1NpURxThWIN3k+7AkEAkZmZluOHx6O+q/LkbxiQTh93+WMV8URL7aPe3ysS
        SLRz6vjMjlA8BIDh7a6rhwXja/UfVdCEeOiUvg+DeOpRBw==
        -----END RSA PRIVATE KEY-----
        """

    /// The same key under a password.
    private static let encrypted = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIIC3TBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQI0sXUleBZx+oCAggA
        MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAECBBCN6I6IGujI9LtkRNlddRt7BIIC
        gPWGpr++KDFKzqDGrA+DLp2Y9HVpjTuCncUwcmWMXIAIk9wZCMdzg1dgWzGBe/x0
        nO0rl36ZdPdykLpxunu2tKrq7EztMXwrD+HLIpGpA7jh0pkJNDzTgiUGFrgF2vj4
        aHus3N8lMfj9xf1EeA22Aub+0mmazr5FygRVGY0cVZBSsePrs+aBmLTjQ7cudtmo
        F9NnxiLj3hez+qISPk6//Hx6yr83IIIi5LS911l2+ERLQ+4DWBlmOta5JXON+v65
        5/7dXgZxFeapH4qKkWs1fgW0aZTJZEtP4oslsnqM+9pbupUT1ZfI9W9sDJvkQuDH
        vp/vHQH3GCuC2eU2Tfer4ggv1qKKi9DgtlOYSbxBGoubLCXvYCAuBsq973Xa8YaC
        SQe63qZvUWcKJsTIW+m+iN94zuOdY5840btU+jqFCQcVy9ysUmOLnPrJXXibV1AQ
        zBE1/locAu6c6pjIeh+Afwl6pEZjU235olS9xHcji4mrdS6LCZ/L01Usj3iudufz
        qJ1qrrkEMhdMG8lxhqeVMrK45iUNjIjY6NZkUtDIZZAw6u4Qr1rsV2QTRKP8UEad
        vdFT0RVaTO0X1ASVAfscWeSypNpKV0DbhLQJ9ImMYEZWkYevE3iKOcR3F7yk5xPG
        vCHqnYsFC4SMeXtRSq5FnE5jJaG7JrpYdhqgBDqEyVrzEgF8L52YjzQQ6tzYAAzV
        xguyvWzkocGC3ibagaj1Z04kc9CcmXvnttiYskkTQj63sSXwKzMzhsOxVwZPhY9a
        KCHl1MaI7yVF27htosqFiS1uO7ifXN6Wxb14g+sXapmmRmgSkC2P1HimO/X+Tdp5
        t1395dHTw1TGsTfGbW8H/1U=
        -----END ENCRYPTED PRIVATE KEY-----
        """

    /// The same key under the password "hunter2".
    private static let opened = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIIC3TBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIne1sZxxltbACAgPo
        MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBBuFpbwR+FkSOauzxT+2suGBIIC
        gLzPOD1YR5RolDokHj/Hp4z6PLYjAwzW/QkelpYI1/GKqNRJ8T937efjGp+HrE71
        T+EDfcADbbF2qbFVdgk2otMCkbN8gPdNoV8Qo5vt/5jHpmCgOoSPT+D6gRRmLu9Q
        yzKfyTfNiQsfJYrwK4pi+hYaosjF2A61X47dtiS0bLYKXFkWtrhFp4R3i04q60hn
        JzL98adS5if4U5xXjDXDO3R9FUoQjYrkLSjizrFE4PRtVySy5o8avpzVUbb2OKFC
        H8gVy/1koBuzff4KYmkFUfYB0DqLDVPtAv0gphv6svuGXA+rhazTWaplukp0zuu4
        Mc6lcLFIunxGzSDf6YRBR8vDnZlD+pBij+Or4Tc5PJQpzSvTnrl/m9dUejSa+Z/b
        MC0NcG5UgiXI+CKcoqbagMqANVeBgTWhmk2c9stRnfSIvX3MQjLAboIZne4s8wvq
        IKQi0GpyYV1qf9lg0/TGlrIzJQtM7R1hdqEmazwEmd2n+hiKSE4HT8p8oFZQk535
        1i2J9I8GRdpN6c6dXlmwkJzNw6+jU32gOKUHfDVBCaE3mbl6YPT9w22Z6L8+AfBy
        SB467iNxMgQ7b653celX0H83wcKEiu1LjyP8GgLEJ46llYhaOLhfCS3udHik8uHi
        EvolOhEBAD6dRdUwxPDmPdoPXbrg7pKjWB6q1DXjj8n9IbSgjIUTcQIdaEnY4VCH
        9fDta1gI4qH/+2Evv+q/NxgTucRDh+ez6xpW3TjvP0h3fVHTAKYXh+fQadp0vpu2
        vnqA3lkm2j9fOL3EX0m0A6BuYbGyZEzQe1DA3eG4cDrx9vDMnphU786olOl6dOBM
        hkswFWAAKd+eWDmnFbXwVl0=
        -----END ENCRYPTED PRIVATE KEY-----
        """

    private static let elliptic = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8ift8p3uuqwxsBsh
        w7jMzXnFMEPB7Bqd6W+k9JT5jDWhRANCAAREuO1qBPOSoe5g37y5PejBYxOL0u8k
        am1rt4jsMN9HQsc8UN8yEjAoIVH4GWwntJ3J5ODbuX54gYjkRy0uhelo
        -----END PRIVATE KEY-----
        """

    /// By `openssl dgst -sha256 -sign`.
    private static let signature =
        "607fea03f14368c730eba9f5fc7ed19ed240e12933e4f7afbf6c383a1c0e9f88d4ac8d00d21e5dcb453cde58fdee5262fa043760ce2c22bc9e9e05e2262d6599"
        + "31350e34a1f41b33768cc05c80926e44ffb3f04dc0ff7e1e8eacc62f8b031d76c059a58f6d5c978e7302b7f0434c86de099536f9e615794aa0876a6c33d7de1f"

    @Test(arguments: [key, traditional])
    func signsAsOpenSSLDoes(key: String) throws {
        let signature = try RSASignature.sign(Array("header.claims".utf8), by: .rs256, key: Secret(key))
        #expect(Hex.text(signature) == Self.signature)
        #expect(try RSASignature.sign(Array("header.claimt".utf8), by: .rs256, key: Secret(key)) != signature)
    }

    /// PS256 has a salt; who checks it is in the live tests of Azure.
    @Test func aSaltedSignatureIsAnotherOneEachTime() throws {
        let signatures = try (0..<2).map { _ in try RSASignature.sign([1], by: .ps256, key: Secret(Self.key)) }
        #expect(signatures[0] != signatures[1] && signatures.allSatisfy { $0.count == 128 })
    }

    @Test func aPasswordOpensAKey() throws {
        let key = Secret(Self.opened)
        #expect(try Hex.text(RSASignature.sign(Array("header.claims".utf8), by: .rs256, key: key, password: Secret("hunter2"))) == Self.signature)
        for password in [nil, "hunter3", String(repeating: "x", count: 100_000)] as [String?] {
            #expect(throws: RSASignature.Fault.badKey) { try RSASignature.sign([], by: .rs256, key: key, password: password.map { Secret($0) }) }
        }
    }

    @Test(arguments: ["", "no PEM", encrypted, elliptic, key.replacing("PRIVATE", with: "PUBLIC"), String(key.prefix(300))])
    func whatIsNoRSAKeySignsNothing(key: String) {
        #expect(throws: RSASignature.Fault.badKey) { try RSASignature.sign([], by: .rs256, key: Secret(key)) }
    }
}
