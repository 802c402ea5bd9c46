#include "service.h"

/* The service's name has the form that method ids are made of. */
static void invoke(
    ProtobufCService *base, unsigned method_index, const ProtobufCMessage *input,
    ProtobufCClosure closure, void *closure_data) {
    coffer_service *service = (coffer_service *)base;
    const ProtobufCMethodDescriptor *method = &base->descriptor->methods[method_index];
    service->started = coffer_channel_start(
        service->channel, coffer_method_id(base->descriptor->name, method->name), input,
        method->output, closure, closure_data);
}

void coffer_service_init(
    coffer_service *service, const ProtobufCServiceDescriptor *descriptor,
    coffer_channel *channel) {
    service->base.descriptor = descriptor;
    service->base.invoke = invoke;
    service->base.destroy = NULL;
    service->channel = channel;
    service->started = 0;
}
