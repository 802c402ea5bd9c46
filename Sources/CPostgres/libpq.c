#define _GNU_SOURCE
#include "CPostgres.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <postgresql/libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* The functions of libpq that are called here, with the types of its own header. */
#define FUNCTIONS(F)                                                                                               \
    F(PQlibVersion) F(PQconnectStartParams) F(PQconnectPoll) F(PQsetnonblocking) F(PQsocket) F(PQstatus)              \
    F(PQerrorMessage) F(PQconnectionNeedsPassword) F(PQbackendPID) F(PQsetErrorVerbosity) F(PQsetNoticeReceiver)      \
    F(PQsendPrepare) F(PQsendQueryPrepared) F(PQsendQuery) F(PQflush) F(PQconsumeInput) F(PQisBusy) F(PQgetResult)    \
    F(PQresultStatus) F(PQresultErrorField) F(PQntuples) F(PQnfields) F(PQgetvalue) F(PQgetlength) F(PQgetisnull)     \
    F(PQclear) F(PQnotifies) F(PQfreemem) F(PQgetCancel) F(PQcancel) F(PQfreeCancel) F(PQfinish)      \
    F(PQtransactionStatus)

#define MEMBER(name) __typeof__(&name) name;
static struct { FUNCTIONS(MEMBER) } pq;
static bool is_loaded;

static void load(void) {
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return;
    bool is_whole = true;
#define FIND(name) is_whole = (*(void **)&pq.name = dlsym(library, #name)) != NULL && is_whole;
    FUNCTIONS(FIND)
    is_loaded = is_whole;
}

int coffer_pq_version(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return is_loaded ? pq.PQlibVersion() : 0;
}

static PGconn *conn(struct coffer_pq_connection *connection) { return (PGconn *)connection; }
static PGresult *result(struct coffer_pq_rows *rows) { return (PGresult *)rows; }

static void ignore_notice(void *argument, const PGresult *notice) {
    (void)argument;
    (void)notice;
}

struct coffer_pq_connection *coffer_pq_start(const void *options) {
    const char *names[64], *values[64];
    size_t count = 0;
    for (const char *next = options; *next != '\0' && count < 63; count++) {
        names[count] = next;
        values[count] = next + strlen(next) + 1;
        next = values[count] + strlen(values[count]) + 1;
    }
    names[count] = values[count] = NULL;
    PGconn *started = pq.PQconnectStartParams(names, values, 0);
    if (started == NULL) return NULL;
    /* A refusal is an SQLSTATE then, in whatever language the server speaks. */
    pq.PQsetErrorVerbosity(started, PQERRORS_SQLSTATE);
    pq.PQsetNoticeReceiver(started, ignore_notice, NULL);
    return (struct coffer_pq_connection *)started;
}

int coffer_pq_poll(struct coffer_pq_connection *connection) {
    if (pq.PQstatus(conn(connection)) == CONNECTION_BAD) return 0;
    return (int)pq.PQconnectPoll(conn(connection));
}

int coffer_pq_set_nonblocking(struct coffer_pq_connection *connection) {
    return pq.PQsetnonblocking(conn(connection), 1);
}

int coffer_pq_wait(struct coffer_pq_connection *connection, int for_writing, int wake, int milliseconds) {
    int socket = pq.PQsocket(conn(connection));
    if (socket < 0) return -1;
    /* Input is always looked for: a server that refuses what it is sent must not wait until it has been read. */
    struct pollfd watched[2] = {
        {.fd = socket, .events = POLLIN | (for_writing ? POLLOUT : 0)}, {.fd = wake, .events = POLLIN}};
    int ready = poll(watched, wake < 0 ? 1 : 2, milliseconds);
    if (ready < 0) return errno == EINTR ? 1 : -1;
    if (ready == 0) return 0;
    return wake >= 0 && watched[1].revents != 0 ? 2 : 1;
}

int coffer_pq_is_open(struct coffer_pq_connection *connection) {
    /* A last message and the end of the stream are two reads. */
    for (int reads = 0; reads < 8 && pq.PQstatus(conn(connection)) == CONNECTION_OK; reads++) {
        struct pollfd watched = {.fd = pq.PQsocket(conn(connection)), .events = POLLIN};
        if (poll(&watched, 1, 0) <= 0) return 1;
        if (!pq.PQconsumeInput(conn(connection))) return 0;
        pq.PQisBusy(conn(connection));
    }
    return pq.PQstatus(conn(connection)) == CONNECTION_OK;
}

const char *coffer_pq_message(struct coffer_pq_connection *connection) {
    return pq.PQerrorMessage(conn(connection));
}

int coffer_pq_needs_password(struct coffer_pq_connection *connection) {
    return pq.PQconnectionNeedsPassword(conn(connection));
}

