/*
 * A daemon that follows a script: a function that runs in a thread and says
 * what is accepted, read, sent and closed when. Whatever does not go as the
 * script says within 5 s ends the test program.
 */
#ifndef COFFER_FAKE_SERVER_H
#define COFFER_FAKE_SERVER_H

#include <protobuf-c/protobuf-c.h>
#include <pthread.h>
#include <stdbool.h>

#include "coffer/coffer.h"
#include "coffer/v1/admin.pb-c.h"
#include "coffer/v1/credentials.pb-c.h"
#include "frame.h"

typedef struct fake_server {
    char folder[32];
    char path[64];
    int listener;
    int connection;
    pthread_t thread;
    void (*script)(struct fake_server *server);
    /* The payload of the frame that was read last. */
    uint8_t *payload;
    size_t payload_size;
} fake_server;

/* Listens, and runs the script in a thread; NULL = later, by server_run. */
void server_start(fake_server *server, void (*script)(fake_server *server));
void server_run(fake_server *server, void (*script)(fake_server *server));
/* Waits for the script's end and cleans up. */
void server_finish(fake_server *server);

/* A client of this server. */
coffer_client *server_client(const fake_server *server, uint32_t timeout_ms);

/* ---- For scripts ---- */

/* Takes the next connection; the one before stays open unless closed. */
void server_accept(fake_server *server);
/* Nobody connects within this time. */
void server_expect_no_connection(fake_server *server, int milliseconds);
/* Reads a frame. */
coffer_frame_header server_read(fake_server *server);
/* Reads a request or cancel and returns its call id. */
uint64_t server_expect(fake_server *server, coffer_frame_kind kind);
/* The client has closed this connection. */
void server_expect_closed(fake_server *server);

void server_send(fake_server *server, const void *bytes, size_t size);
/* Message NULL = no payload. */
void server_respond(
    fake_server *server, uint64_t call, uint32_t status, const ProtobufCMessage *message);
void server_respond_part(fake_server *server, uint64_t call, const ProtobufCMessage *message);
/* Of a draining daemon, to a write that may have happened. */
void server_cut_off(fake_server *server, uint64_t call);

void server_refuse(
    fake_server *server, uint64_t call, coffer_status status, coffer_reason reason,
    uint32_t retry_ms);
/* The answer to a get: this credential, version "v-1", from memory. */
void server_respond_record(
    fake_server *server, uint64_t call, const void *credential, size_t size);
void server_go_away(fake_server *server);
/* A go-away that says why the connection may not stay. */
void server_turn_away(
    fake_server *server, coffer_status status, coffer_reason reason, uint32_t retry_ms);
void server_close(fake_server *server);

/* A frame with this message as its payload; the caller frees it. */
uint8_t *make_frame(
    coffer_frame_kind kind, uint16_t flags, uint64_t call, uint32_t status, uint32_t retry_ms,
    const ProtobufCMessage *message, size_t *size);

#endif
