/// Keys that were made for these tests, and open nothing.
enum TestKey {
    static let rsa = """
        -----BEGIN PRIVATE KEY-----
        MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCe7n78DMqwvTRg
        pP2C2kGY93UOTjf37OYTF1iD1rV2vQCoIUSHqiQW8Cy8qqdx614A34Tgr4dW9bTj
        LSNnNR8dXHrjb3iy2GWjqsC3xiU9zV42GM1blddk677AWdJBz3QS3PXkn12EK41H
        xIK87mCbf6QqFBgCCVHvkd7n/Bq2i3CGHoWyj0qjamh6TePMtkhst/AVAG/1ygT5
        Vga/iZ5pV492JGRs8GctXMZQSXyRhzsHNgUPt13jyYIWAhhVMOqfN6ngpLIe26W0
        qxheHI5fcxk739Vhv4aaHKwSmfWgfJgW8QM29j2CQiAAC/Ilt87622hl1ySZ3hcJ
        Kg+CDevJAgMBAAECggEAJmYE9Cy7A/ySnQ7/2Q+WbbjL5Ursps/rvo0Ta7cCXM/J
        StXO0uA+m/QnOuYYUqPFMHzQg+Ck2FPBAmozdYoWHGftoOmbxcoWtHZa3YvYD5iA
        vJ09cHVBdzal/Z8194SBzNTp6/S9CWPkXIST+cW2PZuXNDtqmYNa8oDR1EbKxXOF
        FDzhpKRUl3taBMjdNBCd5kkbLBRketx7x8XCuBnjCgP046qTaNTb/ChsVj8sGBmK
        otd0lv8hhnWdA8cf2Yqtzn9Cl2aBk/G3v1z2WunEUlvcyrLSR/TyVr/UkbqOFzhd
        NKOQ0Lp5oOB6637EVLRF7ZVPeGGK3czQ6cox6p8vIQKBgQDgaBIO8i4f729J8RFN
        wohlsnnzYP8jxWFIv8cEBCopYsqVSyJNdogWK1sPnI/WgYHt4OPgzi0XIOtywnwK
        rqdDhjb5kivoZM9FtbS2Eo0CZuOCZ4t8nHtM0OYIFydgawdt499qA+nOyYQC4TLw
        /yVWIQ1ad9iRS4E0I/vHx3e6NQKBgQC1Tp4B/uqztiX4zGIYbwlY3eRUYLdFzHoW
        ytlwYj8abFOhvI8OFHFbb4198UR94aAMDVs8sb+vqgPu51OuQAaTQcr2PMyFZQR1
        MMep65ZI7/0wFyxU+Yh7LFnt+RGk3OIpLk2Opz3NknSmnIIneg13TQ+U1pl5ew48
        IaFVpvk9xQKBgQCvq8i3Oo8xINcWI0lQfkEYm6csB3q0HggSU08QrdHzpArC5JZt
        3aSa9kXK6t0PJ0L3XV4G1mAmAvdOV0GTezYlfiP7K5qDyqcYAy78eXk5sCHaLATe
        AAHmGIJ7QuTobeDa/dAfxgB6iPZ26qReVN59llJFyBwZYeo7TxADTPtFIQKBgQCj
        watTUCQ6RyWKz0c2nGuL2XaWg3hlUadgGL1GFWa7feYXqhBnfi1Ykavxec4MCJKe
        8B1c94qTpfLBgCyDsQ5/SKiBuS5cuX3KP1HHdqKZpDFBk1yWL3+HCOr81r6J8ntP
        CKRCWWmn2EUGC0w/Ta0F+RM+somSQIP96b4nd5WcpQKBgDCgMNKzpX0rjcLDGCjI
        vUucvA0N3FYG8wJNdCPGNAre2e18xA/r5Ra/maEWye1hqZYdGhux1bx4/bk9L7U1
        hTOtICisE/wWZKlzHrPa983l1eat6dooDX1s+mdvBMIQbRpZ1PwHr0JpK6dls38l
        dhvIMake4WIuGJnUJtxtaY8u
        -----END PRIVATE KEY-----
        """ + "\n"

    static let elliptic = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8ift8p3uuqwxsBsh
        w7jMzXnFMEPB7Bqd6W+k9JT5jDWhRANCAAREuO1qBPOSoe5g37y5PejBYxOL0u8k
        am1rt4jsMN9HQsc8UN8yEjAoIVH4GWwntJ3J5ODbuX54gYjkRy0uhelo
        -----END PRIVATE KEY-----
        """ + "\n"
}
