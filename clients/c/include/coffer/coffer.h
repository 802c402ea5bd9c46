/*
 * libcoffer: store, get and delete credentials through cofferd.
 *
 *     coffer_client *client = coffer_open(NULL);
 *     coffer_record *record = NULL;
 *     if (coffer_get(client, "ann", "github", NULL, &record) == COFFER_OK)
 *         use(coffer_record_credential(record), coffer_record_size(record));
 *     else
 *         complain(coffer_error_message(client));
 *     coffer_record_free(record);
 *     coffer_close(client);
 *
 * Rules
 * - A client object is used by one thread at a time; two objects share nothing.
 *   The library has no global state, starts no thread, touches no signal.
 *   After fork(), only one of the two processes may go on using an object.
 * - Text in and out is UTF-8 and ends with NUL. A credential is bytes with a size.
 * - Every function takes NULL for a client or result: it then returns
 *   COFFER_INVALID_ARGUMENT, NULL, 0 or false, and does nothing.
 * - What a result function returns belongs to the result and dies with it.
 *   Results outlive the client.
 * - Memory that held a credential, buffers too, is overwritten before it is freed.
 * - Not async-signal-safe.
 */
#ifndef COFFER_COFFER_H
#define COFFER_COFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CMake, pkg-config and the soname read these lines. */
#define COFFER_VERSION_MAJOR 0
#define COFFER_VERSION_MINOR 1
#define COFFER_VERSION_PATCH 0

#if defined(__GNUC__)
#define COFFER_API __attribute__((visibility("default")))
#define COFFER_CHECKED __attribute__((warn_unused_result))
#else
#define COFFER_API
#define COFFER_CHECKED
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* How a call ended: gRPC's codes, by number and by meaning. */
typedef enum coffer_status {
    COFFER_OK = 0,
    COFFER_CANCELLED = 1,
    COFFER_UNKNOWN = 2,
    COFFER_INVALID_ARGUMENT = 3,
    COFFER_DEADLINE_EXCEEDED = 4, /* a store or delete may have happened */
    COFFER_NOT_FOUND = 5,         /* never said of a vault that is out of reach */
    COFFER_ALREADY_EXISTS = 6,
    COFFER_PERMISSION_DENIED = 7,
    COFFER_RESOURCE_EXHAUSTED = 8, /* a limit; also when memory runs out here */
    COFFER_FAILED_PRECONDITION = 9,
    COFFER_ABORTED = 10, /* if_version named another version */
    COFFER_OUT_OF_RANGE = 11,
    COFFER_UNIMPLEMENTED = 12,
    COFFER_INTERNAL = 13,
    COFFER_UNAVAILABLE = 14, /* the daemon or its vault is out of reach */
    COFFER_DATA_LOSS = 15,
    COFFER_UNAUTHENTICATED = 16
} coffer_status;

/* Why, finer: the numbers of coffer.v1.Failure.Reason. Others may come. */
typedef enum coffer_reason {
    COFFER_REASON_NONE = 0,
    COFFER_REASON_MALFORMED = 10,
    COFFER_REASON_BAD_FIELD = 11,
    COFFER_REASON_UNKNOWN_METHOD = 12,
    COFFER_REASON_FRAME_TOO_LARGE = 13,
    COFFER_REASON_CREDENTIAL_TOO_LARGE = 14,
    COFFER_REASON_DUPLICATE_CALL_ID = 15,
    COFFER_REASON_NOT_SUPPORTED = 16,
    COFFER_REASON_NOT_FOUND = 30,
    COFFER_REASON_VERSION_MISMATCH = 31,
    COFFER_REASON_ALREADY_EXISTS = 32,
    COFFER_REASON_DENIED = 40,
    COFFER_REASON_LIMIT = 41,
    COFFER_REASON_CANCELLED = 42,
    COFFER_REASON_DEADLINE = 43,
    COFFER_REASON_DRAINING = 60,
    COFFER_REASON_VAULT_UNREACHABLE = 61,
    COFFER_REASON_VAULT_REFUSED = 62,
    COFFER_REASON_VAULT_FAILED = 63,
    COFFER_REASON_UNREADABLE_RECORD = 64,
    COFFER_REASON_DISK = 65,
    COFFER_REASON_INTERNAL = 79
} coffer_reason;

/* The status as documents write it, "NOT_FOUND"; "UNKNOWN" for other numbers. */
COFFER_API const char *coffer_status_name(coffer_status status);

/* The library's version, "0.1.0". */
COFFER_API const char *coffer_version(void);

/* ---- The client ---------------------------------------------------------- */

typedef struct coffer_client coffer_client;

/* Where memory comes from. `allocate` gives a block aligned for any type, or
 * NULL; `release` gets back what it gave, never NULL. */
