#ifndef COFFER_CPOSTGRES_H
#define COFFER_CPOSTGRES_H

/* libpq, PostgreSQL's own client library, loaded by dlopen(3) when the first vault needs it: a daemon without such a
 * vault starts without the library and runs where it is not installed.
 *
 * Nothing here blocks but coffer_pq_wait, coffer_pq_cancel, and the look-up of a host's name in coffer_pq_start and
 * coffer_pq_poll. A connection is used by one thread at a time. */

#include <stddef.h>
#include <stdint.h>

struct coffer_pq_connection;
struct coffer_pq_rows;
struct coffer_pq_cancel;

/* The version of libpq (150018 = 15.18); 0 if libpq.so.5 cannot be loaded or lacks a function that is needed. */
int coffer_pq_version(void);

/* Begins to connect. `options` are names and values in turn, each ended by a NUL, and one more NUL at the end. What
 * libpq or the server has to say is printed nowhere. NULL = no memory. */
struct coffer_pq_connection *_Nullable coffer_pq_start(const void *_Nonnull options);

/* Goes on with connecting: 0 = failed, 1 = wait until it can be read, 2 = until it can be written, 3 = connected. */
int coffer_pq_poll(struct coffer_pq_connection *_Nonnull connection);

/* Once connected: calls only queue what cannot be sent at once. 0 = done. */
int coffer_pq_set_nonblocking(struct coffer_pq_connection *_Nonnull connection);

/* Waits for the socket, for readable input on `wake` (-1 = nothing), or until the time is over (negative = no end).
 * 0 = the time is over, 1 = the socket is ready, 2 = woken, -1 = there is no socket any more. */
int coffer_pq_wait(
    struct coffer_pq_connection *_Nonnull connection, int for_writing, int wake, int milliseconds);

/* Reads what has come while nothing was asked. 1 = the connection is open, 0 = the server has closed it. */
int coffer_pq_is_open(struct coffer_pq_connection *_Nonnull connection);

/* What connecting failed with: libpq's own words, or a severity and an SQLSTATE, never a text of the server's. */
const char *_Nonnull coffer_pq_message(struct coffer_pq_connection *_Nonnull connection);
int coffer_pq_needs_password(struct coffer_pq_connection *_Nonnull connection);

/* The process that serves the connection, as the server said at its start; a pooler says a number of its own. */
int32_t coffer_pq_process(struct coffer_pq_connection *_Nonnull connection);

/* Each begins a statement: 1 = queued. `lengths` has one for each parameter, all of them binary, whose bytes follow
 * one another in `bytes`. coffer_pq_send gets binary rows, coffer_pq_send_script those of its last statement as text. */
int coffer_pq_prepare(
    struct coffer_pq_connection *_Nonnull connection, const char *_Nonnull name, const char *_Nonnull sql);
int coffer_pq_send(
    struct coffer_pq_connection *_Nonnull connection, const char *_Nonnull name, const uint8_t *_Nonnull bytes,
    const int32_t *_Nonnull lengths, int32_t count);
int coffer_pq_send_script(struct coffer_pq_connection *_Nonnull connection, const char *_Nonnull sql);

/* 0 = all is sent, 1 = some of it is not, -1 = the connection is broken. */
int coffer_pq_flush(struct coffer_pq_connection *_Nonnull connection);
/* Reads what has come. 0 = the connection is broken. */
int coffer_pq_consume(struct coffer_pq_connection *_Nonnull connection);
/* Whether coffer_pq_next would block. */
int coffer_pq_is_busy(struct coffer_pq_connection *_Nonnull connection);
/* The next answer of the statement; NULL = it is over. Ended by coffer_pq_clear. */
struct coffer_pq_rows *_Nullable coffer_pq_next(struct coffer_pq_connection *_Nonnull connection);

/* 1 = success, 0 = the statement failed, -1 = something else than a statement answers so. */
int coffer_pq_succeeded(struct coffer_pq_rows *_Nonnull rows);
/* The five characters of the SQLSTATE and a NUL; five NULs if the server named none. */
void coffer_pq_state(struct coffer_pq_rows *_Nonnull rows, char *_Nonnull state);
int32_t coffer_pq_row_count(struct coffer_pq_rows *_Nonnull rows);
int32_t coffer_pq_column_count(struct coffer_pq_rows *_Nonnull rows);
/* The bytes of a value, which live as long as the rows; NULL for SQL's NULL. */
const uint8_t *_Nullable coffer_pq_value(
    struct coffer_pq_rows *_Nonnull rows, int32_t row, int32_t column, int32_t *_Nonnull length);
void coffer_pq_clear(struct coffer_pq_rows *_Nonnull rows);

/* Copies the payload of the next notification that has come. -1 = there is none; else its length, which is more than
 * `size` where it was cut off. */
int32_t coffer_pq_notification(
    struct coffer_pq_connection *_Nonnull connection, uint8_t *_Nonnull payload, int32_t size);

/* What ends the statement that is under way; it may be used by another thread, also once the connection is closed.
 * coffer_pq_cancel blocks for as long as the system takes to connect. coffer_pq_free_cancel releases it. */
struct coffer_pq_cancel *_Nullable coffer_pq_get_cancel(struct coffer_pq_connection *_Nonnull connection);
void coffer_pq_cancel(struct coffer_pq_cancel *_Nonnull cancel);
void coffer_pq_free_cancel(struct coffer_pq_cancel *_Nonnull cancel);

/* Closes the connection. */
void coffer_pq_finish(struct coffer_pq_connection *_Nonnull connection);

/* A descriptor that coffer_pq_wait can wait for, -1 if the system gives none; one end of a wait; its end. */
int coffer_pq_open_wake(void);
void coffer_pq_wake(int wake);
/* Waits for its end alone. 1 = it has come, 0 = the time is over. */
int coffer_pq_wait_wake(int wake, int milliseconds);
void coffer_pq_close_wake(int wake);

#endif
