/* SPDX-License-Identifier: Apache-2.0
 *
 * database: one SQLite connection, its prepared statements, and what a failure means.
 *
 * Promises:
 * 1. WAL, synchronous=FULL: what database_commit confirmed survives a power cut.
 * 2. Only the writing connection checkpoints, explicitly, between transactions (Debian 12's SQLite has the WAL-reset bug, which needs a second
 *    checkpointer); readers never checkpoint, not even on close.
 * 3. Failures stick: after one, every statement of the transaction does nothing, and the commit reports it. So callers in the middle of a
 *    transaction need not check each statement.
 * 4. Files are 0600 (umask), and a second writer is refused through a lock on PATH-lock.
 */
#ifndef S2Q_STORE_DATABASE_H
#define S2Q_STORE_DATABASE_H

#include "base/error.h"
#include "base/slice.h"
#include "store/statements.h"

struct database;

enum database_outcome {
    DATABASE_OK,
    DATABASE_FULL,   /* no room: everything since begin was rolled back and may be tried again later (P6) */
    DATABASE_BROKEN, /* outcome unknown: stop the process at once, without closing (P7) */
};

struct database_options {
    const char *vfs;      /* NULL: the system's; else a registered SQLite VFS (simulation), which is not locked */
    int64_t cache_bytes;  /* page cache; 0: 16 MiB */
    bool read_only;       /* for commands: any number beside a writer */
    bool create;          /* make it if it is not there */
    const char *purpose;  /* written into the lock file: "stream2sqs run" */
};

struct database *database_open(const char *path, const struct database_options *options, struct error *err);
/* Closes in order (and checkpoints, if it is the writer). */
void database_close(struct database *db);
/* Forgets it as a crash would: nothing is written any more. For simulation. */
void database_abandon(struct database *db);

/* A writer's transaction; begin is a no-op inside one. */
void database_begin(struct database *db);
bool database_in_transaction(const struct database *db);
enum database_outcome database_commit(struct database *db);
void database_rollback(struct database *db);
/* Is the file no longer where it was opened? Then nothing is confirmed any more: a commit is broken. */
bool database_moved(const struct database *db);
const char *database_path(const struct database *db);
/* What failed first, for people; "" while all is well. */
const char *database_failure(const struct database *db);
/* Readers: one consistent view until database_read_end. */
void database_read_begin(struct database *db);
void database_read_end(struct database *db);

/* Binding, 1-based. Texts and blobs must stay alive until the step. */
void bind_i64(struct database *db, enum statement s, int at, int64_t value);
void bind_null(struct database *db, enum statement s, int at);
/* An absent slice is NULL. */
void bind_text(struct database *db, enum statement s, int at, struct slice value);
void bind_blob(struct database *db, enum statement s, int at, struct slice value);
/* Runs a statement that gives no rows, and resets it. Returns the rows changed. */
int database_run(struct database *db, enum statement s);
/* The row id of the last insert. */
int64_t database_last_insert(struct database *db);
/* Steps a query: true while there is a row; it resets itself after the last. database_reset ends one early. */
bool database_row(struct database *db, enum statement s);
void database_reset(struct database *db, enum statement s);
int64_t column_i64(struct database *db, enum statement s, int at);
bool column_is_null(struct database *db, enum statement s, int at);
/* Borrowed until the next step or reset; NULL is the absent slice. */
struct slice column_slice(struct database *db, enum statement s, int at);

/* Copies WAL pages into the database file when the log has grown past its limit. Call between transactions. */
enum database_outcome database_checkpoint(struct database *db);
/* Bytes in use: pages that hold something. */
int64_t database_bytes_used(struct database *db);
/* SQLite's own check of the whole file; true: sound. Slow. */
bool database_integrity(struct database *db, struct error *err);
/* The text of a statement, for the plan lint; and the raw handle for tests only. */
const char *database_statement_text(enum statement s);
bool database_statement_scans(enum statement s);
struct sqlite3 *database_handle(struct database *db);

#endif
