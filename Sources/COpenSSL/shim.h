#ifndef COFFER_COPENSSL_H
#define COFFER_COPENSSL_H

/* libcrypto of OpenSSL 3, and what is awkward from Swift: an OSSL_PARAM list
 * borrows the names in it, and a Swift string lives for one call only. Each
 * function that can fail returns false then and leaves no entry in OpenSSL's
 * error queue. */

/* SHA256_Init and its like are declared deprecated in favour of EVP, which takes
 * four times as long over a short input: it looks algorithms up by name, locks
 * and allocates. Both run the same compression function. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <malloc.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* An allocator that wipes what it frees: OpenSSL does so for keys only. */

static inline void *_Nullable coffer_openssl_take(size_t bytes, const char *_Nullable file, int line) {
    (void)file;
    (void)line;
    return bytes == 0 ? NULL : malloc(bytes);
}

static inline void coffer_openssl_free(void *_Nullable memory, const char *_Nullable file, int line) {
    (void)file;
    (void)line;
    if (memory == NULL) return;
    explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static inline void *_Nullable coffer_openssl_resize(void *_Nullable memory, size_t bytes, const char *_Nullable file,
                                                    int line) {
    void *moved = bytes == 0 ? NULL : malloc(bytes);
    if (moved == NULL && bytes > 0) return NULL;
    if (memory != NULL) {
        size_t before = malloc_usable_size(memory);
        if (moved != NULL) memcpy(moved, memory, before < bytes ? before : bytes);
        coffer_openssl_free(memory, file, line);
    }
    return moved;
}

/* False if OpenSSL has taken memory already: then it keeps its own allocator. */
static inline bool coffer_openssl_wipe(void) {
    return CRYPTO_set_mem_functions(coffer_openssl_take, coffer_openssl_resize, coffer_openssl_free) == 1;
}

static inline bool coffer_cleared(bool ok) {
    if (!ok) ERR_clear_error();
    return ok;
}

static inline void coffer_sha256(const void *_Nullable bytes, size_t count, unsigned char *_Nonnull out) {
    SHA256_CTX state;
    SHA256_Init(&state);
    SHA256_Update(&state, bytes, count);
    SHA256_Final(out, &state);
    OPENSSL_cleanse(&state, sizeof state);
}

/* HMAC-SHA-256 (RFC 2104) with a key that is set up: the hash states behind the
 * padded key. As secret as the key. */
typedef struct {
    SHA256_CTX inner, outer;
} coffer_hmac_key;

static inline void coffer_hmac_set_up(coffer_hmac_key *_Nonnull hmac, const void *_Nullable key, size_t key_bytes) {
    unsigned char pad[SHA256_CBLOCK] = {0};
    if (key_bytes > sizeof pad)
        coffer_sha256(key, key_bytes, pad);
    else if (key_bytes > 0)
        memcpy(pad, key, key_bytes);
    for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36;
    SHA256_Init(&hmac->inner);
    SHA256_Update(&hmac->inner, pad, sizeof pad);
    for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&hmac->outer);
    SHA256_Update(&hmac->outer, pad, sizeof pad);
    OPENSSL_cleanse(pad, sizeof pad);
}

/* The 32-byte code of what `state`, a copy of the key's inner state, has taken. Wiping
 * the state is the caller's task. */
static inline void coffer_hmac_finish(const coffer_hmac_key *_Nonnull hmac, SHA256_CTX *_Nonnull state,
                                      unsigned char *_Nonnull out) {
    SHA256_Final(out, state);
    *state = hmac->outer;
    SHA256_Update(state, out, SHA256_DIGEST_LENGTH);
    SHA256_Final(out, state);
}

static inline void coffer_hmac_sum(const coffer_hmac_key *_Nonnull hmac, const void *_Nullable bytes, size_t count,
                                   unsigned char *_Nonnull out) {
    SHA256_CTX state = hmac->inner;
    SHA256_Update(&state, bytes, count);
    coffer_hmac_finish(hmac, &state, out);
    OPENSSL_cleanse(&state, sizeof state);
}

