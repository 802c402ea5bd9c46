// A gRPC server on a Unix socket that answers every coffer.v1.Credentials/Get with
// the same record: the least that gRPC C++ does for a call. One event loop of one
// thread, as the others that it is compared with.
//
//     server SOCKET VALUE

#include <grpcpp/grpcpp.h>
#include <sys/prctl.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "coffer/v1/credentials.grpc.pb.h"

namespace {

using coffer::v1::Credentials;
using coffer::v1::GetRequest;
using coffer::v1::GetResponse;

// One call after another: asked for, answered, and done.
class Call {
   public:
    Call(Credentials::AsyncService *service, grpc::ServerCompletionQueue *queue, const GetResponse *response)
        : service_(service), queue_(queue), response_(response), writer_(&context_) {
        service_->RequestGet(&context_, &request_, &writer_, queue_, queue_, this);
    }

    void proceed(bool ok) {
        if (!ok || answered_) {
            delete this;
            return;
        }
        new Call(service_, queue_, response_);
        answered_ = true;
        writer_.Finish(*response_, grpc::Status::OK, this);
    }

   private:
    Credentials::AsyncService *service_;
    grpc::ServerCompletionQueue *queue_;
    const GetResponse *response_;
    grpc::ServerContext context_;
    GetRequest request_;
    grpc::ServerAsyncResponseWriter<GetResponse> writer_;
    bool answered_ = false;
};

GetResponse make_response(const char *value) {
    GetResponse response;
    response.set_credential(value);
    response.set_version(std::string(24, 'v'));
    response.set_created_at_ms(1790000000000);
    response.set_updated_at_ms(1790000000000);
    response.set_source(coffer::v1::SOURCE_MEMORY);
    response.set_age_ms(1500);
    return response;
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s SOCKET VALUE\n", argv[0]);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    GetResponse response = make_response(argv[2]);
    Credentials::AsyncService service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(std::string("unix:") + argv[1], grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server) return 1;
    for (int i = 0; i < 256; i++) new Call(&service, queue.get(), &response);
    void *tag;
    bool ok;
    while (queue->Next(&tag, &ok)) static_cast<Call *>(tag)->proceed(ok);
    return 0;
}
