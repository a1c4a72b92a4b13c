/* SPDX-License-Identifier: Apache-2.0 */
#include "support/memory_disk.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define SECTOR 512
#define FILES_MAX 8
#define REGIONS_MAX 64

/* A write or a truncation since the last sync. */
struct change {
    int64_t offset;
    struct buffer bytes;
    bool truncation; /* to `offset` */
};

struct file {
    char *name; /* NULL: there is none */
    struct buffer now;
    struct buffer synced;
    struct change *changes;
    size_t change_count;
    void *regions[REGIONS_MAX]; /* shared memory of the WAL index */
};

struct memory_disk {
    sqlite3_vfs vfs;
    char name[40];
    struct file files[FILES_MAX];
    struct random random;
    int64_t operations;
    int64_t breaks_at; /* 0: never */
    int64_t limit;
    bool lies;
};

struct handle {
    sqlite3_file base;
    struct memory_disk *disk;
    struct file *file;
};

/* ---- files ---- */

static void resize(struct buffer *b, size_t len)
{
    if (len > b->len) {
        buffer_reserve(b, len - b->len);
        memset(b->ptr + b->len, 0, len - b->len);
    }
    b->len = len;
}

static void put(struct buffer *b, int64_t offset, struct slice bytes)
{
    if ((size_t)offset + bytes.len > b->len)
        resize(b, (size_t)offset + bytes.len);
    memcpy(b->ptr + offset, bytes.ptr, bytes.len);
}

static void forget_changes(struct file *f)
{
    for (size_t i = 0; i < f->change_count; i++)
        buffer_fini(&f->changes[i].bytes);
    f->change_count = 0;
}

static void forget_shared(struct file *f)
{
    for (int i = 0; i < REGIONS_MAX; i++) {
        free(f->regions[i]);
        f->regions[i] = NULL;
    }
}

static void file_fini(struct file *f)
{
    forget_changes(f);
    forget_shared(f);
    free(f->changes);
    buffer_fini(&f->now);
    buffer_fini(&f->synced);
    free(f->name);
    *f = (struct file){0};
}

static struct file *find(struct memory_disk *d, const char *name)
{
    for (int i = 0; i < FILES_MAX; i++)
        if (d->files[i].name && strcmp(d->files[i].name, name) == 0)
            return &d->files[i];
    return NULL;
}

static struct file *make(struct memory_disk *d, const char *name)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (d->files[i].name)
            continue;
        d->files[i].name = memory_strdup(name);
        return &d->files[i];
    }
    panic("too many files on a memory disk");
}

/* ---- what SQLite asks of a file ---- */

static bool broken(struct memory_disk *d)
{
    d->operations++;
    return d->breaks_at != 0 && d->operations >= d->breaks_at;
}

static void note_change(struct file *f, int64_t offset, struct slice bytes, bool truncation)
{
    struct change *c;

    f->changes = memory_resize(f->changes, (f->change_count + 1) * sizeof(*f->changes));
    c = &f->changes[f->change_count++];
    *c = (struct change){.offset = offset, .truncation = truncation};
    buffer_append(&c->bytes, bytes);
}

static int file_close(sqlite3_file *base)
{
    (void)base;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *out, int amount, sqlite3_int64 offset)
{
    struct file *f = ((struct handle *)base)->file;
    size_t have = (size_t)offset < f->now.len ? f->now.len - (size_t)offset : 0;

    if (have >= (size_t)amount) {
        memcpy(out, f->now.ptr + offset, (size_t)amount);
        return SQLITE_OK;
    }
    memset(out, 0, (size_t)amount);
    if (have > 0)
        memcpy(out, f->now.ptr + offset, have);
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *data, int amount, sqlite3_int64 offset)
{
    struct handle *h = (struct handle *)base;
    int64_t grows = offset + amount - (int64_t)h->file->now.len;

    if (broken(h->disk))
        return SQLITE_IOERR_WRITE;
    if (h->disk->limit && grows > 0 && memory_disk_bytes(h->disk) + grows > h->disk->limit)
        return SQLITE_FULL;
    put(&h->file->now, offset, slice_from(data, (size_t)amount));
    note_change(h->file, offset, slice_from(data, (size_t)amount), false);
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct handle *h = (struct handle *)base;

    if (broken(h->disk))
        return SQLITE_IOERR_TRUNCATE;
    resize(&h->file->now, (size_t)size);
    note_change(h->file, size, SLICE(""), true);
    return SQLITE_OK;
}

