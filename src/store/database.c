/* SPDX-License-Identifier: Apache-2.0 */
#include "store/database.h"

#include "base/memory.h"
#include "base/planted.h"
#include "store/migrations.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a new ledger; one that is there keeps its own. Six records of 1 KB fit with little left over. With SQLite's 4096, where three fit, a record costs more
 * CPU, and the file is larger; 16384 gains nothing more (docs/performance.md). */
#define PAGE_BYTES 8192
/* Of the WAL, after which the writer checkpoints. */
#define CHECKPOINT_BYTES (16 * 1024 * 1024)
#define BUSY_TIMEOUT_MS 5000

struct database {
    sqlite3 *handle;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char *path;
    struct stat file; /* as it was opened */
    int lock_fd; /* -1: none */
    bool writer;
    bool in_transaction;
    int page_bytes;
    int wal_frames;
    enum database_outcome outcome; /* the worst since begin */
    char failure[512];
};

static const struct {
    const char *text;
    bool scans;
} statements[] = {
#define STATEMENT_ROW(name, scan, sql) [STATEMENT_##name] = {sql, scan},
    STATEMENT_LIST(STATEMENT_ROW)
#undef STATEMENT_ROW
};

const char *database_statement_text(enum statement s)
{
    return statements[s].text;
}

bool database_statement_scans(enum statement s)
{
    return statements[s].scans;
}

struct sqlite3 *database_handle(struct database *db)
{
    return db->handle;
}

const char *database_path(const struct database *db)
{
    return db->path;
}

const char *database_failure(const struct database *db)
{
    return db->failure;
}

/* ---- opening ---- */

static bool lock_writer(struct database *db, const char *purpose, struct error *err)
{
    char name[4096];
    char owner[128] = "";
    ssize_t n;

    snprintf(name, sizeof(name), "%s-lock", db->path);
    db->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (db->lock_fd < 0)
        return error_set(err, ERROR_SYSTEM, "cannot open %s: %s (is the directory there, and may this user write into it?)", name, strerror(errno));
    if (flock(db->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        n = pread(db->lock_fd, owner, sizeof(owner) - 1, 0);
        owner[n > 0 ? n : 0] = '\0';
        return error_set(err, ERROR_LEDGER_IN_USE, "the ledger %s is in use by %s: stop it first, or name another ledger with --ledger", db->path,
                         owner[0] ? owner : "another process");
    }
    n = snprintf(owner, sizeof(owner), "%s (pid %ld)", purpose ? purpose : "stream2sqs", (long)getpid());
    if (ftruncate(db->lock_fd, 0) != 0 || pwrite(db->lock_fd, owner, (size_t)n, 0) != n) {
        /* A full disk must not keep the bridge from starting: the name is only for the other's error text. */
    }
    return true;
}

static bool open_failed(struct database *db, int rc, struct error *err)
{
    enum error_code code = ERROR_LEDGER_IO;

    if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT)
        return error_set(err, ERROR_LEDGER_DAMAGED,
                         "%s is damaged, or no ledger (%s). It was left as it is. Restore a copy, or name a new ledger with --ledger: "
                         "the stream still has the last 24 hours",
                         db->path, sqlite3_errmsg(db->handle));
    if (rc == SQLITE_CANTOPEN && db->handle && sqlite3_system_errno(db->handle) == EACCES)
        return error_set(err, ERROR_SYSTEM, "cannot open the ledger %s: %s (which user runs stream2sqs on it?)", db->path, strerror(EACCES));
    if (rc == SQLITE_CANTOPEN)
        return error_set(err, ERROR_NOT_FOUND, "cannot open the ledger %s: %s (--ledger or --config say which; `stream2sqs run` makes it)", db->path,
                         db->handle && sqlite3_system_errno(db->handle) ? strerror(sqlite3_system_errno(db->handle)) : "no such ledger here");
    if (rc == SQLITE_FULL)
        code = ERROR_LEDGER_FULL;
    return error_set(err, code, "cannot open the ledger %s: %s", db->path, db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc));
}

