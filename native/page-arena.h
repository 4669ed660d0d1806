/*
 * The arena: which pages of a compute's relation files are present, as one file that its agent writes before Postgres
 * starts and that every process of that Postgres maps shared.
 *
 *     header (64 bytes) | entries, sorted by key (32 bytes each) | zeros up to a page boundary | one word per page
 *
 * All integers are little-endian and aligned. The words are left sparse: a file of zeros says that nothing is present.
 *
 *   A1  A relation segment that has no entry is wholly local.
 *   A2  A block at or above its entry's `block_count`, or past the end of its file, is present.
 *   A3  A word is CLAIM_FREE, CLAIM_DONE or the claim of one process. Only the process that put its claim there may
 *       change the page in the file or settle the word; a claim whose process is gone may be freed by anyone.
 *   A4  CLAIM_DONE is final.
 *
 * A page word: free = absent (the page in the file is a hole), claimed = somebody is filling it, done = present.
 * A name word: free = the name denotes the placeholder, claimed = somebody is removing it, done = removed, so that
 * whatever is created under the name later is local. Files opened before the removal keep their page words.
 *
 *   A5  `wal_delay` is the agent's to change at any time; everybody else only reads it. 0: WAL is written undelayed.
 */
#ifndef NEON_PAGE_ARENA_H
#define NEON_PAGE_ARENA_H

#include <stdatomic.h>
#include <stdint.h>

#define ARENA_MAGIC UINT64_C(0x454741504e4f454e) /* "NEONPAGE" */
#define ARENA_VERSION 1

#define ARENA_PAGE_SIZE 8192
/* Blocks of one segment file: RELSEG_SIZE of every stock build. */
#define ARENA_SEGMENT_BLOCKS 131072

typedef _Atomic uint32_t claim_word;

#define CLAIM_FREE UINT32_C(0)
#define CLAIM_DONE UINT32_C(0xffffffff)
/* A claim: | somebody waits: 1 bit | 1 + process start time modulo 510: 9 bits | process id: 22 bits |. */
#define CLAIM_WAITED UINT32_C(0x80000000)
#define CLAIM_TAG_SHIFT 22
#define CLAIM_TAG_MODULUS 510
#define CLAIM_PID_MASK UINT32_C(0x003fffff)

struct arena_header {
    uint64_t magic;
    uint32_t version;
    uint32_t entry_count;
    uint64_t words_offset;
    uint64_t file_size;
    _Atomic uint32_t wal_delay; /* nanoseconds for each KiB that is written to a WAL segment */
    uint8_t reserved[28];
};

/* The key is every field up to `segment`, compared in that order. */
struct arena_entry {
    uint32_t tablespace; /* 1663: base/<database>/, 1664: global/ (database 0) */
    uint32_t database;
    uint32_t relation;
    uint32_t fork; /* 0 main, 1 free space map, 2 visibility map, 3 init */
    uint32_t segment;
    uint32_t block_count;
    uint32_t first_word; /* index among the page words */
    claim_word name;
};

_Static_assert(sizeof(struct arena_header) == 64, "arena header layout");
_Static_assert(sizeof(struct arena_entry) == 32, "arena entry layout");

#endif
