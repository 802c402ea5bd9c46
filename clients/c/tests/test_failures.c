/* Daemons that hang up, drain, keep silent or are not there. */
#define _DEFAULT_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "fake_server.h"

static fake_server server;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static coffer_status get(coffer_client *client) {
    coffer_record *record;
    coffer_status status = coffer_get(client, "u", "c", NULL, &record);
    CHECK((record != NULL) == (status == COFFER_OK));
    coffer_record_free(record);
    return status;
}

static void answer_one(fake_server *s) {
    server_respond_record(s, server_expect(s, COFFER_FRAME_REQUEST), "x", 1);
}

/* ---- Hanging up ---- */

static void restart_script(fake_server *s) {
    server_accept(s);
    answer_one(s);
    server_close(s);
    server_accept(s);
    answer_one(s);
}

static void a_restart_between_calls_is_not_noticed(void) {
    server_start(&server, restart_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_OK, get(client));
    usleep(50000);
    CHECK_STATUS(COFFER_OK, get(client));
    coffer_close(client);
    server_finish(&server);
}

static void hang_up_script(fake_server *s) {
    server_accept(s);
    server_expect(s, COFFER_FRAME_REQUEST);
    server_close(s);
    server_expect_no_connection(s, 100);
    server_accept(s);
    answer_one(s);
}

/* It may have been carried out, so it is not sent again. */
static void a_request_that_was_sent_is_not_repeated(void) {
    server_start(&server, hang_up_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_UNAVAILABLE, coffer_store(client, "u", "c", "x", 1, NULL, NULL));
    CHECK(coffer_error_retryable(client));
    CHECK(strstr(coffer_error_message(client), "may have happened") != NULL);
    CHECK(coffer_error_may_have_happened(client) && !coffer_error_may_have_happened(NULL));
    usleep(150000);
    CHECK_STATUS(COFFER_OK, get(client));
    coffer_close(client);
    server_finish(&server);
}

/* The same of a get: nobody has written anything. */
static void a_read_is_never_said_to_have_written(void) {
    server_start(&server, hang_up_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_UNAVAILABLE, get(client));
    CHECK(strstr(coffer_error_message(client), "write") == NULL);
    CHECK(!coffer_error_may_have_happened(client));
    usleep(150000);
    CHECK_STATUS(COFFER_OK, get(client));
    coffer_close(client);
    server_finish(&server);
}

static void two_silent_calls_script(fake_server *s) {
    server_accept(s);
    server_expect(s, COFFER_FRAME_REQUEST);
    server_expect(s, COFFER_FRAME_CANCEL);
    server_expect(s, COFFER_FRAME_REQUEST);
    server_expect(s, COFFER_FRAME_CANCEL);
}

static void only_a_write_that_ran_out_of_time_may_have_happened(void) {
    server_start(&server, two_silent_calls_script);
    coffer_client *client = server_client(&server, 60);
    CHECK_STATUS(COFFER_DEADLINE_EXCEEDED, get(client));
    CHECK(strcmp(coffer_error_message(client), "no answer within 60 ms") == 0);
    CHECK(!coffer_error_may_have_happened(client));
    CHECK_STATUS(COFFER_DEADLINE_EXCEEDED, coffer_store(client, "u", "c", "x", 1, NULL, NULL));
    CHECK(strcmp(coffer_error_message(client), "no answer within 60 ms; a write may have happened") == 0);
    CHECK(coffer_error_may_have_happened(client));
    /* Of a later call it says nothing. */
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_store(client, "u", "c", NULL, 1, NULL, NULL));
    CHECK(!coffer_error_may_have_happened(client));
    coffer_process(client);
    server_finish(&server);
    coffer_close(client);
}

static void half_request_script(fake_server *s) {
    server_accept(s);
    usleep(50000);
    server_close(s);
    server_accept(s);
    coffer_frame_header header = server_read(s);
    CHECK(header.length > 1 << 20);
    server_respond(s, header.call_id, 0, NULL);
}

