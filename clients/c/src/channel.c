#define _DEFAULT_SOURCE

#include "channel.h"

#include "coffer/v1/admin.pb-c.h"

#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

int64_t coffer_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void coffer_channel_init(
    coffer_channel *channel, const coffer_memory *memory, coffer_failure *failure,
    uint32_t timeout_ms) {
    channel->memory = memory;
    channel->failure = failure;
    channel->timeout_ms = timeout_ms;
    channel->fd = -1;
    channel->process = getpid();
    channel->lost_at_ms = INT64_MIN;
    channel->tail = &channel->calls;
}

/* ---- The list of calls ---- */

void coffer_channel_remove(coffer_channel *channel, coffer_call *call) {
    coffer_call **link = &channel->calls;
    while (*link != call) link = &(*link)->next;
    *link = call->next;
    if (call->next == NULL) channel->tail = link;
    channel->call_count--;
    if (call->phase != COFFER_CALL_QUEUED) channel->in_flight--;
    if (channel->writing == call) channel->writing = NULL;
    coffer_memory_release(channel->memory, call);
}

void coffer_channel_deliver(
    coffer_channel *channel, coffer_call *call, ProtobufCMessage *message, bool last) {
    ProtobufCClosure closure = call->closure;
    if (message != NULL) coffer_failure_clear(channel->failure);
    if (last) {
        call->closure = NULL;
        channel->ended_count++;
    }
    channel->delivery.message = message;
    channel->delivery.first = !call->has_part;
    channel->delivery.last = last;
    call->has_part = true;
    channel->delivery.rejected = false;
    channel->delivering = true;
    closure(message, call->closure_data);
    channel->delivering = false;
    coffer_message_free(channel->memory, channel->delivery.message);
    channel->delivery.message = NULL;
}

void coffer_channel_add_unknown_outcome(
    coffer_channel *channel, const ProtobufCMessageDescriptor *output) {
    if (output == &coffer__v1__store_response__descriptor ||
        output == &coffer__v1__delete_response__descriptor ||
        output == &coffer__v1__doctor_response__descriptor) {
        channel->failure->may_have_happened = true;
        coffer_failure_add(channel->failure, "; a write may have happened");
    }
}

/* Adds what may have come of a call that gets no answer; `sent`: the daemon may get it whole. */
static void add_what_became(coffer_channel *channel, const coffer_call *call, bool sent) {
    if (sent) {
        coffer_channel_add_unknown_outcome(channel, call->output);
    } else {
        coffer_failure_add(channel->failure, "; the call was not sent");
    }
}

/* Tells the caller of the channel's failure; what is in flight is kept until
 * the daemon has ended it, and cancelled there. */
static void give_up(coffer_channel *channel, coffer_call *call) {
    coffer_channel_deliver(channel, call, NULL, true);
    if (call->phase == COFFER_CALL_QUEUED) {
        coffer_channel_remove(channel, call);
    } else {
        call->cancel_wanted = true;
    }
}

/* The first call that waits and has an id up to `last_id`, a deadline up to
 * `now_ms` or a wish to be cancelled before it was sent. */
static coffer_call *find_overdue(coffer_channel *channel, uint64_t last_id, int64_t now_ms) {
    for (coffer_call *call = channel->calls; call != NULL && call->id <= last_id;
         call = call->next) {
        bool cancelled = call->cancel_wanted && call->phase == COFFER_CALL_QUEUED;
        if (call->closure != NULL && (call->deadline_ms <= now_ms || cancelled)) return call;
    }
    return NULL;
}

static void expire(coffer_channel *channel, int64_t now_ms) {
    uint64_t last_id = channel->last_id;
    coffer_call *call;
    while ((call = find_overdue(channel, last_id, now_ms)) != NULL) {
        if (call->inherited) {
            coffer_failure_set(
                channel->failure, COFFER_CANCELLED, COFFER_REASON_CANCELLED, false,
                "the process was forked; the call goes on in its parent only");
        } else if (call->deadline_ms <= now_ms) {
            coffer_failure_set(
                channel->failure, COFFER_DEADLINE_EXCEEDED, COFFER_REASON_DEADLINE, true,
                "no answer within %u ms", (unsigned)channel->timeout_ms);
            /* What has begun to leave goes on to its end, with a cancel behind it. */
            add_what_became(channel, call, call->phase != COFFER_CALL_QUEUED);
        } else {
            coffer_failure_set(
                channel->failure, COFFER_CANCELLED, COFFER_REASON_CANCELLED, false,
                "cancelled before it was sent");
        }
        give_up(channel, call);
    }
}

