/*
 * The pace of WAL: a compute whose storage falls behind writes it more slowly, whatever statement it comes from.
 *
 * Every write to pg_wal is one under WALWriteLock, by whoever has to have WAL on disk: a commit, a load that has filled
 * the WAL buffers, the WAL writer. A sleep there is a slow disk to Postgres, and slows down in proportion all that write.
 *
 *   W1  A write of WAL takes `wal_delay` nanoseconds longer for each KiB of it, and DELAY_MAX_NS at most.
 *   W2  While `wal_delay` is 0 a write costs one load.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* What the agent asks for is far below, for as much as the WAL buffers hold. A word that is broken stops nobody for ever. */
#define DELAY_MAX_NS UINT64_C(20000000000)
#define SEGMENT_NAME_LENGTH 24

bool wal_path(const char *path)
{
    if (strncmp(path, "pg_wal/", 7) != 0)
        return false;
    path += 7;
    return strspn(path, "0123456789ABCDEF") == SEGMENT_NAME_LENGTH && path[SEGMENT_NAME_LENGTH] == '\0';
}

void wal_pace(size_t size, uint32_t delay)
{
    int error = errno;
    uint64_t nanoseconds = (uint64_t)size * delay / 1024;
    if (nanoseconds > DELAY_MAX_NS)
        nanoseconds = DELAY_MAX_NS;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    nanoseconds += (uint64_t)until.tv_nsec;
    until.tv_sec += (time_t)(nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
    errno = error;
}
