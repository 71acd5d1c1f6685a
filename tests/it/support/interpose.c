/* Stands between the server and the system calls that matter for durability.
 *
 * INTERPOSE_DIR names a directory:
 *   log         one line a call, in the order in which they began or returned (see below)
 *   freeze      while it exists, syncs of matching files wait before they are made
 *   fail-sync   holds an errno: syncs of matching files fail with it
 *   fail-write  holds an errno: writes to matching files fail with it
 *   low-space   while it exists, every file system has one free block
 * INTERPOSE_MATCH is what a matching path contains.
 * INTERPOSE_AHEAD is by how many seconds the clock is ahead, where it is set.
 *
 * Writes and truncations are logged when they have returned, syncs both when they begin and when they have
 * returned, and what goes out on a socket before it is handed over: so the order of two lines is an order of
 * the events themselves.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int control_path(char *path, size_t size, const char *name) {
    const char *dir = getenv("INTERPOSE_DIR");
    return dir && snprintf(path, size, "%s/%s", dir, name) < (int)size;
}

static int present(const char *name) {
    char path[4096];
    return control_path(path, sizeof path, name) && syscall(SYS_faccessat, AT_FDCWD, path, F_OK, 0) == 0;
}

static int number_in(const char *name) {
    char path[4096], text[16] = {0};
    if (!control_path(path, sizeof path, name)) return 0;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    return atoi(text);
}

static void path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size - 1);
    path[n < 0 ? 0 : n] = 0;
}

static int matching(const char *path) {
    const char *match = getenv("INTERPOSE_MATCH");
    return match && strstr(path, match) != NULL;
}

static void note(const char *format, ...) {
    static int log = -1;
    char line[8192], path[4096];
    if (log < 0) {
        if (!control_path(path, sizeof path, "log")) return;
        log = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (n > 0) syscall(SYS_write, log, line, n < (int)sizeof line ? n : (int)sizeof line - 1);
}

/* The beginning of what is sent, on one line. */
static void note_send(int fd, const void *bytes, size_t length) {
    char path[4096], head[13] = {0};
    path_of(fd, path, sizeof path);
    if (strncmp(path, "socket:", 7) != 0) return;
    size_t n = length < 12 ? length : 12;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = ((const unsigned char *)bytes)[i];
        head[i] = c > 32 && c < 127 ? (char)c : '_';
    }
    note("send %s %zu %s\n", path, length, n ? head : "-");
}

static int is_socket(const char *path) { return strncmp(path, "socket:", 7) == 0; }

static int refused(const char *path) {
    int number = matching(path) ? number_in("fail-write") : 0;
    if (number) errno = number;
    return number;
}

static void note_write(int fd, const char *path, off_t offset, ssize_t written) {
    int saved = errno;
    if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - (written > 0 ? written : 0);
    note("write %s %lld %zd\n", path, (long long)offset, written);
    errno = saved;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    char path[4096];
    path_of(fd, path, sizeof path);
    if (is_socket(path)) { note_send(fd, bytes, length); return real(fd, bytes, length); }
    if (path[0] != '/' || strncmp(path, "/dev/", 5) == 0) return real(fd, bytes, length);
    if (refused(path)) return -1;
    ssize_t n = real(fd, bytes, length);
    note_write(fd, path, -1, n);
    return n;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    char path[4096];
    path_of(fd, path, sizeof path);
    if (is_socket(path)) {
        size_t length = 0;
        for (int i = 0; i < count; i++) length += parts[i].iov_len;
        if (count > 0 && parts[0].iov_len >= 12) note_send(fd, parts[0].iov_base, length);
        else note("send %s %zu -\n", path, length);
        return real(fd, parts, count);
    }
    if (path[0] != '/') return real(fd, parts, count);
    if (refused(path)) return -1;
    ssize_t n = real(fd, parts, count);
    note_write(fd, path, -1, n);
    return n;
}