/* Half a request cannot have been carried out, so it goes out once more. */
static void a_request_that_was_not_sent_whole_is_repeated(void) {
    uint8_t *bytes = calloc(1, 1 << 20);
    CHECK(bytes != NULL);
    server_start(&server, half_request_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_OK, coffer_store(client, "u", "c", bytes, 1 << 20, NULL, NULL));
    coffer_close(client);
    server_finish(&server);
    free(bytes);
}

static void two_half_requests_script(fake_server *s) {
    for (int connection = 0; connection < 2; connection++) {
        server_accept(s);
        usleep(50000);
        server_close(s);
    }
    server_expect_no_connection(s, 100);
}

static void it_is_repeated_once_only(void) {
    uint8_t *bytes = calloc(1, 1 << 20);
    CHECK(bytes != NULL);
    server_start(&server, two_half_requests_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(
        COFFER_UNAVAILABLE, coffer_store(client, "u", "c", bytes, 1 << 20, NULL, NULL));
    CHECK(!coffer_error_may_have_happened(client));
    server_finish(&server);
    coffer_close(client);
    free(bytes);
}

static void answer_and_hang_up_script(fake_server *s) {
    server_accept(s);
    answer_one(s);
    server_close(s);
}

static void an_answer_before_the_end_counts(void) {
    server_start(&server, answer_and_hang_up_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_OK, get(client));
    server_finish(&server);
    CHECK_STATUS(COFFER_UNAVAILABLE, get(client));
    CHECK(strstr(coffer_error_message(client), server.path) != NULL);
    coffer_close(client);
}

/* ---- Go-away ---- */

static void go_away_script(fake_server *s) {
    server_accept(s);
    answer_one(s);
    server_go_away(s);
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    server_go_away(s);
    usleep(20000);
    server_respond_record(s, call, "x", 1);
    server_expect_closed(s);
    server_accept(s);
    answer_one(s);
}

static void go_away_moves_to_a_new_connection(void) {
    server_start(&server, go_away_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_OK, get(client));
    usleep(50000);
    coffer_process(client);
    CHECK(coffer_fd(client) == -1);
    CHECK_STATUS(COFFER_OK, get(client));
    CHECK_STATUS(COFFER_OK, get(client));
    coffer_close(client);
    server_finish(&server);
}

static void turn_away_script(fake_server *s) {
    server_accept(s);
    server_expect(s, COFFER_FRAME_REQUEST);
    server_turn_away(s, COFFER_RESOURCE_EXHAUSTED, COFFER_REASON_LIMIT, 1000);
    server_close(s);
    server_accept(s);
    server_expect(s, COFFER_FRAME_REQUEST);
    server_turn_away(s, COFFER_PERMISSION_DENIED, COFFER_REASON_DENIED, 0);
    server_expect_closed(s);
    server_accept(s);
    answer_one(s);
}

/* One too many, or one without any right: the caller hears which. */
static void a_connection_that_may_not_stay_says_why(void) {
    server_start(&server, turn_away_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_RESOURCE_EXHAUSTED, get(client));
    CHECK(coffer_error_reason(client) == COFFER_REASON_LIMIT);
    CHECK(coffer_error_retry_after_ms(client) == 1000);
    CHECK(strcmp(coffer_error_message(client), "the script says no") == 0);
    CHECK_STATUS(COFFER_PERMISSION_DENIED, get(client));
    CHECK(coffer_error_reason(client) == COFFER_REASON_DENIED);
    CHECK_STATUS(COFFER_OK, get(client));
    coffer_close(client);
    server_finish(&server);
}

static void drain_script(fake_server *s) {
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    server_go_away(s);
    server_refuse(s, call, COFFER_UNAVAILABLE, COFFER_REASON_DRAINING, 5);
    server_expect_closed(s);
    server_accept(s);
    answer_one(s);
    for (int connection = 0; connection < 2; connection++) {
        call = server_expect(s, COFFER_FRAME_REQUEST);
        server_refuse(s, call, COFFER_UNAVAILABLE, COFFER_REASON_DRAINING, 5);
        if (connection == 0) server_accept(s);
    }
}

static void cut_off_script(fake_server *s) {
    server_accept(s);
    server_cut_off(s, server_expect(s, COFFER_FRAME_REQUEST));
    server_expect_closed(s);
}

/* Unless it says that it may have. */
static void a_write_that_a_drain_cut_off_is_not_repeated(void) {
    server_start(&server, cut_off_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_UNAVAILABLE, coffer_store(client, "u", "c", "s", 1, NULL, NULL));
    CHECK(coffer_error_reason(client) == COFFER_REASON_DRAINING);
    CHECK(coffer_error_may_have_happened(client));
    coffer_close(client);
    server_finish(&server);
}

/* A draining daemon has not carried it out. */
static void a_request_refused_by_a_drain_is_repeated_once(void) {
    server_start(&server, drain_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_OK, get(client));
    CHECK_STATUS(COFFER_UNAVAILABLE, get(client));
    CHECK(coffer_error_reason(client) == COFFER_REASON_DRAINING);
    CHECK(coffer_error_retry_after_ms(client) == 5);
    coffer_close(client);
    server_finish(&server);
}

/* ---- Time ---- */

static void silent_script(fake_server *s) {
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    CHECK(server_expect(s, COFFER_FRAME_CANCEL) == call);
    uint64_t next = server_expect(s, COFFER_FRAME_REQUEST);
    CHECK(next != call);
    /* Late: nobody waits for it any more. */
    server_respond_record(s, call, "late", 4);
    server_respond_record(s, next, "x", 1);
}

static void a_silent_daemon_ends_in_a_timeout(void) {
    server_start(&server, silent_script);
    coffer_client *client = server_client(&server, 200);
    int64_t start = now_ms();
    CHECK_STATUS(COFFER_DEADLINE_EXCEEDED, get(client));
    int64_t taken = now_ms() - start;
    CHECK(taken >= 200 && taken < 1500);
    CHECK(coffer_error_reason(client) == COFFER_REASON_DEADLINE);
    coffer_record *record;
    CHECK_STATUS(COFFER_OK, coffer_get(client, "u", "c", NULL, &record));
    CHECK(coffer_record_size(record) == 1);
    coffer_record_free(record);
    coffer_close(client);
    server_finish(&server);
}

/* Fills the backlog; returns how many connections that took. */
static size_t fill_backlog(const fake_server *s, int *sockets, size_t most) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, s->path, strlen(s->path) + 1);
    for (size_t count = 0; count < most; count++) {
        sockets[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        CHECK(sockets[count] >= 0);
        if (connect(sockets[count], (struct sockaddr *)&address, sizeof address) == 0) continue;
        CHECK(errno == EAGAIN);
        close(sockets[count]);
        return count;
    }
    CHECK(!"the backlog took all of them");
    return 0;
}

