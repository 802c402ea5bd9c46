/*
 * One connection to the daemon and the calls on it.
 *
 * A call is queued by coffer_channel_start and ended by exactly one of its
 * closure's invocations having `delivery.last` set. Only
 * coffer_channel_process (and _close) runs closures, and only it touches the
 * socket; nothing here waits.
 *
 * A request that did not leave whole with one connection goes out once more with
 * the next; so does one that a draining daemon refused. Both are known not to
 * have been carried out.
 *
 * After fork, the child has a connection of its own: the parent's goes on with
 * the parent, and so do the calls that were under way.
 */
#ifndef COFFER_CHANNEL_H
#define COFFER_CHANNEL_H

#include <protobuf-c/protobuf-c.h>
#include <sys/types.h>

#include "failure.h"
#include "frame.h"
#include "memory.h"
#include "place.h"

enum {
    /* The daemon reads no further while so many are in flight. */
    COFFER_CHANNEL_CALLS_IN_FLIGHT = 32,
    COFFER_CHANNEL_CALLS = 1024,
    /* How long after losing the daemon calls wait for it to come back. */
    COFFER_CHANNEL_RECONNECT_MS = 2000
};

typedef enum coffer_call_phase {
    COFFER_CALL_QUEUED,  /* no byte has left */
    COFFER_CALL_WRITING, /* its frame is being written */
    COFFER_CALL_SENT
} coffer_call_phase;

typedef struct coffer_call {
    struct coffer_call *next;
    uint64_t id;
    int64_t deadline_ms;
    const ProtobufCMessageDescriptor *output;
    /* NULL: nobody waits for it any more. It stays in the list until its frame
     * has left whole and the daemon has ended it. */
    ProtobufCClosure closure;
    void *closure_data;
    coffer_call_phase phase;
    /* The daemon has ended it. */
    bool ended;
    /* Has been moved to another connection; happens once. */
    bool moved;
    /* A message has been delivered since it was sent. */
    bool has_part;
    bool cancel_wanted;
    /* Belongs to the process that this one was forked from. */
    bool inherited;
    size_t sent;
    size_t frame_size;
    /* Header and message; may hold a credential. */
    uint8_t frame[];
} coffer_call;

typedef struct coffer_channel {
    const coffer_memory *memory;
    /* The client's: tells of the failure while a closure runs with NULL. */
    coffer_failure *failure;
    uint32_t timeout_ms;
    coffer_place place;
    /* The process that made the connection and the calls; see
     * coffer_channel_leave_parent. */
    pid_t process;

    int fd;
    /* When a connection was last lost; INT64_MIN = there was none. */
    int64_t lost_at_ms;
    /* The backlog is full, or the daemon was there until now: when to try
     * again. 0 = now. */
    int64_t connect_at_ms;
    unsigned connect_attempts;
    /* Go-away has come: nothing new on this connection. */
    bool draining;
    /* It said why the connection may not stay: the failure is that. */
    bool turned_away;

    /* In order of their ids; `tail` is the last one's `next`. */
    coffer_call *calls;
    coffer_call **tail;
    size_t call_count;
    size_t in_flight;
    uint64_t last_id;
    /* The one whose frame is being written, or NULL. */
    coffer_call *writing;
    /* A cancel frame on its way out. */
    uint8_t control[COFFER_FRAME_HEADER_BYTES];
    size_t control_left;

    uint8_t *input;
    size_t input_size;
    size_t input_capacity;

    /* A closure runs. */
    bool delivering;
    bool closing;
    size_t ended_count;
    struct {
        /* The closure may take it by setting NULL; otherwise it is freed. */
        ProtobufCMessage *message;
        /* Of this sending of the call: messages of one before do not count. */
        bool first;
        bool last;
        /* The closure sets it, with `failure`, to end the call here. */
        bool rejected;
    } delivery;
} coffer_channel;

void coffer_channel_init(
    coffer_channel *channel, const coffer_memory *memory, coffer_failure *failure,
    uint32_t timeout_ms);

/* Ends all calls with COFFER_CANCELLED, closes, frees. */
void coffer_channel_close(coffer_channel *channel);

/* Queues a call. Returns its id, or 0 with the failure set. */
uint64_t coffer_channel_start(
    coffer_channel *channel, uint32_t method_id, const ProtobufCMessage *input,
    const ProtobufCMessageDescriptor *output, ProtobufCClosure closure, void *closure_data);

void coffer_channel_cancel(coffer_channel *channel, uint64_t id);

/* Does all that can be done without waiting. `readable` = false: nothing can
 * have come yet, so do not look. */
void coffer_channel_process(coffer_channel *channel, bool readable);

/* In a child process: closes its copy of the parent's connection without a byte
 * sent or taken, wipes what was on the way, and leaves the parent's calls to
 * end with COFFER_CANCELLED here. Whoever touches the connection calls it first. */
void coffer_channel_leave_parent(coffer_channel *channel);

/* Whether that is due: the process is not the one that made the connection. */
bool coffer_channel_is_inherited(const coffer_channel *channel);

/* For poll: events wanted of `fd`, and how long to wait at most (-1 = for ever). */
short coffer_channel_events(const coffer_channel *channel);
int coffer_channel_wait_ms(const coffer_channel *channel);

/* ---- Between the parts of the channel ---- */

int64_t coffer_now_ms(void);

/* Connects, without waiting. Ends all queued calls if that cannot work; sets
 * `connect_at_ms` if it may work later. */
void coffer_channel_connect(coffer_channel *channel);

/* Closes the connection. Calls that were sent whole end with `failure`, which
 * is the channel's; the others stay queued, if they were not moved before. */
void coffer_channel_disconnect(coffer_channel *channel);

/* Writes until the kernel takes no more. False: the connection is broken. */
bool coffer_channel_send(coffer_channel *channel);

/* Is there anything that coffer_channel_send could write? */
bool coffer_channel_has_output(const coffer_channel *channel);

/* Reads and acts on what has come; `to_the_end`: even after a read that did not
 * fill the buffer. False: the connection is at its end, the failure says why. */
bool coffer_channel_receive(coffer_channel *channel, bool to_the_end);

/* Runs the closure with `message`, which it takes over, or NULL for failure. */
void coffer_channel_deliver(
    coffer_channel *channel, coffer_call *call, ProtobufCMessage *message, bool last);

/* Adds to the failure that a call with this output, if it writes, may have happened: nobody knows. */
void coffer_channel_add_unknown_outcome(
    coffer_channel *channel, const ProtobufCMessageDescriptor *output);

/* Puts the call back into the queue, to be sent from its first byte with the next connection. */
void coffer_channel_requeue(coffer_channel *channel, coffer_call *call);

/* Takes the call off the list and frees it. */
void coffer_channel_remove(coffer_channel *channel, coffer_call *call);

#endif
