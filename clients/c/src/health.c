/* The daemon's health and its vaults'. A vault's handle is its decoded message. */
#include "results.h"

static const Coffer__V1__VaultHealth *vault_message(const coffer_vault_health *vault) {
    return (const Coffer__V1__VaultHealth *)(const void *)vault;
}

bool coffer_health_serving(const coffer_health_report *report) {
    return report != NULL && report->message->serving;
}

const char *coffer_health_version(const coffer_health_report *report) {
    return report == NULL ? NULL : report->message->version;
}

uint64_t coffer_health_uptime_ms(const coffer_health_report *report) {
    return report == NULL ? 0 : report->message->uptime_ms;
}

size_t coffer_health_warning_count(const coffer_health_report *report) {
    return report == NULL ? 0 : report->message->n_warnings;
}

const char *coffer_health_warning(const coffer_health_report *report, size_t index) {
    return index < coffer_health_warning_count(report) ? report->message->warnings[index] : NULL;
}

size_t coffer_health_vault_count(const coffer_health_report *report) {
    return report == NULL ? 0 : report->message->n_vaults;
}

const coffer_vault_health *coffer_health_vault(const coffer_health_report *report, size_t index) {
    if (index >= coffer_health_vault_count(report)) return NULL;
    return (const coffer_vault_health *)(const void *)report->message->vaults[index];
}

const char *coffer_vault_name(const coffer_vault_health *vault) {
    return vault == NULL ? NULL : vault_message(vault)->name;
}

const char *coffer_vault_kind(const coffer_vault_health *vault) {
    return vault == NULL ? NULL : vault_message(vault)->kind;
}

bool coffer_vault_reachable(const coffer_vault_health *vault) {
    return vault != NULL && vault_message(vault)->reachable;
}

coffer_status coffer_vault_check_status(const coffer_vault_health *vault) {
    return vault == NULL ? COFFER_OK : coffer_status_from_wire(vault_message(vault)->check_status);
}

coffer_reason coffer_vault_check_reason(const coffer_vault_health *vault) {
    if (vault == NULL || vault_message(vault)->check_failure == NULL) return COFFER_REASON_NONE;
    return (coffer_reason)vault_message(vault)->check_failure->reason;
}

const char *coffer_vault_check_message(const coffer_vault_health *vault) {
    if (vault == NULL) return NULL;
    return vault_message(vault)->check_failure == NULL ? "" : vault_message(vault)->check_failure->message;
}

uint64_t coffer_vault_latency_us(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->latency_us;
}

uint64_t coffer_vault_last_good_contact_ms(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->last_good_contact_ms;
}

coffer_reason coffer_vault_last_failure(const coffer_vault_health *vault) {
    return vault == NULL ? COFFER_REASON_NONE : (coffer_reason)vault_message(vault)->last_failure;
}

coffer_writes coffer_vault_writes(const coffer_vault_health *vault) {
    if (vault == NULL
        || vault_message(vault)->writes > COFFER__V1__VAULT_HEALTH__WRITES__WRITES_FAIL) {
        return COFFER_WRITES_UNSPECIFIED;
    }
    return (coffer_writes)vault_message(vault)->writes;
}

coffer_reason coffer_vault_write_failure(const coffer_vault_health *vault) {
    return vault == NULL ? COFFER_REASON_NONE : (coffer_reason)vault_message(vault)->write_failure;
}

uint64_t coffer_vault_last_failure_ms(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->last_failure_ms;
}

const char *coffer_vault_format(const coffer_vault_health *vault) {
    return vault == NULL ? NULL : vault_message(vault)->format;
}

size_t coffer_vault_route_count(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->n_routes;
}

const char *coffer_vault_route(const coffer_vault_health *vault, size_t index) {
    return index < coffer_vault_route_count(vault) ? vault_message(vault)->routes[index] : NULL;
}

coffer_breaker coffer_vault_breaker(const coffer_vault_health *vault) {
    if (vault == NULL
        || vault_message(vault)->breaker > COFFER__V1__VAULT_HEALTH__BREAKER__BREAKER_HALF_OPEN) {
        return COFFER_BREAKER_UNSPECIFIED;
    }
    return (coffer_breaker)vault_message(vault)->breaker;
}

uint64_t coffer_vault_breaker_retry_ms(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->breaker_retry_ms;
}

uint64_t coffer_vault_in_flight(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->in_flight;
}

uint64_t coffer_vault_queued(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->queued;
}

uint64_t coffer_vault_calls(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->calls;
}

uint64_t coffer_vault_failures(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->failures;
}

uint64_t coffer_vault_retries(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->retries;
}

uint64_t coffer_vault_refusals(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->refusals;
}

void coffer_health_free(coffer_health_report *report) {
    coffer_result_free(report);
}
