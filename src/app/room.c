/* SPDX-License-Identifier: Apache-2.0 */
#include "app/room.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RESERVE_FILE_BYTES (4 * 1024 * 1024) /* thousands of deletes */

void room_init(struct room *r, const char *ledger, int64_t reserve_bytes)
{
    const char *slash = strrchr(ledger, '/');
    struct buffer path = {0};

    *r = (struct room){.reserve_bytes = reserve_bytes, .enough = true};
    r->directory = slash ? slice_dup(slice_from(ledger, (size_t)(slash - ledger) + 1)) : memory_strdup(".");
    buffer_printf(&path, "%s-reserve", ledger);
    r->reserve_path = buffer_take(&path);
}

void room_release(struct room *r)
{
    if (unlink(r->reserve_path) == 0)
        log_warning("the disk is full: the reserve was given up, so that messages can still be deleted", NULL);
    r->reserved = false;
    r->enough = false;
}

void room_fini(struct room *r)
{
    if (r->reserved) /* else it may be another process's, which has the ledger */
        unlink(r->reserve_path);
    free(r->directory);
    free(r->reserve_path);
}

static bool reserve(struct room *r)
{
    int fd = open(r->reserve_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int failed = fd < 0 ? errno : posix_fallocate(fd, 0, RESERVE_FILE_BYTES);

    if (fd >= 0)
        close(fd);
    if (failed)
        unlink(r->reserve_path);
    return failed == 0;
}

static bool look(struct room *r, struct statvfs *info)
{
    return statvfs(r->directory, info) == 0;
}

bool room_check(struct room *r)
{
    struct statvfs info;
    int64_t available;
    int64_t wanted = r->reserve_bytes + (r->enough ? 0 : r->reserve_bytes / 4); /* so that it does not flap */
    bool enough;

    if (!look(r, &info))
        return r->enough;
    available = (int64_t)(info.f_bavail * info.f_frsize);
    if (!r->reserved && available > wanted + RESERVE_FILE_BYTES)
        r->reserved = reserve(r);
    enough = available >= wanted && r->reserved;
    if (enough != r->enough)
        log_write(enough ? LOG_INFO : LOG_ERROR, enough ? "the disk has room again: reading goes on" : "reading rests: the disk is nearly full",
                  LOG_FIELDS(LOG_TEXT("directory", r->directory), LOG_INT("available_bytes", available), LOG_INT("reserve_bytes", r->reserve_bytes)));
    r->enough = enough;
    return enough;
}

int64_t room_total(const struct room *r)
{
    struct statvfs info;

    return statvfs(r->directory, &info) == 0 ? (int64_t)(info.f_blocks * info.f_frsize) : 0;
}
