/// Keys and certificates that were made for these tests, and open nothing.
enum TestCertificate {
    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIDDzCCAfegAwIBAgIUZiJlJuZiXFB4R8jOARlBbDc/NI8wDQYJKoZIhvcNAQEL
        BQAwFjEUMBIGA1UEAwwLY29mZmVyIHRlc3QwIBcNMjYxMTMwMTgzMjAxWhgPMjEy
        NjExMDYxODMyMDFaMBYxFDASBgNVBAMMC2NvZmZlciB0ZXN0MIIBIjANBgkqhkiG
        9w0BAQEFAAOCAQ8AMIIBCgKCAQEAk6DpxcVpUbJ66c9xMTylAIw4QUl7VXBOEUky
        /9ElR69zioajVNMW3h0Vg5oIugNFtjQDHk/tJDsFXX0ADJtjxTtcGydlmcvNsG7K
        nj9qdj3SA3Ym5a9y9YXYI32QfKpf3ukX02P3hirLnTDr6x9odpfExH/cvgjqJT/0
        K1vSteIrFiimmhu9jYKTDYswCwBwHajI/3FMCUiDWk20aLNGNTqnTc2DyoeLGIeC
        H2Uf4snFeANu7zBAUI37hw4B4W8iR3sK5qZ80NpPnYSPDFrLRLFDP8DDBIKCy9bB
        NndvEkxL2rkYQAAlKWDF8McAZdk7KVE3/2HBfMzYO+h+NQzN8QIDAQABo1MwUTAd
        BgNVHQ4EFgQU1gieBP4Xm5q6zW7zv5+vEPtIiJMwHwYDVR0jBBgwFoAU1gieBP4X
        m5q6zW7zv5+vEPtIiJMwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOC
        AQEAeDwEbC/h9GFNMeBF0LcA1MfdrmNU2R65Q/nMF2ek/I/e5UJAaTzq0AfCQyD2
        z6IIvxbT5HTUwROzrUZ02G9pWnj6q3gsfH4KNCmcTskTJfg9OgFNNEhvPxx1S5B2
        x2cX+3Oraz2Y7n4uELWZNWWRNJnweVdxMcTsyT/Bx0wvoSN+WFYoyiOl8qyFukyW
        Ob/q+F93t+F4oCd14eq9GywnCgQYUSrqCBYEBiRHMJUU1cSHy6WGWps2wi3M/IK+
        yLq95tVVI4DpVSHpkvDxzrzI2m881GT+AFpqNbY/2b/9sKH8F8Z4f0JzsIGzzjC7
        g66REXdMx+xM19tNhPWSSML8/g==
        -----END CERTIFICATE-----
        """ + "\n"
    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCToOnFxWlRsnrp
        z3ExPKUAjDhBSXtVcE4RSTL/0SVHr3OKhqNU0xbeHRWDmgi6A0W2NAMeT+0kOwVd
        fQAMm2PFO1wbJ2WZy82wbsqeP2p2PdIDdiblr3L1hdgjfZB8ql/e6RfTY/eGKsud
        MOvrH2h2l8TEf9y+COolP/QrW9K14isWKKaaG72NgpMNizALAHAdqMj/cUwJSINa
        TbRos0Y1OqdNzYPKh4sYh4IfZR/iycV4A27vMEBQjfuHDgHhbyJHewrmpnzQ2k+d
        hI8MWstEsUM/wMMEgoLL1sE2d28STEvauRhAACUpYMXwxwBl2TspUTf/YcF8zNg7
        6H41DM3xAgMBAAECggEABxfrQ6p5pghKaaOjD7eXQhB6v4BVYcSUq7X1sl8NSIWA
        qr5PaMr/xUpmdz1WgAGaPuf+4lz6ywve9SAFeZWZ1KdGhLN+6UXmqzyXlcT8S5Qq
        3Cm4Mr8cafm1afclkyfolWBj2a9q/FJgGDx6iYCn11LxjHOMWsE45vNMuyydUknq
        EmWoSNX8uua/c/kXlTuOoehz5W2y75qm0XV4lL/irB8HZ8YYAkBc7//KFHxJVmKb
        iV5dXYyy0L8VlZ+6Vf6/vDqGZtjsCBhljEKl6KxCrqEuDM0dkSMB9mbumS9VdnXZ
        5+RhU2//X0KUHvWYMaqLMq65C+B4prVKETFI/CTWMQKBgQDGgqP0dE8ZBtJfvfPu
        WeiH4d9qyHsouMUft0iYFDEcBwAmYLU5nWCKVToXF8NShm2ygRaf1uyLa/wYkRTJ
        DWT0oaHGg69fNTiCWyYTtvVmpkjQ506UX9LUtPoHh80DTaowAvdoljdhsMeGa7YK
        +3Im5x71s1EO9U4Xl5z7pm2+JQKBgQC+YfMz2vw8ZTymh48pw7LeHXTWIqukOYpD
        11nRRrtIA/qkyydtrKzM3eiGFDP8dSjIaxrDO4ql5fXFowbNNyHbdbNVBZyP6IC+
        VCgpmvisAVsj5Y/TPxns5cSpaeUlI4+f+BbI9gNkqM+am8VXWw8g10yKHR2UmQ9Q
        fvOdblyI3QKBgQCNqlm7cO2p3JZxwSu94+fwYR+CI0TRUNtMwQ5Lic1qRQy0Vru+
        PDPTRPNJ26mG0WyjwUAWHdl9vjiQh6kfujFb66V5+CxFc8O6M7Y+x4jmErFQdGI9
        vQzGw8jTavTB8MENtnA98UXgr7oUkfW+bKeQX8xWZ/vnAuUSLR7Y8HLNCQKBgE5O
        Y4YUsGL3EPc+EriO8edCHmhlYkvuDtzQmvTlLur0GAfoN5N4zqqFK7raXHeeiOPG
        if97Yg/SgkCESavm3VozE0wJPthCPZILc2mJgHbfJ+mf5oRxE+zIpRc5ozKfadfW
        ZyjJZ6Pje2CQaZ8AqTxM0gKM7znLquzlCrbaSd1RAoGAeiwFq9Ip/THilHl9tjpU
        hmvV24rg6EIfclYYbCgNnRipJ9VU9abBRcgMzjsqu5EOQ/L5LdnaH2DqEh3oa4cc
        8GzMnwPqNtQ6hgDk3rOmIilx64BmscMnxUP+jLicMD7vfM9OQ4SUidWQzGAwjA0N
        OAExo8hmEz7UYQmVwpljm7Y=
        -----END PRIVATE KEY-----
        """ + "\n"

