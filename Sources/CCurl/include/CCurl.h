#ifndef COFFER_CCURL_H
#define COFFER_CCURL_H

/* libcurl, which is loaded when it is first needed and linked to nothing: a daemon without vaults on other hosts has
 * neither it nor the libraries that it brings. And what is awkward from Swift: variadic functions and macros. */

/* Its functions have names of ours, behind which are the library's once it is loaded. */
#define CURL_DISABLE_TYPECHECK
#define curl_easy_init coffer_curl_easy_init
#define curl_easy_cleanup coffer_curl_easy_cleanup
#define curl_easy_pause coffer_curl_easy_pause
#define curl_easy_setopt coffer_curl_easy_setopt
#define curl_easy_getinfo coffer_curl_easy_getinfo
#define curl_multi_init coffer_curl_multi_init
#define curl_multi_cleanup coffer_curl_multi_cleanup
#define curl_multi_add_handle coffer_curl_multi_add_handle
#define curl_multi_remove_handle coffer_curl_multi_remove_handle
#define curl_multi_socket_action coffer_curl_multi_socket_action
#define curl_multi_setopt coffer_curl_multi_setopt
#define curl_multi_info_read coffer_curl_multi_info_read
#define curl_share_init coffer_curl_share_init
#define curl_share_cleanup coffer_curl_share_cleanup
#define curl_share_setopt coffer_curl_share_setopt
#define curl_slist_append coffer_curl_slist_append
#define curl_slist_free_all coffer_curl_slist_free_all
#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* libcurl's macros of these names only count arguments. */
#undef curl_easy_setopt
#define curl_easy_setopt coffer_curl_easy_setopt
#undef curl_easy_getinfo
#define curl_easy_getinfo coffer_curl_easy_getinfo
#undef curl_multi_setopt
#define curl_multi_setopt coffer_curl_multi_setopt
#undef curl_share_setopt
#define curl_share_setopt coffer_curl_share_setopt

/* Takes the variables out of the environment that libcurl, OpenSSL or the resolver would obey. */
void coffer_curl_clean_environment(void);

/* 7.87.0, the oldest with all options that are set: CURLOPT_QUICK_EXIT is of that version. */
#define COFFER_CURL_OLDEST 0x075700

/* How libcurl was started; what the words are of one that was not. */
enum coffer_curl_outcome {
    COFFER_CURL_STARTED,
    /* dlerror(3)'s: files, versions and symbols. */
    COFFER_CURL_NOT_LOADED,
    /* The same, for want of descriptors or memory. */
    COFFER_CURL_NO_RESOURCES,
    /* A function that it lacks, or that OpenSSL lacks. */
    COFFER_CURL_INCOMPLETE,
    /* Its version, older than COFFER_CURL_OLDEST. */
    COFFER_CURL_OLD,
    /* The TLS library that it has in place of OpenSSL. */
    COFFER_CURL_OTHER_TLS,
    /* A CURLcode. */
    COFFER_CURL_NOT_STARTED,
};

struct coffer_curl_start {
    enum coffer_curl_outcome outcome;
    char words[256];
};

/* Does that, loads libcurl and starts it with an allocator that wipes. Once in a process, before anything else here. */
struct coffer_curl_start coffer_curl_start(void);

/* Its words, as long as it is there. */
const char *_Nonnull coffer_curl_words(const struct coffer_curl_start *_Nonnull start);

/* Has OpenSSL keep nothing of a connection that has nothing to do. */
CURLcode coffer_easy_forget_tls(CURL *_Nonnull easy);

static inline CURLcode coffer_easy_set(CURL *_Nonnull easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode coffer_easy_set_size(CURL *_Nonnull easy, CURLoption option, int64_t value) {
    return curl_easy_setopt(easy, option, (curl_off_t)value);
}

static inline CURLcode coffer_easy_set_text(CURL *_Nonnull easy, CURLoption option, const char *_Nullable value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode coffer_easy_set_pointer(CURL *_Nonnull easy, CURLoption option, const void *_Nullable value) {
    return curl_easy_setopt(easy, option, value);
}

/* libcurl makes a copy. */
static inline CURLcode coffer_easy_set_bytes(
    CURL *_Nonnull easy, CURLoption option, const void *_Nonnull bytes, size_t count) {
    struct curl_blob blob = {(void *)bytes, count, CURL_BLOB_COPY};
    return curl_easy_setopt(easy, option, &blob);
}

typedef size_t (*coffer_data_callback)(char *_Nonnull data, size_t size, size_t count, void *_Nonnull context);
typedef curl_socket_t (*coffer_open_callback)(
    void *_Nonnull context, curlsocktype purpose, struct curl_sockaddr *_Nonnull address);
typedef int (*coffer_ready_callback)(
    void *_Nonnull context, char *_Nullable peer, char *_Nullable local, int peer_port, int local_port);
typedef int (*coffer_close_callback)(void *_Nonnull context, curl_socket_t fd);

/* All callbacks of a transfer, with one context. */
static inline bool coffer_easy_set_callbacks(
    CURL *_Nonnull easy, void *_Nonnull context, coffer_data_callback _Nonnull header,
    coffer_data_callback _Nonnull body, coffer_open_callback _Nonnull open, coffer_ready_callback _Nonnull ready) {
    return curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, context) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, context) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, context) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, ready) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, context) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, context) == CURLE_OK;
}

