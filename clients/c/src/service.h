/* The services that protoc-c generates, bound to a channel: invoking a stub
 * queues the call. */
#ifndef COFFER_SERVICE_H
#define COFFER_SERVICE_H

#include "channel.h"

typedef struct coffer_service {
    ProtobufCService base;
    coffer_channel *channel;
    /* The id of the call that the last stub queued; 0 = it failed, the
     * channel's failure says why, and the closure will not run. */
    uint64_t started;
} coffer_service;

void coffer_service_init(
    coffer_service *service, const ProtobufCServiceDescriptor *descriptor,
    coffer_channel *channel);

#endif
