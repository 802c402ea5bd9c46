#include "CCurl.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Each with the type of libcurl's own header, which knows it under our name. */
#define FUNCTIONS(F)                                                                                             \
    F(easy_init) F(easy_cleanup) F(easy_pause) F(easy_setopt) F(easy_getinfo) F(multi_init) F(multi_cleanup)     \
    F(multi_add_handle) F(multi_remove_handle) F(multi_socket_action) F(multi_setopt) F(multi_info_read)         \
    F(share_init) F(share_cleanup) F(share_setopt) F(slist_append) F(slist_free_all)
/* Of OpenSSL, which is there with libcurl. */
#define TLS_FUNCTIONS(F) F(SSL_CTX_ctrl) F(SSL_CTX_set_options)

#define MEMBER(name) __typeof__(&coffer_curl_##name) name;
#define TLS_MEMBER(name) __typeof__(&name) name;
static struct {
    FUNCTIONS(MEMBER)
    TLS_FUNCTIONS(TLS_MEMBER)
    __typeof__(&curl_global_init_mem) global_init_mem;
    __typeof__(&curl_version_info) version_info;
} library;

static struct coffer_curl_start failed(enum coffer_curl_outcome outcome, const char *words) {
    struct coffer_curl_start result = {.outcome = outcome};
    snprintf(result.words, sizeof result.words, "%s", words == NULL ? "unknown" : words);
    return result;
}

static struct coffer_curl_start load(void) {
    errno = 0;
    /* Debian's other one, with GnuTLS, has another name. */
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        bool is_short = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
        return failed(is_short ? COFFER_CURL_NO_RESOURCES : COFFER_CURL_NOT_LOADED, dlerror());
    }
    const char *missing = NULL;
#define FIND_AS(member, name) \
    if ((*(void **)&library.member = dlsym(handle, name)) == NULL && missing == NULL) missing = name;
#define FIND(name) FIND_AS(name, "curl_" #name)
#define FIND_TLS(name) FIND_AS(name, #name)
    FIND(global_init_mem)
    FIND(version_info)
    FUNCTIONS(FIND)
    /* Before what is missing: it says more of a library that is old. */
    if (library.version_info != NULL) {
        const curl_version_info_data *info = library.version_info(CURLVERSION_FIRST);
        if (info->version_num < COFFER_CURL_OLDEST) return failed(COFFER_CURL_OLD, info->version);
        if (info->ssl_version == NULL || strncmp(info->ssl_version, "OpenSSL/", 8) != 0) {
            return failed(COFFER_CURL_OTHER_TLS, info->ssl_version == NULL ? "none" : info->ssl_version);
        }
    }
    TLS_FUNCTIONS(FIND_TLS)
    return missing == NULL ? (struct coffer_curl_start){.outcome = COFFER_CURL_STARTED} : failed(COFFER_CURL_INCOMPLETE, missing);
}

/* An allocator that wipes what it frees: libcurl builds the request, credentials included, in memory of its own and does
 * not wipe it. */

