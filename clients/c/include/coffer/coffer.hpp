/*
 * coffer.h for C++17 and later: results that free themselves, and errors that are thrown. Header only; link with libcoffer.
 *
 *     coffer::Client client;
 *     client.store("ann", "github", "s3cret");
 *     coffer::Record record = client.get("ann", "github");
 *     use(record.credential());
 *
 * A client is used by one thread at a time. Every call may throw coffer::Error, or std::bad_alloc. For calls of an event
 * loop and for operators use the C functions on `client.get_c()`.
 */
#ifndef COFFER_COFFER_HPP
#define COFFER_COFFER_HPP

#include <coffer/coffer.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coffer {

/* A call that failed. `what()` is the text for people; it never holds a credential. */
class Error : public std::runtime_error {
public:
    explicit Error(const coffer_client *client)
        : std::runtime_error(coffer_error_message(client)), status_(coffer_error_status(client)),
          reason_(coffer_error_reason(client)), retryable_(coffer_error_retryable(client)),
          may_have_happened_(coffer_error_may_have_happened(client)), retry_after_(coffer_error_retry_after_ms(client)) {}

    /* An argument that cannot be sent: INVALID_ARGUMENT. */
    explicit Error(const std::string &message)
        : std::runtime_error(message), status_(COFFER_INVALID_ARGUMENT), reason_(COFFER_REASON_BAD_FIELD), retryable_(false),
          may_have_happened_(false), retry_after_(0) {}

    /* By which programs act. */
    coffer_status status() const noexcept { return status_; }
    coffer_reason reason() const noexcept { return reason_; }
    /* The same call may succeed later without a change. */
    bool retryable() const noexcept { return retryable_; }
    /* A store or remove may have been done all the same. Read first, or repeat it with a condition. */
    bool may_have_happened() const noexcept { return may_have_happened_; }
    /* How long to wait before trying again; 0 = no advice. */
    std::chrono::milliseconds retry_after() const noexcept { return retry_after_; }

private:
    coffer_status status_;
    coffer_reason reason_;
    bool retryable_;
    bool may_have_happened_;
    std::chrono::milliseconds retry_after_;
};

/* A credential and what is known about it. Overwritten when it goes; outlives its client. What it returns dies with it. */
class Record {
public:
    /* Takes the record over. */
    explicit Record(coffer_record *record) noexcept : record_(record) {}

    /* The bytes, which need not be text. */
    std::string_view credential() const noexcept {
        return {static_cast<const char *>(coffer_record_credential(record_.get())), coffer_record_size(record_.get())};
    }
    /* Opaque: equal exactly when the stored value is the same write. */
    std::string_view version() const noexcept { return coffer_record_version(record_.get()); }
    coffer_source source() const noexcept { return coffer_record_source(record_.get()); }
    /* Since the vault said so. */
    std::chrono::milliseconds age() const noexcept {
        return std::chrono::milliseconds(static_cast<std::int64_t>(coffer_record_age_ms(record_.get())));
    }
    bool stale() const noexcept { return coffer_record_stale(record_.get()); }
    /* The value of the label with this name; nothing if there is none. */
    std::optional<std::string_view> label(const std::string &name) const noexcept {
        if (name.find('\0') != std::string::npos) return std::nullopt;
        const char *value = coffer_record_label(record_.get(), name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string_view>(value);
    }
    /* For the functions of coffer.h; stays this object's. */
    const coffer_record *get_c() const noexcept { return record_.get(); }

private:
    struct Free {
        void operator()(coffer_record *record) const noexcept { coffer_record_free(record); }
    };
    std::unique_ptr<coffer_record, Free> record_;
};

/* How a store is made; what is not set has its default. */
struct StoreOptions {
    /* Seconds until the record expires; 0 = the vault's default. */
    std::uint32_t ttl_seconds = 0;
    std::vector<std::pair<std::string, std::string>> labels = {};
    /* Store only if this is the version in the vault, else COFFER_ABORTED. */
    std::optional<std::string> if_version = {};
    /* Store only if there is no record, else COFFER_ALREADY_EXISTS. */
    bool if_absent = false;
};

/* A client. Connects with the first call, and again whenever the daemon went away. */
class Client {
public:
    /* `socket_path`: empty = as coffer_options says. `timeout`: how long a call may take in all; 0 = 5 s, below 0 = 1 ms,
     * at most 2^32 - 1 ms. */
    explicit Client(const std::string &socket_path = {}, std::chrono::milliseconds timeout = {}) {
        coffer_options options = {};
        options.socket_path = socket_path.empty() ? nullptr : text("socket_path", socket_path);
        if (timeout.count() != 0) options.timeout_ms = clamped<std::uint32_t>(timeout, 1);
        client_.reset(coffer_open(&options));
        if (client_ == nullptr) throw std::bad_alloc();
    }