    /// Under the password "hunter2".
    static let encryptedKey = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIIFLTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIHJ19GSOFfaoCAgPo
        MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBAFTYcq8dJes0RRvkxOC/uyBIIE
        0LVSn/iVVzZZu19DDX74+VVhATvl85l7QcwculBD3MF3NKo6R/UMQLOu/hyDn+Hm
        WI/nNAvLtRfpEXQfzcfxAnAKvw2/l9HUfagQcv2B9ZAuLS/2eHlao16PH6LRb7Wk
        MAlcJy75+VPnXEobbk0m38oHIz5oxrTFCtrqQCFaFWE0YTDYKPcUw4oID7/Tb3uo
        kcvjlctDq4TSdMYETnuK5qeeo1qx6Vn35iraEsKlHCQmXNi+s+R7s8oKiHU/sjbi
        d/5fUhTwEGWlOfP9JMdNyKpmjmv05uEqSQ0eday6Ng/Sf9uRrtlibSU+xGKPlFQh
        L3386pIiUgmrbkKj9CvyoeLE1FNj0SB8O144Io0ynXHFZMhW/ml1698eXCni8AiT
        WY6I0SWkOY0yER6dxYpw1wdV+2R2lVkE4Sx4oX+TQXifs2wn24/zjFCZLXvpQphS
        VK/oha2DSyi6B6Y9lvkww1R8slKsjNOU0bJXWUU58g9Vl+sLHHI3achgXmgj2wRf
        2VK2I1ncbw49Zsv+UKM42UGOwj70YFU7hg5veuDXJvbfzZEAzLKRd058x6OhBaDr
        BH9CWwam0K1185usNJjeBYpcRlomasE2QUmVZmHaGch1lQ3UpmlUiW3lzbScMQhR
        8ucUjYV/G3mpucpBdf24GBt4RW1gzEIx+MHEllji2vjNPFLrcujmuMyioFrQZMUv
        hL7Z8O3AEoYLPLCiSAl5rzULO/0pV+S7bcgZLLvT/PCE59bs8Hv5MeLBQ5Kt06qD
        Inqq75FkkjI0Nn3nSPFu05d41yGN56BBd1J0qu7Dha6g1DvAe/Ir2yPNMY42+AR3
        Md028UO3PhdvxawkP/kSVvivST4w3lXI/ONDL5UZGhyWepFPXPPRs41Kpp9/qhOt
        yaaitk4PuzxvJSii+04Rv6+b8Fl0t18ajll5ep6bc0YFu1Rd2UrO4HMpn4RrpwdV
        2M55DYwi4IacsscTj7rmIcmhN/+eW2reT2t2kFl6VYzMnRIEqeuQOE8PHYkgZqZq
        e31jFWd1dLVVur9YxY9Q3sQDCXvu/CDi+DgnzR9Kc5+I/E5ClzizsXxoZxun+cNz
        UC1+xt3hLStO9+1FxgFA2m+dQY8beVbWp7+BwABR65NeMxtlmU0VtR9AhoYFIunu
        F4Hjyzt+x+RdduExQEpYYO6sQDbTXNhoFljrUrVeRN7ha7d+VhCJ4Y8NLQSmR/B6
        lAonk2s1CpEI8q/iweUTnlRwujvY86JjcOSdPzlGeJoOLHnoR68y0Q8VojcCP9Bf
        eEp/fPuLPF7jeS+7Rn5PJdakAAtKtrcz0F5ki5P4tFZAd0J6Eh7FX1pafI9p3APF
        lyvD7s8pAxu8DjjijzmSPXOQp2pY8CYOCkAUbeKWjfG1V5E1K8XrAgk9zI9VdKVI
        pkbNo3PoPdBjuJzRQvsgO11EnYDz7DreDHO4Ud840qGRmuYLFFkIelJCE74TBgLt
        Dzp4cv+lIFQg0Hi1eZvGpQAvFoK7aWqDX1BQkrgnCL0NSn6aR0vMv4BhnjlToc9g
        47rFk9wQfhwukzYs21edl8SxoloDItrpRwlfU9N90WUwZiXUPMEbdbiQqxvAnBWK
        VXrJkyuqjQS7gZATT8u8P8g+WZuS7oI5CId2DuciFJdC
        -----END ENCRYPTED PRIVATE KEY-----
        """ + "\n"
    static let ellipticCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBgzCCASmgAwIBAgIUbZ+vEeKWWzGVpCwntmcNwQ78CkcwCgYIKoZIzj0EAwIw
        FjEUMBIGA1UEAwwLY29mZmVyIHRlc3QwIBcNMjYxMTMwMTgzMjAxWhgPMjEyNjEx
        MDYxODMyMDFaMBYxFDASBgNVBAMMC2NvZmZlciB0ZXN0MFkwEwYHKoZIzj0CAQYI
        KoZIzj0DAQcDQgAE5DoWqh5jeeezsQxiPaiJLkF2gWPTkM4KMaQHH5T065X1kYYK
        GETfX1HKWQraDPaH1A0sKVYUFnNASQlMddkY7aNTMFEwHQYDVR0OBBYEFPvmsQZo
        KueG7rHHYFnVQbVOF0LVMB8GA1UdIwQYMBaAFPvmsQZoKueG7rHHYFnVQbVOF0LV
        MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgPrGoa7nGWAgJgv8v
        V5964WeXzEoqKKHgny1LB0Z3l+4CIQC7AIey1Y4oZ7jVfPK4IAOo5xQRGSYQbG2J
        sxYDVIwbMw==
        -----END CERTIFICATE-----
        """ + "\n"
    static let ellipticKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgz/rH86CKE9WbntW7
        qtnZMRBgNtNiFQ8CfIBYqdecQ86hRANCAATkOhaqHmN557OxDGI9qIkuQXaBY9OQ
        zgoxpAcflPTrlfWRhgoYRN9fUcpZCtoM9ofUDSwpVhQWc0BJCUx12Rjt
        -----END PRIVATE KEY-----
        """ + "\n"

    /// SHA-256 of the certificate, by Python's hashlib.
    static let digest = "c6PnEJdq61o8leM8veO4nTWZuq_l3Ml_eiNnTiCOzoc"
}
