#define _DEFAULT_SOURCE

#include "channel.h"

#include <errno.h>
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

/* Between half and all of 2, 4, 8 … 64 ms from now, so
 * that waiting clients do not come back together. */
static void back_off(coffer_channel *channel) {
    int64_t most = 2LL << (channel->connect_attempts < 5 ? channel->connect_attempts : 5);
    uint16_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0) random = 0;
    channel->connect_at_ms = coffer_now_ms() + most / 2 + random % (most / 2 + 1);
    channel->connect_attempts++;
}

/* `error` = -1: the failure is set. Waits for a full backlog, and for a daemon
 * that was there until now and may be on its way back. */
static void fail_to_connect(coffer_channel *channel, int error) {
    bool was_there = channel->lost_at_ms != INT64_MIN &&
                     coffer_now_ms() - channel->lost_at_ms < COFFER_CHANNEL_RECONNECT_MS;
    if (error == EAGAIN || (coffer_place_is_absent(error) && was_there)) {
        back_off(channel);
        return;
    }
    if (error > 0) coffer_place_explain(&channel->place, error, channel->failure);
    channel->connect_attempts = 0;
    fail_queued(channel);
}

/* 0, or the error of connect(2). */
static int connect_to(const coffer_place *place, int fd) {
    while (connect(fd, (const struct sockaddr *)&place->address, sizeof place->address) < 0) {
        if (errno != EINTR) return errno;
    }
    return 0;
}

void coffer_channel_connect(coffer_channel *channel) {
    int error = coffer_place_check(&channel->place, channel->failure);
    if (error != 0) {
        fail_to_connect(channel, error);
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        fail_to_connect(channel, errno);
        return;
    }
    error = connect_to(&channel->place, fd);
    if (error == 0) error = coffer_place_check_peer(&channel->place, fd, channel->failure);
    if (error != 0) {
        close(fd);
        fail_to_connect(channel, error);
        return;
    }
    channel->fd = fd;
    channel->connect_attempts = 0;
}