    /* With Error::status() COFFER_NOT_FOUND if there is no live record. A `max_age` below 0 is 0: the vault is asked. */
    Record get(const std::string &user, const std::string &connection,
               std::optional<std::chrono::milliseconds> max_age = {}) {
        coffer_get_options options = {};
        options.has_max_age = max_age.has_value();
        options.max_age_ms = clamped<std::uint64_t>(max_age.value_or(std::chrono::milliseconds(0)), 0);
        coffer_record *record = nullptr;
        check(coffer_get(client_.get(), text("user", user), text("connection", connection), &options, &record));
        return Record(record);
    }

    /* Nothing if there is no live record. */
    std::optional<Record> try_get(const std::string &user, const std::string &connection) {
        coffer_record *record = nullptr;
        coffer_status status = coffer_get(
            client_.get(), text("user", user), text("connection", connection), nullptr, &record);
        if (status == COFFER_NOT_FOUND) return std::nullopt;
        check(status);
        return Record(record);
    }

    /* Creates the credential or replaces it whole; the new version. */
    std::string store(const std::string &user, const std::string &connection, std::string_view credential,
                      const StoreOptions &how = {}) {
        std::vector<coffer_label> labels;
        for (const auto &[name, value] : how.labels) labels.push_back({text("label", name), text("label", value)});
        coffer_store_options options = {};
        options.ttl_seconds = how.ttl_seconds;
        options.labels = labels.data();
        options.label_count = labels.size();
        options.if_version = how.if_version ? text("if_version", *how.if_version) : nullptr;
        options.if_absent = how.if_absent;
        coffer_stored *stored = nullptr;
        check(coffer_store(
            client_.get(), text("user", user), text("connection", connection), credential.data(), credential.size(), &options,
            &stored));
        std::unique_ptr<coffer_stored, void (*)(coffer_stored *)> owner(stored, coffer_stored_free);
        return coffer_stored_version(stored);
    }

    /* Whether a live record was there and this call removed it. */
    bool remove(const std::string &user, const std::string &connection, std::optional<std::string> if_version = {}) {
        coffer_delete_options options = {};
        options.if_version = if_version ? text("if_version", *if_version) : nullptr;
        bool existed = false;
        check(coffer_delete(client_.get(), text("user", user), text("connection", connection), &options, &existed));
        return existed;
    }

    /* For the functions of coffer.h; stays this object's. */
    coffer_client *get_c() noexcept { return client_.get(); }

private:
    /* C would end the text at its first NUL and name another record. */
    static const char *text(const char *name, const std::string &value) {
        if (value.find('\0') != std::string::npos) throw Error(std::string(name) + ": expected text without NUL bytes");
        return value.c_str();
    }

    template <typename Number> static Number clamped(std::chrono::milliseconds time, Number least) {
        if (time.count() < 0) return least;
        const auto count = static_cast<std::uint64_t>(time.count());
        return count < std::numeric_limits<Number>::max() ? static_cast<Number>(count) : std::numeric_limits<Number>::max();
    }

    void check(coffer_status status) const {
        if (status != COFFER_OK) throw Error(client_.get());
    }

    struct Close {
        void operator()(coffer_client *client) const noexcept { coffer_close(client); }
    };
    std::unique_ptr<coffer_client, Close> client_;
};

} // namespace coffer

#endif