static void apply(struct buffer *image, const struct change *c)
{
    if (c->truncation)
        resize(image, (size_t)c->offset);
    else
        put(image, c->offset, buffer_slice(&c->bytes));
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct handle *h = (struct handle *)base;

    (void)flags;
    if (broken(h->disk))
        return SQLITE_IOERR_FSYNC;
    if (h->disk->lies)
        return SQLITE_OK;
    for (size_t i = 0; i < h->file->change_count; i++)
        apply(&h->file->synced, &h->file->changes[i]);
    forget_changes(h->file);
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)((struct handle *)base)->file->now.len;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
    (void)base;
    (void)level;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *base, int *out)
{
    (void)base;
    *out = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int what, void *argument)
{
    (void)base;
    (void)what;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base)
{
    (void)base;
    return SECTOR;
}

static int file_characteristics(sqlite3_file *base)
{
    (void)base;
    return 0;
}

static int shared_map(sqlite3_file *base, int region, int bytes, int extend, void volatile **out)
{
    struct file *f = ((struct handle *)base)->file;

    if (region >= REGIONS_MAX)
        return SQLITE_IOERR_SHMMAP;
    if (f->regions[region] == NULL && extend)
        f->regions[region] = memory_zeroed(1, (size_t)bytes);
    *out = f->regions[region];
    return SQLITE_OK;
}

static int shared_lock(sqlite3_file *base, int offset, int n, int flags)
{
    (void)base;
    (void)offset;
    (void)n;
    (void)flags;
    return SQLITE_OK;
}

static void shared_barrier(sqlite3_file *base)
{
    (void)base;
}

static int shared_unmap(sqlite3_file *base, int remove)
{
    (void)remove;
    forget_shared(((struct handle *)base)->file);
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, .xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate, .xSync = file_sync,
    .xFileSize = file_size, .xLock = file_lock, .xUnlock = file_lock, .xCheckReservedLock = file_reserved, .xFileControl = file_control,
    .xSectorSize = file_sector, .xDeviceCharacteristics = file_characteristics, .xShmMap = shared_map, .xShmLock = shared_lock,
    .xShmBarrier = shared_barrier, .xShmUnmap = shared_unmap,
};

/* ---- what SQLite asks of a disk ---- */

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *flags_out)
{
    struct memory_disk *d = vfs->pAppData;
    struct handle *h = (struct handle *)base;
    struct file *f = name ? find(d, name) : NULL;

    base->pMethods = NULL;
    if (f == NULL && !(flags & SQLITE_OPEN_CREATE))
        return SQLITE_CANTOPEN;
    h->disk = d;
    h->file = f ? f : make(d, name ? name : "(temporary)");
    base->pMethods = &methods;
    if (flags_out)
        *flags_out = flags;
    return SQLITE_OK;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct file *f = find(vfs->pAppData, name);

    (void)sync;
    if (f == NULL)
        return SQLITE_IOERR_DELETE_NOENT;
    file_fini(f);
    return SQLITE_OK;
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)flags;
    *out = find(vfs->pAppData, name) != NULL;
    return SQLITE_OK;
}

static int disk_full_path(sqlite3_vfs *vfs, const char *name, int bytes, char *out)
{
    (void)vfs;
    snprintf(out, (size_t)bytes, "%s", name);
    return SQLITE_OK;
}

static int disk_randomness(sqlite3_vfs *vfs, int bytes, char *out)
{
    struct memory_disk *d = vfs->pAppData;

    for (int i = 0; i < bytes; i++)
        out[i] = (char)random_next(&d->random);
    return bytes;
}

