#define _DEFAULT_SOURCE

#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

typedef enum progress { PROGRESS_DONE, PROGRESS_FULL, PROGRESS_BROKEN } progress;

/* Writes from *sent up to size. */
static progress write_rest(
    coffer_channel *channel, const uint8_t *bytes, size_t size, size_t *sent) {
    while (*sent < size) {
        ssize_t count =
            send(channel->fd, bytes + *sent, size - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0) {
            *sent += (size_t)count;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return PROGRESS_FULL;
        } else if (errno != EINTR) {
            coffer_failure_set(
                channel->failure, COFFER_UNAVAILABLE, COFFER_REASON_NONE, true,
                "the connection to the daemon broke while sending: %s", strerror(errno));
            return PROGRESS_BROKEN;
        }
    }
    return PROGRESS_DONE;
}

static bool may_cancel(const coffer_call *call) {
    return call->cancel_wanted && call->phase == COFFER_CALL_SENT && !call->ended;
}

static bool may_begin(const coffer_channel *channel, const coffer_call *call) {
    return call->phase == COFFER_CALL_QUEUED && !call->cancel_wanted && !channel->draining &&
           channel->in_flight < COFFER_CHANNEL_CALLS_IN_FLIGHT;
}

/* The time that is left goes into the header: the call may have waited here. */
static void begin(coffer_channel *channel, coffer_call *call) {
    coffer_frame_header header = coffer_frame_load(call->frame);
    int64_t left = call->deadline_ms - coffer_now_ms();
    header.timeout_or_retry = left < 1 ? 1 : (uint32_t)left;
    coffer_frame_store(&header, call->frame);
    call->phase = COFFER_CALL_WRITING;
    channel->in_flight++;
    channel->writing = call;
}

static void write_cancel(coffer_channel *channel, coffer_call *call) {
    coffer_frame_header header = {
        .length = COFFER_FRAME_COUNTED_BYTES,
        .version = COFFER_FRAME_VERSION,
        .kind = COFFER_FRAME_CANCEL,
        .call_id = call->id,
    };
    coffer_frame_store(&header, channel->control);
    channel->control_left = COFFER_FRAME_HEADER_BYTES;
    call->cancel_wanted = false;
}

/* Chooses the next frame: cancels first, then requests in order. */
static bool choose(coffer_channel *channel) {
    for (coffer_call *call = channel->calls; call != NULL; call = call->next) {
        if (may_cancel(call)) {
            write_cancel(channel, call);
            return true;
        }
    }
    for (coffer_call *call = channel->calls; call != NULL; call = call->next) {
        if (may_begin(channel, call)) {
            begin(channel, call);
            return true;
        }
    }
    return false;
}

bool coffer_channel_has_output(const coffer_channel *channel) {
    if (channel->control_left > 0 || channel->writing != NULL) return true;
    for (const coffer_call *call = channel->calls; call != NULL; call = call->next) {
        if (may_cancel(call) || may_begin(channel, call)) return true;
    }
    return false;
}

static progress write_control(coffer_channel *channel) {
    size_t sent = COFFER_FRAME_HEADER_BYTES - channel->control_left;
    progress result = write_rest(channel, channel->control, COFFER_FRAME_HEADER_BYTES, &sent);
    channel->control_left = COFFER_FRAME_HEADER_BYTES - sent;
    return result;
}

static progress write_call(coffer_channel *channel, coffer_call *call) {
    progress result = write_rest(channel, call->frame, call->frame_size, &call->sent);
    if (result != PROGRESS_DONE) return result;
    channel->writing = NULL;
    call->phase = COFFER_CALL_SENT;
    /* The daemon may refuse a request before it has come whole. */
    if (call->ended) coffer_channel_remove(channel, call);
    return PROGRESS_DONE;
}

bool coffer_channel_send(coffer_channel *channel) {
    do {
        progress result = PROGRESS_DONE;
        if (channel->control_left > 0) {
            result = write_control(channel);
        } else if (channel->writing != NULL) {
            result = write_call(channel, channel->writing);
        }
        if (result != PROGRESS_DONE) return result == PROGRESS_FULL;
    } while (choose(channel));
    return true;
}
