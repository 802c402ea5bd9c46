/* Calls without blocking: many at once, cancelling, closing, callbacks. */
#define _DEFAULT_SOURCE

#include <poll.h>
#include <unistd.h>

#include "channel.h"
#include "check.h"
#include "fake_server.h"

static fake_server server;

/* One turn of a loop. */
static void turn(coffer_client *client) {
    struct pollfd wanted = {.fd = coffer_fd(client), .events = coffer_events(client)};
    poll(&wanted, 1, coffer_wait_ms(client));
    coffer_process(client);
}

/* What the callbacks saw. */
typedef struct seen {
    int ended;
    int ok;
    coffer_status last;
} seen;

static void note(coffer_client *client, coffer_record *record, void *context) {
    seen *all = context;
    all->ended++;
    all->last = coffer_error_status(client);
    CHECK((record != NULL) == (all->last == COFFER_OK));
    if (record != NULL) all->ok++;
    coffer_record_free(record);
}

static uint64_t start(coffer_client *client, seen *all) {
    return coffer_start_get(client, "u", "c", NULL, note, all);
}

static void run_until(coffer_client *client, const seen *all, int ended) {
    while (all->ended < ended) turn(client);
}

/* ---- Many at once ---- */

enum { many = 100 };

/* Answers in reverse order, 32 at a time: more must not be in flight. */
static void many_script(fake_server *s) {
    uint64_t calls[COFFER_CHANNEL_CALLS_IN_FLIGHT];
    server_accept(s);
    for (int left = many; left > 0;) {
        int count = left < COFFER_CHANNEL_CALLS_IN_FLIGHT ? left : COFFER_CHANNEL_CALLS_IN_FLIGHT;
        for (int index = 0; index < count; index++) {
            calls[index] = server_expect(s, COFFER_FRAME_REQUEST);
        }
        if (left > count) {
            struct pollfd quiet = {.fd = s->connection, .events = POLLIN};
            CHECK(poll(&quiet, 1, 50) == 0);
        }
        for (int index = count; index > 0; index--) {
            server_respond_record(s, calls[index - 1], "x", 1);
        }
        left -= count;
    }
}

static void at_most_32_calls_are_in_flight(void) {
    seen all = {0};
    server_start(&server, many_script);
    coffer_client *client = server_client(&server, 0);
    CHECK(coffer_fd(client) == -1);
    CHECK(coffer_events(client) == 0);
    CHECK(coffer_wait_ms(client) == -1);
    for (int call = 0; call < many; call++) CHECK(start(client, &all) != 0);
    CHECK(coffer_wait_ms(client) == 0);
    run_until(client, &all, many);
    CHECK(all.ok == many);
    CHECK(coffer_events(client) == POLLIN);
    CHECK(coffer_wait_ms(client) == -1);
    coffer_close(client);
    server_finish(&server);
}

static void every_kind_script(fake_server *s) {
    server_accept(s);
    uint64_t store = server_expect(s, COFFER_FRAME_REQUEST);
    uint64_t delete = server_expect(s, COFFER_FRAME_REQUEST);
    uint64_t many_keys = server_expect(s, COFFER_FRAME_REQUEST);
    uint64_t list = server_expect(s, COFFER_FRAME_REQUEST);
    Coffer__V1__DeleteResponse deleted = COFFER__V1__DELETE_RESPONSE__INIT;
    deleted.existed = true;
    server_respond(s, list, 0, NULL);
    server_refuse(s, many_keys, COFFER_PERMISSION_DENIED, COFFER_REASON_DENIED, 0);
    server_respond(s, delete, 0, &deleted.base);
    server_respond(s, store, 0, NULL);
}

static int kinds;

static void on_store(coffer_client *client, coffer_stored *stored, void *context) {
    CHECK(context == &kinds && stored != NULL);
    CHECK_STATUS(COFFER_OK, coffer_error_status(client));
    CHECK(kinds++ == 3);
    coffer_stored_free(stored);
}

