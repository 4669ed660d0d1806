/*
 * The page-fault shim against a toy agent: its sources are linked into this program, which thereby calls the interposed
 * functions like Postgres does. Run it by native/test/run.sh, under the address and undefined-behaviour sanitizers.
 *
 * The program must be named `postgres`, or the shim stays inactive. Started without NEON_PAGES_ARENA it prepares a data
 * directory and an arena, forks the agent, and executes itself with the environment that a postmaster would get.
 */
#define _GNU_SOURCE
#include "../page-arena.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE ARENA_PAGE_SIZE
#define BLOCKS 400
#define RELATIONS 16 /* base/5/100 … base/5/115, each of BLOCKS blocks */
/* Blocks that the agent treats in its own way. */
#define REFUSED_BLOCK 390
#define SLOW_BLOCK 391

/* Shared by all processes through the file `shared` in the data directory. */
struct shared {
    _Atomic uint32_t pages_served;
    _Atomic uint32_t requests;
    _Atomic uint32_t slow_requests;
    _Atomic uint32_t drop_one_in; /* the agent ends a connection instead of answering, once in so many reads */
    struct {
        _Atomic uint32_t lock; /* pid of the process that writes the page */
        _Atomic uint32_t version;
        _Atomic uint32_t next_version;
    } pages[BLOCKS];
};
static struct shared *shared;

static void fail(int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "line %d: ", line);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (errno %d: %s)\n", errno, strerror(errno));
    va_end(arguments);
    exit(1);
}
#define CHECK(condition)                                                                                               \
    do                                                                                                                 \
        if (!(condition))                                                                                              \
            fail(__LINE__, "%s", #condition);                                                                          \
    while (0)

/* What the page holds: version 0 is what the agent serves. */
static void fill(void *page, uint32_t relation, uint32_t block, uint32_t version)
{
    uint32_t *words = page;
    for (size_t i = 0; i < PAGE / sizeof *words; i++)
        words[i] = relation * 2654435761u ^ block * 40503u ^ version * 97u ^ (uint32_t)i;
}

static bool holds(const void *page, uint32_t relation, uint32_t block, uint32_t version)
{
    char expected[PAGE];
    fill(expected, relation, block, version);
    return memcmp(page, expected, PAGE) == 0;
}

static bool is_zero(const char *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

static void path_of(char *path, uint32_t relation)
{
    sprintf(path, "base/5/%u", relation);
}

static int open_relation(uint32_t relation, int flags)
{
    char path[64];
    path_of(path, relation);
    int fd = open(path, flags, 0600);
    CHECK(fd >= 0);
    return fd;
}

/* ---- the agent ---- */

static bool receive(int fd, void *data, size_t size)
{
    return recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

static void serve(int fd)
{
    struct {
        uint32_t size;
        uint8_t operation, fork;
        uint16_t count;
        uint32_t id, tablespace, database, relation, first_block;
    } request;
    static char answer[12 + 256 * PAGE];
    while (receive(fd, &request, sizeof request)) {
        if (request.size != 28 || request.tablespace != 1663 || request.database != 5)
            _exit(1);
        if (request.operation == 2)
            continue;
        atomic_fetch_add(&shared->requests, 1);
        uint32_t drop_one_in = atomic_load(&shared->drop_one_in);
        if (drop_one_in > 0 && (uint32_t)rand() % drop_one_in == 0)
            _exit(0);
        uint32_t header[3] = {request.id, 0, request.count};
        size_t size = sizeof header;
        for (uint32_t i = 0; i < request.count; i++) {
            if (request.first_block + i == SLOW_BLOCK && atomic_fetch_add(&shared->slow_requests, 1) == 0)
                usleep(600 * 1000);
            fill(answer + size, request.relation, request.first_block + i, 0);
            size += PAGE;
            if (request.first_block + i == REFUSED_BLOCK && request.relation == 104) {
                header[1] = 1;
                header[2] = 7;
                memcpy(answer + 12, "refused", 7);
                size = 12 + 7;
                break;
            }
        }
        memcpy(answer, header, sizeof header);
        if (header[1] == 0)
            atomic_fetch_add(&shared->pages_served, request.count);
        for (size_t sent = 0; sent < size;) {
            ssize_t result = send(fd, answer + sent, size - sent, MSG_NOSIGNAL);
            if (result <= 0)
                _exit(0);
            sent += (size_t)result;
        }
    }
    _exit(0);
}

static void run_agent(int listener)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && fork() == 0) {
            srand((unsigned)getpid());
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(fd);
        }
        close(fd);
    }
}

