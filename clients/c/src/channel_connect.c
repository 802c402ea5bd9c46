#define _DEFAULT_SOURCE

#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ends the calls that were queued when this began; what their closures start
 * is for the next attempt. */
static void fail_queued(coffer_channel *channel) {
    coffer_failure failure = *channel->failure;
    uint64_t last_id = channel->last_id;
    while (channel->calls != NULL && channel->calls->id <= last_id) {
        /* Nothing is in flight without a connection: all are queued. */
        coffer_call *call = channel->calls;
        *channel->failure = failure;
        coffer_channel_deliver(channel, call, NULL, true);
        coffer_channel_remove(channel, call);
    }
}

static void fail_to_connect(coffer_channel *channel, int error) {
    bool refused = error == EACCES || error == EPERM;
    coffer_failure_set(
        channel->failure, refused ? COFFER_PERMISSION_DENIED : COFFER_UNAVAILABLE,
        refused ? COFFER_REASON_DENIED : COFFER_REASON_NONE, !refused,
        "cannot connect to %s: %s; is cofferd running there, and may this user use it?",
        channel->address.sun_path, strerror(error));
    fail_queued(channel);
}

/* The backlog is full: between half and all of 2, 4, 8 … 64 ms from now, so
 * that waiting clients do not come back together. */
static void back_off(coffer_channel *channel) {
    int64_t most = 2LL << (channel->connect_attempts < 5 ? channel->connect_attempts : 5);
    uint16_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0) random = 0;
    channel->connect_at_ms = coffer_now_ms() + most / 2 + random % (most / 2 + 1);
    channel->connect_attempts++;
}

void coffer_channel_connect(coffer_channel *channel) {
    if (channel->address.sun_path[0] == '\0') {
        coffer_failure_set(
            channel->failure, COFFER_INVALID_ARGUMENT, COFFER_REASON_BAD_FIELD, false,
            "no usable socket path: expected 1 to %zu bytes in the options, $COFFER_SOCKET or "
            "$XDG_RUNTIME_DIR/coffer/coffer.sock",
            sizeof channel->address.sun_path - 1);
        fail_queued(channel);
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        fail_to_connect(channel, errno);
        return;
    }
    int result;
    do {
        result = connect(fd, (const struct sockaddr *)&channel->address, sizeof channel->address);
    } while (result < 0 && errno == EINTR);
    if (result == 0) {
        channel->fd = fd;
        channel->connect_attempts = 0;
        return;
    }
    int error = errno;
    close(fd);
    if (error == EAGAIN) {
        back_off(channel);
    } else {
        fail_to_connect(channel, error);
    }
}