int32_t coffer_pq_process(struct coffer_pq_connection *connection) { return pq.PQbackendPID(conn(connection)); }

int coffer_pq_prepare(struct coffer_pq_connection *connection, const char *name, const char *sql) {
    return pq.PQsendPrepare(conn(connection), name, sql, 0, NULL);
}

int coffer_pq_send(
    struct coffer_pq_connection *connection, const char *name, const uint8_t *bytes, const int32_t *lengths,
    int32_t count) {
    const char *values[16];
    int formats[16];
    if (count < 0 || count > 16) return 0;
    for (int32_t index = 0; index < count; index++) {
        values[index] = (const char *)bytes;
        formats[index] = 1;
        bytes += lengths[index];
    }
    return pq.PQsendQueryPrepared(conn(connection), name, count, values, lengths, formats, 1);
}

int coffer_pq_send_script(struct coffer_pq_connection *connection, const char *sql) {
    return pq.PQsendQuery(conn(connection), sql);
}

int coffer_pq_flush(struct coffer_pq_connection *connection) { return pq.PQflush(conn(connection)); }
int coffer_pq_consume(struct coffer_pq_connection *connection) { return pq.PQconsumeInput(conn(connection)); }
int coffer_pq_is_busy(struct coffer_pq_connection *connection) { return pq.PQisBusy(conn(connection)); }

struct coffer_pq_rows *coffer_pq_next(struct coffer_pq_connection *connection) {
    return (struct coffer_pq_rows *)pq.PQgetResult(conn(connection));
}

int coffer_pq_succeeded(struct coffer_pq_rows *rows) {
    switch (pq.PQresultStatus(result(rows))) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK: return 1;
    case PGRES_FATAL_ERROR: return 0;
    default: return -1;
    }
}

void coffer_pq_state(struct coffer_pq_rows *rows, char *state) {
    const char *found = pq.PQresultErrorField(result(rows), PG_DIAG_SQLSTATE);
    memset(state, 0, 6);
    if (found != NULL && strlen(found) == 5) memcpy(state, found, 5);
}

int32_t coffer_pq_row_count(struct coffer_pq_rows *rows) { return pq.PQntuples(result(rows)); }
int32_t coffer_pq_column_count(struct coffer_pq_rows *rows) { return pq.PQnfields(result(rows)); }

const uint8_t *coffer_pq_value(struct coffer_pq_rows *rows, int32_t row, int32_t column, int32_t *length) {
    *length = 0;
    if (pq.PQgetisnull(result(rows), row, column)) return NULL;
    *length = pq.PQgetlength(result(rows), row, column);
    return (const uint8_t *)pq.PQgetvalue(result(rows), row, column);
}

void coffer_pq_clear(struct coffer_pq_rows *rows) { pq.PQclear(result(rows)); }

int32_t coffer_pq_notification(struct coffer_pq_connection *connection, uint8_t *payload, int32_t size) {
    PGnotify *notification = pq.PQnotifies(conn(connection));
    if (notification == NULL) return -1;
    size_t length = strlen(notification->extra);
    memcpy(payload, notification->extra, length < (size_t)size ? length : (size_t)size);
    pq.PQfreemem(notification);
    return (int32_t)length;
}

struct coffer_pq_cancel *coffer_pq_get_cancel(struct coffer_pq_connection *connection) {
    return (struct coffer_pq_cancel *)pq.PQgetCancel(conn(connection));
}

void coffer_pq_cancel(struct coffer_pq_cancel *cancel) {
    char ignored[256];
    pq.PQcancel((PGcancel *)cancel, ignored, sizeof ignored);
}

void coffer_pq_free_cancel(struct coffer_pq_cancel *cancel) { pq.PQfreeCancel((PGcancel *)cancel); }

void coffer_pq_finish(struct coffer_pq_connection *connection) {
    int socket = pq.PQsocket(conn(connection));
    /* Nobody knows what became of a statement that is given up. The kernel would go on sending it for a while, and its
       late arrival undo what others have written since: now it forgets what the server has not acknowledged. */
    if (socket >= 0 && pq.PQtransactionStatus(conn(connection)) == PQTRANS_ACTIVE) {
        struct linger none = {.l_onoff = 1, .l_linger = 0};
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    pq.PQfinish(conn(connection));
}

int coffer_pq_open_wake(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void coffer_pq_wake(int wake) {
    uint64_t one = 1;
    /* It can only be full, and wakes then too. */
    ssize_t written = write(wake, &one, sizeof one);
    (void)written;
}

int coffer_pq_wait_wake(int wake, int milliseconds) {
    struct pollfd watched = {.fd = wake, .events = POLLIN};
    return poll(&watched, 1, milliseconds) > 0;
}

void coffer_pq_close_wake(int wake) { close(wake); }
