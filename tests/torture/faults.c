/* Stands between the server and every call that changes a file of its store.
 *
 * TORTURE_DIR      the directory whose files are meant, as a real path
 * TORTURE_LOG      where to log each change, for the disk to be put together again as of any moment (disk.rs);
 *                  without it nothing is logged
 * TORTURE_CONTROL  a file of 4096 bytes, shared with the harness: the words below, and at byte 2048 the call
 *                  that was made to fail last. Where there is a log, this must be there too
 *
 * A log record is made under the same lock as its call, so the log's order is the order of the changes. What
 * goes out on a socket is logged before it is handed over: an answer at place p was promised at p at the latest.
 * A sync says how many records there were when it began: those of its file it has made stable, and no others.
 * sync_file_range makes nothing stable: it leaves out metadata and the disk's own cache.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The words of the control file; interposer.rs has the same list. */
enum { ARMED, COUNT, FIRST, LAST, FAULT, CLASSES, HITS, SYNC_DELAY, SKIP_SYNC, RECORDS, HELD, WORDS };
enum { FAULT_EIO = 1, FAULT_ENOSPC = 2, FAULT_SHORT = 3, FAULT_LIE = 4 };
enum { WRITES = 1, SYNCS = 2, OPENS = 4, NAMES = 8, TRUNCATIONS = 16, READS = 32 };

/* The kinds of a record; log.rs has the same list. */
enum { LOG_WRITE = 1, LOG_TRUNCATE, LOG_CREATE, LOG_RENAME, LOG_UNLINK, LOG_MKDIR, LOG_RMDIR, LOG_SYNC, LOG_SEND, LOG_UNKNOWN };

struct record {
    uint32_t kind, zeros;
    uint64_t inode, a, b;
    uint32_t first, second;
};

static _Atomic uint64_t *control;
static char *last_hit;
static char dir[4096];
static size_t dir_length;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void prepare(void) {
    const char *path = getenv("TORTURE_CONTROL");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    if (fd >= 0) {
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page != MAP_FAILED) {
            control = page;
            last_hit = (char *)page + 2048;
        }
        syscall(SYS_close, fd);
    }
    path = getenv("TORTURE_DIR");
    if (path) dir_length = (size_t)snprintf(dir, sizeof dir, "%s", path);
    path = getenv("TORTURE_LOG");
    if (path) log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static uint64_t word(int which) { return control ? atomic_load(&control[which]) : 0; }

/* Several processes may be at work on one directory and one log. The lock between them is in the control file,
 * where the harness opens it again for those who come after one that was killed. */
static void enter(void) {
    pthread_mutex_lock(&lock);
    while (control && log_fd >= 0 && atomic_exchange(&control[HELD], 1)) sched_yield();
}

static void leave(void) {
    if (control && log_fd >= 0) atomic_store(&control[HELD], 0);
    pthread_mutex_unlock(&lock);
}

static int inside(const char *path) {
    return dir_length && strncmp(path, dir, dir_length) == 0 && (path[dir_length] == '/' || path[dir_length] == 0);
}

static void path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size - 1);
    path[n < 0 ? 0 : n] = 0;
}

