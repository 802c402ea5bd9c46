/* Every call of coffer.hpp once, on the daemon that the environment names. Without one it says so, and exits with the status. */
#include <coffer/coffer.hpp>

#include <cstdlib>
#include <iostream>

static void expect(bool holds, const char *what) {
    if (holds) return;
    std::cerr << "does not hold: " << what << '\n';
    std::exit(1);
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
        run();
    } catch (const coffer::Error &error) {
        std::cerr << error.what() << '\n';
        return error.status();
    }
}