static int disk_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int disk_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    *out = INT64_C(212000000000000);
    return SQLITE_OK;
}

static int disk_error(sqlite3_vfs *vfs, int bytes, char *out)
{
    (void)vfs;
    if (bytes > 0)
        out[0] = '\0';
    return 0;
}

/* ---- for the tests ---- */

struct memory_disk *memory_disk_new(uint64_t seed)
{
    struct memory_disk *d = memory_zeroed(1, sizeof(*d));

    d->random.state = seed;
    snprintf(d->name, sizeof(d->name), "memory-%p", (void *)d);
    d->vfs = (sqlite3_vfs){.iVersion = 2, .szOsFile = sizeof(struct handle), .mxPathname = 256, .zName = d->name, .pAppData = d, .xOpen = disk_open,
                           .xDelete = disk_delete, .xAccess = disk_access, .xFullPathname = disk_full_path, .xRandomness = disk_randomness,
                           .xSleep = disk_sleep, .xCurrentTimeInt64 = disk_time, .xGetLastError = disk_error};
    if (sqlite3_vfs_register(&d->vfs, 0) != SQLITE_OK)
        panic("a memory disk cannot be registered");
    return d;
}

void memory_disk_free(struct memory_disk *d)
{
    sqlite3_vfs_unregister(&d->vfs);
    for (int i = 0; i < FILES_MAX; i++)
        if (d->files[i].name)
            file_fini(&d->files[i]);
    free(d);
}

const char *memory_disk_name(const struct memory_disk *d)
{
    return d->name;
}

void memory_disk_kill(struct memory_disk *d)
{
    d->breaks_at = 0;
    for (int i = 0; i < FILES_MAX; i++)
        forget_shared(&d->files[i]);
}

/* Some sectors of a write made it to the disk, some did not. */
static void apply_torn(struct memory_disk *d, struct buffer *image, const struct change *c)
{
    size_t at = 0;

    while (at < c->bytes.len) {
        size_t offset = (size_t)c->offset + at;
        size_t n = SECTOR - offset % SECTOR;

        n = n < c->bytes.len - at ? n : c->bytes.len - at;
        if (random_below(&d->random, 2))
            put(image, (int64_t)offset, slice_from(c->bytes.ptr + at, n));
        at += n;
    }
}

void memory_disk_power_cut(struct memory_disk *d)
{
    memory_disk_kill(d);
    for (int i = 0; i < FILES_MAX; i++) {
        struct file *f = &d->files[i];

        for (size_t k = f->change_count; f->name && k > 0; k--) { /* in any order: swapped as they are taken */
            size_t pick = (size_t)random_below(&d->random, k);
            struct change taken = f->changes[pick];

            f->changes[pick] = f->changes[k - 1];
            f->changes[k - 1] = taken;
            if (random_below(&d->random, 4) == 0)
                continue;
            if (taken.truncation)
                apply(&f->synced, &taken);
            else
                apply_torn(d, &f->synced, &taken);
        }
        forget_changes(f);
        buffer_reset(&f->now);
        if (f->synced.len > 0)
            buffer_append(&f->now, buffer_slice(&f->synced));
    }
}

void memory_disk_break(struct memory_disk *d, int64_t after)
{
    d->breaks_at = after ? d->operations + after : 0;
}

void memory_disk_limit(struct memory_disk *d, int64_t bytes)
{
    d->limit = bytes;
}

int64_t memory_disk_bytes(const struct memory_disk *d)
{
    int64_t bytes = 0;

    for (int i = 0; i < FILES_MAX; i++)
        bytes += (int64_t)d->files[i].now.len;
    return bytes;
}

void memory_disk_lie(struct memory_disk *d)
{
    d->lies = true;
}

int64_t memory_disk_operations(const struct memory_disk *d)
{
    return d->operations;
}

struct slice memory_disk_file(const struct memory_disk *d, const char *name)
{
    for (int i = 0; i < FILES_MAX; i++)
        if (d->files[i].name && strcmp(d->files[i].name, name) == 0)
            return buffer_slice(&d->files[i].now);
    return SLICE_NONE;
}
