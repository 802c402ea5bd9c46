/* Whose socket it is, and what is said where nobody or somebody else is. Runs
 * as root, for it makes sockets of other users; CHECKs say so otherwise. */
#define _DEFAULT_SOURCE

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fake_server.h"

static fake_server server;

static coffer_status get(coffer_client *client) {
    coffer_record *record;
    coffer_status status = coffer_get(client, "u", "c", NULL, &record);
    coffer_record_free(record);
    return status;
}

/* A client of `path` gets this status and this text, in which %s is the path. */
static void expect(const char *path, uint32_t uid, coffer_status status, const char *format) {
    coffer_options options = {.socket_path = path, .server_uid = uid, .timeout_ms = 2000};
    coffer_client *client = coffer_open(&options);
    const char *place = strstr(format, "%s");
    char text[1024];
    snprintf(
        text, sizeof text, "%.*s%s%s", place == NULL ? (int)strlen(format) : (int)(place - format),
        format, place == NULL ? "" : path, place == NULL ? "" : place + 2);
    CHECK_STATUS(status, get(client));
    CHECK_TEXT(text, coffer_error_message(client));
    CHECK(coffer_error_retryable(client) == (status == COFFER_UNAVAILABLE));
    coffer_close(client);
}

static const char nobody_there[] = "cofferd is not running at %s; start it, or set COFFER_SOCKET";
static const char no_socket[] =
    "%s is not a socket of cofferd; move it away, or set COFFER_SOCKET";

static void what_is_said_where_no_daemon_is(void) {
    char path[128];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    expect("/nonexistent/coffer.sock", 0, COFFER_UNAVAILABLE, nobody_there);
    expect("/dev/null/coffer.sock", 0, COFFER_UNAVAILABLE, nobody_there);
    expect("/dev/null", 0, COFFER_FAILED_PRECONDITION, no_socket);
    expect("/tmp", 0, COFFER_FAILED_PRECONDITION, no_socket);
    memset(path, 'x', 108);
    path[108] = '\0';
    expect(
        path, 0, COFFER_INVALID_ARGUMENT,
        "the path of the socket has 108 bytes, expected 1 to 107; set COFFER_SOCKET to another "
        "one");
    /* Bound, and nobody listens. */
    server_start(&server, NULL);
    close(server.listener);
    expect(server.path, 0, COFFER_UNAVAILABLE, nobody_there);
    unlink(server.path);
    /* A socket, but not a stream. */
    server.listener = socket(AF_UNIX, SOCK_DGRAM, 0);
    memcpy(address.sun_path, server.path, strlen(server.path) + 1);
    CHECK(bind(server.listener, (struct sockaddr *)&address, sizeof address) == 0);
    expect(server.path, 0, COFFER_FAILED_PRECONDITION, no_socket);
    server_finish(&server);
}

static void a_variable_that_is_no_uid_is_refused(void) {
    static const char *const values[] = {"root", "-1", "4294967295", "99999999999", "1 ", "0x1"};
    for (size_t index = 0; index < sizeof values / sizeof *values; index++) {
        char text[160];
        CHECK(setenv("COFFER_SERVER_UID", values[index], 1) == 0);
        snprintf(
            text, sizeof text,
            "COFFER_SERVER_UID: expected the number of a uid, got %zu bytes that are none; correct "
            "or unset it",
            strlen(values[index]));
        expect("/nonexistent/coffer.sock", 0, COFFER_INVALID_ARGUMENT, text);
    }
    CHECK(setenv("COFFER_SERVER_UID", "", 1) == 0);
    expect("/nonexistent/coffer.sock", 0, COFFER_UNAVAILABLE, nobody_there);
    unsetenv("COFFER_SERVER_UID");
}

/* ---- Other users' sockets ---- */

static void answer_one(fake_server *s) {
    server_accept(s);
    server_respond_record(s, server_expect(s, COFFER_FRAME_REQUEST), "x", 1);
}

/* The connection that a refusing client makes ends without a byte. */
static void expect_nothing(fake_server *s) {
    server_accept(s);
    server_expect_closed(s);
}