/* Who closes the sockets of the connections that this handle makes, which mostly outlive it. */
static inline bool coffer_easy_set_closing(
    CURL *_Nonnull easy, void *_Nonnull context, coffer_close_callback _Nonnull close) {
    return curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, context) == CURLE_OK;
}

static inline long coffer_easy_status(CURL *_Nonnull easy) {
    long status = 0;
    return curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK ? status : 0;
}

/* How OpenSSL verified the server's certificate, X509_V_OK or an X509_V_ERR_…; -1 if libcurl does not say. */
static inline long coffer_easy_verification(CURL *_Nonnull easy) {
    long result = -1;
    return curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &result) == CURLE_OK ? result : -1;
}

/* Announced bytes of the answer's body; -1 if not announced. */
static inline int64_t coffer_easy_announced(CURL *_Nonnull easy) {
    curl_off_t bytes = -1;
    return curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &bytes) == CURLE_OK ? bytes : -1;
}

static inline void *_Nullable coffer_easy_context(CURL *_Nonnull easy) {
    char *context = NULL;
    return curl_easy_getinfo(easy, CURLINFO_PRIVATE, &context) == CURLE_OK ? context : NULL;
}

typedef int (*coffer_socket_callback)(
    CURL *_Nonnull easy, curl_socket_t fd, int what, void *_Nonnull context, void *_Nullable attached);
typedef int (*coffer_timer_callback)(CURLM *_Nonnull multi, long milliseconds, void *_Nonnull context);

static inline bool coffer_multi_set_callbacks(
    CURLM *_Nonnull multi, void *_Nonnull context, coffer_socket_callback _Nonnull socket,
    coffer_timer_callback _Nonnull timer) {
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, context) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, context) == CURLM_OK;
}

static inline CURLMcode coffer_multi_set(CURLM *_Nonnull multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

/* Lets the transfers of one thread resume each other's TLS sessions. */
static inline CURLSHcode coffer_share_sessions(CURLSH *_Nonnull share) {
    return curl_share_setopt(share, CURLSHOPT_SHARE, (long)CURL_LOCK_DATA_SSL_SESSION);
}

/* CURLPAUSE_CONT: neither direction. */
static const int coffer_pause_nothing = CURLPAUSE_CONT;

/* CURL_SOCKET_TIMEOUT: "no socket, time has passed". */
static const curl_socket_t coffer_socket_timeout = CURL_SOCKET_TIMEOUT;

/* The handle of the next transfer that has ended, and how; NULL if there is none. */
static inline CURL *_Nullable coffer_multi_ended(CURLM *_Nonnull multi, CURLcode *_Nonnull result) {
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
        if (message->msg != CURLMSG_DONE) continue;
        *result = message->data.result;
        return message->easy_handle;
    }
    return NULL;
}

/* The family of a resolved address; its bytes, IPv4 as the last four, go to `bytes`. */
static inline int coffer_sockaddr_read(const struct curl_sockaddr *_Nonnull address, uint8_t *_Nonnull bytes) {
    if (address->family == AF_INET) {
        memcpy(bytes + 12, &((const struct sockaddr_in *)(const void *)&address->addr)->sin_addr, 4);
    } else if (address->family == AF_INET6) {
        memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)&address->addr)->sin6_addr, 16);
    }
    return address->family;
}

/* Has close(2) reset the connection: the kernel forgets what the other side has not acknowledged, and sends no more. */
static inline void coffer_socket_forget(curl_socket_t fd) {
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

static inline curl_socket_t coffer_sockaddr_open(const struct curl_sockaddr *_Nonnull address) {
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

#endif
