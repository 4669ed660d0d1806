/*
 * The connection to the compute's agent: docs/protocols/page-shim.md. Opened at the first miss, one per process, never
 * shared with a forked child.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* How long a reader waits for an agent that is away before its read fails with EIO. */
#define TIMEOUT_MS_DEFAULT 30000
#define RETRY_MS_MIN 5
#define RETRY_MS_MAX 500
#define MESSAGE_SIZE_MAX 1024

enum operation { OPERATION_READ = 1, OPERATION_PREFETCH = 2 };

struct request {
    uint32_t size; /* of the whole request */
    uint8_t operation;
    uint8_t fork;
    uint16_t count;
    uint32_t id; /* 0: no answer is wanted */
    uint32_t tablespace;
    uint32_t database;
    uint32_t relation;
    uint32_t first_block; /* within the relation fork, across its segments */
};
_Static_assert(sizeof(struct request) == 28, "request layout");

/* Followed by `count` pages when `status` is 0, else by `count` bytes of text. */
struct reply {
    uint32_t id;
    uint32_t status;
    uint32_t count;
};

static struct sockaddr_un agent_address = {.sun_family = AF_UNIX};
static int64_t timeout_ms = TIMEOUT_MS_DEFAULT;
static int agent_socket = -1;
static pid_t agent_socket_pid;
static uint32_t last_id;

void agent_configure(const char *socket_path, const char *timeout)
{
    if (socket_path == NULL || strlen(socket_path) >= sizeof agent_address.sun_path) {
        complain("NEON_PAGES_SOCKET is missing or longer than %zu bytes", sizeof agent_address.sun_path - 1);
        _exit(1);
    }
    strcpy(agent_address.sun_path, socket_path);
    if (timeout != NULL && atoll(timeout) > 0)
        timeout_ms = atoll(timeout);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void disconnect(void)
{
    if (agent_socket >= 0)
        real.close(agent_socket);
    agent_socket = -1;
}

static bool connect_once(void)
{
    if (agent_socket >= 0 && agent_socket_pid == getpid())
        return true;
    disconnect(); /* in a forked child this closes its copy only */
    agent_socket_pid = getpid();
    agent_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (agent_socket < 0)
        return false;
    /* A silent agent counts as an absent one. */
    struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    setsockopt(agent_socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(agent_socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    int result;
    do
        result = connect(agent_socket, (struct sockaddr *)&agent_address, sizeof agent_address);
    while (result < 0 && errno == EINTR);
    if (result == 0)
        return true;
    int error = errno;
    disconnect();
    errno = error;
    return false;
}

static bool send_all(const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t sent = send(agent_socket, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool receive_all(void *data, size_t size)
{
    for (char *at = data; size > 0;) {
        ssize_t received = recv(agent_socket, at, size, MSG_WAITALL);
        if (received < 0 && errno == EINTR)
            continue;
        if (received == 0)
            errno = ECONNRESET;
        if (received <= 0)
            return false;
        at += received;
        size -= (size_t)received;
    }
    return true;
}

static struct request request_for(enum operation operation, const struct arena_entry *entry, struct block_range blocks)
{
    return (struct request){
        .size = sizeof(struct request),
        .operation = (uint8_t)operation,
        .fork = (uint8_t)entry->fork,
        .count = (uint16_t)blocks.count,
        .tablespace = entry->tablespace,
        .database = entry->database,
        .relation = entry->relation,
        .first_block = entry->segment * ARENA_SEGMENT_BLOCKS + blocks.first,
    };
}

enum outcome { OUTCOME_READ, OUTCOME_REFUSED, OUTCOME_LOST };

/* One question and its answer. OUTCOME_REFUSED fills `message`; OUTCOME_LOST leaves the reason in errno. */
static enum outcome ask(const struct request *requests, size_t count, void *pages, char *message)
{
    struct reply reply;
    if (!connect_once() || !send_all(requests, count * sizeof *requests) || !receive_all(&reply, sizeof reply))
        return OUTCOME_LOST;
    bool fits = reply.status == 0 ? reply.count == requests[count - 1].count : reply.count < MESSAGE_SIZE_MAX;
    if (reply.id != requests[count - 1].id || !fits) {
        errno = EPROTO;
        return OUTCOME_LOST;
    }
    if (reply.status == 0)
        return receive_all(pages, (size_t)reply.count * ARENA_PAGE_SIZE) ? OUTCOME_READ : OUTCOME_LOST;
    if (!receive_all(message, reply.count))
        return OUTCOME_LOST;
    message[reply.count] = '\0';
    return OUTCOME_REFUSED;
}

int agent_read(const struct arena_entry *entry, struct block_range wanted, struct block_range next, void *pages)
{
    /* The read goes last: by the time it is answered, the agent has begun with what comes next. */
    struct request requests[2];
    size_t count = 0;
    if (next.count > 0)
        requests[count++] = request_for(OPERATION_PREFETCH, entry, next);
    requests[count++] = request_for(OPERATION_READ, entry, wanted);
    char message[MESSAGE_SIZE_MAX];
    int64_t deadline = now_ms() + timeout_ms;
    int retry_ms = RETRY_MS_MIN;
    for (;;) {
        if (++last_id == 0)
            last_id = 1;
        requests[count - 1].id = last_id;
        enum outcome outcome = ask(requests, count, pages, message);
        if (outcome == OUTCOME_READ)
            return 0;
        if (outcome == OUTCOME_LOST) {
            int error = errno;
            disconnect();
            if (now_ms() + retry_ms < deadline) {
                struct timespec pause = {.tv_nsec = retry_ms * 1000000L};
                nanosleep(&pause, NULL);
                retry_ms = retry_ms * 2 < RETRY_MS_MAX ? retry_ms * 2 : RETRY_MS_MAX;
                continue;
            }
            snprintf(message, sizeof message, "the agent does not answer: %s", strerror(error));
        }
        complain("cannot read %u/%u/%u fork %u blocks %u to %u: %s", entry->tablespace, entry->database, entry->relation,
                 entry->fork, requests[count - 1].first_block, requests[count - 1].first_block + wanted.count - 1,
                 message);
        errno = EIO;
        return -1;
    }
}

void agent_prefetch(const struct arena_entry *entry, struct block_range blocks)
{
    struct request request = request_for(OPERATION_PREFETCH, entry, blocks);
    if (!connect_once())
        return;
    ssize_t sent = send(agent_socket, &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT);
    bool nothing_sent = sent < 0 && (errno == EAGAIN || errno == EINTR);
    if (sent != (ssize_t)sizeof request && !nothing_sent)
        disconnect(); /* a request cut in two would garble the next one */
}