static void drop_input(coffer_channel *channel) {
    coffer_memory_release(channel->memory, channel->input);
    channel->input = NULL;
    channel->input_size = channel->input_capacity = 0;
}

bool coffer_channel_is_inherited(const coffer_channel *channel) {
    return channel->process != getpid();
}

void coffer_channel_leave_parent(coffer_channel *channel) {
    if (!coffer_channel_is_inherited(channel)) return;
    channel->process = getpid();
    if (channel->fd >= 0) close(channel->fd);
    channel->fd = -1;
    channel->draining = channel->turned_away = false;
    channel->connect_at_ms = 0;
    channel->connect_attempts = 0;
    channel->in_flight = 0;
    channel->writing = NULL;
    channel->control_left = 0;
    drop_input(channel);
    coffer_call *next;
    for (coffer_call *call = channel->calls; call != NULL; call = next) {
        next = call->next;
        coffer_memory_wipe(call->frame, call->frame_size);
        call->phase = COFFER_CALL_QUEUED;
        call->cancel_wanted = call->inherited = true;
        if (call->closure == NULL) coffer_channel_remove(channel, call);
    }
}

uint64_t coffer_channel_start(
    coffer_channel *channel, uint32_t method_id, const ProtobufCMessage *input,
    const ProtobufCMessageDescriptor *output, ProtobufCClosure closure, void *closure_data) {
    /* In a callback the channel is in use: whoever runs it notices after it. */
    if (!channel->delivering) coffer_channel_leave_parent(channel);
    size_t payload = protobuf_c_message_get_packed_size(input);
    if (payload > COFFER_FRAME_MAXIMUM_BYTES - COFFER_FRAME_HEADER_BYTES) {
        coffer_failure_set(
            channel->failure, COFFER_RESOURCE_EXHAUSTED, COFFER_REASON_FRAME_TOO_LARGE, false,
            "the request has %zu bytes, a frame holds at most %d; make it smaller", payload,
            COFFER_FRAME_MAXIMUM_BYTES - COFFER_FRAME_HEADER_BYTES);
        return 0;
    }
    if (channel->closing) {
        coffer_failure_set(
            channel->failure, COFFER_RESOURCE_EXHAUSTED, COFFER_REASON_LIMIT, false,
            "the client is being closed, and takes no more calls");
        return 0;
    }
    if (channel->call_count >= COFFER_CHANNEL_CALLS) {
        coffer_failure_set(
            channel->failure, COFFER_RESOURCE_EXHAUSTED, COFFER_REASON_LIMIT, true,
            "%d calls are under way, and no more may be; wait until one has ended", COFFER_CHANNEL_CALLS);
        return 0;
    }
    size_t frame_size = COFFER_FRAME_HEADER_BYTES + payload;
    coffer_call *call = coffer_memory_allocate(channel->memory, sizeof *call + frame_size);
    if (call == NULL) {
        coffer_failure_out_of_memory(channel->failure);
        return 0;
    }
    call->id = ++channel->last_id;
    call->deadline_ms = coffer_now_ms() + channel->timeout_ms;
    call->output = output;
    call->closure = closure;
    call->closure_data = closure_data;
    call->frame_size = frame_size;
    coffer_frame_header header = {
        .length = (uint32_t)(COFFER_FRAME_COUNTED_BYTES + payload),
        .version = COFFER_FRAME_VERSION,
        .kind = COFFER_FRAME_REQUEST,
        .call_id = call->id,
        .method_or_status = method_id,
        .timeout_or_retry = channel->timeout_ms,
    };
    coffer_frame_store(&header, call->frame);
    protobuf_c_message_pack(input, call->frame + COFFER_FRAME_HEADER_BYTES);
    *channel->tail = call;
    channel->tail = &call->next;
    channel->call_count++;
    return call->id;
}

void coffer_channel_cancel(coffer_channel *channel, uint64_t id) {
    for (coffer_call *call = channel->calls; call != NULL; call = call->next) {
        if (call->id == id && call->closure != NULL) call->cancel_wanted = true;
    }
}

/* ---- The connection's end ---- */

void coffer_channel_requeue(coffer_channel *channel, coffer_call *call) {
    if (call->phase != COFFER_CALL_QUEUED) channel->in_flight--;
    if (channel->writing == call) channel->writing = NULL;
    call->phase = COFFER_CALL_QUEUED;
    call->sent = 0;
    call->moved = true;
    call->has_part = false;
}