static size_t waiting_connections;

static void busy_script(fake_server *s) {
    usleep(150000);
    for (size_t index = 0; index < waiting_connections; index++) {
        server_accept(s);
        server_close(s);
    }
    server_accept(s);
    answer_one(s);
}

static void a_full_backlog_is_waited_for(void) {
    int sockets[64];
    server_start(&server, NULL);
    waiting_connections = fill_backlog(&server, sockets, 64);
    coffer_client *impatient = server_client(&server, 50);
    CHECK_STATUS(COFFER_DEADLINE_EXCEEDED, get(impatient));
    coffer_close(impatient);
    server_run(&server, busy_script);
    coffer_client *client = server_client(&server, 3000);
    int64_t start = now_ms();
    CHECK_STATUS(COFFER_OK, get(client));
    CHECK(now_ms() - start >= 100);
    coffer_close(client);
    server_finish(&server);
    for (size_t index = 0; index < waiting_connections; index++) close(sockets[index]);
}

/* ---- Sockets that are not there ---- */

static void no_daemon_is_unavailable(void) {
    coffer_options options = {.socket_path = "/nonexistent/coffer.sock"};
    coffer_client *client = coffer_open(&options);
    CHECK_STATUS(COFFER_UNAVAILABLE, get(client));
    CHECK(coffer_error_retryable(client));
    CHECK(strstr(coffer_error_message(client), "/nonexistent/coffer.sock") != NULL);
    coffer_close(client);
    /* The address is there and nobody listens. */
    server_start(&server, NULL);
    close(server.listener);
    client = server_client(&server, 0);
    CHECK_STATUS(COFFER_UNAVAILABLE, get(client));
    coffer_close(client);
    server.listener = open("/dev/null", O_RDONLY);
    server_finish(&server);
}