static void on_delete(coffer_client *client, bool existed, void *context) {
    CHECK(context == &kinds && existed);
    CHECK_STATUS(COFFER_OK, coffer_error_status(client));
    CHECK(kinds++ == 2);
}

static void on_get_many(coffer_client *client, coffer_batch *batch, void *context) {
    CHECK(context == &kinds && batch == NULL);
    CHECK_STATUS(COFFER_PERMISSION_DENIED, coffer_error_status(client));
    CHECK(kinds++ == 1);
}

static void on_list(coffer_client *client, coffer_page *page, void *context) {
    CHECK(context == &kinds && coffer_page_count(page) == 0);
    CHECK_STATUS(COFFER_OK, coffer_error_status(client));
    CHECK(kinds++ == 0);
    coffer_page_free(page);
}

static void every_kind_of_call_gets_its_callback(void) {
    static const coffer_key key = {"u", "c"};
    server_start(&server, every_kind_script);
    coffer_client *client = server_client(&server, 0);
    CHECK(coffer_start_store(client, "u", "c", "x", 1, NULL, on_store, &kinds) == 1);
    CHECK(coffer_start_delete(client, "u", "c", NULL, on_delete, &kinds) == 2);
    CHECK(coffer_start_get_many(client, &key, 1, NULL, on_get_many, &kinds) == 3);
    CHECK(coffer_start_list(client, "u", NULL, on_list, &kinds) == 4);
    while (kinds < 4) turn(client);
    coffer_close(client);
    server_finish(&server);
}

/* ---- Cancelling and closing ---- */

static void cancel_script(fake_server *s) {
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    CHECK(server_expect(s, COFFER_FRAME_CANCEL) == call);
    server_refuse(s, call, COFFER_CANCELLED, COFFER_REASON_CANCELLED, 0);
}

static void a_call_is_cancelled_before_and_after_it_was_sent(void) {
    seen before = {0}, after = {0};
    server_start(&server, cancel_script);
    coffer_client *client = server_client(&server, 0);
    uint64_t kept = start(client, &after);
    uint64_t dropped = start(client, &before);
    coffer_cancel(client, dropped);
    coffer_cancel(client, 12345);
    CHECK(before.ended == 0);
    CHECK(coffer_wait_ms(client) == 0);
    run_until(client, &before, 1);
    CHECK_STATUS(COFFER_CANCELLED, before.last);
    coffer_process(client);
    coffer_cancel(client, kept);
    CHECK((coffer_events(client) & POLLOUT) != 0);
    run_until(client, &after, 1);
    CHECK_STATUS(COFFER_CANCELLED, after.last);
    CHECK(before.ended == 1);
    coffer_close(client);
    server_finish(&server);
}

static void silent_script(fake_server *s) {
    server_accept(s);
    server_expect(s, COFFER_FRAME_REQUEST);
    server_expect(s, COFFER_FRAME_REQUEST);
    server_expect_closed(s);
}

static void closing_ends_all_calls(void) {
    seen all = {0};
    server_start(&server, silent_script);
    coffer_client *client = server_client(&server, 0);
    start(client, &all);
    start(client, &all);
    turn(client);
    start(client, &all);
    CHECK(all.ended == 0);
    coffer_close(client);
    CHECK(all.ended == 3);
    CHECK_STATUS(COFFER_CANCELLED, all.last);
    server_finish(&server);
}

static void at_most_1024_calls_are_under_way(void) {
    seen all = {0};
    coffer_options options = {.socket_path = "/nonexistent/socket"};
    coffer_client *client = coffer_open(&options);
    for (int call = 0; call < COFFER_CHANNEL_CALLS; call++) CHECK(start(client, &all) != 0);
    CHECK(start(client, &all) == 0);
    CHECK_STATUS(COFFER_RESOURCE_EXHAUSTED, coffer_error_status(client));
    CHECK(coffer_error_reason(client) == COFFER_REASON_LIMIT);
    /* There is no daemon: all end at once, and there is room again. */
    CHECK(coffer_process(client) == COFFER_CHANNEL_CALLS);
    CHECK(all.ended == COFFER_CHANNEL_CALLS);
    CHECK_STATUS(COFFER_UNAVAILABLE, all.last);
    CHECK(start(client, &all) != 0);
    coffer_close(client);
}

