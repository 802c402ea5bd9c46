/*
 * Gets several credentials side by side from one poll loop, without threads.
 *
 *     event_loop USER CONNECTION…
 *
 * Prints the size of each credential, never the credential. The same four calls
 * (coffer_fd, coffer_events, coffer_wait_ms, coffer_process) fit any event loop.
 */
#include <coffer/coffer.h>
#include <poll.h>
#include <stdio.h>

/* What the callback of one get works on. */
typedef struct get {
    const char *connection;
    int *waiting;
    int *failed;
} get;

static void got(coffer_client *client, coffer_record *record, void *context) {
    get *one = context;
    --*one->waiting;
    if (record == NULL) {
        ++*one->failed;
        fprintf(
            stderr, "%s: %s: %s\n", one->connection,
            coffer_status_name(coffer_error_status(client)), coffer_error_message(client));
        return;
    }
    printf("%s: %zu bytes\n", one->connection, coffer_record_size(record));
    coffer_record_free(record);
}

static void run(coffer_client *client, const int *waiting) {
    while (*waiting > 0) {
        struct pollfd wanted = {.fd = coffer_fd(client), .events = coffer_events(client)};
        poll(&wanted, 1, coffer_wait_ms(client));
        coffer_process(client);
    }
}

int main(int count, char **arguments) {
    enum { most = 64 };
    get gets[most];
    int waiting = 0, failed = 0;
    if (count < 3 || count - 2 > most) {
        fprintf(stderr, "usage: event_loop USER CONNECTION… (at most %d)\n", most);
        return 2;
    }
    coffer_client *client = coffer_open(NULL);
    if (client == NULL) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    for (int index = 0; index < count - 2; index++) {
        gets[index] = (get){arguments[index + 2], &waiting, &failed};
        if (coffer_start_get(client, arguments[1], arguments[index + 2], NULL, got, &gets[index])) {
            waiting++;
        } else {
            failed++;
            fprintf(stderr, "%s\n", coffer_error_message(client));
        }
    }
    run(client, &waiting);
    coffer_close(client);
    return failed == 0 ? 0 : 1;
}