/* ---- preparation ---- */

static void write_arena(void)
{
    struct arena_header header = {
        .magic = ARENA_MAGIC, .version = ARENA_VERSION, .entry_count = RELATIONS, .words_offset = 4096};
    header.file_size = header.words_offset + RELATIONS * BLOCKS * 4;
    int fd = open("arena", O_RDWR | O_CREAT, 0600);
    CHECK(write(fd, &header, sizeof header) == sizeof header);
    for (uint32_t i = 0; i < RELATIONS; i++) {
        struct arena_entry entry = {
            .tablespace = 1663, .database = 5, .relation = 100 + i, .block_count = BLOCKS, .first_word = i * BLOCKS};
        CHECK(write(fd, &entry, sizeof entry) == sizeof entry);
        char path[64];
        path_of(path, entry.relation);
        int file = open(path, O_RDWR | O_CREAT, 0600);
        CHECK(file >= 0 && ftruncate(file, (off_t)BLOCKS * PAGE) == 0);
        close(file);
    }
    CHECK(ftruncate(fd, (off_t)header.file_size) == 0);
    close(fd);
}

static void map_shared(void)
{
    int fd = open("shared", O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0 && ftruncate(fd, sizeof *shared) == 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    close(fd);
}

static void prepare(char **argv)
{
    const char *directory = getenv("TMPDIR");
    CHECK(directory != NULL && chdir(directory) == 0);
    CHECK(mkdir("base", 0700) == 0 && mkdir("base/5", 0700) == 0);
    map_shared();
    write_arena();
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 100) == 0);
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_agent(listener);
    }
    setenv("NEON_PAGES_ARENA", "arena", 1);
    setenv("NEON_PAGES_SOCKET", "socket", 1);
    setenv("NEON_PAGES_DATADIR", directory, 1);
    setenv("NEON_PAGES_TIMEOUT_MS", "3000", 1);
    execv("/proc/self/exe", argv);
    fail(__LINE__, "exec");
}

/* ---- what must hold ---- */

static void reads(void)
{
    static char page[200 * PAGE];
    int fd = open_relation(100, O_RDWR);
    CHECK(pread(fd, page, PAGE, 5 * PAGE) == PAGE && holds(page, 100, 5, 0));
    uint32_t requests = shared->requests;
    CHECK(pread64(fd, page, PAGE, 5 * PAGE) == PAGE && holds(page, 100, 5, 0));
    CHECK(shared->requests == requests);
    /* Any range, by any function. */
    CHECK(pread(fd, page, 100, 9 * PAGE - 50) == 100);
    CHECK(pread(fd, page, 2 * PAGE, 8 * PAGE) == 2 * PAGE && holds(page, 100, 8, 0) && holds(page + PAGE, 100, 9, 0));
    struct iovec vectors[2] = {{page, PAGE}, {page + PAGE, PAGE}};
    CHECK(preadv(fd, vectors, 2, 20 * PAGE) == 2 * PAGE && holds(page + PAGE, 100, 21, 0));
    CHECK(lseek(fd, 30 * PAGE, SEEK_SET) > 0 && read(fd, page, PAGE) == PAGE && holds(page, 100, 30, 0));
    CHECK(read(fd, page, PAGE) == PAGE && holds(page, 100, 31, 0));
    int copy = dup(fd);
    CHECK(pread(copy, page, PAGE, 40 * PAGE) == PAGE && holds(page, 100, 40, 0));
    int other = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    CHECK(pread(other, page, PAGE, 41 * PAGE) == PAGE && holds(page, 100, 41, 0));
    CHECK(pread(fd, page, PAGE, (off_t)BLOCKS * PAGE) == 0);
    CHECK(posix_fadvise(fd, 60 * PAGE, 3 * PAGE, POSIX_FADV_WILLNEED) == 0);
    /* A large request, over present and absent pages, is put together from several. */
    CHECK(pread(fd, page, 200 * PAGE, 4 * PAGE) == 200 * PAGE);
    for (uint32_t i = 0; i < 200; i++)
        CHECK(holds(page + i * PAGE, 100, 4 + i, 0));
    close(fd);
    close(copy);
    close(other);
    fd = open_relation(101, O_RDONLY);
    CHECK(pread(fd, page, PAGE, 7 * PAGE) == PAGE && holds(page, 101, 7, 0));
    int target = open("copied", O_RDWR | O_CREAT, 0600);
    off_t offset = 50 * PAGE;
    CHECK(sendfile(target, fd, &offset, PAGE) == PAGE);
    offset = 51 * PAGE;
    CHECK(copy_file_range(fd, &offset, target, NULL, PAGE, 0) == PAGE || errno == EXDEV || errno == ENOSYS);
    CHECK(pread(target, page, PAGE, 0) == PAGE && holds(page, 101, 50, 0));
    close(target);
    close(fd);
    FILE *stream = fopen("./base/5/101", "r");
    CHECK(stream != NULL && fread(page, PAGE, 100, stream) == 100 && holds(page + 99 * PAGE, 101, 99, 0));
    fclose(stream);
}

