/* Maps the arena, finds the entry of a path, and removes names. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLESPACE_DEFAULT 1663
#define TABLESPACE_GLOBAL 1664

claim_word *arena_words;
struct arena_header *arena_header;
static struct arena_entry *entries;
static uint32_t entry_count;
static char data_directory[4096];
static size_t data_directory_length;

void arena_map(const char *path, const char *directory)
{
    int fd = real.open(path, O_RDWR | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        complain("cannot open the arena %s: %s", path, strerror(errno));
        _exit(1);
    }
    size_t size = (size_t)status.st_size;
    void *map = size < sizeof(struct arena_header)
                    ? MAP_FAILED
                    : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    real.close(fd);
    struct arena_header *header = map;
    if (map == MAP_FAILED || header->magic != ARENA_MAGIC || header->version != ARENA_VERSION ||
        header->file_size != size || header->words_offset > size ||
        sizeof *header + (uint64_t)header->entry_count * sizeof *entries > header->words_offset) {
        complain("%s is not an arena of version %d", path, ARENA_VERSION);
        _exit(1);
    }
    entries = (struct arena_entry *)((char *)map + sizeof *header);
    entry_count = header->entry_count;
    for (uint32_t i = 0; i < entry_count; i++) {
        uint64_t end = ((uint64_t)entries[i].first_word + entries[i].block_count) * sizeof *arena_words;
        if (entries[i].block_count > ARENA_SEGMENT_BLOCKS || end > size - header->words_offset) {
            complain("%s: entry %u points outside the arena", path, i);
            _exit(1);
        }
    }
    arena_words = (claim_word *)((char *)map + header->words_offset);
    arena_header = header;
    if (directory != NULL && strlen(directory) < sizeof data_directory) {
        strcpy(data_directory, directory);
        data_directory_length = strlen(directory);
    }
}

/* Consumes a decimal number without sign; false when there is none or it does not fit. */
static bool take_number(const char **text, uint32_t *number)
{
    uint64_t value = 0;
    const char *at = *text;
    while (*at >= '0' && *at <= '9' && value <= UINT32_MAX)
        value = value * 10 + (uint64_t)(*at++ - '0');
    if (at == *text || value > UINT32_MAX)
        return false;
    *text = at;
    *number = (uint32_t)value;
    return true;
}

static bool take_text(const char **text, const char *expected)
{
    size_t length = strlen(expected);
    if (strncmp(*text, expected, length) != 0)
        return false;
    *text += length;
    return true;
}

/*
 * base/<database>/<relation>[_fsm|_vm|_init][.<segment>] or global/<relation>…, relative to the data directory or
 * absolute within it. Temporary relations (t<backend>_<relation>) do not match.
 */
static bool parse_path(const char *path, struct arena_entry *key)
{
    if (*path == '/') {
        if (data_directory_length == 0 || strncmp(path, data_directory, data_directory_length) != 0 ||
            path[data_directory_length] != '/')
            return false;
        path += data_directory_length;
    }
    while (*path == '/' || (path[0] == '.' && path[1] == '/'))
        path++;
    key->database = key->fork = key->segment = 0;
    if (take_text(&path, "base/")) {
        key->tablespace = TABLESPACE_DEFAULT;
        if (!take_number(&path, &key->database) || !take_text(&path, "/"))
            return false;
    } else if (take_text(&path, "global/")) {
        key->tablespace = TABLESPACE_GLOBAL;
    } else {
        return false;
    }
    if (!take_number(&path, &key->relation))
        return false;
    if (take_text(&path, "_fsm"))
        key->fork = 1;
    else if (take_text(&path, "_vm"))
        key->fork = 2;
    else if (take_text(&path, "_init"))
        key->fork = 3;
    if (take_text(&path, ".") && !take_number(&path, &key->segment))
        return false;
    return *path == '\0';
}

static int compare_keys(const struct arena_entry *left, const struct arena_entry *right)
{
#define COMPARE(field)                                                                                                 \
    if (left->field != right->field)                                                                                   \
    return left->field < right->field ? -1 : 1
    COMPARE(tablespace);
    COMPARE(database);
    COMPARE(relation);
    COMPARE(fork);
    COMPARE(segment);
#undef COMPARE
    return 0;
}

struct arena_entry *arena_lookup(const char *path)
{
    struct arena_entry key;
    if (entry_count == 0 || !parse_path(path, &key))
        return NULL;
    for (uint32_t low = 0, high = entry_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_keys(&entries[middle], &key);
        if (order == 0)
            return &entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

uint32_t arena_name_state(struct arena_entry *entry)
{
    uint32_t state = atomic_load(&entry->name);
    if (state == CLAIM_FREE || state == CLAIM_DONE)
        return state;
    pthread_mutex_lock(&slow_path);
    state = claim_wait(&entry->name);
    pthread_mutex_unlock(&slow_path);
    return state;
}

/*
 * The name is claimed over the removal, so whoever creates a file under it afterwards sees it done. A remover that dies
 * in between leaves either the placeholder, or no file under a free name, which `arena_name_lost` settles.
 */
int arena_unlink(struct arena_entry *entry, const char *path)
{
    pthread_mutex_lock(&slow_path);
    bool claimed = false;
    while (claim_wait(&entry->name) == CLAIM_FREE && !(claimed = claim_take(&entry->name)))
        ;
    int result = real.unlink(path);
    int error = errno;
    if (claimed)
        claim_settle(&entry->name, result == 0 || error == ENOENT ? CLAIM_DONE : CLAIM_FREE);
    pthread_mutex_unlock(&slow_path);
    errno = error;
    return result;
}

void arena_name_lost(struct arena_entry *entry)
{
    pthread_mutex_lock(&slow_path);
    if (claim_wait(&entry->name) == CLAIM_FREE && claim_take(&entry->name))
        claim_settle(&entry->name, CLAIM_DONE);
    pthread_mutex_unlock(&slow_path);
}
