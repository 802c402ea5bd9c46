/*
 * What operators ask of the daemon: health, doctor, statistics and its cache.
 * Part of coffer.h, which includes it and has the rules.
 */
#ifndef COFFER_ADMIN_H
#define COFFER_ADMIN_H

#include <coffer/coffer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Results ------------------------------------------------------------- */

/* Whether the daemon and its vaults can do their work. */
typedef struct coffer_health_report coffer_health_report;
typedef struct coffer_vault_health coffer_vault_health;
COFFER_API bool coffer_health_serving(const coffer_health_report *report);
COFFER_API const char *coffer_health_version(const coffer_health_report *report);
COFFER_API uint64_t coffer_health_uptime_ms(const coffer_health_report *report);
COFFER_API size_t coffer_health_warning_count(const coffer_health_report *report);
COFFER_API const char *coffer_health_warning(const coffer_health_report *report, size_t index);
COFFER_API size_t coffer_health_vault_count(const coffer_health_report *report);
/* Belongs to the report; NULL where there is no such index. */
COFFER_API const coffer_vault_health *coffer_health_vault(
    const coffer_health_report *report, size_t index);
COFFER_API const char *coffer_vault_name(const coffer_vault_health *vault);
COFFER_API const char *coffer_vault_kind(const coffer_vault_health *vault);
COFFER_API bool coffer_vault_reachable(const coffer_vault_health *vault);
/* How that check failed; COFFER_OK, COFFER_REASON_NONE and "" = it succeeded. With another
 * reason than COFFER_REASON_VAULT_UNREACHABLE and COFFER_REASON_DEADLINE the vault was
 * reached, and refused. */
COFFER_API coffer_status coffer_vault_check_status(const coffer_vault_health *vault);
COFFER_API coffer_reason coffer_vault_check_reason(const coffer_vault_health *vault);
COFFER_API const char *coffer_vault_check_message(const coffer_vault_health *vault);
COFFER_API uint64_t coffer_vault_latency_us(const coffer_vault_health *vault);
/* 0 = not since the daemon started. */
COFFER_API uint64_t coffer_vault_last_good_contact_ms(const coffer_vault_health *vault);
COFFER_API coffer_reason coffer_vault_last_failure(const coffer_vault_health *vault);
/* 0 = not since the daemon started. */
COFFER_API uint64_t coffer_vault_last_failure_ms(const coffer_vault_health *vault);
/* What records are written as: "sealed", "json", "legacy-aes". */
COFFER_API const char *coffer_vault_format(const coffer_vault_health *vault);
/* The routes that lead here, in their order, for people. */
COFFER_API size_t coffer_vault_route_count(const coffer_vault_health *vault);
COFFER_API const char *coffer_vault_route(const coffer_vault_health *vault, size_t index);

/* How Stores and Deletes end: a vault may answer reads and refuse writes. */
typedef enum coffer_writes {
    COFFER_WRITES_UNSPECIFIED = 0, /* none has ended since the daemon started */
    COFFER_WRITES_WORK = 1,        /* one has succeeded, and none failed since */
    COFFER_WRITES_FAIL = 2         /* the last one failed, as others will */
} coffer_writes;
COFFER_API coffer_writes coffer_vault_writes(const coffer_vault_health *vault);
/* Why they fail; COFFER_REASON_NONE = they do not. */
COFFER_API coffer_reason coffer_vault_write_failure(const coffer_vault_health *vault);

/* Whether calls reach the vault. */
typedef enum coffer_breaker {
    COFFER_BREAKER_UNSPECIFIED = 0, /* it has none */
    COFFER_BREAKER_CLOSED = 1,      /* they do */
    COFFER_BREAKER_OPEN = 2,        /* they fail at once */
    COFFER_BREAKER_HALF_OPEN = 3    /* one does, to see whether it works again */
} coffer_breaker;
COFFER_API coffer_breaker coffer_vault_breaker(const coffer_vault_health *vault);
/* Until an open breaker lets a call through. */
COFFER_API uint64_t coffer_vault_breaker_retry_ms(const coffer_vault_health *vault);
/* Calls that the vault works on, and calls that wait for those. */
COFFER_API uint64_t coffer_vault_in_flight(const coffer_vault_health *vault);
COFFER_API uint64_t coffer_vault_queued(const coffer_vault_health *vault);
/* Since the daemon started: calls, those that failed, repetitions, and calls
 * that were refused without asking the vault. */
COFFER_API uint64_t coffer_vault_calls(const coffer_vault_health *vault);
COFFER_API uint64_t coffer_vault_failures(const coffer_vault_health *vault);
COFFER_API uint64_t coffer_vault_retries(const coffer_vault_health *vault);
COFFER_API uint64_t coffer_vault_refusals(const coffer_vault_health *vault);
COFFER_API void coffer_health_free(coffer_health_report *report);