/* SQLite would take the log for that of another file, and delete it. */
static bool no_lone_log(const struct database *db, struct error *err)
{
    struct stat file;
    struct stat log;
    char name[4096];

    snprintf(name, sizeof(name), "%s-wal", db->path);
    if ((stat(db->path, &file) == 0 && file.st_size > 0) || stat(name, &log) != 0 || log.st_size == 0)
        return true;
    return error_set(err, ERROR_LEDGER_DAMAGED, "%s is there without %s, which was moved or deleted: bring that back beside it, since what was confirmed last "
                     "is in the -wal alone. If the ledger is gone for good, move the -wal away, too", name, db->path);
}

static int read_pragma(struct database *db, const char *sql, int *value)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);

    *value = 0;
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int on_wal(void *context, sqlite3 *handle, const char *name, int frames)
{
    struct database *db = context;

    (void)handle;
    (void)name;
    db->wal_frames = frames;
    return SQLITE_OK;
}

static bool configure(struct database *db, const struct database_options *options, struct error *err)
{
    int64_t cache = options->cache_bytes > 0 ? options->cache_bytes : 16 * 1024 * 1024;
    char sql[512];
    int rc;

    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    if (sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, db->writer ? 0 : 1, NULL) != SQLITE_OK)
        return error_set(err, ERROR_SYSTEM, "this SQLite cannot switch off checkpoints on close");
    snprintf(sql, sizeof(sql), "PRAGMA page_size=%d; PRAGMA cache_size=-%lld; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=OFF; "
             "PRAGMA synchronous=%s; PRAGMA wal_autocheckpoint=0;%s", PAGE_BYTES, (long long)(cache / 1024), PLANTED(NO_SYNC) ? "OFF" : "FULL",
             db->writer ? " PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=67108864;" : " PRAGMA query_only=ON;");
    rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = read_pragma(db, "PRAGMA page_size", &db->page_bytes);
    if (rc != SQLITE_OK)
        return open_failed(db, rc & 0xff, err);
    if (db->writer)
        sqlite3_wal_hook(db->handle, on_wal, db);
    return true;
}

static bool check_version(struct database *db, int *version, struct error *err)
{
    int application;
    int tables;
    int rc = read_pragma(db, "PRAGMA application_id", &application);

    if (rc == SQLITE_OK)
        rc = read_pragma(db, "PRAGMA user_version", version);
    if (rc == SQLITE_OK)
        rc = read_pragma(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != SQLITE_OK)
        return open_failed(db, rc & 0xff, err);
    if (tables > 0 && application != LEDGER_APPLICATION_ID)
        return error_set(err, ERROR_LEDGER_DAMAGED, "%s is an SQLite database, but no stream2sqs ledger: it was left as it is; name another with --ledger",
                         db->path);
    if (*version > migrations_known())
        return error_set(err, ERROR_LEDGER_NEWER, "the ledger %s was written by a newer stream2sqs (schema %d; this one knows %d): use that version",
                         db->path, *version, migrations_known());
    if (!db->writer && *version < migrations_known())
        return error_set(err, ERROR_LEDGER_DAMAGED, "the ledger %s has no data yet, or an older schema (%d): start `stream2sqs run` on it once", db->path,
                         *version);
    return true;
}

static bool prepare_all(struct database *db, struct error *err)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(db->handle, statements[i].text, -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL) != SQLITE_OK)
            return error_set(err, ERROR_LEDGER_DAMAGED, "the ledger %s does not have the tables that it should have: %s", db->path,
                             sqlite3_errmsg(db->handle));
    return true;
}

