/*
 * Inside the page-fault shim. Who does what:
 *
 *   page-shim.c  the interposed library functions and the table of tracked file descriptors
 *   presence.c   makes pages present before they are read, and claims them while they are written
 *   claims.c     the claim protocol on one word of the arena
 *   arena.c      maps the arena; from a path to its entry; removal of names
 *   agent.c      the connection to the compute's agent
 *   wal-pace.c   delays the writing of WAL
 *
 * Nothing here allocates memory after the constructor, and everything tolerates EINTR.
 */
#ifndef NEON_SHIM_H
#define NEON_SHIM_H

#include "page-arena.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The library functions behind the interposed ones. The shim itself calls only these. */
struct real_functions {
    int (*open)(const char *, int, ...);
    int (*openat)(int, const char *, int, ...);
    FILE *(*fopen)(const char *, const char *);
    int (*close)(int);
    int (*dup)(int);
    int (*dup2)(int, int);
    int (*dup3)(int, int, int);
    int (*fcntl)(int, int, ...);
    ssize_t (*read)(int, void *, size_t);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pread)(int, void *, size_t, off_t);
    ssize_t (*preadv)(int, const struct iovec *, int, off_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
    int (*ftruncate)(int, off_t);
    int (*truncate)(const char *, off_t);
    int (*unlink)(const char *);
    int (*rename)(const char *, const char *);
    int (*posix_fadvise)(int, off_t, off_t, int);
    int (*posix_fallocate)(int, off_t, off_t);
    int (*fallocate)(int, int, off_t, off_t);
    ssize_t (*copy_file_range)(int, off_t *, int, off_t *, size_t, unsigned int);
    ssize_t (*sendfile)(int, int, off_t *, size_t);
};
extern struct real_functions real;

/* An open file of which some pages may be absent. */
struct tracked_file {
    struct arena_entry *entry;
    uint32_t next_block; /* where a sequential reader will miss next */
    uint16_t window;     /* blocks claimed by the last miss of a sequential reader; 0: not sequential */
    bool read_only;
};

/*
 * Held by the thread that claims, waits for claims or talks to the agent: a claim names a process, so within one process
 * only one thread may hold claims. A word that carries this process's claim while its thread waits is therefore stale.
 */
extern pthread_mutex_t slow_path;

/* A line on stderr, which is Postgres' log. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- arena.c ---- */

extern claim_word *arena_words;
/* NULL without an arena. */
extern struct arena_header *arena_header;

/* Maps the arena of this compute. Afterwards `arena_lookup` finds entries; without it everything is local. */
void arena_map(const char *path, const char *data_directory);
/* The entry that `path` names, removed or not; NULL when the path is no relation file or has no entry. */
struct arena_entry *arena_lookup(const char *path);
/* CLAIM_FREE or CLAIM_DONE, waiting for a removal under way. */
uint32_t arena_name_state(struct arena_entry *entry);
/* unlink(2) of a name that has an entry. */
int arena_unlink(struct arena_entry *entry, const char *path);
/* The caller saw that no file has the entry's name. */
void arena_name_lost(struct arena_entry *entry);

static inline claim_word *page_word(const struct arena_entry *entry, uint32_t block)
{
    return arena_words + entry->first_word + block;
}

static inline bool page_present(const struct arena_entry *entry, uint32_t block)
{
    return atomic_load_explicit(page_word(entry, block), memory_order_acquire) == CLAIM_DONE;
}

/* ---- claims.c: all under `slow_path` ---- */

/* From free to claimed by this process; false when the word was not free. */
bool claim_take(claim_word *word);
bool claim_is_mine(claim_word *word);
/* From claimed by this process to `state`, free or done; wakes who waits. */
void claim_settle(claim_word *word, uint32_t state);
/* Waits until the word is free or done, and returns which; frees it when its owner is gone. */
uint32_t claim_wait(claim_word *word);

/* ---- agent.c: all under `slow_path` ---- */

#define AGENT_BLOCKS_MAX 128

struct block_range {
    uint32_t first; /* within the segment */
    uint32_t count;
};

void agent_configure(const char *socket_path, const char *timeout_ms);
/*
 * Fills `pages` with the blocks of `wanted`, and lets the agent begin with those of `next` (may be empty). Reconnects and
 * asks again until the time-out. On failure -1 and errno EIO, the reason logged.
 */
int agent_read(const struct arena_entry *entry, struct block_range wanted, struct block_range next, void *pages);
/* Lets the agent fetch these blocks from the pageserver; does nothing when that cannot be said at once. */
void agent_prefetch(const struct arena_entry *entry, struct block_range blocks);

/* ---- wal-pace.c ---- */

/* Whether the path is a segment of pg_wal, under the name that Postgres writes it by. */
bool wal_path(const char *path);
/* Sleeps as long as writing `size` bytes of WAL shall take. errno is kept. */
void wal_pace(size_t size, uint32_t delay);

static inline uint32_t wal_delay(void)
{
    return arena_header == NULL ? 0 : atomic_load_explicit(&arena_header->wal_delay, memory_order_relaxed);
}

/* ---- presence.c ---- */

/* Pages claimed for a write. Begins and ends in one call of an interposed function. */
struct write_claim {
    const struct arena_entry *entry; /* NULL: nothing had to be claimed */
    uint32_t first_block;
    uint32_t end_block;
};

int presence_read_slow(int fd, struct tracked_file *file, uint32_t first_block, uint32_t end_block);
/* Claims every absent page of [offset, offset + size), after making present those that are covered in part. */
int presence_begin_write(int fd, struct tracked_file *file, off_t offset, off_t size, struct write_claim *claim);
/* Pages that end at or below `written_end` are present, the others of the claim absent again. errno is kept. */
void presence_end_write(struct write_claim *claim, off_t written_end);
void presence_prefetch(struct tracked_file *file, off_t offset, off_t size, bool *absent);

/* Makes every page of [offset, offset + size) present. One load per page when they are. -1 and errno on failure. */
static inline int presence_read(int fd, struct tracked_file *file, off_t offset, size_t size)
{
    uint32_t block_count = file->entry->block_count;
    if (size == 0 || offset < 0 || offset / ARENA_PAGE_SIZE >= block_count)
        return 0;
    uint32_t first = (uint32_t)(offset / ARENA_PAGE_SIZE);
    uint64_t end = ((uint64_t)offset + size + ARENA_PAGE_SIZE - 1) / ARENA_PAGE_SIZE;
    uint32_t end_block = end < block_count ? (uint32_t)end : block_count;
    for (uint32_t block = first; block < end_block; block++)
        if (!page_present(file->entry, block))
            return presence_read_slow(fd, file, block, end_block);
    return 0;
}

#endif
