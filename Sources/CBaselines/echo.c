#define _GNU_SOURCE
#include "CBaselines.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEADER = 24, LENGTH_FIELD = 4, CALL_ID = 8, METHOD = 16, EVENTS = 256 };
enum { RECEIVE_ROOM = 64 << 10, SEND_ROOM = 256 << 10 };

struct echo {
    int epoll, listener, cpu;
    const struct coffer_echo_reply *replies;
    size_t reply_count, receive_capacity, send_capacity;
    uint8_t *send_buffer;
};

struct connection {
    int fd;
    size_t filled;
    uint8_t bytes[];
};

static uint32_t read32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static const struct coffer_echo_reply *reply_to(const struct echo *echo, uint32_t method) {
    for (size_t i = 0; i + 1 < echo->reply_count; i++)
        if (echo->replies[i].method == method) return &echo->replies[i];
    return &echo->replies[echo->reply_count - 1];
}

/* Blocks until the peer has taken everything; the generator always does. */
static int send_all(int fd, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return -1;
        bytes += sent;
        count -= (size_t)sent;
    }
    return 0;
}

/* Answers each whole frame received, and keeps what is left of the last. */
static int answer(struct echo *echo, struct connection *connection) {
    size_t at = 0, out = 0;
    while (connection->filled - at >= HEADER) {
        const uint8_t *frame = connection->bytes + at;
        size_t bytes = (size_t)read32(frame) + LENGTH_FIELD;
        if (bytes < HEADER || bytes > echo->receive_capacity) return -1;
        if (connection->filled - at < bytes) break;
        const struct coffer_echo_reply *reply = reply_to(echo, read32(frame + METHOD));
        if (out + reply->bytes > echo->send_capacity) {
            if (send_all(connection->fd, echo->send_buffer, out) != 0) return -1;
            out = 0;
        }
        memcpy(echo->send_buffer + out, reply->frame, reply->bytes);
        memcpy(echo->send_buffer + out + CALL_ID, frame + CALL_ID, 8);
        out += reply->bytes;
        at += bytes;
    }
    if (out > 0 && send_all(connection->fd, echo->send_buffer, out) != 0) return -1;
    connection->filled -= at;
    if (at > 0 && connection->filled > 0)
        memmove(connection->bytes, connection->bytes + at, connection->filled);
    return 0;
}

static int receive(struct echo *echo, struct connection *connection) {
    ssize_t got = recv(connection->fd, connection->bytes + connection->filled,
                       echo->receive_capacity - connection->filled, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) return -1;
    connection->filled += (size_t)got;
    return answer(echo, connection);
}

static void accept_one(struct echo *echo) {
    int fd = accept4(echo->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    struct connection *connection = malloc(sizeof *connection + echo->receive_capacity);
    if (connection == NULL) abort();
    *connection = (struct connection){.fd = fd};
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = connection}};
    if (epoll_ctl(echo->epoll, EPOLL_CTL_ADD, fd, &event) != 0) abort();
}

static void drop(struct connection *connection) {
    close(connection->fd);
    free(connection);
}

static _Noreturn void serve(struct echo *echo) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(echo->epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection == NULL)
                accept_one(echo);
            else if (receive(echo, connection) != 0)
                drop(connection);
        }
    }
}

int coffer_pin_to_cpu(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4096) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* The child keeps the listener and nothing else of its parent's: not even the
 * standard output, which a pipeline would otherwise wait for. */
static _Noreturn void run_child(struct echo *echo, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    if (echo->cpu >= 0 && coffer_pin_to_cpu(echo->cpu) != 0) _exit(1);
    if (dup2(echo->listener, 0) != 0 || close_range(1, ~0u, 0) != 0) _exit(1);
    echo->listener = 0;
    echo->epoll = epoll_create1(EPOLL_CLOEXEC);
    echo->send_buffer = malloc(echo->send_capacity);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    if (echo->epoll < 0 || echo->send_buffer == NULL ||
        epoll_ctl(echo->epoll, EPOLL_CTL_ADD, echo->listener, &event) != 0)
        _exit(1);
    serve(echo);
}

pid_t coffer_echo_start(const char *path, const struct coffer_echo_reply *replies,
                        size_t reply_count, size_t largest_request, int cpu) {
    struct echo echo = {.replies = replies, .reply_count = reply_count, .cpu = cpu};
    echo.receive_capacity = largest_request + RECEIVE_ROOM;
    echo.send_capacity = SEND_ROOM;
    for (size_t i = 0; i < reply_count; i++)
        if (replies[i].bytes > echo.send_capacity) echo.send_capacity = replies[i].bytes;
    if ((echo.listener = listen_at(path)) < 0) return -1;
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) run_child(&echo, parent);
    int saved = errno;
    close(echo.listener);
    errno = saved;
    return child;
}

void coffer_echo_stop(pid_t child) {
    if (child <= 0) return;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
}