/* A call that ends with this connection, or NULL. */
static coffer_call *find_lost(coffer_channel *channel) {
    for (coffer_call *call = channel->calls; call != NULL; call = call->next) {
        if (call->phase == COFFER_CALL_SENT || call->ended) return call;
        if (call->phase == COFFER_CALL_WRITING && (call->moved || call->closure == NULL)) {
            return call;
        }
    }
    return NULL;
}

void coffer_channel_disconnect(coffer_channel *channel) {
    coffer_failure failure = *channel->failure;
    /* Nothing that was sent on such a connection is carried out. */
    bool turned_away = channel->turned_away;
    close(channel->fd);
    channel->fd = -1;
    channel->lost_at_ms = coffer_now_ms();
    channel->draining = channel->turned_away = false;
    channel->control_left = 0;
    channel->connect_at_ms = 0;
    channel->connect_attempts = 0;
    drop_input(channel);
    coffer_call *call;
    while ((call = find_lost(channel)) != NULL) {
        *channel->failure = failure;
        if (!turned_away) add_what_became(channel, call, call->phase == COFFER_CALL_SENT);
        if (call->closure != NULL) coffer_channel_deliver(channel, call, NULL, true);
        coffer_channel_remove(channel, call);
    }
    if (channel->writing != NULL) coffer_channel_requeue(channel, channel->writing);
}

void coffer_channel_close(coffer_channel *channel) {
    coffer_channel_leave_parent(channel);
    channel->closing = true;
    while (channel->calls != NULL) {
        coffer_call *call = channel->calls;
        if (call->closure != NULL) {
            coffer_failure_set(
                channel->failure, COFFER_CANCELLED, COFFER_REASON_CANCELLED, false,
                "the client was closed");
            add_what_became(channel, call, call->phase == COFFER_CALL_SENT);
            coffer_channel_deliver(channel, call, NULL, true);
        }
        coffer_channel_remove(channel, call);
    }
    if (channel->fd >= 0) coffer_channel_disconnect(channel);
}

/* ---- Turns ---- */

static bool has_queued(const coffer_channel *channel) {
    return channel->call_count > channel->in_flight;
}

/* The daemon takes nothing more: what it answered before is still good, and so is why. */
static void end_broken(coffer_channel *channel) {
    coffer_failure failure = *channel->failure;
    coffer_channel_receive(channel, true);
    if (!channel->turned_away) *channel->failure = failure;
    coffer_channel_disconnect(channel);
}

/* One turn; true if another may have something to do at once. */
static bool turn(coffer_channel *channel, bool readable) {
    coffer_channel_leave_parent(channel);
    expire(channel, coffer_now_ms());
    /* A callback may have forked, and we are the child. */
    if (coffer_channel_is_inherited(channel)) return true;
    if (channel->fd < 0) {
        if (!has_queued(channel) || coffer_now_ms() < channel->connect_at_ms) return false;
        coffer_channel_connect(channel);
        if (channel->fd < 0) return false;
    }
    if (!coffer_channel_send(channel)) {
        end_broken(channel);
        return true;
    }
    if (!readable) return false;
    bool ended = !coffer_channel_receive(channel, false);
    if (coffer_channel_is_inherited(channel)) return true;
    if (ended || (channel->draining && channel->in_flight == 0)) {
        coffer_channel_disconnect(channel);
        return true;
    }
    /* Ended calls make room for queued ones. */
    return coffer_channel_has_output(channel) && channel->writing == NULL &&
           channel->control_left == 0;
}

void coffer_channel_process(coffer_channel *channel, bool readable) {
    /* A daemon that accepts and hangs up again and again is left to later. */
    for (int turns = 0; turns < 4; turns++) {
        if (!turn(channel, readable)) return;
    }
}

short coffer_channel_events(const coffer_channel *channel) {
    if (channel->fd < 0 || coffer_channel_is_inherited(channel)) return 0;
    return coffer_channel_has_output(channel) ? POLLIN | POLLOUT : POLLIN;
}

int coffer_channel_wait_ms(const coffer_channel *channel) {
    int64_t due = INT64_MAX;
    if (coffer_channel_is_inherited(channel)) return 0;
    for (const coffer_call *call = channel->calls; call != NULL; call = call->next) {
        if (call->closure == NULL) continue;
        if (call->cancel_wanted && call->phase == COFFER_CALL_QUEUED) return 0;
        if (call->deadline_ms < due) due = call->deadline_ms;
    }
    if (channel->fd < 0 && has_queued(channel) && channel->connect_at_ms < due) {
        due = channel->connect_at_ms;
    }
    if (due == INT64_MAX) return -1;
    int64_t wait = due - coffer_now_ms();
    return wait < 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
}
