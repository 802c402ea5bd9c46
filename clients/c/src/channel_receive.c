#define _DEFAULT_SOURCE

#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "scan.h"

enum {
    first_capacity = 4096,
    /* A buffer that grew beyond this is given back when it is empty. */
    kept_capacity = 64 << 10,
    /* Reads in one turn; other work gets its turn then. */
    reads_per_turn = 16
};

/* Doubles the buffer when it is full. It follows what has come, never the
 * length that a frame announces, and what it held is overwritten. */
static bool make_room(coffer_channel *channel) {
    if (channel->input_size < channel->input_capacity) return true;
    size_t capacity = channel->input_capacity == 0 ? first_capacity : 2 * channel->input_capacity;
    if (capacity > COFFER_FRAME_MAXIMUM_BYTES) capacity = COFFER_FRAME_MAXIMUM_BYTES;
    uint8_t *bytes = coffer_memory_allocate(channel->memory, capacity);
    if (bytes == NULL) return false;
    if (channel->input_size > 0) memcpy(bytes, channel->input, channel->input_size);
    coffer_memory_release(channel->memory, channel->input);
    channel->input = bytes;
    channel->input_capacity = capacity;
    return true;
}

/* Takes the first bytes out and overwrites where they were. */
static void consume(coffer_channel *channel, size_t count) {
    size_t rest = channel->input_size - count;
    if (count == 0) return;
    memmove(channel->input, channel->input + count, rest);
    coffer_memory_wipe(channel->input + rest, count);
    channel->input_size = rest;
    if (rest == 0 && channel->input_capacity > kept_capacity) {
        coffer_memory_release(channel->memory, channel->input);
        channel->input = NULL;
        channel->input_capacity = 0;
    }
}

/* NULL, with the failure set, if it does not decode. */
static ProtobufCMessage *decode(
    coffer_channel *channel, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
    size_t size) {
    coffer_scan_fault fault = coffer_scan(type, bytes, size);
    if (fault.what != NULL) {
        coffer_failure_set(
            channel->failure, COFFER_INTERNAL, COFFER_REASON_MALFORMED, false,
            "the daemon's answer does not decode: %s%s%s: %s", fault.message,
            fault.field == NULL ? "" : ".", fault.field == NULL ? "" : fault.field, fault.what);
        return NULL;
    }
    /* Honest messages of many small elements need some 20 times their size, the
     * larger ones few times. */
    coffer_budget budget;
    coffer_budget_init(&budget, channel->memory, 16 * size + (64 << 10));
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &budget.base, size, bytes);
    if (message == NULL) coffer_failure_out_of_memory(channel->failure);
    return message;
}

/* False: without a Failure that decodes. */
static bool set_failure(
    coffer_channel *channel, const coffer_frame_header *header, const uint8_t *payload,
    size_t size) {
    ProtobufCMessage *message = NULL;
    if (size > 0) message = decode(channel, &coffer__v1__failure__descriptor, payload, size);
    coffer_failure_from_response(
        channel->failure, header->method_or_status, header->timeout_or_retry,
        (const Coffer__V1__Failure *)message);
    bool is_explained = message != NULL;
    coffer_message_free(channel->memory, message);
    return is_explained;
}

/* A response to a call that somebody waits for. */
static void answer(
    coffer_channel *channel, coffer_call *call, const coffer_frame_header *header,
    const uint8_t *payload, size_t size) {
    bool last = (header->flags & COFFER_FRAME_MORE) == 0;
    bool streams = call->output == &coffer__v1__get_many_response__descriptor;
    ProtobufCMessage *message = NULL;
    bool is_explained = false;
    if (header->method_or_status != 0) {
        is_explained = set_failure(channel, header, payload, size);
    } else if (!last && !streams) {
        coffer_failure_set(
            channel->failure, COFFER_INTERNAL, COFFER_REASON_MALFORMED, false,
            "the daemon announced a second answer to a call that has one");
    } else {
        message = decode(channel, call->output, payload, size);
    }
    if (message == NULL && !is_explained) {
        coffer_channel_add_unknown_outcome(channel, call->output);
    }
    coffer_channel_deliver(channel, call, message, message == NULL || last);
    if (channel->delivery.rejected && call->closure != NULL) {
        call->closure = NULL;
        channel->ended_count++;
    }
    if (!last && call->closure == NULL) call->cancel_wanted = true;
}