/* ---- In callbacks ---- */

static void answer_script(fake_server *s) {
    server_accept(s);
    for (int call = 0; call < 3; call++) {
        server_respond_record(s, server_expect(s, COFFER_FRAME_REQUEST), "x", 1);
    }
}

static void start_another(coffer_client *client, coffer_record *record, void *context) {
    coffer_record *waited;
    CHECK_STATUS(COFFER_OK, coffer_error_status(client));
    CHECK(coffer_process(client) == 0);
    CHECK_STATUS(
        COFFER_FAILED_PRECONDITION, coffer_get(client, "u", "c", NULL, &waited));
    CHECK(waited == NULL);
    CHECK(start(client, context) != 0);
    coffer_record_free(record);
}

static void a_callback_may_start_calls_and_not_wait(void) {
    seen all = {0};
    server_start(&server, answer_script);
    coffer_client *client = server_client(&server, 0);
    CHECK(coffer_start_get(client, "u", "c", NULL, start_another, &all) != 0);
    run_until(client, &all, 1);
    CHECK(all.ok == 1);
    /* A call that waits runs the callbacks of the others meanwhile. */
    CHECK(coffer_start_get(client, "u", "c", NULL, note, &all) != 0);
    turn(client);
    run_until(client, &all, 2);
    coffer_close(client);
    server_finish(&server);
}

static void restart(coffer_client *client, coffer_record *record, void *context) {
    seen *all = context;
    CHECK(record == NULL);
    all->ended++;
    if (all->ended < 5) CHECK(coffer_start_get(client, "u", "c", NULL, restart, all) != 0);
}

/* A callback that starts its call again at once must not keep process busy. */
static void failing_calls_started_in_callbacks_wait_for_the_next_turn(void) {
    seen all = {0};
    coffer_options options = {.socket_path = "/nonexistent/socket"};
    coffer_client *client = coffer_open(&options);
    CHECK(coffer_start_get(client, "u", "c", NULL, restart, &all) != 0);
    for (int turns = 1; turns <= 5; turns++) {
        CHECK(coffer_process(client) == 1);
        CHECK(all.ended == turns);
    }
    CHECK(coffer_process(client) == 0);
    coffer_close(client);
}

/* ---- Time ---- */

static void slow_script(fake_server *s) {
    server_accept(s);
    uint64_t first = server_expect(s, COFFER_FRAME_REQUEST);
    CHECK(server_expect(s, COFFER_FRAME_CANCEL) == first);
    server_refuse(s, first, COFFER_CANCELLED, COFFER_REASON_CANCELLED, 0);
}

static void a_call_times_out_while_the_loop_runs(void) {
    seen all = {0};
    server_start(&server, slow_script);
    coffer_client *client = server_client(&server, 100);
    start(client, &all);
    int wait = coffer_wait_ms(client);
    CHECK(wait == 0);
    coffer_process(client);
    wait = coffer_wait_ms(client);
    CHECK(wait > 0 && wait <= 100);
    run_until(client, &all, 1);
    CHECK_STATUS(COFFER_DEADLINE_EXCEEDED, all.last);
    /* The cancel goes out, and its answer comes to nobody. */
    for (int turns = 0; turns < 20 && coffer_fd(client) >= 0; turns++) {
        coffer_process(client);
        usleep(5000);
    }
    CHECK(all.ended == 1);
    coffer_close(client);
    server_finish(&server);
}

int main(void) {
    RUN(at_most_32_calls_are_in_flight);
    RUN(every_kind_of_call_gets_its_callback);
    RUN(a_call_is_cancelled_before_and_after_it_was_sent);
    RUN(closing_ends_all_calls);
    RUN(at_most_1024_calls_are_under_way);
    RUN(a_callback_may_start_calls_and_not_wait);
    RUN(failing_calls_started_in_callbacks_wait_for_the_next_turn);
    RUN(a_call_times_out_while_the_loop_runs);
    return 0;
}
