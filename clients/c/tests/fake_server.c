#define _DEFAULT_SOURCE

#include "fake_server.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

enum { patience_ms = 5000 };

static void *run_script(void *argument) {
    fake_server *server = argument;
    server->script(server);
    return NULL;
}

void server_start(fake_server *server, void (*script)(fake_server *server)) {
    *server = (fake_server){.folder = "/tmp/coffer-XXXXXX", .connection = -1};
    CHECK(mkdtemp(server->folder) != NULL);
    snprintf(server->path, sizeof server->path, "%s/socket", server->folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, server->path, strlen(server->path) + 1);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(server->listener >= 0);
    CHECK(bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(server->listener, 16) == 0);
    if (script != NULL) server_run(server, script);
}

void server_run(fake_server *server, void (*script)(fake_server *server)) {
    server->script = script;
    CHECK(pthread_create(&server->thread, NULL, run_script, server) == 0);
}

void server_finish(fake_server *server) {
    if (server->script != NULL) CHECK(pthread_join(server->thread, NULL) == 0);
    if (server->connection >= 0) close(server->connection);
    close(server->listener);
    unlink(server->path);
    rmdir(server->folder);
    free(server->payload);
}

coffer_client *server_client(const fake_server *server, uint32_t timeout_ms) {
    coffer_options options = {.socket_path = server->path, .timeout_ms = timeout_ms};
    coffer_client *client = coffer_open(&options);
    CHECK(client != NULL);
    return client;
}

static bool is_readable(int fd, int milliseconds) {
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    int count;
    do {
        count = poll(&wanted, 1, milliseconds);
    } while (count < 0 && errno == EINTR);
    return count == 1;
}

void server_accept(fake_server *server) {
    CHECK(is_readable(server->listener, patience_ms));
    server->connection = accept(server->listener, NULL, NULL);
    CHECK(server->connection >= 0);
}

void server_expect_no_connection(fake_server *server, int milliseconds) {
    CHECK(!is_readable(server->listener, milliseconds));
}

static void read_exactly(fake_server *server, uint8_t *bytes, size_t size) {
    for (size_t done = 0; done < size;) {
        CHECK(is_readable(server->connection, patience_ms));
        ssize_t count = recv(server->connection, bytes + done, size - done, 0);
        if (count < 0 && errno == EINTR) continue;
        CHECK(count > 0);
        done += (size_t)count;
    }
}

coffer_frame_header server_read(fake_server *server) {
    uint8_t bytes[COFFER_FRAME_HEADER_BYTES];
    read_exactly(server, bytes, sizeof bytes);
    coffer_frame_header header = coffer_frame_load(bytes);
    CHECK(header.version == COFFER_FRAME_VERSION);
    CHECK(header.flags == 0);
    CHECK(header.length >= COFFER_FRAME_COUNTED_BYTES);
    server->payload_size = header.length - COFFER_FRAME_COUNTED_BYTES;
    free(server->payload);
    server->payload = malloc(server->payload_size + 1);
    CHECK(server->payload != NULL);
    read_exactly(server, server->payload, server->payload_size);
    return header;
}

uint64_t server_expect(fake_server *server, coffer_frame_kind kind) {
    coffer_frame_header header = server_read(server);
    CHECK(header.kind == kind);
    return header.call_id;
}

void server_expect_closed(fake_server *server) {
    uint8_t byte;
    CHECK(is_readable(server->connection, patience_ms));
    ssize_t count = recv(server->connection, &byte, 1, 0);
    CHECK(count == 0 || (count < 0 && errno == ECONNRESET));
}

void server_send(fake_server *server, const void *bytes, size_t size) {
    const uint8_t *next = bytes;
    while (size > 0) {
        ssize_t count = send(server->connection, next, size, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        /* A client may close on what it has seen so far. */
        if (count < 0) return;
        next += count;
        size -= (size_t)count;
    }
}

uint8_t *make_frame(
    coffer_frame_kind kind, uint16_t flags, uint64_t call, uint32_t status, uint32_t retry_ms,
    const ProtobufCMessage *message, size_t *size) {
    size_t payload = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    *size = COFFER_FRAME_HEADER_BYTES + payload;
    uint8_t *bytes = malloc(*size);
    CHECK(bytes != NULL);
    coffer_frame_header header = {
        .length = (uint32_t)(COFFER_FRAME_COUNTED_BYTES + payload),
        .version = COFFER_FRAME_VERSION,
        .kind = (uint8_t)kind,
        .flags = flags,
        .call_id = call,
        .method_or_status = status,
        .timeout_or_retry = retry_ms,
    };
    coffer_frame_store(&header, bytes);
    if (message != NULL) protobuf_c_message_pack(message, bytes + COFFER_FRAME_HEADER_BYTES);
    return bytes;
}

static void send_frame(
    fake_server *server, coffer_frame_kind kind, uint16_t flags, uint64_t call, uint32_t status,
    uint32_t retry_ms, const ProtobufCMessage *message) {
    size_t size;
    uint8_t *bytes = make_frame(kind, flags, call, status, retry_ms, message, &size);
    server_send(server, bytes, size);
    free(bytes);
}

void server_respond(
    fake_server *server, uint64_t call, uint32_t status, const ProtobufCMessage *message) {
    send_frame(server, COFFER_FRAME_RESPONSE, 0, call, status, 0, message);
}

void server_respond_part(fake_server *server, uint64_t call, const ProtobufCMessage *message) {
    send_frame(server, COFFER_FRAME_RESPONSE, COFFER_FRAME_MORE, call, 0, 0, message);
}

static void send_failure(
    fake_server *server, coffer_frame_kind kind, uint64_t call, coffer_status status,
    coffer_reason reason, uint32_t retry_ms, bool may_have_happened) {
    Coffer__V1__Failure failure = COFFER__V1__FAILURE__INIT;
    failure.reason = (Coffer__V1__Failure__Reason)reason;
    failure.message = (char *)"the script says no";
    failure.retryable = retry_ms > 0;
    failure.may_have_happened = may_have_happened;
    send_frame(server, kind, 0, call, (uint32_t)status, retry_ms, &failure.base);
}

void server_refuse(
    fake_server *server, uint64_t call, coffer_status status, coffer_reason reason,
    uint32_t retry_ms) {
    send_failure(server, COFFER_FRAME_RESPONSE, call, status, reason, retry_ms, false);
}

void server_cut_off(fake_server *server, uint64_t call) {
    send_failure(
        server, COFFER_FRAME_RESPONSE, call, COFFER_UNAVAILABLE, COFFER_REASON_DRAINING, 5, true);
}

void server_turn_away(
    fake_server *server, coffer_status status, coffer_reason reason, uint32_t retry_ms) {
    send_failure(server, COFFER_FRAME_GO_AWAY, 0, status, reason, retry_ms, false);
}

void server_respond_record(
    fake_server *server, uint64_t call, const void *credential, size_t size) {
    Coffer__V1__GetResponse record = COFFER__V1__GET_RESPONSE__INIT;
    record.credential = (ProtobufCBinaryData){size, (uint8_t *)credential};
    record.version = (char *)"v-1";
    record.source = COFFER__V1__SOURCE__SOURCE_MEMORY;
    server_respond(server, call, 0, &record.base);
}

void server_go_away(fake_server *server) {
    send_frame(server, COFFER_FRAME_GO_AWAY, 0, 0, 0, 0, NULL);
}

void server_close(fake_server *server) {
    close(server->connection);
    server->connection = -1;
}