static void sequential_reads_grow(void)
{
    static char page[16 * PAGE];
    int fd = open_relation(102, O_RDWR);
    uint32_t requests = shared->requests;
    for (uint32_t block = 0; block < BLOCKS; block += 16) {
        CHECK(pread(fd, page, sizeof page, (off_t)block * PAGE) == sizeof page);
        for (uint32_t i = 0; i < 16; i++)
            CHECK(holds(page + i * PAGE, 102, block + i, 0));
    }
    CHECK(shared->requests - requests <= 8);
    close(fd);
}

static void writes(void)
{
    char page[2 * PAGE];
    int fd = open_relation(103, O_RDWR);
    uint32_t served = shared->pages_served;
    fill(page, 103, 10, 1);
    CHECK(pwrite(fd, page, PAGE, 10 * PAGE) == PAGE);
    struct iovec vectors[2] = {{page, PAGE / 2}, {page + PAGE / 2, PAGE / 2}};
    CHECK(pwritev(fd, vectors, 2, 11 * PAGE) == PAGE);
    CHECK(lseek(fd, 12 * PAGE, SEEK_SET) > 0 && write(fd, page, PAGE) == PAGE);
    CHECK(shared->pages_served == served);
    for (int block = 10; block < 13; block++)
        CHECK(pread(fd, page, PAGE, block * PAGE) == PAGE && holds(page, 103, 10, 1));
    CHECK(shared->pages_served == served);
    /* Reading across written pages keeps them. */
    static char many[20 * PAGE];
    CHECK(pread(fd, many, sizeof many, 0) == sizeof many);
    CHECK(holds(many + 9 * PAGE, 103, 9, 0) && holds(many + 10 * PAGE, 103, 10, 1) && holds(many + 13 * PAGE, 103, 13, 0));
    /* A write of a part of a page keeps the rest. */
    CHECK(pwrite(fd, "changed", 7, 100 * PAGE + 1000) == 7);
    CHECK(pread(fd, page, PAGE, 100 * PAGE) == PAGE && memcmp(page + 1000, "changed", 7) == 0);
    fill(page + PAGE, 103, 100, 0);
    CHECK(memcmp(page, page + PAGE, 1000) == 0 && memcmp(page + 1007, page + PAGE + 1007, PAGE - 1007) == 0);
    /* A write that fails leaves the page absent. */
    int read_only = open_relation(103, O_RDONLY);
    CHECK(pwrite(read_only, page, PAGE, 200 * PAGE) < 0 && errno == EBADF);
    CHECK(pread(fd, page, PAGE, 200 * PAGE) == PAGE && holds(page, 103, 200, 0));
    close(read_only);
    /* Growing is local. */
    served = shared->pages_served;
    CHECK(posix_fallocate(fd, (off_t)BLOCKS * PAGE, 4 * PAGE) == 0);
    CHECK(pread(fd, page, PAGE, (off_t)BLOCKS * PAGE) == PAGE && is_zero(page));
    CHECK(shared->pages_served == served);
    close(fd);
}