/* A draining daemon has not carried it out, unless it says so: once more with the next connection. */
static bool is_refused_by_drain(const coffer_channel *channel, const coffer_call *call) {
    return channel->failure->status == COFFER_UNAVAILABLE &&
           channel->failure->reason == COFFER_REASON_DRAINING &&
           !channel->failure->may_have_happened && !call->moved &&
           call->phase == COFFER_CALL_SENT && call->closure != NULL;
}

static void respond(
    coffer_channel *channel, const coffer_frame_header *header, const uint8_t *payload,
    size_t size) {
    coffer_call *call = channel->calls;
    while (call != NULL && call->id != header->call_id) call = call->next;
    /* Given up and ended before, or never begun: nobody waits. */
    if (call == NULL || call->phase == COFFER_CALL_QUEUED || call->ended) return;
    if (header->method_or_status == COFFER_UNAVAILABLE) {
        set_failure(channel, header, payload, size);
        if (is_refused_by_drain(channel, call)) {
            channel->draining = true;
            coffer_channel_requeue(channel, call);
            return;
        }
    }
    if (call->closure != NULL) answer(channel, call, header, payload, size);
    bool last = (header->flags & COFFER_FRAME_MORE) == 0 || header->method_or_status != 0;
    if (!last) return;
    call->ended = true;
    if (call->phase == COFFER_CALL_SENT) coffer_channel_remove(channel, call);
}

/* False: the connection may not stay, and the failure says why. */
static bool go_away(
    coffer_channel *channel, const coffer_frame_header *header, const uint8_t *payload,
    size_t size) {
    channel->draining = true;
    if (header->method_or_status == 0) return true;
    set_failure(channel, header, payload, size);
    channel->turned_away = true;
    return false;
}

/* Acts on every whole frame. False: the bytes are not this protocol's, or the
 * daemon turns the connection away. */
static bool act(coffer_channel *channel) {
    size_t position = 0;
    coffer_frame_outcome outcome;
    for (;;) {
        coffer_frame_header header;
        const char *fault;
        const uint8_t *bytes = channel->input + position;
        outcome = coffer_frame_next(bytes, channel->input_size - position, &header, &fault);
        if (outcome == COFFER_FRAME_BAD) {
            coffer_failure_set(
                channel->failure, COFFER_INTERNAL, COFFER_REASON_MALFORMED, false,
                "the daemon's bytes are not a frame: %s; check that a cofferd is at %s", fault,
                channel->place.address.sun_path);
        }
        if (outcome != COFFER_FRAME_WHOLE) break;
        const uint8_t *payload = bytes + COFFER_FRAME_HEADER_BYTES;
        size_t size = header.length - COFFER_FRAME_COUNTED_BYTES;
        if (header.kind != COFFER_FRAME_GO_AWAY) {
            respond(channel, &header, payload, size);
        } else if (!go_away(channel, &header, payload, size)) {
            return false;
        }
        /* A callback has forked, and this is the child: the bytes are the parent's. */
        if (coffer_channel_is_inherited(channel)) return true;
        position += 4 + (size_t)header.length;
    }
    consume(channel, position);
    return outcome != COFFER_FRAME_BAD;
}

bool coffer_channel_receive(coffer_channel *channel, bool to_the_end) {
    for (int reads = 0; reads < reads_per_turn; reads++) {
        if (!make_room(channel)) {
            coffer_failure_out_of_memory(channel->failure);
            return false;
        }
        size_t room = channel->input_capacity - channel->input_size;
        ssize_t count =
            recv(channel->fd, channel->input + channel->input_size, room, MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
        if (count <= 0) {
            coffer_failure_set(
                channel->failure, COFFER_UNAVAILABLE, COFFER_REASON_NONE, true,
                "the daemon closed the connection before it answered");
            return false;
        }
        channel->input_size += (size_t)count;
        if (!act(channel)) return false;
        if (coffer_channel_is_inherited(channel)) return true;
        if ((size_t)count < room && !to_the_end) return true;
    }
    return true;
}
