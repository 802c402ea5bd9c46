/* Pages and statistics: lists that an answer holds. An element's handle
 * is the message that protobuf-c made, under another name. */
#include "results.h"

static const Coffer__V1__ListEntry *entry_message(const coffer_entry *entry) {
    return (const Coffer__V1__ListEntry *)(const void *)entry;
}

size_t coffer_page_count(const coffer_page *page) {
    return page == NULL ? 0 : page->message->n_entries;
}

const coffer_entry *coffer_page_entry(const coffer_page *page, size_t index) {
    if (index >= coffer_page_count(page)) return NULL;
    return (const coffer_entry *)(const void *)page->message->entries[index];
}

const char *coffer_page_next_token(const coffer_page *page) {
    return page == NULL ? NULL : page->message->next_page_token;
}

void coffer_page_free(coffer_page *page) {
    coffer_result_free(page);
}

static const Coffer__V1__Failure *entry_failure(const coffer_entry *entry) {
    return entry == NULL ? NULL : entry_message(entry)->failure;
}

coffer_status coffer_entry_status(const coffer_entry *entry) {
    if (entry == NULL) return COFFER_INVALID_ARGUMENT;
    return coffer_status_from_wire(entry_message(entry)->status);
}

coffer_reason coffer_entry_reason(const coffer_entry *entry) {
    const Coffer__V1__Failure *failure = entry_failure(entry);
    return failure == NULL ? COFFER_REASON_NONE : (coffer_reason)failure->reason;
}

const char *coffer_entry_message(const coffer_entry *entry) {
    const Coffer__V1__Failure *failure = entry_failure(entry);
    return failure == NULL ? "" : failure->message;
}

const char *coffer_entry_user(const coffer_entry *entry) {
    return entry == NULL ? NULL : entry_message(entry)->user_id;
}

const char *coffer_entry_connection(const coffer_entry *entry) {
    return entry == NULL ? NULL : entry_message(entry)->connection_id;
}

const char *coffer_entry_version(const coffer_entry *entry) {
    return entry == NULL ? NULL : entry_message(entry)->version;
}

uint64_t coffer_entry_created_at_ms(const coffer_entry *entry) {
    return entry == NULL ? 0 : entry_message(entry)->created_at_ms;
}

uint64_t coffer_entry_updated_at_ms(const coffer_entry *entry) {
    return entry == NULL ? 0 : entry_message(entry)->updated_at_ms;
}

uint64_t coffer_entry_expires_at_ms(const coffer_entry *entry) {
    return entry == NULL ? 0 : entry_message(entry)->expires_at_ms;
}

size_t coffer_entry_label_count(const coffer_entry *entry) {
    return entry == NULL ? 0 : entry_message(entry)->n_labels;
}

const char *coffer_entry_label_name(const coffer_entry *entry, size_t index) {
    if (index >= coffer_entry_label_count(entry)) return NULL;
    return entry_message(entry)->labels[index]->key;
}

const char *coffer_entry_label_value(const coffer_entry *entry, size_t index) {
    if (index >= coffer_entry_label_count(entry)) return NULL;
    return entry_message(entry)->labels[index]->value;
}

/* ---- Statistics ---- */

size_t coffer_stats_count(const coffer_stats_report *report) {
    return report == NULL ? 0 : report->message->n_stats;
}

const char *coffer_stats_name(const coffer_stats_report *report, size_t index) {
    return index < coffer_stats_count(report) ? report->message->stats[index]->name : NULL;
}

uint64_t coffer_stats_value(const coffer_stats_report *report, size_t index) {
    return index < coffer_stats_count(report) ? report->message->stats[index]->value : 0;
}

void coffer_stats_free(coffer_stats_report *report) {
    coffer_result_free(report);
}

/* ---- Ping ---- */

const char *coffer_ping_version(const coffer_ping_report *report) {
    return report == NULL ? NULL : report->message->version;
}

const char *coffer_ping_instance(const coffer_ping_report *report) {
    return report == NULL ? NULL : report->message->instance;
}

bool coffer_ping_draining(const coffer_ping_report *report) {
    return report != NULL && report->message->draining;
}

uint32_t coffer_ping_max_frame_bytes(const coffer_ping_report *report) {
    return report == NULL ? 0 : report->message->max_frame_bytes;
}

uint32_t coffer_ping_max_credential_bytes(const coffer_ping_report *report) {
    return report == NULL ? 0 : report->message->max_credential_bytes;
}

uint32_t coffer_ping_max_waiting_calls(const coffer_ping_report *report) {
    return report == NULL ? 0 : report->message->max_waiting_calls;
}

uint32_t coffer_ping_max_keys(const coffer_ping_report *report) {
    return report == NULL ? 0 : report->message->max_keys;
}

uint32_t coffer_ping_max_call_ms(const coffer_ping_report *report) {
    return report == NULL ? 0 : report->message->max_call_ms;
}

uint64_t coffer_ping_features(const coffer_ping_report *report) {
    return report == NULL ? 0 : report->message->features;
}

void coffer_ping_free(coffer_ping_report *report) {
    coffer_result_free(report);
}
