/*
 * Makes pages present before they are read, and claims them while they are written.
 *
 *   P1  No fetched page overwrites a written one: both are written into the file under the same claim.
 *   P2  A process that dies at any point leaves every page either present and right, or claimed and thus fetched again.
 *       A write whose process died before the page was settled counts as not made; Postgres then recovers from its WAL,
 *       which holds every change since the compute's base LSN that no earlier completed write carried.
 *   P3  Nobody waits for a claim while holding one, save writers, who claim in ascending order: no deadlock.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A relation up to this size is fetched whole at its first miss: catalogs and their indexes, for a quick first query. */
#define SMALL_RELATION_BLOCKS 32
/* The first window of a sequential reader; it doubles up to AGENT_BLOCKS_MAX. */
#define WINDOW_BLOCKS_MIN 32

static uint8_t pages[AGENT_BLOCKS_MAX * ARENA_PAGE_SIZE] __attribute__((aligned(4096)));

static struct block_range absent_run(const struct arena_entry *entry, uint32_t first, uint32_t end)
{
    struct block_range run = {.first = first};
    if (end > entry->block_count)
        end = entry->block_count;
    while (first + run.count < end && run.count < AGENT_BLOCKS_MAX &&
           atomic_load(page_word(entry, first + run.count)) == CLAIM_FREE)
        run.count++;
    return run;
}

/* Where the claim of a miss at `block` ends, at least `end_block`; notes in `file` how the reader moves. */
static uint32_t plan_window(struct tracked_file *file, uint32_t block, uint32_t end_block)
{
    uint32_t skipped = block - file->next_block; /* huge when the reader went back */
    if (file->entry->block_count <= SMALL_RELATION_BLOCKS)
        file->window = SMALL_RELATION_BLOCKS;
    else if (block > 0 && skipped <= file->window)
        file->window = file->window * 2 > AGENT_BLOCKS_MAX    ? AGENT_BLOCKS_MAX
                       : file->window * 2 < WINDOW_BLOCKS_MIN ? WINDOW_BLOCKS_MIN
                                                              : (uint16_t)(file->window * 2);
    else
        file->window = 0;
    uint32_t end = block + file->window;
    return end > end_block ? end : end_block;
}

