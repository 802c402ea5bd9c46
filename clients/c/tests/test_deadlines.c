/* A daemon that answers in random batches, with frames of which some are not
 * what a daemon would send: every call ends by its deadline. */
#define _DEFAULT_SOURCE

#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "fake_server.h"

/* `slack_ms`: how late a call may end on a busy machine. Under valgrind, beside six busy loops on two processors, the longest has
 * come 600 ms late. A call whose deadline is missed ends with a daemon that comes back (2 s), or never. */
enum { seeds = 10, rounds = 5, timeout_ms = 80, slack_ms = 1000, most_connections = 16 };

static fake_server server;
static atomic_bool stopping;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Chance ---- */

/* SplitMix64 */
static uint64_t chance(uint64_t *state) {
    uint64_t value = *state += 0x9E3779B97F4A7C15u;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
}

static unsigned below(uint64_t *state, unsigned bound) {
    return (unsigned)(chance(state) % bound);
}

/* ---- The server ---- */

typedef struct batch {
    uint8_t bytes[16 << 10];
    size_t size;
} batch;

static void add(
    batch *to, coffer_frame_kind kind, uint16_t flags, uint64_t call, uint32_t status,
    const ProtobufCMessage *message) {
    size_t size;
    uint8_t *frame = make_frame(kind, flags, call, status, 0, message, &size);
    if (to->size + size <= sizeof to->bytes) {
        memcpy(to->bytes + to->size, frame, size);
        to->size += size;
    }
    free(frame);
}

static void add_good(batch *to, uint64_t call) {
    Coffer__V1__GetResponse record = COFFER__V1__GET_RESPONSE__INIT;
    record.version = (char *)"v";
    add(to, COFFER_FRAME_RESPONSE, 0, call, 0, &record.base);
}

static void add_refusal(batch *to, uint64_t call, uint32_t status, coffer_reason reason) {
    Coffer__V1__Failure failure = COFFER__V1__FAILURE__INIT;
    failure.reason = (Coffer__V1__Failure__Reason)reason;
    failure.message = (char *)"no";
    add(to, COFFER_FRAME_RESPONSE, 0, call, status, &failure.base);
}

/* Overwrites some bytes of what was added from `start` on. */
static void spoil(batch *of, size_t start, uint64_t *state) {
    for (unsigned times = 1 + below(state, 3); times > 0 && of->size > start; times--) {
        of->bytes[start + below(state, (unsigned)(of->size - start))] = (uint8_t)chance(state);
    }
}

static void answer(batch *to, uint64_t call, uint64_t *state) {
    size_t start = to->size;
    switch (below(state, 20)) {
    case 0: return;
    case 1: add_good(to, call); break;
    case 2: add(to, COFFER_FRAME_RESPONSE, COFFER_FRAME_MORE, call, 0, NULL); break;
    case 3: add_good(to, call + 1000); break;
    case 4: add(to, (coffer_frame_kind)below(state, 12), 0, call, 0, NULL); break;
    case 5: add(to, COFFER_FRAME_RESPONSE, 0x8002, call, 0, NULL); break;
    case 6: add(to, COFFER_FRAME_GO_AWAY, 0, 0, 0, NULL); break;
    case 7: add(to, COFFER_FRAME_GO_AWAY, 0, call, 8, NULL); break;
    case 8: add_refusal(to, call, COFFER_UNAVAILABLE, COFFER_REASON_DRAINING); return;
    case 9: add_refusal(to, 0, COFFER_INVALID_ARGUMENT, COFFER_REASON_MALFORMED); break;
    case 10: add_refusal(to, call, 1 + below(state, 40), COFFER_REASON_LIMIT); return;
    case 11: add(to, COFFER_FRAME_RESPONSE, COFFER_FRAME_MORE, call, 5, NULL); break;
    case 12:
    case 13:
        add_good(to, call);
        spoil(to, start, state);
        return;
    default: break;
    }
    add_good(to, call);
    if (below(state, 40) == 0) spoil(to, start, state);
}

typedef struct peer {
    int fd;
    uint8_t input[64 << 10];
    size_t size;
} peer;

/* Answers all whole requests that have come, at once. False: hang up. */
static bool serve(peer *from, uint64_t *state) {
    static batch out;
    ssize_t count = recv(from->fd, from->input + from->size, sizeof from->input - from->size, 0);
    if (count <= 0) return false;
    from->size += (size_t)count;
    out.size = 0;
    size_t position = 0;
    while (from->size - position >= COFFER_FRAME_HEADER_BYTES) {
        coffer_frame_header header = coffer_frame_load(from->input + position);
        if (from->size - position < 4 + (size_t)header.length) break;
        if (header.kind == COFFER_FRAME_REQUEST) answer(&out, header.call_id, state);
        position += 4 + (size_t)header.length;
    }
    memmove(from->input, from->input + position, from->size - position);
    from->size -= position;
    for (size_t sent = 0; sent < out.size;) {
        size_t piece = below(state, 3) == 0 ? 1 + below(state, 40) : out.size;
        if (piece > out.size - sent) piece = out.size - sent;
        if (send(from->fd, out.bytes + sent, piece, MSG_NOSIGNAL) < 0) return false;
        sent += piece;
    }
    return below(state, 40) != 0;
}

