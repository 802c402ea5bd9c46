/* Ping, Health, Doctor, Stats and Invalidate: for tools, so they only wait. */
#include "results.h"

/* What a closure of this file is given. */
typedef struct admin_call {
    coffer_client *client;
    coffer_waiter waiter;
} admin_call;

/* Begins a call on a stub; false if it cannot be. */
static bool prepare(coffer_client *client, admin_call *call) {
    if (!coffer_may_block(client)) return false;
    *call = (admin_call){.client = client};
    return true;
}

static coffer_status finish(admin_call *call) {
    return coffer_wait(call->client, call->client->admin.started, &call->waiter);
}

static void ping_done(const Coffer__V1__PingResponse *message, void *data) {
    (void)message;
    admin_call *call = data;
    call->waiter.result = coffer_result_adopt(call->client, sizeof(coffer_ping_report));
    coffer_waiter_finish(&call->waiter, call->client);
}

coffer_status coffer_ping(coffer_client *client, coffer_ping_report **report) {
    admin_call call;
    Coffer__V1__PingRequest request = COFFER__V1__PING_REQUEST__INIT;
    if (report != NULL) *report = NULL;
    if (!prepare(client, &call)) return coffer_error_status(client);
    coffer__v1__credentials__ping(&client->credentials.base, &request, ping_done, &call);
    coffer_status status = coffer_wait(client, client->credentials.started, &call.waiter);
    if (report != NULL) {
        *report = call.waiter.result;
    } else {
        coffer_ping_free(call.waiter.result);
    }
    return status;
}

static void health_done(const Coffer__V1__HealthResponse *message, void *data) {
    (void)message;
    admin_call *call = data;
    call->waiter.result = coffer_result_adopt(call->client, sizeof(coffer_health_report));
    coffer_waiter_finish(&call->waiter, call->client);
}

coffer_status coffer_health(coffer_client *client, coffer_health_report **report) {
    admin_call call;
    Coffer__V1__HealthRequest request = COFFER__V1__HEALTH_REQUEST__INIT;
    if (report != NULL) *report = NULL;
    if (!prepare(client, &call)) return coffer_error_status(client);
    coffer__v1__admin__health(&client->admin.base, &request, health_done, &call);
    coffer_status status = finish(&call);
    if (report != NULL) {
        *report = call.waiter.result;
    } else {
        coffer_health_free(call.waiter.result);
    }
    return status;
}

static void doctor_done(const Coffer__V1__DoctorResponse *message, void *data) {
    (void)message;
    admin_call *call = data;
    call->waiter.result = coffer_result_adopt(call->client, sizeof(coffer_doctor_report));
    coffer_waiter_finish(&call->waiter, call->client);
}

coffer_status coffer_doctor(
    coffer_client *client, const char *vault, coffer_doctor_report **report) {
    admin_call call;
    Coffer__V1__DoctorRequest request = COFFER__V1__DOCTOR_REQUEST__INIT;
    if (report != NULL) *report = NULL;
    if (!prepare(client, &call)) return coffer_error_status(client);
    if (!coffer_text_fits(client, "vault", vault)) return coffer_error_status(client);
    if (vault != NULL) request.vault = (char *)vault;
    coffer__v1__admin__doctor(&client->admin.base, &request, doctor_done, &call);
    coffer_status status = finish(&call);
    if (report != NULL) {
        *report = call.waiter.result;
    } else {
        coffer_doctor_free(call.waiter.result);
    }
    return status;
}

static void stats_done(const Coffer__V1__StatsResponse *message, void *data) {
    (void)message;
    admin_call *call = data;
    call->waiter.result = coffer_result_adopt(call->client, sizeof(coffer_stats_report));
    coffer_waiter_finish(&call->waiter, call->client);
}

coffer_status coffer_stats(coffer_client *client, coffer_stats_report **report) {
    admin_call call;
    Coffer__V1__StatsRequest request = COFFER__V1__STATS_REQUEST__INIT;
    if (report != NULL) *report = NULL;
    if (!prepare(client, &call)) return coffer_error_status(client);
    coffer__v1__admin__stats(&client->admin.base, &request, stats_done, &call);
    coffer_status status = finish(&call);
    if (report != NULL) {
        *report = call.waiter.result;
    } else {
        coffer_stats_free(call.waiter.result);
    }
    return status;
}

static void invalidate_done(const Coffer__V1__InvalidateResponse *message, void *data) {
    admin_call *call = data;
    uint64_t *dropped = call->waiter.result;
    if (dropped != NULL && message != NULL) *dropped = message->dropped;
    coffer_waiter_finish(&call->waiter, call->client);
}

coffer_status coffer_invalidate(
    coffer_client *client, const char *user, const char *connection, uint64_t *dropped) {
    admin_call call;
    Coffer__V1__InvalidateRequest request = COFFER__V1__INVALIDATE_REQUEST__INIT;
    Coffer__V1__Key key = COFFER__V1__KEY__INIT;
    if (dropped != NULL) *dropped = 0;
    if (!prepare(client, &call)) return coffer_error_status(client);
    if (!coffer_text_fits(client, "user", user) ||
        !coffer_text_fits(client, "connection", connection)) {
        return coffer_error_status(client);
    }
    call.waiter.result = dropped;
    if (connection != NULL) {
        /* A missing user is the daemon's to refuse, not a wider scope. */
        key.user_id = user == NULL ? (char *)"" : (char *)user;
        key.connection_id = (char *)connection;
        request.scope_case = COFFER__V1__INVALIDATE_REQUEST__SCOPE_KEY;
        request.key = &key;
    } else if (user != NULL) {
        request.scope_case = COFFER__V1__INVALIDATE_REQUEST__SCOPE_USER_ID;
        request.user_id = (char *)user;
    } else {
        request.scope_case = COFFER__V1__INVALIDATE_REQUEST__SCOPE_ALL;
        request.all = true;
    }
    coffer__v1__admin__invalidate(&client->admin.base, &request, invalidate_done, &call);
    return finish(&call);
}
