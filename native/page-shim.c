/*
 * The page-fault shim: preloaded into stock Postgres, it fetches the pages of relation files that are not there yet.
 *
 * Relation files start as sparse files of the right length. This library stands in front of the functions by which
 * Postgres opens, reads, writes, cuts and removes them, and consults the arena (page-arena.h) before each:
 *
 *   F1  A read returns the bytes the storage holds, or fails with EIO and a line in the log; never zeros for an absent page.
 *   F2  A file that is not in the arena costs one look at a table of descriptors, a present page one load more.
 *   F3  Whatever Postgres writes, cuts off or creates is from then on local and never overwritten by a fetched page.
 *   F4  Writes to segments of WAL take longer while the agent wants them to (wal-pace.c).
 *
 * Configured by the environment of the postmaster, read once, since Postgres reuses that memory for its process titles:
 *
 *   NEON_PAGES_ARENA       the arena file; without it the library does nothing
 *   NEON_PAGES_SOCKET      the Unix socket of the agent
 *   NEON_PAGES_DATADIR     the data directory, for absolute paths
 *   NEON_PAGES_COMPUTE     named in log lines
 *   NEON_PAGES_TIMEOUT_MS  how long a read waits for an absent agent (30000)
 */
#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file with absent pages on a higher descriptor is refused; Postgres opens 1,000 files per process by default. */
#define DESCRIPTORS_MAX 65536

#define INTERPOSED __attribute__((visibility("default")))
#define SAME_AS(name) INTERPOSED __attribute__((alias(#name)))

struct real_functions real;
static struct tracked_file tracked_files[DESCRIPTORS_MAX];
static bool wal_files[DESCRIPTORS_MAX]; /* opened to write WAL */
static char compute_id[64] = "-";

void complain(const char *format, ...)
{
    char line[1600];
    int prefix = snprintf(line, sizeof line, "page-shim[%d] %s: ", (int)getpid(), compute_id);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + prefix, sizeof line - (size_t)prefix - 1, format, arguments);
    va_end(arguments);
    strcat(line, "\n");
    ssize_t ignored = (real.write != NULL ? real.write : write)(STDERR_FILENO, line, strlen(line));
    (void)ignored;
}

/* Constructors of other libraries may call interposed functions before ours runs. */
static void resolve(void)
{
#define RESOLVE(name) real.name = (__typeof__(real.name))dlsym(RTLD_NEXT, #name)
    RESOLVE(open);
    RESOLVE(openat);
    RESOLVE(fopen);
    RESOLVE(close);
    RESOLVE(dup);
    RESOLVE(dup2);
    RESOLVE(dup3);
    RESOLVE(fcntl);
    RESOLVE(read);
    RESOLVE(write);
    RESOLVE(pread);
    RESOLVE(preadv);
    RESOLVE(pwrite);
    RESOLVE(pwritev);
    RESOLVE(ftruncate);
    RESOLVE(truncate);
    RESOLVE(unlink);
    RESOLVE(rename);
    RESOLVE(posix_fadvise);
    RESOLVE(posix_fallocate);
    RESOLVE(fallocate);
    RESOLVE(copy_file_range);
    RESOLVE(sendfile);
#undef RESOLVE
}

#define RESOLVED(name) (__builtin_expect(real.name == NULL, 0) ? (resolve(), real.name) : real.name)

/* Only Postgres itself: the shells and commands it starts inherit the environment too. */
static bool executable_is_postgres(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    const char *name = strrchr(path, '/');
    return name != NULL && strcmp(name, "/postgres") == 0;
}

static __attribute__((constructor)) void shim_start(void)
{
    resolve();
    const char *arena = getenv("NEON_PAGES_ARENA");
    const char *compute = getenv("NEON_PAGES_COMPUTE");
    if (arena == NULL || *arena == '\0' || !executable_is_postgres())
        return;
    if (compute != NULL)
        snprintf(compute_id, sizeof compute_id, "%s", compute);
    agent_configure(getenv("NEON_PAGES_SOCKET"), getenv("NEON_PAGES_TIMEOUT_MS"));
    arena_map(arena, getenv("NEON_PAGES_DATADIR"));
}

/* ---- descriptors ---- */

static inline struct tracked_file *tracked(int fd)
{
    if ((unsigned)fd >= DESCRIPTORS_MAX || tracked_files[fd].entry == NULL)
        return NULL;
    return &tracked_files[fd];
}

static inline int forget(int fd)
{
    if ((unsigned)fd < DESCRIPTORS_MAX) {
        if (tracked_files[fd].entry != NULL)
            tracked_files[fd].entry = NULL;
        if (wal_files[fd])
            wal_files[fd] = false;
    }
    return fd;
}