static void a_path_that_does_not_fit_is_refused(void) {
    char path[200];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    coffer_options options = {.socket_path = path};
    coffer_client *client = coffer_open(&options);
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, get(client));
    coffer_close(client);
}

static void the_environment_names_the_socket(void) {
    server_start(&server, answer_and_hang_up_script);
    CHECK(setenv("COFFER_SOCKET", server.path, 1) == 0);
    coffer_client *client = coffer_open(NULL);
    CHECK_STATUS(COFFER_OK, get(client));
    coffer_close(client);
    server_finish(&server);
    CHECK(setenv("COFFER_SOCKET", "", 1) == 0);
    CHECK(setenv("XDG_RUNTIME_DIR", "/nonexistent/runtime", 1) == 0);
    client = coffer_open(NULL);
    CHECK_STATUS(COFFER_UNAVAILABLE, get(client));
    const char *message = coffer_error_message(client);
    CHECK(strstr(message, "/nonexistent/runtime/coffer/coffer.sock") != NULL);
    coffer_close(client);
    unsetenv("COFFER_SOCKET");
    unsetenv("XDG_RUNTIME_DIR");
}

/* ---- Signals ---- */

static void ignore_signal(int number) {
    (void)number;
}

static void signals_script(fake_server *s) {
    server_accept(s);
    for (int call = 0; call < 100; call++) {
        coffer_frame_header header = server_read(s);
        if (call % 10 == 0) usleep(5000);
        server_respond_record(s, header.call_id, s->payload, s->payload_size);
    }
}

/* The timer interrupts sends, receives and waits. */
static void signals_do_not_disturb(void) {
    struct sigaction action = {.sa_handler = ignore_signal};
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    server_start(&server, signals_script);
    coffer_client *client = server_client(&server, 0);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int call = 0; call < 100; call++) CHECK_STATUS(COFFER_OK, get(client));
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    coffer_close(client);
    server_finish(&server);
}

int main(void) {
    RUN(a_restart_between_calls_is_not_noticed);
    RUN(a_request_that_was_sent_is_not_repeated);
    RUN(a_read_is_never_said_to_have_written);
    RUN(only_a_write_that_ran_out_of_time_may_have_happened);
    RUN(a_request_that_was_not_sent_whole_is_repeated);
    RUN(it_is_repeated_once_only);
    RUN(an_answer_before_the_end_counts);
    RUN(go_away_moves_to_a_new_connection);
    RUN(a_connection_that_may_not_stay_says_why);
    RUN(a_request_refused_by_a_drain_is_repeated_once);
    RUN(a_write_that_a_drain_cut_off_is_not_repeated);
    RUN(a_silent_daemon_ends_in_a_timeout);
    RUN(a_full_backlog_is_waited_for);
    RUN(no_daemon_is_unavailable);
    RUN(a_path_that_does_not_fit_is_refused);
    RUN(the_environment_names_the_socket);
    RUN(signals_do_not_disturb);
    return 0;
}
