/* Opaque results: a decoded message and the memory to free it with. */
#ifndef COFFER_RESULTS_H
#define COFFER_RESULTS_H

#include "client.h"
#include "coffer/v1/admin.pb-c.h"

struct coffer_record {
    coffer_memory memory;
    Coffer__V1__GetResponse *message;
};

struct coffer_stored {
    coffer_memory memory;
    Coffer__V1__StoreResponse *message;
};

struct coffer_page {
    coffer_memory memory;
    Coffer__V1__ListResponse *message;
};

struct coffer_health_report {
    coffer_memory memory;
    Coffer__V1__HealthResponse *message;
};

struct coffer_doctor_report {
    coffer_memory memory;
    Coffer__V1__DoctorResponse *message;
};

struct coffer_ping_report {
    coffer_memory memory;
    Coffer__V1__PingResponse *message;
};

struct coffer_stats_report {
    coffer_memory memory;
    Coffer__V1__StatsResponse *message;
};

/* The answer to one key; its message lies in one of the batch's parts. */
typedef struct coffer_batch_slot {
    bool answered;
    coffer_record record;
    const Coffer__V1__GetResult *result;
} coffer_batch_slot;

struct coffer_batch {
    coffer_memory memory;
    size_t count;
    size_t answered;
    /* At most one part for each key: every part that is kept answers some. */
    size_t part_count;
    ProtobufCMessage **parts;
    coffer_batch_slot slots[];
};

/*
 * Takes the message that is being delivered. `size` is that of one of the
 * result types above (not the batch): they begin alike. NULL, with the failure
 * set, if there is no message or memory ran out.
 */
void *coffer_result_adopt(coffer_client *client, size_t size);

/* Overwrites and frees such a result. Takes NULL. */
void coffer_result_free(void *result);

coffer_batch *coffer_batch_make(const coffer_memory *memory, size_t count);

/* Frees the responses that it has: the call was sent again, and is answered from its beginning. */
void coffer_batch_clear(coffer_batch *batch);

/* Takes over one response; false, if it names a key that was not asked, or one
 * twice, or a result lacks its outcome. The batch may then only be freed. */
bool coffer_batch_add(coffer_batch *batch, Coffer__V1__GetManyResponse *part);

#endif