/* Returns `fd`, or closes it and fails when it cannot be tracked. */
static int track(int fd, struct tracked_file file)
{
    if (fd >= DESCRIPTORS_MAX) {
        real.close(fd);
        errno = EMFILE;
        return -1;
    }
    tracked_files[fd] = file;
    return fd;
}

/* Whether an open descriptor is the placeholder of a removed name, rather than the file that took the name after it. */
static bool file_is_removed(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_nlink == 0;
}

static int open_tracked(struct arena_entry *entry, const char *path, int flags, mode_t mode)
{
    for (;;) {
        if (arena_name_state(entry) == CLAIM_DONE)
            return forget(real.open(path, flags, mode));
        int fd = real.open(path, flags & ~(O_CREAT | O_EXCL | O_TRUNC));
        if (fd >= 0 && (flags & O_CREAT) && (flags & O_EXCL)) {
            real.close(fd);
            errno = EEXIST;
            return -1;
        }
        if (fd >= 0) {
            /* The name may have been removed, and used again, since the look at its state. */
            if (arena_name_state(entry) == CLAIM_DONE && !file_is_removed(fd))
                forget(fd);
            else
                fd = track(fd, (struct tracked_file){.entry = entry, .read_only = (flags & O_ACCMODE) == O_RDONLY});
            if (fd >= 0 && (flags & O_TRUNC) && ftruncate(fd, 0) < 0) {
                int error = errno;
                close(fd);
                errno = error;
                return -1;
            }
            return fd;
        }
        if (errno != ENOENT || !(flags & O_CREAT))
            return -1;
        arena_name_lost(entry);
    }
}

/* The mode argument of open and openat, which is there when a file may be created. */
#define TAKE_MODE(flags, mode)                                                                                         \
    mode_t mode = 0;                                                                                                   \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) {                                                   \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode = (mode_t)va_arg(arguments, int);                                                                         \
        va_end(arguments);                                                                                             \
    }

INTERPOSED int open(const char *path, int flags, ...)
{
    TAKE_MODE(flags, mode);
    struct arena_entry *entry = arena_lookup(path);
    if (entry != NULL)
        return open_tracked(entry, path, flags, mode);
    int fd = forget(RESOLVED(open)(path, flags, mode));
    if ((unsigned)fd < DESCRIPTORS_MAX && (flags & O_ACCMODE) != O_RDONLY && wal_path(path))
        wal_files[fd] = true;
    return fd;
}
SAME_AS(open) int open64(const char *path, int flags, ...);

INTERPOSED int openat(int directory, const char *path, int flags, ...)
{
    TAKE_MODE(flags, mode);
    struct arena_entry *entry = directory == AT_FDCWD || *path == '/' ? arena_lookup(path) : NULL;
    if (entry != NULL)
        return open_tracked(entry, path, flags, mode);
    return forget(RESOLVED(openat)(directory, path, flags, mode));
}
SAME_AS(openat) int openat64(int directory, const char *path, int flags, ...);

/* What fortified callers use when they pass no mode. */
int __open_2(const char *path, int flags);
INTERPOSED int __open_2(const char *path, int flags)
{
    return open(path, flags);
}
int __open64_2(const char *path, int flags);
SAME_AS(__open_2) int __open64_2(const char *path, int flags);

/* A stream reads past this library (pg_read_binary_file does so): the whole file is made present before it is opened. */
INTERPOSED FILE *fopen(const char *path, const char *mode)
{
    if (arena_lookup(path) != NULL) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct tracked_file *file = tracked(fd);
        int result = file == NULL ? 0 : presence_read(fd, file, 0, (size_t)ARENA_SEGMENT_BLOCKS * ARENA_PAGE_SIZE);
        int error = errno;
        if (fd >= 0)
            close(fd);
        errno = error;
        if (result < 0)
            return NULL;
    }
    return RESOLVED(fopen)(path, mode);
}
SAME_AS(fopen) FILE *fopen64(const char *path, const char *mode);

INTERPOSED int close(int fd)
{
    forget(fd);
    return RESOLVED(close)(fd);
}

static int duplicated(int fd, int copy)
{
    if (copy < 0 || copy == fd)
        return copy;
    struct tracked_file *file = tracked(fd);
    return file != NULL ? track(copy, *file) : forget(copy);
}

INTERPOSED int dup(int fd)
{
    return duplicated(fd, RESOLVED(dup)(fd));
}

INTERPOSED int dup2(int fd, int copy)
{
    return duplicated(fd, RESOLVED(dup2)(fd, copy));
}