static bool open_handle(struct database *db, const struct database_options *options, struct error *err)
{
    int flags = db->writer ? SQLITE_OPEN_READWRITE | (options->create ? SQLITE_OPEN_CREATE : 0) : SQLITE_OPEN_READWRITE;
    mode_t old = umask(077);
    int version;
    int rc = sqlite3_open_v2(db->path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, options->vfs);
    bool done;

    /* The header is read before anything is written: a file that is not ours stays as it is. */
    done = (rc == SQLITE_OK || open_failed(db, rc & 0xff, err)) && check_version(db, &version, err) && configure(db, options, err) &&
           (!db->writer || migrations_apply(db->handle, version, err)) && prepare_all(db, err);
    umask(old);
    return done;
}

struct database *database_open(const char *path, const struct database_options *options, struct error *err)
{
    struct database *db = memory_zeroed(1, sizeof(*db));

    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* nobody asks for them, and they lock a mutex at each allocation; only counts before the first use */
    db->path = memory_strdup(path);
    db->writer = !options->read_only;
    db->lock_fd = -1;
    if ((!db->writer || options->vfs || (no_lone_log(db, err) && lock_writer(db, options->purpose, err))) && open_handle(db, options, err)) {
        if (options->vfs || stat(path, &db->file) != 0)
            db->file = (struct stat){0};
        return db;
    }
    if (db->handle)
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    database_close(db);
    return NULL;
}

void database_close(struct database *db)
{
    if (db == NULL)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->handle);
    if (db->lock_fd >= 0)
        close(db->lock_fd);
    free(db->path);
    free(db);
}

void database_abandon(struct database *db)
{
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    database_close(db);
}

/* ---- failures and transactions ---- */

static void fail(struct database *db, enum statement s, int rc)
{
    int primary = rc & 0xff;

    if (db->outcome == DATABASE_OK)
        snprintf(db->failure, sizeof(db->failure), "%s: %s (%s)", statements[s].text, sqlite3_errmsg(db->handle), sqlite3_errstr(rc));
    if (primary != SQLITE_FULL && primary != SQLITE_BUSY)
        db->outcome = DATABASE_BROKEN;
    else if (db->outcome == DATABASE_OK)
        db->outcome = DATABASE_FULL;
}

void database_begin(struct database *db)
{
    if (db->in_transaction)
        return;
    db->outcome = DATABASE_OK;
    db->failure[0] = '\0';
    db->in_transaction = true;
    database_run(db, STATEMENT_BEGIN);
}

bool database_in_transaction(const struct database *db)
{
    return db->in_transaction;
}

void database_rollback(struct database *db)
{
    db->in_transaction = false;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_reset(db->statements[i]);
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL); /* failing, it changes nothing: the transaction is gone with the connection */
}

bool database_moved(const struct database *db)
{
    struct stat now;

    if (db->file.st_ino == 0) /* of a VFS of the simulation */
        return false;
    if (stat(db->path, &now) != 0)
        return errno == ENOENT || errno == ENOTDIR; /* what cannot be looked at now may be where it was */
    return now.st_ino != db->file.st_ino || now.st_dev != db->file.st_dev;
}

enum database_outcome database_commit(struct database *db)
{
    if (!db->in_transaction)
        return DATABASE_OK;
    if (db->outcome == DATABASE_OK && db->writer && database_moved(db)) { /* what would be confirmed now could not be found again */
        snprintf(db->failure, sizeof(db->failure), "%s is not there any more: it was moved or deleted while it was in use", db->path);
        db->outcome = DATABASE_BROKEN;
    }
    if (db->outcome == DATABASE_OK)
        database_run(db, STATEMENT_COMMIT);
    db->in_transaction = false;
    if (db->outcome == DATABASE_FULL)
        database_rollback(db);
    return db->outcome;
}

void database_read_begin(struct database *db)
{
    database_run(db, STATEMENT_BEGIN_READ);
}

void database_read_end(struct database *db)
{
    database_run(db, STATEMENT_COMMIT);
}

/* ---- statements ---- */

static void bound(struct database *db, enum statement s, int rc)
{
    if (rc != SQLITE_OK)
        fail(db, s, rc);
}