/* HKDF-SHA-256 (RFC 5869), extract and expand; at most 255 * 32 bytes. */
static inline void coffer_hkdf_sha256(const void *_Nonnull key, size_t key_bytes, const void *_Nullable salt,
                                      size_t salt_bytes, const void *_Nullable info, size_t info_bytes,
                                      unsigned char *_Nonnull out, size_t out_bytes) {
    coffer_hmac_key hmac;
    SHA256_CTX state;
    unsigned char block[SHA256_DIGEST_LENGTH];
    coffer_hmac_set_up(&hmac, salt, salt_bytes);
    coffer_hmac_sum(&hmac, key, key_bytes, block);
    coffer_hmac_set_up(&hmac, block, sizeof block);
    for (unsigned char number = 1; out_bytes > 0; number++) {
        state = hmac.inner;
        if (number > 1) SHA256_Update(&state, block, sizeof block);
        SHA256_Update(&state, info, info_bytes);
        SHA256_Update(&state, &number, 1);
        coffer_hmac_finish(&hmac, &state, block);
        size_t taken = out_bytes < sizeof block ? out_bytes : sizeof block;
        memcpy(out, block, taken);
        out += taken;
        out_bytes -= taken;
    }
    OPENSSL_cleanse(&hmac, sizeof hmac);
    OPENSSL_cleanse(&state, sizeof state);
    OPENSSL_cleanse(block, sizeof block);
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

/* Counter mode (NIST SP 800-38A, 6.5) over a context of AES-256-ECB that holds the
 * key. The first block of the nonce's key stream is for `*word`, which is xored to
 * it; from the second on it is for `in`. A context of AES-256-CTR would look its
 * parameters up by name for each nonce, which takes longer than a small entry. */
static inline bool coffer_ctr(EVP_CIPHER_CTX *_Nonnull ecb, uint64_t nonce, uint64_t *_Nonnull word,
                              const unsigned char *_Nullable in, unsigned char *_Nullable out, size_t bytes) {
    uint64_t stream[64], block = 0;
    size_t used = 16;
    bool ok;
    do {
        size_t taken = bytes < sizeof stream - used ? bytes : sizeof stream - used;
        size_t blocks = (used + taken + 15) / 16;
        int written = 0;
        for (size_t i = 0; i < blocks; i++) {
            stream[2 * i] = __builtin_bswap64(nonce);
            stream[2 * i + 1] = __builtin_bswap64(block++);
        }
        ok = EVP_EncryptUpdate(ecb, (unsigned char *)stream, &written, (unsigned char *)stream, (int)(16 * blocks)) ==
                 1 && written == (int)(16 * blocks);
        if (used > 0) *word ^= stream[0];
        const unsigned char *unused = (const unsigned char *)stream + used;
        for (size_t i = 0; i < taken; i++) out[i] = in[i] ^ unused[i];
        in += taken;
        out += taken;
        bytes -= taken;
        used = 0;
        memset(stream, 0, 16 * blocks);
        /* The compiler may not leave the wiping out: somebody could look here. */
        __asm__ volatile("" : : "r"(stream) : "memory");
    } while (ok && bytes > 0);
    return coffer_cleared(ok);
}

/* A sum that any change of one word of `bytes` changes, and a stray write but
 * once in 2^64. No code against somebody who knows it: who can write to the
 * daemon's memory needs no forgery. Four lanes, to overlap the multiplications. */
static inline uint64_t coffer_checksum(const unsigned char *_Nullable bytes, size_t count) {
    const uint64_t factor = 0x9e3779b97f4a7c15u;
    uint64_t lanes[4] = {count, 1, 2, 3}, word;
    size_t offset = 0;
    for (; offset + 32 <= count; offset += 32)
        for (int lane = 0; lane < 4; lane++) {
            memcpy(&word, bytes + offset + 8 * lane, 8);
            lanes[lane] = (lanes[lane] ^ word) * factor;
            lanes[lane] ^= lanes[lane] >> 29;
        }
    for (; offset < count; offset += 8) {
        word = 0;
        memcpy(&word, bytes + offset, count - offset < 8 ? count - offset : 8);
        lanes[0] = (lanes[0] ^ word) * factor;
        lanes[0] ^= lanes[0] >> 29;
    }
    for (int lane = 1; lane < 4; lane++) {
        lanes[0] = (lanes[0] ^ lanes[lane]) * factor;
        lanes[0] ^= lanes[0] >> 29;
    }
    return lanes[0];
}

/* How many certificates in PEM form there are; -1 = one of them does not decode. */
static inline int coffer_count_certificates(const void *bytes, size_t size) {
    BIO *bio = size > INT_MAX ? NULL : BIO_new_mem_buf(bytes, (int)size);
    if (bio == NULL) return -1;
    int count = 0;
    X509 *certificate;
    ERR_clear_error();
    while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
        X509_free(certificate);
        count++;
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) count = -1;
    ERR_clear_error();
    BIO_free(bio);
    return count;
}