typedef struct coffer_allocator {
    void *(*allocate)(void *context, size_t size);
    void (*release)(void *context, void *block);
    void *context;
} coffer_allocator;

/* Zero-initialise it; a zero field means its default. */
typedef struct coffer_options {
    /* Default: $COFFER_SOCKET, else $XDG_RUNTIME_DIR/coffer/coffer.sock, else
     * for root /run/coffer/coffer.sock, for others
     * /run/user/UID/coffer/coffer.sock if /run/user/UID is theirs, else
     * /tmp/coffer-UID/coffer.sock. 1 to 107 bytes. */
    const char *socket_path;
    /* How long a call may take in all, connecting too. Default: 5000. */
    uint32_t timeout_ms;
    /* Default: malloc and free. Copied; the context must outlive every result. */
    const coffer_allocator *allocator;
    /* A uid whose daemon is trusted beside that of root and of this process;
     * 0 = $COFFER_SERVER_UID, if set. Nothing is sent to another one: calls end
     * with COFFER_FAILED_PRECONDITION. */
    uint32_t server_uid;
} coffer_options;

/* Makes a client; NULL options = defaults. Connects with the first call, and
 * again whenever the daemon went away, which is waited for up to 2 s. NULL:
 * memory ran out.
 *
 * After fork, the child may go on with its copy of the client: it gets a
 * connection of its own, and calls that were under way end in it with
 * COFFER_CANCELLED, while they go on in the parent. */
COFFER_API coffer_client *coffer_open(const coffer_options *options) COFFER_CHECKED;

/* Closes the connection and frees the client. Calls under way that were
 * started without blocking get their callback, with COFFER_CANCELLED.
 * Not from within a callback. */
COFFER_API void coffer_close(coffer_client *client);

/* How the last call ended, or in a callback the call that it is about. */
COFFER_API coffer_status coffer_error_status(const coffer_client *client);
COFFER_API coffer_reason coffer_error_reason(const coffer_client *client);
/* For people; "" after COFFER_OK. Never holds a credential. */
COFFER_API const char *coffer_error_message(const coffer_client *client);
/* Milliseconds to wait before trying again; 0 = no advice. */
COFFER_API uint32_t coffer_error_retry_after_ms(const coffer_client *client);
/* The same call may succeed later without a change. */
COFFER_API bool coffer_error_retryable(const coffer_client *client);
/* A store, delete or doctor that failed may have been done all the same: it was sent, and how it
 * ended is not known. Read first, or repeat it with a condition. If false, nothing was changed. */
COFFER_API bool coffer_error_may_have_happened(const coffer_client *client);

/* ---- Results ------------------------------------------------------------- */

/* Times are Unix milliseconds, UTC. */

typedef enum coffer_source {
    COFFER_SOURCE_UNSPECIFIED = 0,
    COFFER_SOURCE_MEMORY = 1,        /* from the cache, inside its TTL */
    COFFER_SOURCE_VAULT = 2,         /* the vault was asked for this answer */
    COFFER_SOURCE_STALE_ON_ERROR = 3 /* past its TTL; the vault could not be asked */
} coffer_source;

/* A credential and what is known about it. */
typedef struct coffer_record coffer_record;
COFFER_API const void *coffer_record_credential(const coffer_record *record);
COFFER_API size_t coffer_record_size(const coffer_record *record);
/* Opaque text: equal exactly when the stored value is the same write. */
COFFER_API const char *coffer_record_version(const coffer_record *record);
COFFER_API uint64_t coffer_record_created_at_ms(const coffer_record *record);
COFFER_API uint64_t coffer_record_updated_at_ms(const coffer_record *record);
/* 0 = never. */
COFFER_API uint64_t coffer_record_expires_at_ms(const coffer_record *record);
COFFER_API coffer_source coffer_record_source(const coffer_record *record);
/* Milliseconds since the vault said so. */
COFFER_API uint64_t coffer_record_age_ms(const coffer_record *record);
/* Older than the TTL allows; stands in for a vault that could not be asked. */
COFFER_API bool coffer_record_stale(const coffer_record *record);
/* The record's format in the vault, "json" for instance, if it is not the one that the vault
 * is written in: somebody else may have written it. Else NULL. */
COFFER_API const char *coffer_record_foreign_format(const coffer_record *record);
COFFER_API size_t coffer_record_label_count(const coffer_record *record);
/* NULL where there is no such index. */
COFFER_API const char *coffer_record_label_name(const coffer_record *record, size_t index);
COFFER_API const char *coffer_record_label_value(const coffer_record *record, size_t index);
/* The value of the label with this name, NULL if there is none. */
COFFER_API const char *coffer_record_label(const coffer_record *record, const char *name);
/* Overwrites and frees. Not for records of a coffer_batch. */
COFFER_API void coffer_record_free(coffer_record *record);