static ssize_t positioned(ssize_t (*real)(int, const void *, size_t, off_t), int fd, const void *bytes, size_t length, off_t offset) {
    char path[4096];
    path_of(fd, path, sizeof path);
    if (refused(path)) return -1;
    ssize_t n = real(fd, bytes, length, offset);
    note_write(fd, path, offset, n);
    return n;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    return positioned(real, fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    return positioned(real, fd, bytes, length, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    REAL(ssize_t, "pwritev64", int, const struct iovec *, int, off_t);
    char path[4096];
    path_of(fd, path, sizeof path);
    if (refused(path)) return -1;
    ssize_t n = real(fd, parts, count, offset);
    note_write(fd, path, offset, n);
    return n;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) { return pwritev(fd, parts, count, offset); }

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    REAL(ssize_t, "send", int, const void *, size_t, int);
    note_send(fd, bytes, length);
    return real(fd, bytes, length, flags);
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    REAL(ssize_t, "sendto", int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    note_send(fd, bytes, length);
    return real(fd, bytes, length, flags, to, size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
    if (message->msg_iovlen > 0) note_send(fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
    return real(fd, message, flags);
}

static int synced(const char *name, int (*real)(int), int fd) {
    char path[4096];
    path_of(fd, path, sizeof path);
    note("%s-begin %s\n", name, path);
    if (matching(path)) {
        while (present("freeze")) usleep(1000);
        int number = number_in("fail-sync");
        if (number) {
            note("%s-failed %s\n", name, path);
            errno = number;
            return -1;
        }
    }
    int result = real(fd);
    int saved = errno;
    note("%s-end %s\n", name, path);
    errno = saved;
    return result;
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return synced("fdatasync", real, fd);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return synced("fsync", real, fd);
}

static int truncated(int (*real)(int, off_t), int fd, off_t length) {
    char path[4096];
    path_of(fd, path, sizeof path);
    if (refused(path)) return -1;
    int result = real(fd, length);
    int saved = errno;
    note("truncate %s %lld\n", path, (long long)length);
    errno = saved;
    return result;
}

int ftruncate(int fd, off_t length) {
    REAL(int, "ftruncate64", int, off_t);
    return truncated(real, fd, length);
}

int ftruncate64(int fd, off64_t length) {
    REAL(int, "ftruncate64", int, off_t);
    return truncated(real, fd, length);
}

#define LOW(buffer) \
    if (result == 0 && present("low-space")) (buffer)->f_bfree = (buffer)->f_bavail = 1; \
    return result

int statvfs(const char *path, struct statvfs *buffer) {
    REAL(int, "statvfs", const char *, struct statvfs *);
    int result = real(path, buffer);
    LOW(buffer);
}

int statvfs64(const char *path, struct statvfs64 *buffer) {
    REAL(int, "statvfs64", const char *, struct statvfs64 *);
    int result = real(path, buffer);
    LOW(buffer);
}

int fstatvfs(int fd, struct statvfs *buffer) {
    REAL(int, "fstatvfs", int, struct statvfs *);
    int result = real(fd, buffer);
    LOW(buffer);
}

int fstatvfs64(int fd, struct statvfs64 *buffer) {
    REAL(int, "fstatvfs64", int, struct statvfs64 *);
    int result = real(fd, buffer);
    LOW(buffer);
}

int statfs(const char *path, struct statfs *buffer) {
    REAL(int, "statfs", const char *, struct statfs *);
    int result = real(path, buffer);
    LOW(buffer);
}

int statfs64(const char *path, struct statfs64 *buffer) {
    REAL(int, "statfs64", const char *, struct statfs64 *);
    int result = real(path, buffer);
    LOW(buffer);
}

int fstatfs(int fd, struct statfs *buffer) {
    REAL(int, "fstatfs", int, struct statfs *);
    int result = real(fd, buffer);
    LOW(buffer);
}

int fstatfs64(int fd, struct statfs64 *buffer) {
    REAL(int, "fstatfs64", int, struct statfs64 *);
    int result = real(fd, buffer);
    LOW(buffer);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    int result = real(clock, time);
    const char *ahead = clock == CLOCK_REALTIME ? getenv("INTERPOSE_AHEAD") : NULL;
    if (ahead && result == 0) time->tv_sec += atoll(ahead);
    return result;
}
