#ifndef COFFER_COPENSSL_H
#define COFFER_COPENSSL_H

/* libcrypto of OpenSSL 3, and three things that are awkward from Swift: an
 * OSSL_PARAM list borrows the names in it, and a Swift string lives for one call
 * only. Each function returns false on failure and leaves no entry in OpenSSL's
 * error queue. */

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>

static inline bool coffer_cleared(bool ok) {
    if (!ok) ERR_clear_error();
    return ok;
}

/* HKDF-SHA-256, extract and expand; `kdf` is the fetched "HKDF". */
static inline bool coffer_hkdf_sha256(EVP_KDF *_Nonnull kdf, const void *_Nonnull key, size_t key_bytes,
                                      const void *_Nonnull salt, size_t salt_bytes,
                                      const void *_Nonnull info, size_t info_bytes,
                                      void *_Nonnull out, size_t out_bytes) {
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, key_bytes),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_bytes),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_bytes),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    bool ok = context != NULL && EVP_KDF_derive(context, (unsigned char *)out, out_bytes, params) == 1;
    EVP_KDF_CTX_free(context);
    return coffer_cleared(ok);
}

/* Feeds bytes to a cipher; `out` NULL makes them associated data. */
static inline bool coffer_aead_update(EVP_CIPHER_CTX *_Nonnull context, void *_Nullable out,
                                      const void *_Nullable in, size_t bytes) {
    int written = 0;
    if (bytes == 0) return true;
    return bytes <= INT_MAX &&
           EVP_CipherUpdate(context, (unsigned char *)out, &written, (const unsigned char *)in, (int)bytes) == 1 &&
           written == (int)bytes;
}

/* Encrypts `bytes` of `in` to `out` and writes the 16-byte tag. `key` NULL keeps
 * the key of the context's last use. */
static inline bool coffer_aead_seal(EVP_CIPHER_CTX *_Nonnull context, const void *_Nullable key,
                                    const void *_Nonnull nonce, const void *_Nullable associated,
                                    size_t associated_bytes, const void *_Nullable in, size_t bytes,
                                    void *_Nullable out, void *_Nonnull tag) {
    OSSL_PARAM tag_param[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, 16),
        OSSL_PARAM_construct_end(),
    };
    unsigned char nothing[16];
    int written = 0;
    return coffer_cleared(
        EVP_CipherInit_ex2(context, NULL, (const unsigned char *)key, (const unsigned char *)nonce, 1, NULL) == 1 &&
        coffer_aead_update(context, NULL, associated, associated_bytes) &&
        coffer_aead_update(context, out, in, bytes) &&
        EVP_CipherFinal_ex(context, nothing, &written) == 1 && written == 0 &&
        EVP_CIPHER_CTX_get_params(context, tag_param) == 1);
}

/* The reverse. On false, `out` holds bytes that nobody vouches for. The tag goes
 * in with the initialisation: one look-up by name less than a control call. */
static inline bool coffer_aead_open(EVP_CIPHER_CTX *_Nonnull context, const void *_Nullable key,
                                    const void *_Nonnull nonce, const void *_Nullable associated,
                                    size_t associated_bytes, const void *_Nullable in, size_t bytes,
                                    const void *_Nonnull tag, void *_Nullable out) {
    const OSSL_PARAM tag_param[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, (void *)tag, 16),
        OSSL_PARAM_construct_end(),
    };
    unsigned char nothing[16];
    int written = 0;
    return coffer_cleared(
        EVP_CipherInit_ex2(context, NULL, (const unsigned char *)key, (const unsigned char *)nonce, 0,
                           tag_param) == 1 &&
        coffer_aead_update(context, NULL, associated, associated_bytes) &&
        coffer_aead_update(context, out, in, bytes) &&
        EVP_CipherFinal_ex(context, nothing, &written) == 1 && written == 0);
}

/* Gives the context a key of zeros, and encrypts a byte under it: that replaces
 * the expanded key and the key stream left by the last use. `zeros`: 32 bytes. */
static inline bool coffer_aead_forget(EVP_CIPHER_CTX *_Nonnull context, const void *_Nonnull zeros) {
    unsigned char nothing[16];
    return coffer_cleared(
        EVP_CipherInit_ex2(context, NULL, (const unsigned char *)zeros, (const unsigned char *)zeros, 1, NULL) == 1 &&
        coffer_aead_update(context, nothing, zeros, 1));
}

#endif
