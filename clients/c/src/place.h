/* Where the daemon's socket is, and whose it may be. */
#ifndef COFFER_PLACE_H
#define COFFER_PLACE_H

#include <sys/un.h>

#include "failure.h"

typedef struct coffer_place {
    /* An empty path: it did not fit. */
    struct sockaddr_un address;
    size_t path_size;
    /* A uid that is trusted beside root and this process, and who said so;
     * NULL = nobody. */
    uint32_t told_uid;
    const char *told_by;
    /* The size of a COFFER_SERVER_UID that is no uid; 0 = it is one, or unset. */
    size_t bad_uid_size;
} coffer_place;

/* From the options, the environment (which does not count in a setuid program)
 * and the rule in proto/PROTOCOL.md, "Where the socket is". */
void coffer_place_find(coffer_place *place, const coffer_options *options);

/* Before connecting: 0 = the socket is there and belongs to somebody who is
 * trusted; -1 = it must not be used, the failure says why; else an errno. */
int coffer_place_check(const coffer_place *place, coffer_failure *failure);

/* After connecting: the same of the process that listens. */
int coffer_place_check_peer(const coffer_place *place, int fd, coffer_failure *failure);

/* Whether the error means that nobody listens there. */
bool coffer_place_is_absent(int error);

/* Sets the failure that an error of the two above, or of connect(2), is. */
void coffer_place_explain(const coffer_place *place, int error, coffer_failure *failure);

#endif
