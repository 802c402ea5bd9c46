/* Pages, health and statistics: lists that an answer holds. An element's handle
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

/* ---- Health ---- */

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

uint64_t coffer_vault_latency_us(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->latency_us;
}

uint64_t coffer_vault_last_good_contact_ms(const coffer_vault_health *vault) {
    return vault == NULL ? 0 : vault_message(vault)->last_good_contact_ms;
}

coffer_reason coffer_vault_last_failure(const coffer_vault_health *vault) {
    return vault == NULL ? COFFER_REASON_NONE : (coffer_reason)vault_message(vault)->last_failure;
}

void coffer_health_free(coffer_health_report *report) {
    coffer_result_free(report);
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