INTERPOSED int dup3(int fd, int copy, int flags)
{
    return duplicated(fd, RESOLVED(dup3)(fd, copy, flags));
}

INTERPOSED int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    int result = RESOLVED(fcntl)(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? duplicated(fd, result) : result;
}
SAME_AS(fcntl) int fcntl64(int fd, int command, ...);

/* ---- reading ---- */

static size_t total_size(const struct iovec *vectors, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += vectors[i].iov_len;
    return size;
}

INTERPOSED ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    struct tracked_file *file = tracked(fd);
    if (file != NULL && presence_read(fd, file, offset, size) < 0)
        return -1;
    return RESOLVED(pread)(fd, buffer, size, offset);
}
SAME_AS(pread) ssize_t pread64(int fd, void *buffer, size_t size, off_t offset);

INTERPOSED ssize_t preadv(int fd, const struct iovec *vectors, int count, off_t offset)
{
    struct tracked_file *file = tracked(fd);
    if (file != NULL && presence_read(fd, file, offset, total_size(vectors, count)) < 0)
        return -1;
    return RESOLVED(preadv)(fd, vectors, count, offset);
}
SAME_AS(preadv) ssize_t preadv64(int fd, const struct iovec *vectors, int count, off_t offset);

INTERPOSED ssize_t read(int fd, void *buffer, size_t size)
{
    struct tracked_file *file = tracked(fd);
    if (file != NULL && presence_read(fd, file, lseek(fd, 0, SEEK_CUR), size) < 0)
        return -1;
    return RESOLVED(read)(fd, buffer, size);
}

/* What fortified callers use when the compiler knows the buffer's size. */
ssize_t __read_chk(int fd, void *buffer, size_t size, size_t buffer_size);
INTERPOSED ssize_t __read_chk(int fd, void *buffer, size_t size, size_t buffer_size)
{
    if (size > buffer_size)
        abort();
    return read(fd, buffer, size);
}

ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t buffer_size);
INTERPOSED ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t buffer_size)
{
    if (size > buffer_size)
        abort();
    return pread(fd, buffer, size, offset);
}
ssize_t __pread64_chk(int fd, void *buffer, size_t size, off_t offset, size_t buffer_size);
SAME_AS(__pread_chk) ssize_t __pread64_chk(int fd, void *buffer, size_t size, off_t offset, size_t buffer_size);

INTERPOSED int posix_fadvise(int fd, off_t offset, off_t size, int advice)
{
    struct tracked_file *file = tracked(fd);
    bool absent = false;
    if (file != NULL && advice == POSIX_FADV_WILLNEED)
        presence_prefetch(file, offset, size, &absent);
    return absent ? 0 : RESOLVED(posix_fadvise)(fd, offset, size, advice);
}
SAME_AS(posix_fadvise) int posix_fadvise64(int fd, off_t offset, off_t size, int advice);

/* ---- writing ---- */

INTERPOSED ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    struct tracked_file *file = tracked(fd);
    struct write_claim claim = {0};
    uint32_t delay = wal_delay();
    if (__builtin_expect(delay != 0, 0) && (unsigned)fd < DESCRIPTORS_MAX && wal_files[fd])
        wal_pace(size, delay);
    if (file != NULL && presence_begin_write(fd, file, offset, (off_t)size, &claim) < 0)
        return -1;
    ssize_t written = RESOLVED(pwrite)(fd, buffer, size, offset);
    presence_end_write(&claim, written < 0 ? 0 : offset + written);
    return written;
}
SAME_AS(pwrite) ssize_t pwrite64(int fd, const void *buffer, size_t size, off_t offset);

INTERPOSED ssize_t pwritev(int fd, const struct iovec *vectors, int count, off_t offset)
{
    struct tracked_file *file = tracked(fd);
    struct write_claim claim = {0};
    if (file != NULL && presence_begin_write(fd, file, offset, (off_t)total_size(vectors, count), &claim) < 0)
        return -1;
    ssize_t written = RESOLVED(pwritev)(fd, vectors, count, offset);
    presence_end_write(&claim, written < 0 ? 0 : offset + written);
    return written;
}
SAME_AS(pwritev) ssize_t pwritev64(int fd, const struct iovec *vectors, int count, off_t offset);

