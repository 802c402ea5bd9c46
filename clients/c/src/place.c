#define _GNU_SOURCE

#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char socket_name[] = "/coffer.sock";

/* An empty variable counts as unset. */
static const char *variable(const char *name) {
    const char *value = secure_getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* ---- The path ---- */

/* A real folder of this user, not a link, that nobody else may write to. */
static bool is_own_folder(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           (status.st_mode & 022) == 0;
}

/* The folder that the rule ends with; anybody could have made it. */
static void temporary_folder(char *path, size_t size) {
    snprintf(path, size, "/tmp/coffer-%u", (unsigned)geteuid());
}

static void set_path(coffer_place *place, const char *folder, const char *rest) {
    size_t folder_size = strlen(folder), rest_size = strlen(rest);
    place->path_size = folder_size + rest_size;
    if (place->path_size >= sizeof place->address.sun_path) return;
    memcpy(place->address.sun_path, folder, folder_size);
    memcpy(place->address.sun_path + folder_size, rest, rest_size + 1);
}

static void find_path(coffer_place *place, const char *path) {
    const char *runtime = variable("XDG_RUNTIME_DIR");
    char folder[64];
    if (path == NULL) path = variable("COFFER_SOCKET");
    if (path != NULL) {
        set_path(place, path, "");
        return;
    }
    if (runtime != NULL && runtime[0] == '/') {
        set_path(place, runtime, "/coffer/coffer.sock");
        return;
    }
    if (geteuid() == 0) {
        set_path(place, "/run/coffer/coffer.sock", "");
        return;
    }
    snprintf(folder, sizeof folder, "/run/user/%u", (unsigned)geteuid());
    if (is_own_folder(folder)) {
        set_path(place, folder, "/coffer/coffer.sock");
        return;
    }
    temporary_folder(folder, sizeof folder);
    set_path(place, folder, socket_name);
}

/* ---- Who is trusted ---- */

static bool is_trusted(const coffer_place *place, uid_t uid) {
    return uid == 0 || uid == geteuid() || (place->told_by != NULL && uid == place->told_uid);
}

static void find_trusted(coffer_place *place, const coffer_options *options) {
    const char *text = variable("COFFER_SERVER_UID");
    place->told_uid = options->server_uid;
    if (place->told_uid != 0) {
        place->told_by = "server_uid";
    } else if (text != NULL) {
        size_t digits = strspn(text, "0123456789");
        unsigned long uid = digits <= 10 ? strtoul(text, NULL, 10) : UINT32_MAX;
        place->told_uid = (uint32_t)uid;
        place->told_by = "COFFER_SERVER_UID";
        if (digits == 0 || text[digits] != '\0' || uid >= UINT32_MAX) {
            place->bad_uid_size = strlen(text);
        }
    }
}

void coffer_place_find(coffer_place *place, const coffer_options *options) {
    memset(place, 0, sizeof *place);
    place->address.sun_family = AF_UNIX;
    find_path(place, options->socket_path);
    find_trusted(place, options);
}

/* `found` is what belongs to `uid`, as the text begins. */
static int refuse(const coffer_place *place, const char *found, uid_t uid, coffer_failure *failure) {
    char own[64] = "", told[96] = "";
    bool has_own = geteuid() != 0;
    bool has_told = place->told_by != NULL && place->told_uid != 0 && place->told_uid != geteuid();
    if (has_own) {
        snprintf(
            own, sizeof own, "%s%u (this process)", has_told ? ", " : " or ", (unsigned)geteuid());
    }
    if (has_told) {
        snprintf(told, sizeof told, " or %u (%s)", (unsigned)place->told_uid, place->told_by);
    }
    coffer_failure_set(
        failure, COFFER_FAILED_PRECONDITION, COFFER_REASON_NONE, false,
        "%s uid %u, expected 0 (root)%s%s; if that uid is trusted with credentials, set "
        "COFFER_SERVER_UID=%u",
        found, (unsigned)uid, own, told, (unsigned)uid);
    return -1;
}

/* ---- Checks ---- */

static int check_temporary_folder(const coffer_place *place, coffer_failure *failure) {
    char folder[64];
    struct stat status;
    temporary_folder(folder, sizeof folder);
    size_t size = strlen(folder);
    if (strncmp(place->address.sun_path, folder, size) != 0 ||
        strcmp(place->address.sun_path + size, socket_name) != 0) {
        return 0;
    }
    if (lstat(folder, &status) != 0) return errno;
    if (S_ISDIR(status.st_mode) && status.st_uid == geteuid() && (status.st_mode & 077) == 0) {
        return 0;
    }
    coffer_failure_set(
        failure, COFFER_FAILED_PRECONDITION, COFFER_REASON_NONE, false,
        "%s must be a folder of uid %u with mode 0700, not a link; remove it, or set COFFER_SOCKET",
        folder, (unsigned)geteuid());
    return -1;
}

int coffer_place_check(const coffer_place *place, coffer_failure *failure) {
    const char *path = place->address.sun_path;
    struct stat status;
    char found[160];
    if (place->bad_uid_size > 0) {
        coffer_failure_set(
            failure, COFFER_INVALID_ARGUMENT, COFFER_REASON_BAD_FIELD, false,
            "COFFER_SERVER_UID: expected the number of a uid, got %zu bytes that are none; correct "
            "or unset it",
            place->bad_uid_size);
        return -1;
    }
    if (path[0] == '\0') {
        coffer_failure_set(
            failure, COFFER_INVALID_ARGUMENT, COFFER_REASON_BAD_FIELD, false,
            "the path of the socket has %zu bytes, expected 1 to %zu; set COFFER_SOCKET to another "
            "one",
            place->path_size, sizeof place->address.sun_path - 1);
        return -1;
    }
    int result = check_temporary_folder(place, failure);
    if (result != 0) return result;
    if (stat(path, &status) != 0) return errno;
    if (!S_ISSOCK(status.st_mode)) return ENOTSOCK;
    if (is_trusted(place, status.st_uid)) return 0;
    snprintf(found, sizeof found, "the socket %s belongs to", path);
    return refuse(place, found, status.st_uid, failure);
}

int coffer_place_check_peer(const coffer_place *place, int fd, coffer_failure *failure) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    char found[160];
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return errno;
    if (is_trusted(place, peer.uid)) return 0;
    snprintf(found, sizeof found, "the program that listens at %s runs as", place->address.sun_path);
    return refuse(place, found, peer.uid, failure);
}