static void refusals(void)
{
    char page[PAGE];
    int fd = open_relation(104, O_RDWR);
    CHECK(pread(fd, page, PAGE, REFUSED_BLOCK * PAGE) < 0 && errno == EIO);
    CHECK(pread(fd, page, PAGE, REFUSED_BLOCK * PAGE) < 0 && errno == EIO);
    CHECK(pread(fd, page, PAGE, 3 * PAGE) == PAGE && holds(page, 104, 3, 0));
    fill(page, 104, REFUSED_BLOCK, 1);
    CHECK(pwrite(fd, page, PAGE, REFUSED_BLOCK * PAGE) == PAGE);
    CHECK(pread(fd, page, PAGE, REFUSED_BLOCK * PAGE) == PAGE && holds(page, 104, REFUSED_BLOCK, 1));
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE) < 0 && errno == EOPNOTSUPP);
    CHECK(rename("base/5/104", "base/5/999") < 0 && errno == EPERM);
    close(fd);
}

static void truncations(void)
{
    char page[PAGE];
    int fd = open_relation(105, O_RDWR);
    uint32_t served = shared->pages_served;
    CHECK(ftruncate(fd, 50 * PAGE) == 0 && pread(fd, page, PAGE, 50 * PAGE) == 0);
    CHECK(ftruncate(fd, 60 * PAGE) == 0 && pread(fd, page, PAGE, 55 * PAGE) == PAGE && is_zero(page));
    CHECK(truncate("base/5/105", 40 * PAGE) == 0 && pread(fd, page, PAGE, 45 * PAGE) == 0);
    CHECK(shared->pages_served == served);
    CHECK(pread(fd, page, PAGE, 39 * PAGE) == PAGE && holds(page, 105, 39, 0));
    close(fd);
    fd = open_relation(106, O_RDWR | O_TRUNC);
    CHECK(pread(fd, page, PAGE, 0) == 0 && ftruncate(fd, PAGE) == 0);
    CHECK(pread(fd, page, PAGE, 0) == PAGE && is_zero(page));
    close(fd);
}