/* What a store wrote. */
typedef struct coffer_stored coffer_stored;
COFFER_API const char *coffer_stored_version(const coffer_stored *stored);
COFFER_API uint64_t coffer_stored_created_at_ms(const coffer_stored *stored);
COFFER_API uint64_t coffer_stored_updated_at_ms(const coffer_stored *stored);
COFFER_API uint64_t coffer_stored_expires_at_ms(const coffer_stored *stored);
COFFER_API void coffer_stored_free(coffer_stored *stored);

/* The answers to a coffer_get_many, in the order of its keys. */
typedef struct coffer_batch coffer_batch;
COFFER_API size_t coffer_batch_count(const coffer_batch *batch);
COFFER_API coffer_status coffer_batch_status(const coffer_batch *batch, size_t index);
COFFER_API coffer_reason coffer_batch_reason(const coffer_batch *batch, size_t index);
COFFER_API const char *coffer_batch_message(const coffer_batch *batch, size_t index);
/* Belongs to the batch; NULL unless the status is COFFER_OK. */
COFFER_API const coffer_record *coffer_batch_record(const coffer_batch *batch, size_t index);
COFFER_API void coffer_batch_free(coffer_batch *batch);

/* One page of a listing. */
typedef struct coffer_page coffer_page;
typedef struct coffer_entry coffer_entry;
COFFER_API size_t coffer_page_count(const coffer_page *page);
/* Belongs to the page; NULL where there is no such index. */
COFFER_API const coffer_entry *coffer_page_entry(const coffer_page *page, size_t index);
/* For the next page; "" = this was the last one. */
COFFER_API const char *coffer_page_next_token(const coffer_page *page);
COFFER_API void coffer_page_free(coffer_page *page);
/* COFFER_OK; else the record is there and cannot be read. Then it has a reason and a message, no
 * version, times and labels, and "" for an id that only the record itself could tell. */
COFFER_API coffer_status coffer_entry_status(const coffer_entry *entry);
COFFER_API coffer_reason coffer_entry_reason(const coffer_entry *entry);
COFFER_API const char *coffer_entry_message(const coffer_entry *entry);
COFFER_API const char *coffer_entry_user(const coffer_entry *entry);
COFFER_API const char *coffer_entry_connection(const coffer_entry *entry);
COFFER_API const char *coffer_entry_version(const coffer_entry *entry);
COFFER_API uint64_t coffer_entry_created_at_ms(const coffer_entry *entry);
COFFER_API uint64_t coffer_entry_updated_at_ms(const coffer_entry *entry);
COFFER_API uint64_t coffer_entry_expires_at_ms(const coffer_entry *entry);
COFFER_API size_t coffer_entry_label_count(const coffer_entry *entry);
COFFER_API const char *coffer_entry_label_name(const coffer_entry *entry, size_t index);
COFFER_API const char *coffer_entry_label_value(const coffer_entry *entry, size_t index);

/* ---- Calls that wait ----------------------------------------------------- */

/*
 * Each returns how it ended and keeps the same on the client (coffer_error_…).
 * The last argument may be NULL where the result is not wanted. If it is not
 * NULL it is set: to a result that the caller frees, or to NULL, false or 0 on
 * failure.
 *
 * Ids are 1 to 256 bytes of UTF-8 without control characters; the daemon checks
 * them, and every other limit but that of the frame.
 *
 * Callbacks of calls that were started without blocking may run meanwhile.
 * Not from within a callback: that is refused with COFFER_FAILED_PRECONDITION.
 */

typedef struct coffer_label {
    const char *name;
    const char *value;
} coffer_label;

/* Zero-initialise it; a zero field means its default. */
typedef struct coffer_store_options {
    /* Seconds until the record expires; 0 = the vault's default. */
    uint32_t ttl_seconds;
    /* At most 16; names 1 to 64 bytes, values to 256 bytes. */
    const coffer_label *labels;
    size_t label_count;
    /* Store only if this is the version in the vault, else COFFER_ABORTED, also
     * where there is no record. */
    const char *if_version;
    /* Store only if there is no record, else COFFER_ALREADY_EXISTS. Not
     * together with if_version. */
    bool if_absent;
} coffer_store_options;

/* Creates the credential or replaces it whole: labels and expiry too. */
COFFER_API coffer_status coffer_store(
    coffer_client *client, const char *user, const char *connection, const void *credential,
    size_t size, const coffer_store_options *options, coffer_stored **stored);

