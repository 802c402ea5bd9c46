#include "results.h"

#include <string.h>

coffer_batch *coffer_batch_make(const coffer_memory *memory, size_t count) {
    coffer_batch *batch =
        coffer_memory_allocate(memory, sizeof *batch + count * sizeof *batch->slots);
    if (batch == NULL) return NULL;
    batch->memory = *memory;
    batch->count = count;
    batch->parts = coffer_memory_allocate(memory, count * sizeof *batch->parts);
    if (batch->parts == NULL) {
        coffer_memory_release(memory, batch);
        return NULL;
    }
    return batch;
}

void coffer_batch_clear(coffer_batch *batch) {
    for (size_t index = 0; index < batch->part_count; index++) {
        coffer_message_free(&batch->memory, batch->parts[index]);
    }
    batch->part_count = batch->answered = 0;
    memset(batch->slots, 0, batch->count * sizeof *batch->slots);
}

static bool take_result(coffer_batch *batch, const Coffer__V1__GetResult *result) {
    if (result->index >= batch->count || batch->slots[result->index].answered) return false;
    bool has_record =
        result->outcome_case == COFFER__V1__GET_RESULT__OUTCOME_RECORD && result->record != NULL;
    if (has_record != (result->status == 0)) return false;
    coffer_batch_slot *slot = &batch->slots[result->index];
    slot->answered = true;
    slot->result = result;
    slot->record.memory = batch->memory;
    slot->record.message = has_record ? result->record : NULL;
    batch->answered++;
    return true;
}

bool coffer_batch_add(coffer_batch *batch, Coffer__V1__GetManyResponse *part) {
    if (part->n_results == 0 || batch->part_count == batch->count) {
        bool harmless = part->n_results == 0;
        coffer_message_free(&batch->memory, &part->base);
        return harmless;
    }
    batch->parts[batch->part_count++] = &part->base;
    for (size_t index = 0; index < part->n_results; index++) {
        if (!take_result(batch, part->results[index])) return false;
    }
    return true;
}

/* NULL unless the result at `index` failed and says why. */
static const Coffer__V1__Failure *failure_at(const coffer_batch *batch, size_t index) {
    if (index >= coffer_batch_count(batch)) return NULL;
    const Coffer__V1__GetResult *result = batch->slots[index].result;
    return result->outcome_case == COFFER__V1__GET_RESULT__OUTCOME_FAILURE ? result->failure
                                                                           : NULL;
}

size_t coffer_batch_count(const coffer_batch *batch) {
    return batch == NULL ? 0 : batch->count;
}

coffer_status coffer_batch_status(const coffer_batch *batch, size_t index) {
    if (index >= coffer_batch_count(batch)) return COFFER_INVALID_ARGUMENT;
    return coffer_status_from_wire(batch->slots[index].result->status);
}

coffer_reason coffer_batch_reason(const coffer_batch *batch, size_t index) {
    const Coffer__V1__Failure *failure = failure_at(batch, index);
    return failure == NULL ? COFFER_REASON_NONE : (coffer_reason)failure->reason;
}

const char *coffer_batch_message(const coffer_batch *batch, size_t index) {
    const Coffer__V1__Failure *failure = failure_at(batch, index);
    return failure == NULL ? "" : failure->message;
}

const coffer_record *coffer_batch_record(const coffer_batch *batch, size_t index) {
    if (index >= coffer_batch_count(batch)) return NULL;
    const coffer_record *record = &batch->slots[index].record;
    return record->message == NULL ? NULL : record;
}

void coffer_batch_free(coffer_batch *batch) {
    if (batch == NULL) return;
    coffer_memory memory = batch->memory;
    coffer_batch_clear(batch);
    coffer_memory_release(&memory, batch->parts);
    coffer_memory_release(&memory, batch);
}