static void names(void)
{
    char page[PAGE];
    int before = open_relation(107, O_RDWR);
    CHECK(open("base/5/107", O_RDWR | O_CREAT | O_EXCL, 0600) < 0 && errno == EEXIST);
    CHECK(unlink("base/5/107") == 0);
    CHECK(open("base/5/107", O_RDWR) < 0 && errno == ENOENT);
    int after = open("base/5/107", O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(after >= 0 && ftruncate(after, 20 * PAGE) == 0);
    uint32_t served = shared->pages_served;
    CHECK(pread(after, page, PAGE, 3 * PAGE) == PAGE && is_zero(page));
    fill(page, 107, 3, 9);
    CHECK(pwrite(after, page, PAGE, 3 * PAGE) == PAGE);
    CHECK(shared->pages_served == served);
    /* Who still has the removed file open goes on reading that one. */
    CHECK(pread(before, page, PAGE, 3 * PAGE) == PAGE && holds(page, 107, 3, 0));
    CHECK(pread(after, page, PAGE, 3 * PAGE) == PAGE && holds(page, 107, 3, 9));
    close(before);
    close(after);
    CHECK(unlink("base/5/107") == 0 && unlink("base/5/107") < 0 && errno == ENOENT);
    /* A placeholder that is gone though nobody said so: what is created there is local. */
    CHECK(syscall(SYS_unlink, "base/5/108") == 0);
    int made = open_relation(108, O_RDWR | O_CREAT);
    CHECK(ftruncate(made, PAGE) == 0 && pread(made, page, PAGE, 0) == PAGE && is_zero(page));
    close(made);
    char absolute[4200];
    CHECK(getcwd(absolute, 4096) != NULL);
    strcat(absolute, "/base/5/109");
    int fd = open(absolute, O_RDWR);
    CHECK(pread(fd, page, PAGE, 8 * PAGE) == PAGE && holds(page, 109, 8, 0));
    close(fd);
    fd = open("base/5/t3_109", O_RDWR | O_CREAT, 0600);
    CHECK(ftruncate(fd, PAGE) == 0 && pread(fd, page, PAGE, 0) == PAGE && is_zero(page));
    close(fd);
}

static void a_dead_owner_is_replaced(void)
{
    char page[PAGE];
    int fd = open_relation(110, O_RDWR);
    pid_t child = fork();
    if (child == 0) {
        pread(fd, page, PAGE, SLOW_BLOCK * PAGE);
        _exit(0);
    }
    while (shared->slow_requests == 0)
        usleep(1000);
    CHECK(kill(child, SIGKILL) == 0); /* left a zombie until the read below is done */
    CHECK(pread(fd, page, PAGE, SLOW_BLOCK * PAGE) == PAGE && holds(page, 110, SLOW_BLOCK, 0));
    CHECK(waitpid(child, NULL, 0) == child);
    close(fd);
}

/* ---- many processes, one file, death at any time ---- */

static void work(unsigned seed)
{
    static char pages[40 * PAGE];
    int fd = open_relation(111, O_RDWR);
    for (;;) {
        uint32_t block = (uint32_t)rand_r(&seed) % BLOCKS;
        uint32_t count = 1 + (uint32_t)rand_r(&seed) % 40;
        if (block + count > BLOCKS)
            count = BLOCKS - block;
        switch (rand_r(&seed) % 8) {
        case 0:
            posix_fadvise(fd, (off_t)block * PAGE, (off_t)count * PAGE, POSIX_FADV_WILLNEED);
            break;
        case 1: { /* one page, as a backend writes it: under a lock, read first or not */
            uint32_t unlocked = 0;
            if (!atomic_compare_exchange_strong(&shared->pages[block].lock, &unlocked, (uint32_t)getpid()))
                break;
            uint32_t version = shared->pages[block].version;
            if (seed % 2 == 0)
                CHECK(pread(fd, pages, PAGE, (off_t)block * PAGE) == PAGE && holds(pages, 111, block, version));
            shared->pages[block].next_version = version + 1;
            fill(pages, 111, block, version + 1);
            CHECK(pwrite(fd, pages, PAGE, (off_t)block * PAGE) == PAGE);
            shared->pages[block].version = version + 1;
            shared->pages[block].lock = 0;
            break;
        }
        default: { /* many pages; those that nobody wrote meanwhile must hold their version */
            uint32_t versions[40];
            for (uint32_t i = 0; i < count; i++)
                versions[i] = shared->pages[block + i].lock ? UINT32_MAX : shared->pages[block + i].version;
            CHECK(pread(fd, pages, (size_t)count * PAGE, (off_t)block * PAGE) == (ssize_t)count * PAGE);
            for (uint32_t i = 0; i < count; i++)
                if (versions[i] != UINT32_MAX && shared->pages[block + i].lock == 0 &&
                    shared->pages[block + i].version == versions[i])
                    CHECK(holds(pages + i * PAGE, 111, block + i, versions[i]));
        }
        }
    }
}

/* What recovery does: a page in the middle of its first write is the base or the written one; write it again. */
static void recover_pages(int fd, pid_t dead)
{
    char page[PAGE], old[PAGE], next[PAGE];
    for (uint32_t block = 0; block < BLOCKS; block++) {
        if (shared->pages[block].lock != (uint32_t)dead)
            continue;
        CHECK(pread(fd, page, PAGE, (off_t)block * PAGE) == PAGE);
        fill(old, 111, block, shared->pages[block].version);
        fill(next, 111, block, shared->pages[block].next_version);
        for (size_t at = 0; at < PAGE; at += 4096)
            CHECK(memcmp(page + at, old + at, 4096) == 0 || memcmp(page + at, next + at, 4096) == 0);
        fill(page, 111, block, shared->pages[block].version);
        CHECK(pwrite(fd, page, PAGE, (off_t)block * PAGE) == PAGE);
        shared->pages[block].lock = 0;
    }
}

static void processes_that_die(unsigned seconds, unsigned seed)
{
    enum { WORKERS = 6 };
    pid_t workers[WORKERS] = {0};
    int fd = open_relation(111, O_RDWR);
    uint32_t killed = 0;
    shared->drop_one_in = 20;
    for (time_t end = time(NULL) + seconds; time(NULL) < end; killed++) {
        int i = rand_r(&seed) % WORKERS;
        if (workers[i] != 0) {
            int status;
            kill(workers[i], SIGKILL);
            CHECK(waitpid(workers[i], &status, 0) == workers[i]);
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            recover_pages(fd, workers[i]);
        }
        unsigned worker_seed = (unsigned)rand_r(&seed);
        if ((workers[i] = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            work(worker_seed);
        }
        usleep((unsigned)rand_r(&seed) % 10000);
        /* Begin again with absent pages now and then: only this process is alive then. */
        if (killed % 8 == 7) {
            for (int worker = 0; worker < WORKERS; worker++)
                if (workers[worker] != 0) {
                    kill(workers[worker], SIGKILL);
                    waitpid(workers[worker], NULL, 0);
                    recover_pages(fd, workers[worker]);
                    workers[worker] = 0;
                }
            char page[PAGE];
            for (uint32_t block = 0; block < BLOCKS; block++)
                CHECK(pread(fd, page, PAGE, (off_t)block * PAGE) == PAGE &&
                      holds(page, 111, block, shared->pages[block].version));
            int arena = open("arena", O_RDWR);
            static const uint32_t absent[BLOCKS];
            CHECK(pwrite(arena, absent, sizeof absent, 4096 + 11 * BLOCKS * 4) == sizeof absent);
            close(arena);
            for (uint32_t block = 0; block < BLOCKS; block++)
                shared->pages[block].version = 0;
        }
    }
    for (int worker = 0; worker < WORKERS; worker++)
        if (workers[worker] != 0) {
            kill(workers[worker], SIGKILL);
            waitpid(workers[worker], NULL, 0);
        }
    shared->drop_one_in = 0;
    printf("killed %u processes, %u requests, %u pages served\n", killed, shared->requests, shared->pages_served);
    close(fd);
}

static void ignore_signal(int signal)
{
    (void)signal;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void set_wal_delay(uint32_t nanoseconds)
{
    int arena = open("arena", O_RDWR);
    CHECK(pwrite(arena, &nanoseconds, 4, offsetof(struct arena_header, wal_delay)) == 4);
    close(arena);
}

/* How long a write of a page takes; what it writes must be there afterwards. */
static double seconds_of_write(int fd)
{
    static char page[PAGE], seen[PAGE];
    fill(page, 1, 2, 3);
    double started = seconds_now();
    errno = EDOM;
    CHECK(pwrite(fd, page, PAGE, 0) == PAGE && errno == EDOM);
    double taken = seconds_now() - started;
    CHECK(pread(fd, seen, PAGE, 0) == PAGE && memcmp(page, seen, PAGE) == 0);
    return taken;
}

/* wal-pace.c: W1, W2. */
static void wal_is_paced(void)
{
    CHECK(mkdir("pg_wal", 0700) == 0);
    int wal = open("pg_wal/0000000100000000000000AB", O_RDWR | O_CREAT, 0600);
    int other = open("pg_wal/0000000100000000000000AB.partial", O_RDWR | O_CREAT, 0600);
    int relation = open_relation(115, O_RDWR);
    CHECK(wal >= 0 && other >= 0);
    CHECK(seconds_of_write(wal) < 0.05);
    set_wal_delay(25 * 1000 * 1000); /* 0.2 s for 8 KiB */
    CHECK(seconds_of_write(wal) >= 0.2);
    CHECK(seconds_of_write(other) < 0.1 && seconds_of_write(relation) < 0.1);
    /* Signals do not shorten it. */
    struct itimerval every = {.it_interval = {0, 20000}, .it_value = {0, 20000}};
    signal(SIGALRM, ignore_signal);
    setitimer(ITIMER_REAL, &every, NULL);
    CHECK(seconds_of_write(wal) >= 0.2);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    /* A descriptor that is used again for another file is not paced. */
    close(wal);
    wal = open("unpaced", O_RDWR | O_CREAT, 0600);
    CHECK(seconds_of_write(wal) < 0.1);
    set_wal_delay(0);
    close(wal);
    close(other);
    close(relation);
    wal = open("pg_wal/0000000100000000000000AB", O_RDWR);
    CHECK(seconds_of_write(wal) < 0.05);
    close(wal);
}

int main(int argc, char **argv)
{
    if (getenv("NEON_PAGES_ARENA") == NULL)
        prepare(argv);
    map_shared();
    unsigned seed = argc > 2 ? (unsigned)atoi(argv[2]) : (unsigned)time(NULL);
    printf("seed %u\n", seed);
    reads();
    sequential_reads_grow();
    writes();
    refusals();
    truncations();
    names();
    wal_is_paced();
    a_dead_owner_is_replaced();
    processes_that_die(argc > 1 ? (unsigned)atoi(argv[1]) : 5, seed);
    printf("ok\n");
    return 0;
}