INTERPOSED ssize_t write(int fd, const void *buffer, size_t size)
{
    struct tracked_file *file = tracked(fd);
    if (file == NULL)
        return RESOLVED(write)(fd, buffer, size);
    off_t offset = lseek(fd, 0, real.fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    struct write_claim claim;
    if (presence_begin_write(fd, file, offset, (off_t)size, &claim) < 0)
        return -1;
    ssize_t written = real.write(fd, buffer, size);
    presence_end_write(&claim, written < 0 ? 0 : offset + written);
    return written;
}

/* Claims every page that a change of the file's length may cut off or add; 0 or -1 and errno. */
static int begin_resize(int fd, struct tracked_file *file, off_t size, struct write_claim *claim)
{
    const off_t base_size = (off_t)file->entry->block_count * ARENA_PAGE_SIZE;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -1;
    off_t start = size < status.st_size ? size : status.st_size;
    return presence_begin_write(fd, file, start, base_size - start, claim);
}

INTERPOSED int ftruncate(int fd, off_t size)
{
    struct tracked_file *file = tracked(fd);
    struct write_claim claim = {0};
    if (file != NULL && begin_resize(fd, file, size, &claim) < 0)
        return -1;
    int result = RESOLVED(ftruncate)(fd, size);
    presence_end_write(&claim, result < 0 ? 0 : INT64_MAX);
    return result;
}
SAME_AS(ftruncate) int ftruncate64(int fd, off_t size);

INTERPOSED int truncate(const char *path, off_t size)
{
    if (arena_lookup(path) == NULL)
        return RESOLVED(truncate)(path, size);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = ftruncate(fd, size);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}
SAME_AS(truncate) int truncate64(const char *path, off_t size);

INTERPOSED int posix_fallocate(int fd, off_t offset, off_t size)
{
    struct tracked_file *file = tracked(fd);
    struct write_claim claim = {0};
    if (file != NULL && begin_resize(fd, file, INT64_MAX, &claim) < 0)
        return errno;
    int result = RESOLVED(posix_fallocate)(fd, offset, size);
    presence_end_write(&claim, result != 0 ? 0 : INT64_MAX);
    return result;
}
SAME_AS(posix_fallocate) int posix_fallocate64(int fd, off_t offset, off_t size);

/* Anything but growing a file would change pages behind their words. */
INTERPOSED int fallocate(int fd, int mode, off_t offset, off_t size)
{
    struct tracked_file *file = tracked(fd);
    if (file != NULL && mode != 0) {
        errno = EOPNOTSUPP;
        return -1;
    }
    struct write_claim claim = {0};
    if (file != NULL && begin_resize(fd, file, INT64_MAX, &claim) < 0)
        return -1;
    int result = RESOLVED(fallocate)(fd, mode, offset, size);
    presence_end_write(&claim, result < 0 ? 0 : INT64_MAX);
    return result;
}
SAME_AS(fallocate) int fallocate64(int fd, int mode, off_t offset, off_t size);

INTERPOSED ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t size,
                                   unsigned int flags)
{
    struct tracked_file *source = tracked(from), *target = tracked(to);
    if (source != NULL && presence_read(from, source, from_offset ? *from_offset : lseek(from, 0, SEEK_CUR), size) < 0)
        return -1;
    struct write_claim claim = {0};
    off_t start = target == NULL ? 0 : to_offset ? *to_offset : lseek(to, 0, SEEK_CUR);
    if (target != NULL && presence_begin_write(to, target, start, (off_t)size, &claim) < 0)
        return -1;
    ssize_t copied = RESOLVED(copy_file_range)(from, from_offset, to, to_offset, size, flags);
    presence_end_write(&claim, copied < 0 ? 0 : start + copied);
    return copied;
}

INTERPOSED ssize_t sendfile(int to, int from, off_t *offset, size_t size)
{
    struct tracked_file *file = tracked(from);
    if (file != NULL && presence_read(from, file, offset ? *offset : lseek(from, 0, SEEK_CUR), size) < 0)
        return -1;
    return RESOLVED(sendfile)(to, from, offset, size);
}
SAME_AS(sendfile) ssize_t sendfile64(int to, int from, off_t *offset, size_t size);

/* ---- names ---- */

INTERPOSED int unlink(const char *path)
{
    struct arena_entry *entry = arena_lookup(path);
    return entry != NULL ? arena_unlink(entry, path) : RESOLVED(unlink)(path);
}

/* Page words belong to names. Postgres never renames a relation file; should anything, it must not find holes. */
INTERPOSED int rename(const char *from, const char *to)
{
    struct arena_entry *source = arena_lookup(from), *target = arena_lookup(to);
    if ((source != NULL && arena_name_state(source) == CLAIM_FREE) ||
        (target != NULL && arena_name_state(target) == CLAIM_FREE)) {
        complain("refused to rename %s to %s", from, to);
        errno = EPERM;
        return -1;
    }
    return RESOLVED(rename)(from, to);
}