void bind_i64(struct database *db, enum statement s, int at, int64_t value)
{
    bound(db, s, sqlite3_bind_int64(db->statements[s], at, value));
}

void bind_null(struct database *db, enum statement s, int at)
{
    bound(db, s, sqlite3_bind_null(db->statements[s], at));
}

void bind_text(struct database *db, enum statement s, int at, struct slice value)
{
    bound(db, s, sqlite3_bind_text64(db->statements[s], at, value.ptr, value.len, SQLITE_STATIC, SQLITE_UTF8));
}

void bind_blob(struct database *db, enum statement s, int at, struct slice value)
{
    bound(db, s, sqlite3_bind_blob64(db->statements[s], at, value.ptr, value.len, SQLITE_STATIC));
}

bool database_row(struct database *db, enum statement s)
{
    int rc;

    if (db->outcome != DATABASE_OK)
        return false;
    rc = sqlite3_step(db->statements[s]);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        fail(db, s, rc);
    sqlite3_reset(db->statements[s]);
    return false;
}

void database_reset(struct database *db, enum statement s)
{
    sqlite3_reset(db->statements[s]);
}

int database_run(struct database *db, enum statement s)
{
    bool row = database_row(db, s);

    if (row)
        database_reset(db, s);
    return db->outcome == DATABASE_OK ? sqlite3_changes(db->handle) : 0;
}

int64_t database_last_insert(struct database *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

int64_t column_i64(struct database *db, enum statement s, int at)
{
    return sqlite3_column_int64(db->statements[s], at);
}

bool column_is_null(struct database *db, enum statement s, int at)
{
    return sqlite3_column_type(db->statements[s], at) == SQLITE_NULL;
}

struct slice column_slice(struct database *db, enum statement s, int at)
{
    const void *bytes = sqlite3_column_blob(db->statements[s], at);
    int len = sqlite3_column_bytes(db->statements[s], at);

    if (bytes == NULL)
        return column_is_null(db, s, at) ? SLICE_NONE : SLICE("");
    return slice_from(bytes, (size_t)len);
}

/* ---- the file ---- */

enum database_outcome database_checkpoint(struct database *db)
{
    int rc;

    if ((int64_t)db->wal_frames * db->page_bytes < CHECKPOINT_BYTES)
        return DATABASE_OK;
    db->wal_frames = 0; /* a reader may have held it back: try again after as many more frames */
    rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY)
        return DATABASE_OK;
    snprintf(db->failure, sizeof(db->failure), "checkpoint: %s", sqlite3_errmsg(db->handle));
    return (rc & 0xff) == SQLITE_FULL ? DATABASE_FULL : DATABASE_BROKEN;
}

int64_t database_bytes_used(struct database *db)
{
    int pages = 0;
    int free_pages = 0;

    if (read_pragma(db, "PRAGMA page_count", &pages) != SQLITE_OK || read_pragma(db, "PRAGMA freelist_count", &free_pages) != SQLITE_OK)
        return 0;
    return (int64_t)(pages - free_pages) * db->page_bytes;
}

bool database_integrity(struct database *db, struct error *err)
{
    sqlite3_stmt *statement;
    bool sound = false;

    if (sqlite3_prepare_v2(db->handle, "PRAGMA integrity_check(1)", -1, &statement, NULL) != SQLITE_OK)
        return error_set(err, ERROR_LEDGER_DAMAGED, "%s: %s", db->path, sqlite3_errmsg(db->handle));
    if (sqlite3_step(statement) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);

        sound = text && strcmp(text, "ok") == 0;
        if (!sound)
            error_set(err, ERROR_LEDGER_DAMAGED, "%s is damaged: %s", db->path, text ? text : "no answer");
    } else {
        error_set(err, ERROR_LEDGER_DAMAGED, "%s: %s", db->path, sqlite3_errmsg(db->handle));
    }
    sqlite3_finalize(statement);
    return sound;
}