static uint64_t server_seed;

static void script(fake_server *s) {
    static peer peers[most_connections];
    uint64_t state = server_seed;
    size_t count = 0;
    while (!stopping) {
        struct pollfd polled[most_connections + 1] = {{.fd = s->listener, .events = POLLIN}};
        for (size_t index = 0; index < count; index++) {
            polled[index + 1] = (struct pollfd){.fd = peers[index].fd, .events = POLLIN};
        }
        if (poll(polled, (nfds_t)count + 1, 5) <= 0) continue;
        for (size_t index = count; index-- > 0;) {
            if (polled[index + 1].revents == 0 || serve(&peers[index], &state)) continue;
            close(peers[index].fd);
            peers[index] = peers[--count];
        }
        if (polled[0].revents != 0 && count < most_connections) {
            peers[count++] = (peer){.fd = accept(s->listener, NULL, NULL)};
        }
    }
    while (count > 0) close(peers[--count].fd);
}

/* ---- The calls ---- */

typedef struct started {
    int64_t at_ms;
    int ends;
} started;

static int64_t longest_ms;

static void check_time(int64_t start_ms) {
    int64_t taken = now_ms() - start_ms;
    if (taken > longest_ms) longest_ms = taken;
    CHECK(taken < timeout_ms + slack_ms);
}

static void ended(started *call) {
    call->ends++;
    check_time(call->at_ms);
}

static void got(coffer_client *client, coffer_record *record, void *context) {
    CHECK((record != NULL) == (coffer_error_status(client) == COFFER_OK));
    coffer_record_free(record);
    ended(context);
}

static void stored(coffer_client *client, coffer_stored *result, void *context) {
    (void)client;
    coffer_stored_free(result);
    ended(context);
}

static void got_many(coffer_client *client, coffer_batch *result, void *context) {
    (void)client;
    coffer_batch_free(result);
    ended(context);
}

static void listed(coffer_client *client, coffer_page *result, void *context) {
    (void)client;
    coffer_page_free(result);
    ended(context);
}

static void start(coffer_client *client, started *call, uint64_t *state) {
    static const coffer_key key = {"u", "c"};
    *call = (started){.at_ms = now_ms()};
    uint64_t id = 0;
    switch (below(state, 4)) {
    case 0: id = coffer_start_get(client, "u", "c", NULL, got, call); break;
    case 1: id = coffer_start_store(client, "u", "c", "x", 1, NULL, stored, call); break;
    case 2: id = coffer_start_get_many(client, &key, 1, NULL, got_many, call); break;
    default: id = coffer_start_list(client, "u", NULL, listed, call); break;
    }
    CHECK(id != 0);
    if (below(state, 10) == 0) coffer_cancel(client, id);
}

static bool all_ended(const started *calls, unsigned count) {
    for (unsigned index = 0; index < count; index++) {
        CHECK(calls[index].ends <= 1);
        if (calls[index].ends == 0) return false;
    }
    return true;
}

static void run_round(coffer_client *client, uint64_t *state) {
    static started calls[64];
    unsigned count = 1 + below(state, 64);
    for (unsigned index = 0; index < count; index++) start(client, &calls[index], state);
    int64_t limit = now_ms() + timeout_ms + slack_ms;
    while (!all_ended(calls, count)) {
        CHECK(now_ms() < limit);
        struct pollfd wanted = {.fd = coffer_fd(client), .events = coffer_events(client)};
        int wait = coffer_wait_ms(client);
        poll(&wanted, 1, wait < 0 || wait > 50 ? 50 : wait);
        coffer_process(client);
    }
    int64_t begin = now_ms();
    coffer_record *record;
    coffer_status status = coffer_get(client, "u", "c", NULL, &record);
    CHECK((record != NULL) == (status == COFFER_OK));
    coffer_record_free(record);
    check_time(begin);
}

static void every_call_ends_by_its_deadline(void) {
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        uint64_t state = seed << 32;
        stopping = false;
        server_seed = seed;
        server_start(&server, script);
        coffer_client *client = server_client(&server, timeout_ms);
        printf("seed %llu\n", (unsigned long long)seed);
        for (int round = 0; round < rounds; round++) run_round(client, &state);
        coffer_close(client);
        stopping = true;
        server_finish(&server);
    }
}

int main(void) {
    RUN(every_call_ends_by_its_deadline);
    printf("the longest call took %lld ms of %d\n", (long long)longest_ms, timeout_ms);
    return 0;
}
