/* Every call of coffer.hpp once, on the daemon that the environment names. Without one it says so, and exits with the status. */
#include <coffer/coffer.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <iostream>

static void expect(bool holds, const char *what) {
    if (holds) return;
    std::cerr << "does not hold: " << what << '\n';
    std::exit(1);
}

template <typename Call> static void refused(Call call, const std::string &name) {
    try {
        call();
    } catch (const coffer::Error &error) {
        expect(error.status() == COFFER_INVALID_ARGUMENT && error.reason() == COFFER_REASON_BAD_FIELD, "its status");
        expect(error.what() == name + ": expected text without NUL bytes", error.what());
        expect(!error.may_have_happened() && !error.retryable(), "nothing was done");
        return;
    }
    expect(false, "NUL is refused");
}

/* C would read up to the NUL: the record of somebody else. */
static void refuse_nul() {
    const std::string cut("ann\0x", 5);
    coffer::Client client("/nonexistent/coffer.sock");
    refused([&] { (void)client.get(cut, "github"); }, "user");
    refused([&] { (void)client.get("ann", cut); }, "connection");
    refused([&] { (void)client.try_get(cut, "github"); }, "user");
    refused([&] { (void)client.try_get("ann", cut); }, "connection");
    refused([&] { client.store(cut, "github", "s"); }, "user");
    refused([&] { client.store("ann", cut, "s"); }, "connection");
    refused([&] { client.remove(cut, "github"); }, "user");
    refused([&] { client.remove("ann", cut); }, "connection");
    refused([&] { client.remove("ann", "github", cut); }, "if_version");
    coffer::StoreOptions how;
    how.if_version = cut;
    refused([&] { client.store("ann", "github", "s", how); }, "if_version");
    how.if_version.reset();
    how.labels = {{cut, "prod"}};
    refused([&] { client.store("ann", "github", "s", how); }, "label");
    how.labels = {{"env", cut}};
    refused([&] { client.store("ann", "github", "s", how); }, "label");
    refused([&] { coffer::Client wrong(cut); }, "socket_path");
}

/* How long a call waits for a daemon that never answers, in milliseconds. */
static int wait_with(std::chrono::milliseconds timeout) {
    char folder[] = "/tmp/coffer-consumer-XXXXXX";
    expect(mkdtemp(folder) != nullptr, "mkdtemp");
    const std::string path = std::string(folder) + "/s";
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    expect(bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0 && listen(listener, 1) == 0, "listen");
    coffer::Client client(path, timeout);
    auto ignore = [](coffer_client *, coffer_record *, void *) {};
    expect(coffer_start_get(client.get_c(), "ann", "github", nullptr, ignore, nullptr) != 0, "start");
    coffer_process(client.get_c());
    int wait = coffer_wait_ms(client.get_c());
    close(listener);
    unlink(path.c_str());
    rmdir(folder);
    return wait;
}

static void keep_times() {
    using std::chrono::milliseconds;
    expect(wait_with(milliseconds(INT64_C(1) << 32)) == INT_MAX, "a timeout over 32 bits is long");
    expect(wait_with(milliseconds((INT64_C(1) << 32) + 2)) == INT_MAX, "and is not cut");
    expect(wait_with(milliseconds(-5000)) <= 1, "a timeout below 0 is over at once");
    int usual = wait_with(milliseconds(0));
    expect(usual > 1 && usual <= 5000, "0 is the default");
}

static void run() {
    coffer::Client client;
    coffer::StoreOptions how;
    how.labels = {{"env", "prod"}};
    how.if_absent = true;
    std::string version = client.store("ann", "github", std::string_view("s3\0cret", 7), how);
    coffer::Record record = client.get("ann", "github");
    coffer::Record moved = std::move(record);
    expect(moved.credential() == std::string_view("s3\0cret", 7), "the credential comes back");
    expect(moved.version() == version && moved.label("env") == "prod" && !moved.label("other"), "so does the rest");
    expect(client.get("ann", "github", std::chrono::milliseconds(0)).source() == COFFER_SOURCE_VAULT, "max_age");
    expect(client.get("ann", "github").source() == COFFER_SOURCE_MEMORY, "the cache");
    expect(client.get("ann", "github", std::chrono::milliseconds(-1)).source() == COFFER_SOURCE_VAULT, "a max_age below 0 is 0");
    expect(!client.get("ann", "github").label(std::string("env\0x", 5)), "a name with NUL is no label's");
    try {
        client.store("ann", "github", "other", how);
        expect(false, "if_absent");
    } catch (const coffer::Error &error) {
        expect(error.status() == COFFER_ALREADY_EXISTS && error.reason() == COFFER_REASON_ALREADY_EXISTS, "its status");
        expect(!error.retryable() && error.retry_after().count() == 0 && *error.what() != '\0', "its text");
    }
    expect(client.remove("ann", "github", version) && !client.remove("ann", "github"), "what is removed is gone");
    expect(!client.try_get("ann", "github"), "try_get of what is gone");
    std::cout << "s3cret\n";
}

int main() {
    try {
        refuse_nul();
        keep_times();
        run();
    } catch (const coffer::Error &error) {
        std::cerr << error.what() << '\n';
        return error.status();
    }
}
