/* After fork, parent and child have a connection each, and nobody gets an
 * answer of the other's. */
#define _GNU_SOURCE

#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "fake_server.h"

enum { children = 24, calls_of_each = 40, in_flight = 20, most_connections = 64 };

static fake_server server;
static atomic_bool stopping;
static atomic_int strange_frames;

/* ---- A server that echoes the connection of every get, late and in pieces ---- */

typedef struct peer {
    int fd;
    uint64_t last_call;
    size_t size;
    uint8_t input[32 << 10];
} peer;

static void echo(int fd, uint64_t call, const uint8_t *payload, size_t size) {
    Coffer__V1__GetRequest *request = coffer__v1__get_request__unpack(NULL, size, payload);
    if (request == NULL) {
        strange_frames++;
        return;
    }
    Coffer__V1__GetResponse record = COFFER__V1__GET_RESPONSE__INIT;
    record.credential = (ProtobufCBinaryData){
        strlen(request->connection_id), (uint8_t *)request->connection_id};
    size_t length;
    uint8_t *frame = make_frame(COFFER_FRAME_RESPONSE, 0, call, 0, 0, &record.base, &length);
    /* In two pieces, so that a fork finds half an answer. */
    send(fd, frame, length / 2, MSG_NOSIGNAL);
    send(fd, frame + length / 2, length - length / 2, MSG_NOSIGNAL);
    free(frame);
    coffer__v1__get_request__free_unpacked(request, NULL);
}

/* Calls of one process count upwards: one of another would not. */
static bool serve(peer *from) {
    ssize_t count = recv(from->fd, from->input + from->size, sizeof from->input - from->size, 0);
    if (count <= 0) return false;
    from->size += (size_t)count;
    size_t position = 0;
    while (from->size - position >= COFFER_FRAME_HEADER_BYTES) {
        const uint8_t *bytes = from->input + position;
        coffer_frame_header header = coffer_frame_load(bytes);
        if (header.version != 1 || header.kind != COFFER_FRAME_REQUEST ||
            header.call_id <= from->last_call) {
            strange_frames++;
            return false;
        }
        if (from->size - position < 4 + (size_t)header.length) break;
        from->last_call = header.call_id;
        echo(
            from->fd, header.call_id, bytes + COFFER_FRAME_HEADER_BYTES,
            header.length - COFFER_FRAME_COUNTED_BYTES);
        position += 4 + (size_t)header.length;
    }
    memmove(from->input, from->input + position, from->size - position);
    from->size -= position;
    return true;
}

static void script(fake_server *s) {
    static peer peers[most_connections];
    size_t count = 0;
    while (!stopping) {
        struct pollfd polled[most_connections + 1] = {{.fd = s->listener, .events = POLLIN}};
        for (size_t index = 0; index < count; index++) {
            polled[index + 1] = (struct pollfd){.fd = peers[index].fd, .events = POLLIN};
        }
        if (poll(polled, (nfds_t)count + 1, 5) <= 0) continue;
        for (size_t index = count; index-- > 0;) {
            if (polled[index + 1].revents == 0 || serve(&peers[index])) continue;
            close(peers[index].fd);
            peers[index] = peers[--count];
        }
        if (polled[0].revents != 0 && count < most_connections) {
            peers[count++] = (peer){.fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)};
        }
    }
    while (count > 0) close(peers[--count].fd);
}

/* ---- The clients ---- */

/* Ends a child well. By exec, for what the server's thread holds at the fork is
 * lost in the child, and valgrind would say so. */
static void leave(void) {
    execl("/bin/true", "true", (char *)NULL);
    _exit(1);
}

static void get_own(coffer_client *client, int process, int number) {
    char name[32];
    coffer_record *record;
    snprintf(name, sizeof name, "%d-%d", process, number);
    CHECK_STATUS(COFFER_OK, coffer_get(client, "u", name, NULL, &record));
    CHECK(coffer_record_size(record) == strlen(name));
    CHECK(memcmp(coffer_record_credential(record), name, strlen(name)) == 0);
    coffer_record_free(record);
}

/* A call that is started, and how it ended. */
typedef struct started {
    char name[32];
    int ends;
    coffer_status status;
} started;

static void got(coffer_client *client, coffer_record *record, void *context) {
    started *call = context;
    call->ends++;
    call->status = coffer_error_status(client);
    CHECK((record != NULL) == (call->status == COFFER_OK));
    if (record == NULL) return;
    CHECK(coffer_record_size(record) == strlen(call->name));
    CHECK(memcmp(coffer_record_credential(record), call->name, strlen(call->name)) == 0);
    coffer_record_free(record);
}