/* What the daemon found when it stored, read, compared and deleted a test
 * record in its vaults. */
typedef struct coffer_doctor_report coffer_doctor_report;
typedef struct coffer_examination coffer_examination;
COFFER_API size_t coffer_doctor_count(const coffer_doctor_report *report);
/* Of one vault. Belongs to the report; NULL where there is no such index. */
COFFER_API const coffer_examination *coffer_doctor_examination(
    const coffer_doctor_report *report, size_t index);
COFFER_API void coffer_doctor_free(coffer_doctor_report *report);

COFFER_API const char *coffer_examination_name(const coffer_examination *examination);
COFFER_API const char *coffer_examination_kind(const coffer_examination *examination);
COFFER_API size_t coffer_examination_step_count(const coffer_examination *examination);

typedef enum coffer_action {
    COFFER_ACTION_UNSPECIFIED = 0,
    COFFER_ACTION_STORE = 1,
    COFFER_ACTION_GET = 2,
    COFFER_ACTION_COMPARE = 3, /* what was read with what was stored */
    COFFER_ACTION_DELETE = 4
} coffer_action;
/* Of the step with this index, in the order in which they were done. */
COFFER_API coffer_action coffer_step_action(const coffer_examination *examination, size_t index);
/* COFFER_OK also if the step was skipped, as one before it failed. */
COFFER_API coffer_status coffer_step_status(const coffer_examination *examination, size_t index);
COFFER_API bool coffer_step_skipped(const coffer_examination *examination, size_t index);
COFFER_API uint64_t coffer_step_duration_us(const coffer_examination *examination, size_t index);
COFFER_API coffer_reason coffer_step_reason(const coffer_examination *examination, size_t index);
/* What failed, and what to check, for people; "" = nothing. */
COFFER_API const char *coffer_step_message(const coffer_examination *examination, size_t index);
COFFER_API const char *coffer_step_advice(const coffer_examination *examination, size_t index);

/* What the daemon says of itself, without asking a vault. */
typedef struct coffer_ping_report coffer_ping_report;
COFFER_API const char *coffer_ping_version(const coffer_ping_report *report);
/* Drawn at each start of a daemon: another one is another process. */
COFFER_API const char *coffer_ping_instance(const coffer_ping_report *report);
/* It is about to end. */
COFFER_API bool coffer_ping_draining(const coffer_ping_report *report);
/* Its limits: bytes of a frame with its header, bytes of a credential, calls of a connection that wait for a vault,
 * keys of one GetMany, and milliseconds of a call. */
COFFER_API uint32_t coffer_ping_max_frame_bytes(const coffer_ping_report *report);
COFFER_API uint32_t coffer_ping_max_credential_bytes(const coffer_ping_report *report);
COFFER_API uint32_t coffer_ping_max_waiting_calls(const coffer_ping_report *report);
COFFER_API uint32_t coffer_ping_max_keys(const coffer_ping_report *report);
COFFER_API uint32_t coffer_ping_max_call_ms(const coffer_ping_report *report);
/* A bit for each thing that later daemons do; PROTOCOL.md lists them. */
COFFER_API uint64_t coffer_ping_features(const coffer_ping_report *report);
COFFER_API void coffer_ping_free(coffer_ping_report *report);

/* The daemon's counters, gauges and limits, sorted by name. */
typedef struct coffer_stats_report coffer_stats_report;
COFFER_API size_t coffer_stats_count(const coffer_stats_report *report);
COFFER_API const char *coffer_stats_name(const coffer_stats_report *report, size_t index);
COFFER_API uint64_t coffer_stats_value(const coffer_stats_report *report, size_t index);
COFFER_API void coffer_stats_free(coffer_stats_report *report);

/* ---- Calls that wait ----------------------------------------------------- */

/* As those of coffer.h. */
COFFER_API coffer_status coffer_ping(
    coffer_client *client, coffer_ping_report **report) COFFER_CHECKED;
COFFER_API coffer_status coffer_health(
    coffer_client *client, coffer_health_report **report) COFFER_CHECKED;
COFFER_API coffer_status coffer_stats(
    coffer_client *client, coffer_stats_report **report) COFFER_CHECKED;

/* Has the daemon examine the vault of this name, NULL = each. What fails there
 * is in the report. */
COFFER_API coffer_status coffer_doctor(
    coffer_client *client, const char *vault, coffer_doctor_report **report) COFFER_CHECKED;

/* Drops from the daemon's cache one record, with a NULL connection all of a
 * user's, with both NULL everything. The vaults are not touched. */
COFFER_API coffer_status coffer_invalidate(
    coffer_client *client, const char *user, const char *connection, uint64_t *dropped);

#ifdef __cplusplus
}
#endif

#endif
