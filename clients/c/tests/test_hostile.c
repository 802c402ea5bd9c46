/* Daemons that send nonsense: the golden bad responses, and long texts. */
#include "check.h"
#include "fake_server.h"
#include "vectors.h"

static fake_server server;

static coffer_status get(coffer_client *client) {
    coffer_record *record;
    coffer_status status = coffer_get(client, "u", "c", NULL, &record);
    CHECK((record != NULL) == (status == COFFER_OK));
    coffer_record_free(record);
    return status;
}

/* ---- Nonsense ---- */

static const vector *nonsense;

static void nonsense_script(fake_server *s) {
    server_accept(s);
    CHECK(server_expect(s, COFFER_FRAME_REQUEST) == 1);
    server_send(s, nonsense->bytes, nonsense->size);
    if (strcmp(outcome_value(nonsense, "then"), "closed") == 0) {
        server_expect_closed(s);
        server_accept(s);
    }
    coffer_frame_header header;
    do header = server_read(s);
    while (header.kind == COFFER_FRAME_CANCEL);
    server_respond_record(s, header.call_id, "x", 1);
}

static void check_nonsense(const vector *one) {
    char status[32], then[32];
    snprintf(status, sizeof status, "%s", outcome_value(one, "status"));
    snprintf(then, sizeof then, "%s", outcome_value(one, "then"));
    puts(one->name);
    nonsense = one;
    server_start(&server, nonsense_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_TEXT(status, coffer_status_name(get(client)));
    CHECK((strlen(coffer_error_message(client)) > 0) == (strcmp(status, "OK") != 0));
    CHECK((coffer_fd(client) == -1) == (strcmp(then, "closed") == 0));
    CHECK_STATUS(COFFER_OK, get(client));
    coffer_close(client);
    server_finish(&server);
}

static void nonsense_is_refused(void) {
    CHECK(for_each_vector("bad-responses.txt", check_nonsense) >= 20);
}

static void unknown_outcome_script(fake_server *s) {
    server_accept(s);
    server_expect(s, COFFER_FRAME_REQUEST);
    server_send(s, nonsense->bytes, nonsense->size);
    if (strcmp(outcome_value(nonsense, "then"), "closed") == 0) server_expect_closed(s);
}

static void check_unknown_outcome(const vector *one) {
    static const char suffix[] = "; a write may have happened";
    puts(one->name);
    nonsense = one;
    server_start(&server, unknown_outcome_script);
    coffer_client *client = server_client(&server, 0);
    CHECK(coffer_store(client, "u", "c", "x", 1, NULL, NULL) != COFFER_OK);
    CHECK(coffer_error_may_have_happened(client));
    const char *message = coffer_error_message(client);
    CHECK(strlen(message) > sizeof suffix);
    CHECK_TEXT(suffix, message + strlen(message) - (sizeof suffix - 1));
    coffer_close(client);
    server_finish(&server);
}

/* By PROTOCOL.md: the answer does not decode, or is a failure without a Failure that does. */
static void a_write_whose_answer_says_nothing_of_it_may_have_happened(void) {
    CHECK(for_each_vector("bad-responses.txt", check_unknown_outcome) >= 20);
}

static void refusal_script(fake_server *s) {
    server_accept(s);
    server_refuse(
        s, server_expect(s, COFFER_FRAME_REQUEST), COFFER_INTERNAL, COFFER_REASON_INTERNAL, 0);
    server_respond(s, server_expect(s, COFFER_FRAME_REQUEST), COFFER_INTERNAL, NULL);
}

static void an_explained_failure_or_a_read_has_not_happened(void) {
    server_start(&server, refusal_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_INTERNAL, coffer_store(client, "u", "c", "x", 1, NULL, NULL));
    CHECK(!coffer_error_may_have_happened(client));
    CHECK_STATUS(COFFER_INTERNAL, get(client));
    CHECK(!coffer_error_may_have_happened(client));
    coffer_close(client);
    server_finish(&server);
}

static void long_message_script(fake_server *s) {
    static char message[3001];
    memset(message, 'm', 1022);
    /* A sequence of three bytes across the place where the text is cut. */
    memcpy(message + 1022, "\xE2\x82\xAC", 3);
    memset(message + 1025, 'n', 1000);
    Coffer__V1__Failure failure = COFFER__V1__FAILURE__INIT;
    failure.message = message;
    failure.reason = (Coffer__V1__Failure__Reason)999;
    server_accept(s);
    server_respond(s, server_expect(s, COFFER_FRAME_REQUEST), COFFER_ABORTED, &failure.base);
}

static void a_long_message_is_cut_between_characters(void) {
    server_start(&server, long_message_script);
    coffer_client *client = server_client(&server, 0);
    CHECK_STATUS(COFFER_ABORTED, get(client));
    CHECK(strlen(coffer_error_message(client)) == 1022);
    CHECK((int)coffer_error_reason(client) == 999);
    coffer_close(client);
    server_finish(&server);
}

int main(void) {
    RUN(nonsense_is_refused);
    RUN(a_write_whose_answer_says_nothing_of_it_may_have_happened);
    RUN(an_explained_failure_or_a_read_has_not_happened);
    RUN(a_long_message_is_cut_between_characters);
    return 0;
}
