#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

int coffer_peer_credentials(int fd, struct coffer_peer *peer) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
    peer->pid = credentials.pid;
    peer->uid = credentials.uid;
    peer->gid = credentials.gid;
    return 0;
}

int coffer_peer_groups(int fd, gid_t *groups, int capacity) {
    socklen_t length = (socklen_t)capacity * sizeof *groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0) return -1;
    return (int)(length / sizeof *groups);
}

int coffer_peer_process(int fd) {
    int process = -1;
    socklen_t length = sizeof process;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &process, &length) != 0) return -1;
    return process;
}

bool coffer_process_lives(int process) {
    struct pollfd poll_process = {.fd = process, .events = POLLIN};
    int ready;
    do {
        ready = poll(&poll_process, 1, 0);
    } while (ready < 0 && errno == EINTR);
    return ready == 0;
}

bool coffer_gives_peer_processes(void) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    int process = coffer_peer_process(pair[0]);
    close(pair[0]);
    close(pair[1]);
    if (process < 0) return false;
    close(process);
    return true;
}

static void *map_memfd_secret(size_t bytes, int *refused) {
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd < 0) {
        *refused = errno;
        return NULL;
    }
    void *region = MAP_FAILED;
    if (ftruncate(fd, (off_t)bytes) == 0)
        region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (region == MAP_FAILED) *refused = errno;
    close(fd);
    return region == MAP_FAILED ? NULL : region;
}

void *coffer_secret_map(size_t bytes, struct coffer_refused_memory *refused) {
    *refused = (struct coffer_refused_memory){0, 0};
    void *region = map_memfd_secret(bytes, &refused->memfd_secret);
    if (region == NULL) {
        region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (region == MAP_FAILED) return NULL;
        if (mlock(region, bytes) != 0) refused->mlock = errno;
        (void)madvise(region, bytes, MADV_DONTDUMP);
    }
    (void)madvise(region, bytes, MADV_WIPEONFORK);
    return region;
}

int coffer_bound_arenas(int count) {
    return mallopt(M_ARENA_MAX, count) == 1 ? 0 : -1;
}

const char *coffer_environment_entry(size_t index) {
    return environ == NULL ? NULL : environ[index];
}

void coffer_forget_variable(const char *name) {
    size_t length = strlen(name);
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            explicit_bzero(*entry + length + 1, strlen(*entry + length + 1));
    unsetenv(name);
}

void coffer_forget_variables(const char *prefix) {
    size_t length = strlen(prefix);
    char **kept = environ;
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, prefix, length) == 0)
            explicit_bzero(*entry, strlen(*entry));
        else
            *kept++ = *entry;
    }
    if (kept != NULL) *kept = NULL;
}

static bool is_proxy(const char *entry) {
    static const char ending[] = "_proxy";
    const char *end = strchr(entry, '=');
    return end != NULL && end - entry >= (ptrdiff_t)strlen(ending) &&
           strncasecmp(end - strlen(ending), ending, strlen(ending)) == 0;
}

void coffer_forget_proxies(void) {
    char **kept = environ;
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (is_proxy(*entry)) {
            char *value = strchr(*entry, '=') + 1;
            explicit_bzero(value, strlen(value));
        } else {
            *kept++ = *entry;
        }
    }
    if (kept != NULL) *kept = NULL;
}

void coffer_wipe(void *memory, size_t bytes) { explicit_bzero(memory, bytes); }

/* Deeper than any call chain of ours goes below the loops that call it. */
enum { TRACE_BYTES = 48 << 10 };

static __attribute__((noinline)) void wipe_stack(void) {
    unsigned char below[TRACE_BYTES];
    explicit_bzero(below, sizeof below);
}