/* ---- Errors ---- */

bool coffer_place_is_absent(int error) {
    return error == ENOENT || error == ENOTDIR || error == ECONNREFUSED;
}

void coffer_place_explain(const coffer_place *place, int error, coffer_failure *failure) {
    const char *path = place->address.sun_path;
    if (coffer_place_is_absent(error)) {
        coffer_failure_set(
            failure, COFFER_UNAVAILABLE, COFFER_REASON_NONE, true,
            "cofferd is not running at %s; start it, or set COFFER_SOCKET", path);
    } else if (error == ENOTSOCK || error == EPROTOTYPE) {
        coffer_failure_set(
            failure, COFFER_FAILED_PRECONDITION, COFFER_REASON_NONE, false,
            "%s is not a socket of cofferd; move it away, or set COFFER_SOCKET", path);
    } else if (error == EACCES || error == EPERM) {
        coffer_failure_set(
            failure, COFFER_PERMISSION_DENIED, COFFER_REASON_DENIED, false,
            "uid %u may not use the socket %s; check its mode and its folder's, or set COFFER_SOCKET",
            (unsigned)geteuid(), path);
    } else {
        coffer_failure_set(
            failure, COFFER_UNAVAILABLE, COFFER_REASON_NONE, true,
            "cannot connect to cofferd at %s: %s; check the host's limits, or set COFFER_SOCKET",
            path, strerror(error));
    }
}