static void release(void *memory) {
    if (memory == NULL) return;
    explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static void *resize(void *memory, size_t bytes) {
    if (memory == NULL) return malloc(bytes);
    size_t before = malloc_usable_size(memory);
    if (bytes <= before && bytes >= before / 2) return memory;
    void *moved = malloc(bytes == 0 ? 1 : bytes);
    if (moved == NULL) return NULL;
    memcpy(moved, memory, before < bytes ? before : bytes);
    release(memory);
    return moved;
}

void coffer_curl_clean_environment(void) {
    static const char *const names[] = {
        "http_proxy",    "https_proxy",     "HTTPS_PROXY",   "all_proxy",     "ALL_PROXY",     "no_proxy",
        "NO_PROXY",      "SSLKEYLOGFILE",   "SSL_CERT_FILE", "SSL_CERT_DIR",  "CURL_CA_BUNDLE", "CURL_SSL_BACKEND",
        "CURL_HOME",     "CURL_ENTROPY",    "NETRC",         "OPENSSL_CONF",  "OPENSSL_MODULES", "OPENSSL_ENGINES",
        "RES_OPTIONS",   "LOCALDOMAIN",     "HOSTALIASES",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
}

struct coffer_curl_start coffer_curl_start(void) {
    coffer_curl_clean_environment();
    struct coffer_curl_start result = load();
    if (result.outcome != COFFER_CURL_STARTED) return result;
    CURLcode code = library.global_init_mem(CURL_GLOBAL_DEFAULT, malloc, release, resize, strdup, calloc);
    if (code == CURLE_OK) return result;
    char number[16];
    snprintf(number, sizeof number, "%d", (int)code);
    return failed(COFFER_CURL_NOT_STARTED, number);
}

const char *coffer_curl_words(const struct coffer_curl_start *start) { return start->words; }

/* Of a connection that has nothing to do, OpenSSL keeps neither buffers nor what it has decrypted: without the first, its
 * buffers stay as they are until the next record comes; without the second, what the caller has taken stays in them until
 * they are written again. */
static CURLcode forget(CURL *easy, void *context, void *unused) {
    (void)easy;
    (void)unused;
    /* As SSL_CTX_set_mode, which is a macro. */
    library.SSL_CTX_ctrl(context, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
    library.SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
    return CURLE_OK;
}

CURLcode coffer_easy_forget_tls(CURL *easy) { return curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, forget); }

/* What follows a handle and an option is a long, a curl_off_t or a pointer. */
_Static_assert(sizeof(long) == sizeof(void *) && sizeof(curl_off_t) == sizeof(void *), "one of them for all");

#define PASS_ON(function, last)                       \
    va_list values;                                   \
    va_start(values, last);                           \
    void *value = va_arg(values, void *);             \
    va_end(values);                                   \
    return function

CURLcode coffer_curl_easy_setopt(CURL *easy, CURLoption option, ...) {
    PASS_ON(library.easy_setopt, option)(easy, option, value);
}
CURLcode coffer_curl_easy_getinfo(CURL *easy, CURLINFO info, ...) { PASS_ON(library.easy_getinfo, info)(easy, info, value); }
CURLMcode coffer_curl_multi_setopt(CURLM *multi, CURLMoption option, ...) {
    PASS_ON(library.multi_setopt, option)(multi, option, value);
}
CURLSHcode coffer_curl_share_setopt(CURLSH *share, CURLSHoption option, ...) {
    PASS_ON(library.share_setopt, option)(share, option, value);
}

CURL *coffer_curl_easy_init(void) { return library.easy_init(); }
void coffer_curl_easy_cleanup(CURL *easy) { library.easy_cleanup(easy); }
CURLcode coffer_curl_easy_pause(CURL *easy, int directions) { return library.easy_pause(easy, directions); }
CURLM *coffer_curl_multi_init(void) { return library.multi_init(); }
CURLMcode coffer_curl_multi_cleanup(CURLM *multi) { return library.multi_cleanup(multi); }
CURLMcode coffer_curl_multi_add_handle(CURLM *multi, CURL *easy) { return library.multi_add_handle(multi, easy); }
CURLMcode coffer_curl_multi_remove_handle(CURLM *multi, CURL *easy) { return library.multi_remove_handle(multi, easy); }
CURLMcode coffer_curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int events, int *running) {
    return library.multi_socket_action(multi, fd, events, running);
}
CURLMsg *coffer_curl_multi_info_read(CURLM *multi, int *left) { return library.multi_info_read(multi, left); }
CURLSH *coffer_curl_share_init(void) { return library.share_init(); }
CURLSHcode coffer_curl_share_cleanup(CURLSH *share) { return library.share_cleanup(share); }
struct curl_slist *coffer_curl_slist_append(struct curl_slist *list, const char *text) {
    return library.slist_append(list, text);
}
void coffer_curl_slist_free_all(struct curl_slist *list) { library.slist_free_all(list); }