/* The path that a name means, without following a link in its last part. */
static int resolve(int at, const char *name, char *path) {
    if (name[0] == '/') return snprintf(path, 4096, "%s", name) < 4096;
    char base[4096];
    if (at == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
    else path_of(at, base, sizeof base);
    while (strncmp(name, "./", 2) == 0) name += 2;
    if (strcmp(name, ".") == 0 || !*name) return snprintf(path, 4096, "%s", base) < 4096;
    return snprintf(path, 4096, "%s/%s", base, name) < 4096;
}

/* Whether this call is to fail, and how: 0 or a FAULT_. */
static int fault(int class, const char *call, const char *path) {
    if (!word(ARMED) || !(word(CLASSES) & (uint64_t)class)) return 0;
    uint64_t count = atomic_fetch_add(&control[COUNT], 1) + 1;
    if (count < word(FIRST) || count > word(LAST)) return 0;
    atomic_fetch_add(&control[HITS], 1);
    snprintf(last_hit, 2048, "%s %s", call, path + (inside(path) ? dir_length : 0));
    int what = (int)word(FAULT);
    errno = what == FAULT_ENOSPC ? ENOSPC : EIO;
    return what;
}

static void note(uint32_t kind, uint64_t inode, uint64_t a, uint64_t b, const void *first, size_t n, const void *second, size_t m) {
    if (log_fd < 0) return;
    int saved = errno;
    const char *bytes = first;
    uint32_t zeros = kind == LOG_WRITE && n > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
    struct record record = { kind, zeros, inode, a, b, zeros ? 0 : (uint32_t)n, (uint32_t)m };
    struct iovec parts[3] = { { &record, sizeof record }, { (void *)first, zeros ? 0 : n }, { (void *)second, m } };
    if (control) atomic_fetch_add(&control[RECORDS], 1);
    syscall(SYS_writev, log_fd, parts, 3);
    errno = saved;
}

static void note_path(uint32_t kind, uint64_t inode, const char *path) { note(kind, inode, 0, 0, path, strlen(path), "", 0); }

/* For calls that change files in a way that the model of a disk does not know. */
static void unknown(const char *call, const char *path) {
    if (!inside(path)) return;
    enter();
    note_path(LOG_UNKNOWN, 0, call);
    leave();
}

/* What the identity of an answer is: the id of its request, which the harness chose. */
static void note_send(const void *bytes, size_t length) {
    static const char name[] = "x-request-id: ";
    size_t head = length < 2048 ? length : 2048;
    const char *found = log_fd < 0 ? NULL : memmem(bytes, head, name, sizeof name - 1);
    if (!found) return;
    found += sizeof name - 1;
    size_t left = head - (size_t)(found - (const char *)bytes), n = 0;
    while (n < left && found[n] != '\r') n++;
    enter();
    note(LOG_SEND, 0, 0, 0, found, n, "", 0);
    leave();
}

typedef ssize_t (*writer)(int, const void *, size_t, off_t);

static ssize_t plain_write(int fd, const void *bytes, size_t length, off_t offset) {
    (void)offset;
    return syscall(SYS_write, fd, bytes, length);
}

static ssize_t placed_write(int fd, const void *bytes, size_t length, off_t offset) {
    return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

static ssize_t changed(writer real, const char *call, int fd, const char *path, const void *bytes, size_t length, off_t offset) {
    int failing = fault(WRITES, call, path);
    if (failing == FAULT_LIE) return (ssize_t)length;
    if (failing == FAULT_SHORT && length > 1) length /= 2;
    else if (failing) return -1;
    enter();
    struct stat file;
    if (real == plain_write) {
        offset = lseek(fd, 0, SEEK_CUR);
        if ((fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &file) == 0) offset = file.st_size;
    }
    ssize_t n = real(fd, bytes, length, offset);
    if (n > 0 && fstat(fd, &file) == 0) note(LOG_WRITE, file.st_ino, (uint64_t)offset, (uint64_t)n, bytes, (size_t)n, "", 0);
    leave();
    return n;
}

static ssize_t any_write(writer real, const char *call, int fd, const void *bytes, size_t length, off_t offset) {
    char path[4096];
    path_of(fd, path, sizeof path);
    if (strncmp(path, "socket:", 7) == 0) note_send(bytes, length);
    if (!inside(path)) return real(fd, bytes, length, offset);
    return changed(real, call, fd, path, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) { return any_write(plain_write, "write", fd, bytes, length, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return any_write(placed_write, "pwrite", fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return any_write(placed_write, "pwrite", fd, bytes, length, offset); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[4096];
    path_of(fd, path, sizeof path);
    if (strncmp(path, "socket:", 7) == 0 && count > 0) note_send(parts[0].iov_base, parts[0].iov_len);
    if (!inside(path)) return syscall(SYS_writev, fd, parts, count);
    /* A short write is what any caller has to expect, so the first part alone will do. */
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len) return changed(plain_write, "writev", fd, path, parts[i].iov_base, parts[i].iov_len, 0);
    return 0;
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    note_send(bytes, length);
    return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    note_send(bytes, length);
    return syscall(SYS_sendto, fd, bytes, length, flags, to, size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    if (message->msg_iovlen > 0) note_send(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
    return syscall(SYS_sendmsg, fd, message, flags);
}

static ssize_t any_read(const char *call, int fd, int *failed) {
    char path[4096];
    if (!word(ARMED) || !(word(CLASSES) & READS)) return 0;
    path_of(fd, path, sizeof path);
    *failed = inside(path) && fault(READS, call, path);
    return -1;
}

ssize_t read(int fd, void *bytes, size_t length) {
    int failed = 0;
    any_read("read", fd, &failed);
    return failed ? -1 : syscall(SYS_read, fd, bytes, length);
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset) {
    int failed = 0;
    any_read("pread", fd, &failed);
    return failed ? -1 : syscall(SYS_pread64, fd, bytes, length, offset);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) { return pread64(fd, bytes, length, offset); }

static int any_sync(const char *call, long number, int fd) {
    char path[4096];
    path_of(fd, path, sizeof path);
    if (!inside(path)) return (int)syscall(number, fd);
    if (fault(SYNCS, call, path)) return -1;
    enter();
    uint64_t begun = word(RECORDS);
    leave();
    uint64_t delay = word(SYNC_DELAY);
    if (delay) usleep((useconds_t)(begun * 7919 % delay));
    int result = word(SKIP_SYNC) ? 0 : (int)syscall(number, fd);
    struct stat file;
    enter();
    if (result == 0 && fstat(fd, &file) == 0) note(LOG_SYNC, file.st_ino, begun, 0, "", 0, "", 0);
    leave();
    return result;
}

int fsync(int fd) { return any_sync("fsync", SYS_fsync, fd); }
int fdatasync(int fd) { return any_sync("fdatasync", SYS_fdatasync, fd); }

int ftruncate64(int fd, off64_t length) {
    char path[4096];
    path_of(fd, path, sizeof path);
    if (inside(path) && fault(TRUNCATIONS, "ftruncate", path)) return -1;
    enter();
    int result = (int)syscall(SYS_ftruncate, fd, length);
    struct stat file;
    if (result == 0 && inside(path) && fstat(fd, &file) == 0) note(LOG_TRUNCATE, file.st_ino, (uint64_t)length, 0, "", 0, "", 0);
    leave();
    return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int any_open(int at, const char *name, int flags, mode_t mode) {
    char path[4096];
    if (!resolve(at, name, path) || !inside(path)) return (int)syscall(SYS_openat, at, name, flags, mode);
    if (fault(flags & (O_CREAT | O_WRONLY | O_RDWR) ? OPENS : READS, "open", path)) return -1;
    enter();
    struct stat before, after;
    int there = fstatat(at, name, &before, 0) == 0;
    int fd = (int)syscall(SYS_openat, at, name, flags, mode);
    if (fd >= 0 && fstat(fd, &after) == 0 && S_ISREG(after.st_mode)) {
        if (!there) note_path(LOG_CREATE, after.st_ino, path);
        else if ((flags & O_TRUNC) && before.st_size > 0) note(LOG_TRUNCATE, after.st_ino, 0, 0, "", 0, "", 0);
    }
    leave();
    return fd;
}

#define MODE(mode) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *name, int flags, ...) { MODE(mode); return any_open(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(mode); return any_open(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE(mode); return any_open(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE(mode); return any_open(at, name, flags, mode); }

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    char a[4096], b[4096];
    int meant = resolve(from, old, a) && resolve(to, new, b) && (inside(a) || inside(b));
    if (meant && fault(NAMES, "rename", a)) return -1;
    enter();
    int result = (int)syscall(SYS_renameat2, from, old, to, new, flags);
    if (result == 0 && meant) note(LOG_RENAME, 0, 0, 0, a, strlen(a), b, strlen(b));
    leave();
    return result;
}

int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }
int renameat(int from, const char *old, int to, const char *new) { return renameat2(from, old, to, new, 0); }

int unlinkat(int at, const char *name, int flags) {
    char path[4096];
    int meant = resolve(at, name, path) && inside(path);
    if (meant && fault(NAMES, flags & AT_REMOVEDIR ? "rmdir" : "unlink", path)) return -1;
    enter();
    int result = (int)syscall(SYS_unlinkat, at, name, flags);
    if (result == 0 && meant) note_path(flags & AT_REMOVEDIR ? LOG_RMDIR : LOG_UNLINK, 0, path);
    leave();
    return result;
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int at, const char *name, mode_t mode) {
    char path[4096];
    int meant = resolve(at, name, path) && inside(path);
    if (meant && fault(NAMES, "mkdir", path)) return -1;
    enter();
    int result = (int)syscall(SYS_mkdirat, at, name, mode);
    struct stat made;
    if (result == 0 && meant && fstatat(at, name, &made, 0) == 0) note_path(LOG_MKDIR, made.st_ino, path);
    leave();
    return result;
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

/* Copies in the kernel would pass by the log; a caller must have another way where these are not to be had. */
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t length, unsigned flags) {
    (void)from; (void)at; (void)to; (void)there; (void)length; (void)flags;
    errno = EXDEV;
    return -1;
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t length) {
    (void)to; (void)from; (void)at; (void)length;
    errno = EINVAL;
    return -1;
}

ssize_t sendfile(int to, int from, off_t *at, size_t length) { return sendfile64(to, from, at, length); }

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    char path[4096];
    path_of(fd, path, sizeof path);
    unknown("fallocate", path);
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    char path[4096];
    if (resolve(to, new, path)) unknown("link", path);
    return (int)syscall(SYS_linkat, from, old, to, new, flags);
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
    if (fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE)) {
        char path[4096];
        path_of(fd, path, sizeof path);
        unknown("mmap", path);
    }
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap64(address, length, protection, flags, fd, offset);
}