/* Fetches claimed pages and settles their words either way. */
static int fetch(int fd, struct tracked_file *file, struct block_range run)
{
    struct block_range next = {0};
    if (file->window > 0)
        next = absent_run(file->entry, run.first + run.count, run.first + run.count + file->window);
    uint32_t state = CLAIM_DONE;
    int error = 0;
    if (agent_read(file->entry, run, next, pages) < 0) {
        error = errno;
        state = CLAIM_FREE;
    }
    size_t size = (size_t)run.count * ARENA_PAGE_SIZE;
    off_t offset = (off_t)run.first * ARENA_PAGE_SIZE;
    for (size_t done = 0; state == CLAIM_DONE && done < size;) {
        ssize_t written = real.pwrite(fd, pages + done, size - done, offset + (off_t)done);
        if (written > 0) {
            done += (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            error = written == 0 ? ENOSPC : errno;
            complain("cannot keep fetched pages of %u/%u: %s", file->entry->database, file->entry->relation,
                     strerror(error));
            state = CLAIM_FREE;
        }
    }
    for (uint32_t i = 0; i < run.count; i++)
        claim_settle(page_word(file->entry, run.first + i), state);
    errno = error;
    return state == CLAIM_DONE ? 0 : -1;
}

static uint32_t file_end_block(int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return 0;
    uint64_t blocks = ((uint64_t)status.st_size + ARENA_PAGE_SIZE - 1) / ARENA_PAGE_SIZE;
    return blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX;
}

/* Claims `block` and what follows it up to `end_block`, as far as free; count 0 when somebody was faster. */
static struct block_range claim_run(const struct arena_entry *entry, uint32_t block, uint32_t end_block)
{
    struct block_range run = {.first = block};
    while (run.count < AGENT_BLOCKS_MAX && block + run.count < end_block &&
           claim_take(page_word(entry, block + run.count)))
        run.count++;
    /* A small relation is entered anywhere and fetched whole. */
    if (entry->block_count <= SMALL_RELATION_BLOCKS)
        while (run.count > 0 && run.first > 0 && claim_take(page_word(entry, run.first - 1))) {
            run.first--;
            run.count++;
        }
    return run;
}

static int make_present(int fd, struct tracked_file *file, uint32_t first_block, uint32_t end_block)
{
    const struct arena_entry *entry = file->entry;
    int writable = file->read_only ? -1 : fd;
    int result = 0;
    for (uint32_t block = first_block; result == 0 && block < end_block;) {
        if (claim_wait(page_word(entry, block)) == CLAIM_DONE) {
            block++;
            continue;
        }
        uint32_t file_end = file_end_block(fd);
        if (block >= file_end) { /* A2: a process died between truncating the file and settling its pages */
            if (claim_take(page_word(entry, block)))
                claim_settle(page_word(entry, block), CLAIM_DONE);
            continue;
        }
        uint32_t window_end = plan_window(file, block, end_block);
        struct block_range run = claim_run(entry, block, window_end < file_end ? window_end : file_end);
        if (run.count == 0)
            continue;
        if (writable < 0) {
            char path[32];
            snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
            writable = real.open(path, O_RDWR | O_CLOEXEC);
        }
        if (writable < 0) {
            int error = errno;
            complain("cannot reopen a read-only file for its absent pages: %s", strerror(error));
            for (uint32_t i = 0; i < run.count; i++)
                claim_settle(page_word(entry, run.first + i), CLAIM_FREE);
            errno = error;
            result = -1;
        } else {
            result = fetch(writable, file, run);
        }
        block = file->next_block = run.first + run.count;
    }
    if (writable >= 0 && writable != fd) {
        int error = errno;
        real.close(writable);
        errno = error;
    }
    return result;
}

int presence_read_slow(int fd, struct tracked_file *file, uint32_t first_block, uint32_t end_block)
{
    pthread_mutex_lock(&slow_path);
    int result = make_present(fd, file, first_block, end_block);
    pthread_mutex_unlock(&slow_path);
    return result;
}

/* A block of which a write covers only a part must hold the rest first. */
static int make_edge_present(int fd, struct tracked_file *file, off_t edge)
{
    uint32_t block = (uint32_t)(edge / ARENA_PAGE_SIZE);
    if (edge % ARENA_PAGE_SIZE == 0 || edge / ARENA_PAGE_SIZE >= file->entry->block_count || page_present(file->entry, block))
        return 0;
    return make_present(fd, file, block, block + 1);
}

int presence_begin_write(int fd, struct tracked_file *file, off_t offset, off_t size, struct write_claim *claim)
{
    const struct arena_entry *entry = file->entry;
    claim->entry = NULL;
    if (size <= 0 || offset < 0 || offset / ARENA_PAGE_SIZE >= entry->block_count)
        return 0;
    uint32_t first = (uint32_t)(offset / ARENA_PAGE_SIZE);
    uint64_t end = ((uint64_t)offset + (uint64_t)size + ARENA_PAGE_SIZE - 1) / ARENA_PAGE_SIZE;
    uint32_t end_block = end < entry->block_count ? (uint32_t)end : entry->block_count;
    while (first < end_block && page_present(entry, first))
        first++;
    if (first == end_block)
        return 0;
    pthread_mutex_lock(&slow_path);
    if (make_edge_present(fd, file, offset) < 0 || make_edge_present(fd, file, offset + size) < 0) {
        pthread_mutex_unlock(&slow_path);
        return -1;
    }
    for (uint32_t block = first; block < end_block; block++)
        while (claim_wait(page_word(entry, block)) == CLAIM_FREE && !claim_take(page_word(entry, block)))
            ;
    *claim = (struct write_claim){.entry = entry, .first_block = first, .end_block = end_block};
    return 0;
}

void presence_end_write(struct write_claim *claim, off_t written_end)
{
    if (claim->entry == NULL)
        return;
    int error = errno;
    for (uint32_t block = claim->first_block; block < claim->end_block; block++) {
        claim_word *word = page_word(claim->entry, block);
        if (claim_is_mine(word))
            claim_settle(word, ((off_t)block + 1) * ARENA_PAGE_SIZE <= written_end ? CLAIM_DONE : CLAIM_FREE);
    }
    pthread_mutex_unlock(&slow_path);
    errno = error;
}

void presence_prefetch(struct tracked_file *file, off_t offset, off_t size, bool *absent)
{
    const struct arena_entry *entry = file->entry;
    *absent = false;
    if (offset < 0 || size <= 0 || offset / ARENA_PAGE_SIZE >= entry->block_count)
        return;
    uint32_t block = (uint32_t)(offset / ARENA_PAGE_SIZE);
    uint64_t end = ((uint64_t)offset + (uint64_t)size + ARENA_PAGE_SIZE - 1) / ARENA_PAGE_SIZE;
    uint32_t end_block = end < entry->block_count ? (uint32_t)end : entry->block_count;
    while (block < end_block) {
        struct block_range run = absent_run(entry, block, end_block);
        if (run.count > 0) {
            *absent = true;
            pthread_mutex_lock(&slow_path);
            agent_prefetch(entry, run);
            pthread_mutex_unlock(&slow_path);
        }
        block += run.count > 0 ? run.count : 1;
    }
}