#if defined(__x86_64__)
__attribute__((target("avx512f"), noinline)) static void wipe_upper_registers(void) {
    __asm__ volatile("vpxorq %%zmm16, %%zmm16, %%zmm16\n\tvpxorq %%zmm17, %%zmm17, %%zmm17\n\t"
                     "vpxorq %%zmm18, %%zmm18, %%zmm18\n\tvpxorq %%zmm19, %%zmm19, %%zmm19\n\t"
                     "vpxorq %%zmm20, %%zmm20, %%zmm20\n\tvpxorq %%zmm21, %%zmm21, %%zmm21\n\t"
                     "vpxorq %%zmm22, %%zmm22, %%zmm22\n\tvpxorq %%zmm23, %%zmm23, %%zmm23\n\t"
                     "vpxorq %%zmm24, %%zmm24, %%zmm24\n\tvpxorq %%zmm25, %%zmm25, %%zmm25\n\t"
                     "vpxorq %%zmm26, %%zmm26, %%zmm26\n\tvpxorq %%zmm27, %%zmm27, %%zmm27\n\t"
                     "vpxorq %%zmm28, %%zmm28, %%zmm28\n\tvpxorq %%zmm29, %%zmm29, %%zmm29\n\t"
                     "vpxorq %%zmm30, %%zmm30, %%zmm30\n\tvpxorq %%zmm31, %%zmm31, %%zmm31"
                     ::: "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24",
                         "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
}

__attribute__((target("avx"), noinline)) static void wipe_lower_registers(void) {
    __asm__ volatile("vzeroall" ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                     "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static __attribute__((noinline)) void wipe_baseline_registers(void) {
    __asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\t"
                     "pxor %%xmm3, %%xmm3\n\tpxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\t"
                     "pxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\tpxor %%xmm8, %%xmm8\n\t"
                     "pxor %%xmm9, %%xmm9\n\tpxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t"
                     "pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\tpxor %%xmm14, %%xmm14\n\t"
                     "pxor %%xmm15, %%xmm15"
                     ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                         "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static void wipe_registers(void) {
    if (__builtin_cpu_supports("avx512f")) wipe_upper_registers();
    if (__builtin_cpu_supports("avx"))
        wipe_lower_registers();
    else
        wipe_baseline_registers();
}
#elif defined(__aarch64__)
static __attribute__((noinline)) void wipe_registers(void) {
    __asm__ volatile("movi v0.2d, #0\n\tmovi v1.2d, #0\n\tmovi v2.2d, #0\n\tmovi v3.2d, #0\n\t"
                     "movi v4.2d, #0\n\tmovi v5.2d, #0\n\tmovi v6.2d, #0\n\tmovi v7.2d, #0\n\t"
                     "movi v16.2d, #0\n\tmovi v17.2d, #0\n\tmovi v18.2d, #0\n\tmovi v19.2d, #0\n\t"
                     "movi v20.2d, #0\n\tmovi v21.2d, #0\n\tmovi v22.2d, #0\n\tmovi v23.2d, #0\n\t"
                     "movi v24.2d, #0\n\tmovi v25.2d, #0\n\tmovi v26.2d, #0\n\tmovi v27.2d, #0\n\t"
                     "movi v28.2d, #0\n\tmovi v29.2d, #0\n\tmovi v30.2d, #0\n\tmovi v31.2d, #0"
                     ::: "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20",
                         "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}
#else
static void wipe_registers(void) {}
#endif

void coffer_scrub_stack(void) {
    wipe_stack();
    wipe_registers();
}

int coffer_harden_process(bool for_good) {
    struct rlimit core;
    if (getrlimit(RLIMIT_CORE, &core) != 0) return -1;
    core.rlim_cur = 0;
    if (for_good) core.rlim_max = 0;
    if (setrlimit(RLIMIT_CORE, &core) != 0) return -1;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return -1;
    return !for_good ? 0 : prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static uint64_t read_clock(clockid_t id, uint64_t per_second) {
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * per_second + (uint64_t)now.tv_nsec / (1000000000u / per_second);
}

uint64_t coffer_boot_nanoseconds(void) { return read_clock(CLOCK_BOOTTIME, 1000000000u); }

uint64_t coffer_wall_milliseconds(void) { return read_clock(CLOCK_REALTIME, 1000u); }

int coffer_random(void *memory, size_t bytes) {
    unsigned char *cursor = memory;
    while (bytes > 0) {
        ssize_t got = getrandom(cursor, bytes, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        cursor += got;
        bytes -= (size_t)got;
    }
    return 0;
}

static bool write_all(int fd, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes += written;
        count -= (size_t)written;
    }
    return true;
}

int coffer_memory_file(const void *bytes, size_t count) {
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int fd = memfd_create("coffer", MFD_ALLOW_SEALING);
    if (fd < 0) return -1;
    if (write_all(fd, bytes, count) && fchmod(fd, 0400) == 0 && fcntl(fd, F_ADD_SEALS, seals) == 0 &&
        lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int coffer_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void coffer_default_thread_stack(size_t bytes) {
    pthread_attr_t attributes;
    size_t present = 0;
    if (pthread_getattr_default_np(&attributes) != 0) return;
    if (pthread_attr_getstacksize(&attributes, &present) == 0 && present < bytes &&
        pthread_attr_setstacksize(&attributes, bytes) == 0)
        (void)pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
}

void coffer_name_thread(const char *name) {
    char cut[16] = {0};
    strncpy(cut, name, sizeof cut - 1);
    (void)prctl(PR_SET_NAME, cut, 0, 0, 0);
}

static int epoll_change(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(epoll, operation, fd, &event);
}

int coffer_epoll_add(int epoll, int fd, uint32_t events, uint64_t token) {
    return epoll_change(epoll, EPOLL_CTL_ADD, fd, events, token);
}

int coffer_epoll_modify(int epoll, int fd, uint32_t events, uint64_t token) {
    return epoll_change(epoll, EPOLL_CTL_MOD, fd, events, token);
}

int coffer_epoll_remove(int epoll, int fd) { return epoll_change(epoll, EPOLL_CTL_DEL, fd, 0, 0); }

static int unix_address(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}

static int close_keeping_errno(int fd) {
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int coffer_unix_listen(const char *path, mode_t mode, int backlog) {
    struct sockaddr_un address;
    if (unix_address(path, &address) != 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    /* bind() makes the path with the mode of the socket's inode, less the umask: so it has
     * its mode from the first moment on, and no name is looked up a second time. */
    mode_t before = umask(~mode & 0777);
    bool bound = fchmod(fd, mode) == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    int refused = errno;
    umask(before);
    errno = refused;
    if (!bound || listen(fd, backlog) != 0) return close_keeping_errno(fd);
    return fd;
}

int coffer_unix_connect(const char *path) {
    struct sockaddr_un address;
    if (unix_address(path, &address) != 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) return close_keeping_errno(fd);
    return fd;
}

int coffer_accept(int listener) {
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static int integer_option(int fd, int option, int *value) {
    socklen_t length = sizeof *value;
    return getsockopt(fd, SOL_SOCKET, option, value, &length);
}

int coffer_is_unix_listener(int fd) {
    int domain, type, listens;
    if (integer_option(fd, SO_DOMAIN, &domain) != 0 || integer_option(fd, SO_TYPE, &type) != 0 ||
        integer_option(fd, SO_ACCEPTCONN, &listens) != 0)
        return -1;
    return domain == AF_UNIX && type == SOCK_STREAM && listens != 0;
}

int coffer_unix_path(int fd, char *path) {
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    memset(&address, 0, sizeof address);
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) return -1;
    size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t count = length > start ? length - start : 0;
    if (count > sizeof address.sun_path) count = sizeof address.sun_path;
    memcpy(path, address.sun_path, count);
    path[count] = 0;
    /* An abstract name begins with a zero, and may have more. */
    if (count > 1 && path[0] == 0)
        for (size_t index = 0; index < count; index++)
            if (path[index] == 0) path[index] = '@';
    return 0;
}

int coffer_hand_over(int fd) {
    int flags = fcntl(fd, F_GETFD);
    int status = flags < 0 ? -1 : fcntl(fd, F_GETFL);
    if (status < 0) return -1;
    return fcntl(fd, F_SETFD, flags | FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) != 0 ? -1 : 0;
}
