#include "results.h"

#include <string.h>

/* How all results with one message begin. */
typedef struct result {
    coffer_memory memory;
    ProtobufCMessage *message;
} result;

void *coffer_result_adopt(coffer_client *client, size_t size) {
    if (client->channel.delivery.message == NULL) return NULL;
    result *made = coffer_memory_allocate(&client->memory, size);
    if (made == NULL) {
        coffer_failure_out_of_memory(&client->failure);
        coffer_channel_add_unknown_outcome(
            &client->channel, client->channel.delivery.message->descriptor);
        return NULL;
    }
    made->memory = client->memory;
    made->message = coffer_take_message(client);
    return made;
}

void coffer_result_free(void *freed) {
    if (freed == NULL) return;
    result *one = freed;
    coffer_memory memory = one->memory;
    coffer_message_free(&memory, one->message);
    coffer_memory_release(&memory, one);
}

/* ---- Records ---- */

const void *coffer_record_credential(const coffer_record *record) {
    return record == NULL ? NULL : record->message->credential.data;
}

size_t coffer_record_size(const coffer_record *record) {
    return record == NULL ? 0 : record->message->credential.len;
}

const char *coffer_record_version(const coffer_record *record) {
    return record == NULL ? NULL : record->message->version;
}

uint64_t coffer_record_created_at_ms(const coffer_record *record) {
    return record == NULL ? 0 : record->message->created_at_ms;
}

uint64_t coffer_record_updated_at_ms(const coffer_record *record) {
    return record == NULL ? 0 : record->message->updated_at_ms;
}

uint64_t coffer_record_expires_at_ms(const coffer_record *record) {
    return record == NULL ? 0 : record->message->expires_at_ms;
}

coffer_source coffer_record_source(const coffer_record *record) {
    if (record == NULL || record->message->source > COFFER__V1__SOURCE__SOURCE_STALE_ON_ERROR) {
        return COFFER_SOURCE_UNSPECIFIED;
    }
    return (coffer_source)record->message->source;
}

uint64_t coffer_record_age_ms(const coffer_record *record) {
    return record == NULL ? 0 : record->message->age_ms;
}

bool coffer_record_stale(const coffer_record *record) {
    return record != NULL && record->message->stale;
}

const char *coffer_record_foreign_format(const coffer_record *record) {
    return record == NULL || record->message->foreign_format[0] == '\0' ? NULL : record->message->foreign_format;
}

size_t coffer_record_label_count(const coffer_record *record) {
    return record == NULL ? 0 : record->message->n_labels;
}

const char *coffer_record_label_name(const coffer_record *record, size_t index) {
    return index < coffer_record_label_count(record) ? record->message->labels[index]->key : NULL;
}

const char *coffer_record_label_value(const coffer_record *record, size_t index) {
    return index < coffer_record_label_count(record) ? record->message->labels[index]->value
                                                     : NULL;
}

const char *coffer_record_label(const coffer_record *record, const char *name) {
    if (name == NULL) return NULL;
    for (size_t index = 0; index < coffer_record_label_count(record); index++) {
        if (strcmp(record->message->labels[index]->key, name) == 0) {
            return record->message->labels[index]->value;
        }
    }
    return NULL;
}

void coffer_record_free(coffer_record *record) {
    coffer_result_free(record);
}

/* ---- What a store wrote ---- */

const char *coffer_stored_version(const coffer_stored *stored) {
    return stored == NULL ? NULL : stored->message->version;
}

uint64_t coffer_stored_created_at_ms(const coffer_stored *stored) {
    return stored == NULL ? 0 : stored->message->created_at_ms;
}

uint64_t coffer_stored_updated_at_ms(const coffer_stored *stored) {
    return stored == NULL ? 0 : stored->message->updated_at_ms;
}

uint64_t coffer_stored_expires_at_ms(const coffer_stored *stored) {
    return stored == NULL ? 0 : stored->message->expires_at_ms;
}

void coffer_stored_free(coffer_stored *stored) {
    coffer_result_free(stored);
}