static void a_file_of_another_user_is_refused(void) {
    server_start(&server, NULL);
    CHECK(chown(server.path, 54321, 54321) == 0);
    expect(
        server.path, 0, COFFER_FAILED_PRECONDITION,
        "the socket %s belongs to uid 54321, expected 0 (root); if that uid is trusted with "
        "credentials, set COFFER_SERVER_UID=54321");
    expect(
        server.path, 7, COFFER_FAILED_PRECONDITION,
        "the socket %s belongs to uid 54321, expected 0 (root) or 7 (server_uid); if that uid is "
        "trusted with credentials, set COFFER_SERVER_UID=54321");
    server_expect_no_connection(&server, 20);
    server_run(&server, answer_one);
    coffer_options options = {.socket_path = server.path, .server_uid = 54321};
    coffer_client *client = coffer_open(&options);
    CHECK_STATUS(COFFER_OK, get(client));
    coffer_close(client);
    server_finish(&server);
}

/* The file is root's by now, but who listens is another: as if it had been
 * replaced behind the first look. */
static void a_process_of_another_user_is_refused(void) {
    server_start(&server, NULL);
    CHECK(seteuid(54321) == 0);
    CHECK(listen(server.listener, 16) == 0);
    CHECK(seteuid(0) == 0);
    server_run(&server, expect_nothing);
    expect(
        server.path, 0, COFFER_FAILED_PRECONDITION,
        "the program that listens at %s runs as uid 54321, expected 0 (root); if that uid is "
        "trusted with credentials, set COFFER_SERVER_UID=54321");
    CHECK(pthread_join(server.thread, NULL) == 0);
    close(server.connection);
    server_run(&server, answer_one);
    CHECK(setenv("COFFER_SERVER_UID", "54321", 1) == 0);
    coffer_client *client = server_client(&server, 0);
    unsetenv("COFFER_SERVER_UID");
    CHECK_STATUS(COFFER_OK, get(client));
    coffer_close(client);
    server_finish(&server);
}

/* ---- As an ordinary user ---- */

static void as_a_user(void (*test)(void)) {
    pid_t process = fork();
    int status;
    CHECK(process >= 0);
    if (process == 0) {
        CHECK(setgid(54322) == 0);
        CHECK(setuid(54322) == 0);
        test();
        exit(0);
    }
    CHECK(waitpid(process, &status, 0) == process);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void refused_as_a_user(void) {
    expect(
        server.path, 0, COFFER_FAILED_PRECONDITION,
        "the socket %s belongs to uid 54321, expected 0 (root) or 54322 (this process); if that "
        "uid is trusted with credentials, set COFFER_SERVER_UID=54321");
    expect(
        server.path, 7, COFFER_FAILED_PRECONDITION,
        "the socket %s belongs to uid 54321, expected 0 (root), 54322 (this process) or 7 "
        "(server_uid); if that uid is trusted with credentials, set COFFER_SERVER_UID=54321");
}

static void denied_as_a_user(void) {
    expect(
        server.path, 0, COFFER_PERMISSION_DENIED,
        "uid 54322 may not use the socket %s; check its mode and its folder's, or set "
        "COFFER_SOCKET");
}

static void a_user_is_told_what_is_in_the_way(void) {
    server_start(&server, NULL);
    CHECK(chmod(server.folder, 0755) == 0);
    CHECK(chmod(server.path, 0600) == 0);
    as_a_user(denied_as_a_user);
    CHECK(chmod(server.folder, 0700) == 0);
    as_a_user(denied_as_a_user);
    CHECK(chmod(server.folder, 0755) == 0);
    CHECK(chmod(server.path, 0666) == 0);
    CHECK(chown(server.path, 54321, 54321) == 0);
    as_a_user(refused_as_a_user);
    server_finish(&server);
}

int main(void) {
    CHECK(geteuid() == 0);
    RUN(what_is_said_where_no_daemon_is);
    RUN(a_variable_that_is_no_uid_is_refused);
    RUN(a_file_of_another_user_is_refused);
    RUN(a_process_of_another_user_is_refused);
    RUN(a_user_is_told_what_is_in_the_way);
    return 0;
}
