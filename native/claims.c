/* The claim protocol on one word of the arena: A3 and A4 of page-arena.h. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* How long a waiter sleeps before it looks whether the owner still lives. */
#define OWNER_CHECK_NS (100 * 1000 * 1000)

pthread_mutex_t slow_path = PTHREAD_MUTEX_INITIALIZER;

/*
 * The claim that process `pid` would use, from its start time in /proc. Process ids are reused, also for later backends
 * of the same Postgres, so the id alone would let a stale claim look alive for ever. 0: no such process, or a zombie.
 */
static uint32_t claim_of_process(pid_t pid)
{
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = real.open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t size = real.read(fd, text, sizeof text - 1);
    real.close(fd);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    /* "pid (name) state …": the name may hold anything, so fields are counted from the last parenthesis. */
    char *field = strrchr(text, ')');
    if (field == NULL || field[1] != ' ' || field[2] == 'Z' || field[2] == 'X')
        return 0;
    field += 2;
    for (int number = 3; number < 22; number++) {
        field = strchr(field, ' ');
        if (field == NULL)
            return 0;
        field++;
    }
    uint32_t tag = 1 + (uint32_t)(strtoull(field, NULL, 10) % CLAIM_TAG_MODULUS);
    return tag << CLAIM_TAG_SHIFT | ((uint32_t)pid & CLAIM_PID_MASK);
}

static uint32_t own_claim(void)
{
    static uint32_t claim;
    static pid_t claim_pid; /* a forked child must not use its parent's */
    pid_t pid = getpid();
    if (claim_pid != pid) {
        claim = claim_of_process(pid);
        if (claim == 0) /* no /proc: the process id alone has to do */
            claim = (uint32_t)pid & CLAIM_PID_MASK;
        claim_pid = pid;
    }
    return claim;
}

static bool owner_gone(uint32_t claim)
{
    claim &= ~CLAIM_WAITED;
    pid_t pid = (pid_t)(claim & CLAIM_PID_MASK);
    if (claim == own_claim()) /* see `slow_path`: this thread is waiting, so it does not hold the word */
        return true;
    if (kill(pid, 0) < 0 && errno == ESRCH)
        return true;
    /* Without /proc, or with a tagless claim written without it, `kill` has said all there is to say. */
    if (access("/proc/self/stat", R_OK) < 0 || claim >> CLAIM_TAG_SHIFT == 0)
        return false;
    return claim_of_process(pid) != claim;
}

static int futex(claim_word *word, int operation, uint32_t value, const struct timespec *timeout)
{
    return (int)syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

bool claim_take(claim_word *word)
{
    uint32_t expected = CLAIM_FREE;
    return atomic_compare_exchange_strong(word, &expected, own_claim());
}

bool claim_is_mine(claim_word *word)
{
    return (atomic_load(word) & ~CLAIM_WAITED) == own_claim();
}

void claim_settle(claim_word *word, uint32_t state)
{
    if (atomic_exchange(word, state) & CLAIM_WAITED)
        futex(word, FUTEX_WAKE, INT32_MAX, NULL);
}

uint32_t claim_wait(claim_word *word)
{
    const struct timespec timeout = {.tv_nsec = OWNER_CHECK_NS};
    for (;;) {
        uint32_t seen = atomic_load(word);
        if (seen == CLAIM_FREE || seen == CLAIM_DONE)
            return seen;
        if (!(seen & CLAIM_WAITED)) {
            if (!atomic_compare_exchange_strong(word, &seen, seen | CLAIM_WAITED))
                continue;
            seen |= CLAIM_WAITED;
        }
        if (futex(word, FUTEX_WAIT, seen, &timeout) == 0 || errno != ETIMEDOUT || !owner_gone(seen))
            continue;
        if (atomic_compare_exchange_strong(word, &seen, CLAIM_FREE))
            futex(word, FUTEX_WAKE, INT32_MAX, NULL);
    }
}