static started calls[in_flight];

static void start_all(coffer_client *client, int round) {
    for (int index = 0; index < in_flight; index++) {
        calls[index] = (started){.ends = 0};
        snprintf(calls[index].name, sizeof calls[index].name, "parent-%d-%d", round, index);
        CHECK(coffer_start_get(client, "u", calls[index].name, NULL, got, &calls[index]) != 0);
    }
}

static void finish_all(coffer_client *client) {
    for (int index = 0; index < in_flight;) {
        struct pollfd wanted = {.fd = coffer_fd(client), .events = coffer_events(client)};
        if (calls[index].ends > 0) {
            index++;
            continue;
        }
        poll(&wanted, 1, coffer_wait_ms(client));
        coffer_process(client);
    }
    for (int index = 0; index < in_flight; index++) CHECK(calls[index].ends == 1);
}

static void child(coffer_client *client, int process) {
    bool ended[in_flight];
    for (int index = 0; index < in_flight; index++) ended[index] = calls[index].ends > 0;
    for (int number = 0; number < calls_of_each; number++) get_own(client, process, number);
    /* What was under way has ended here too, as the parent's. */
    for (int index = 0; index < in_flight; index++) {
        CHECK(calls[index].ends == 1);
        CHECK(ended[index] || calls[index].status == COFFER_CANCELLED);
    }
    coffer_close(client);
    leave();
}

static void expect_well_ended(pid_t process) {
    int status;
    CHECK(waitpid(process, &status, 0) == process);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void nobody_gets_an_answer_of_the_others(void) {
    pid_t processes[children];
    stopping = false;
    server_start(&server, script);
    coffer_client *client = server_client(&server, 10000);
    get_own(client, 0, 0);
    for (int round = 0; round < children; round++) {
        start_all(client, round);
        /* Some forks find calls queued, others sent or answered in part. */
        for (int turn = 0; turn < round % 4; turn++) coffer_process(client);
        processes[round] = fork();
        CHECK(processes[round] >= 0);
        if (processes[round] == 0) child(client, round + 1);
        finish_all(client);
        for (int index = 0; index < in_flight; index++) CHECK(calls[index].status == COFFER_OK);
    }
    for (int round = 0; round < children; round++) expect_well_ended(processes[round]);
    get_own(client, 0, 1);
    coffer_close(client);
    stopping = true;
    server_finish(&server);
    CHECK(strange_frames == 0);
}

/* ---- A fork within a callback ---- */

static pid_t forked;

static void fork_once(coffer_client *client, coffer_record *record, void *context) {
    if (forked < 0) forked = fork();
    CHECK(forked >= 0);
    got(client, record, context);
}

static void a_callback_may_fork(void) {
    forked = -1;
    stopping = false;
    server_start(&server, script);
    coffer_client *client = server_client(&server, 10000);
    started first = {.name = "first"};
    CHECK(coffer_start_get(client, "u", "first", NULL, fork_once, &first) != 0);
    start_all(client, 0);
    finish_all(client);
    get_own(client, forked == 0 ? 1 : 0, 7);
    coffer_close(client);
    if (forked == 0) leave();
    expect_well_ended(forked);
    stopping = true;
    server_finish(&server);
    CHECK(strange_frames == 0);
}

/* The child closes its copy without a word to the daemon. */
static void a_child_that_closes_does_not_disturb_the_parent(void) {
    stopping = false;
    server_start(&server, script);
    coffer_client *client = server_client(&server, 10000);
    get_own(client, 0, 0);
    start_all(client, 0);
    coffer_process(client);
    pid_t process = fork();
    CHECK(process >= 0);
    if (process == 0) {
        CHECK(coffer_fd(client) == -1);
        CHECK(coffer_events(client) == 0);
        coffer_close(client);
        for (int index = 0; index < in_flight; index++) CHECK(calls[index].ends == 1);
        leave();
    }
    expect_well_ended(process);
    finish_all(client);
    for (int index = 0; index < in_flight; index++) CHECK(calls[index].status == COFFER_OK);
    coffer_close(client);
    stopping = true;
    server_finish(&server);
    CHECK(strange_frames == 0);
}

int main(void) {
    RUN(nobody_gets_an_answer_of_the_others);
    RUN(a_callback_may_fork);
    RUN(a_child_that_closes_does_not_disturb_the_parent);
    return 0;
}