typedef struct coffer_get_options {
    /* If true, the oldest copy from memory that will do is max_age_ms old;
     * 0 = ask the vault now. */
    bool has_max_age;
    uint64_t max_age_ms;
} coffer_get_options;

COFFER_API coffer_status coffer_get(
    coffer_client *client, const char *user, const char *connection,
    const coffer_get_options *options, coffer_record **record) COFFER_CHECKED;

typedef struct coffer_delete_options {
    /* Delete only if this is the version in the vault; COFFER_ABORTED if it is
     * another one. */
    const char *if_version;
} coffer_delete_options;

/* Deleting what is not there is COFFER_OK with *existed = false. */
COFFER_API coffer_status coffer_delete(
    coffer_client *client, const char *user, const char *connection,
    const coffer_delete_options *options, bool *existed);

typedef struct coffer_key {
    const char *user;
    const char *connection;
} coffer_key;

/* Many gets in one call: 1 to 256 keys, each answered with its own status. */
COFFER_API coffer_status coffer_get_many(
    coffer_client *client, const coffer_key *keys, size_t count, const coffer_get_options *options,
    coffer_batch **batch) COFFER_CHECKED;

typedef struct coffer_list_options {
    /* NULL or "" for the first page, else coffer_page_next_token. */
    const char *page_token;
    /* 0 = 100; at most 1000. A page may hold fewer, also where more follow. */
    uint32_t page_size;
} coffer_list_options;

/* A user's connections, without credentials. "" = all users, where policy
 * grants that. */
COFFER_API coffer_status coffer_list(
    coffer_client *client, const char *user, const coffer_list_options *options,
    coffer_page **page) COFFER_CHECKED;

/* ---- Calls for event loops ----------------------------------------------- */

/*
 * A start function queues the call and returns its id, or 0 if it could not
 * (coffer_error_… says why; no callback comes). It does not touch the socket:
 * coffer_process does, and runs the callbacks, each exactly once per call. A
 * callback may start and cancel calls. It gets its result to keep and free;
 * NULL means failure, and coffer_error_… tell of it while the callback runs.
 *
 * Each turn of the loop: wait for coffer_events on coffer_fd (ask anew each
 * turn: it changes when the client connects), at most coffer_wait_ms; then call
 * coffer_process. At most 1024 calls may be under way; 32 of them are in
 * flight, the others wait here.
 */

typedef void coffer_store_callback(coffer_client *client, coffer_stored *stored, void *context);
typedef void coffer_get_callback(coffer_client *client, coffer_record *record, void *context);
typedef void coffer_delete_callback(coffer_client *client, bool existed, void *context);
typedef void coffer_get_many_callback(coffer_client *client, coffer_batch *batch, void *context);
typedef void coffer_list_callback(coffer_client *client, coffer_page *page, void *context);

COFFER_API uint64_t coffer_start_store(
    coffer_client *client, const char *user, const char *connection, const void *credential,
    size_t size, const coffer_store_options *options, coffer_store_callback *callback,
    void *context);
COFFER_API uint64_t coffer_start_get(
    coffer_client *client, const char *user, const char *connection,
    const coffer_get_options *options, coffer_get_callback *callback, void *context);
/* For a delete, coffer_error_status in the callback says whether it worked. */
COFFER_API uint64_t coffer_start_delete(
    coffer_client *client, const char *user, const char *connection,
    const coffer_delete_options *options, coffer_delete_callback *callback, void *context);
COFFER_API uint64_t coffer_start_get_many(
    coffer_client *client, const coffer_key *keys, size_t count, const coffer_get_options *options,
    coffer_get_many_callback *callback, void *context);
COFFER_API uint64_t coffer_start_list(
    coffer_client *client, const char *user, const coffer_list_options *options,
    coffer_list_callback *callback, void *context);

/* Asks that a call be ended early. Its callback still comes, with
 * COFFER_CANCELLED or with the result where that was first; a store or delete
 * that the daemon has begun is not interrupted. Unknown ids are ignored. */
COFFER_API void coffer_cancel(coffer_client *client, uint64_t call);

/* The socket to wait on, -1 while not connected. */
COFFER_API int coffer_fd(const coffer_client *client);
/* What to wait for: POLLIN, POLLOUT or both; 0 while not connected. */
COFFER_API short coffer_events(const coffer_client *client);
/* Milliseconds until coffer_process has something to do of itself: connecting,
 * a timeout. 0 = at once, -1 = never. */
COFFER_API int coffer_wait_ms(const coffer_client *client);
/* Reads, writes, connects and expires what can be without waiting, and runs
 * callbacks. Returns how many calls have ended. */
COFFER_API size_t coffer_process(coffer_client *client);

#ifdef __cplusplus
}
#endif

#include <coffer/admin.h>

#endif