/* No password is asked for. */
static inline int coffer_no_password(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

/* Whether it has a private key in PEM form, without a password. */
static inline bool coffer_has_private_key(const void *bytes, size_t size) {
    BIO *bio = size > INT_MAX ? NULL : BIO_new_mem_buf(bytes, (int)size);
    if (bio == NULL) return false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, coffer_no_password, NULL);
    bool has_key = key != NULL;
    EVP_PKEY_free(key);
    ERR_clear_error();
    BIO_free(bio);
    return has_key;
}

/* Whether the private key is that of the first certificate; both in PEM form. */
static inline bool coffer_is_key_of(const void *key_bytes, size_t key_size, const void *bytes, size_t size) {
    if (size > INT_MAX || key_size > INT_MAX) return false;
    BIO *bio = BIO_new_mem_buf(bytes, (int)size), *key_bio = BIO_new_mem_buf(key_bytes, (int)key_size);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    EVP_PKEY *key = key_bio == NULL ? NULL : PEM_read_bio_PrivateKey(key_bio, NULL, coffer_no_password, NULL);
    bool fits = certificate != NULL && key != NULL && X509_check_private_key(certificate, key) == 1;
    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error();
    BIO_free(key_bio);
    BIO_free(bio);
    return fits;
}

/* A password for PEM_read_bio_PrivateKey; of no bytes = none is given, and none asked for. */
typedef struct {
    const void *_Nullable bytes;
    size_t count;
} coffer_password;

static inline int coffer_give_password(char *buffer, int size, int writing, void *context) {
    const coffer_password *password = (const coffer_password *)context;
    (void)writing;
    if (password->count == 0 || size < 0 || password->count > (size_t)size) return -1;
    memcpy(buffer, password->bytes, password->count);
    return (int)password->count;
}

/* RS256 or, with `pss`, PS256 (RFC 7518, 3.3 and 3.5) of `message`, by a private key in PEM form. `out` has room for
 * COFFER_RSA_BYTES. Returns how many bytes it wrote; 0 = there is no such key, it is larger than that, or the password is
 * not its own; -1 = OpenSSL failed. */
enum { COFFER_RSA_BYTES = 1024 };

static inline int coffer_sign_rsa_sha256(const void *_Nullable pem, size_t pem_bytes, const void *_Nullable password,
                                         size_t password_bytes, bool pss, const void *_Nullable message, size_t bytes,
                                         unsigned char *_Nonnull out) {
    coffer_password given = {password, password_bytes};
    BIO *bio = pem_bytes > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)pem_bytes);
    if (bio == NULL) return 0;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, coffer_give_password, &given);
    BIO_free(bio);
    int size = 0;
    if (key != NULL && EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_size(key) <= COFFER_RSA_BYTES) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        EVP_PKEY_CTX *options = NULL;
        size_t written = COFFER_RSA_BYTES;
        size = context != NULL && EVP_DigestSignInit(context, &options, EVP_sha256(), NULL, key) == 1 &&
                       (!pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0 &&
                                 EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) > 0)) &&
                       EVP_DigestSign(context, out, &written, (const unsigned char *)message, bytes) == 1
                   ? (int)written
                   : -1;
        EVP_MD_CTX_free(context);
    }
    EVP_PKEY_free(key);
    ERR_clear_error();
    return size;
}

#endif
