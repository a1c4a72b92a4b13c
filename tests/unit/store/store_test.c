/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"
#include "support/temporary.h"

#include "store/ledger.h"
#include "store/migrations.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct database_options create = {.create = true, .purpose = "the test"};

static struct database *open_or_fail(const char *path, const struct database_options *options)
{
    struct error err = {0};
    struct database *db = database_open(path, options, &err);

    if (db == NULL)
        fail_msg("%s", err.text);
    return db;
}

/* Every statement uses an index or a row id, unless it is marked as a scan. */
static void no_statement_scans_a_table_by_accident(void **state)
{
    struct database *db = open_or_fail(temporary_path(state, "l.db"), &create);
    int checked = 0;

    for (int i = STATEMENT_META_GET; i < STATEMENT_COUNT; i++) {
        sqlite3_stmt *plan;
        char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", database_statement_text((enum statement)i));

        assert_int_equal(sqlite3_prepare_v2(database_handle(db), sql, -1, &plan, NULL), SQLITE_OK);
        while (sqlite3_step(plan) == SQLITE_ROW) {
            const char *detail = (const char *)sqlite3_column_text(plan, 3);

            if (strncmp(detail, "SCAN", 4) == 0 && strcmp(detail, "SCAN CONSTANT ROW") != 0 && !database_statement_scans((enum statement)i) &&
                strstr(detail, "message_scheduled") == NULL)
                fail_msg("%s\n    %s", detail, sql);
        }
        checked++;
        sqlite3_finalize(plan);
        sqlite3_free(sql);
    }
    assert_true(checked > 50);
    database_close(db);
}

static void files_are_private(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    const char *path = temporary_path(state, "l.db");
    struct database *db;
    mode_t old = umask(0);

    db = open_or_fail(path, &create);
    umask(old);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char name[4096];
        struct stat status;

        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        assert_int_equal(stat(name, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    database_close(db);
}

static void a_second_writer_is_refused_by_name(void **state)
{
    const char *path = temporary_path(state, "l.db");
    struct database *db = open_or_fail(path, &create);
    struct error err = {0};

    assert_null(database_open(path, &create, &err));
    assert_int_equal(err.code, ERROR_LEDGER_IN_USE);
    assert_non_null(strstr(err.text, "in use by the test (pid "));
    database_close(db);
    db = open_or_fail(path, &create);
    database_close(db);
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static void what_is_no_ledger_is_refused_and_left_as_it_is(void **state)
{
    const char *path = temporary_path(state, "l.db");
    char garbage[5000];
    char after[5000];
    struct error err = {0};
    int fd;

    memset(garbage, 'x', sizeof(garbage));
    write_file(path, garbage, sizeof(garbage));
    assert_null(database_open(path, &create, &err));
    assert_int_equal(err.code, ERROR_LEDGER_DAMAGED);
    fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, after, sizeof(after)), sizeof(after));
    close(fd);
    assert_memory_equal(garbage, after, sizeof(after));
}

static void a_newer_schema_is_refused(void **state)
{
    const char *path = temporary_path(state, "l.db");
    struct database *db = open_or_fail(path, &create);
    struct error err = {0};
    char sql[64];

    snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", migrations_known() + 1);
    assert_int_equal(sqlite3_exec(database_handle(db), sql, NULL, NULL, NULL), SQLITE_OK);
    database_close(db);
    assert_null(database_open(path, &create, &err));
    assert_int_equal(err.code, ERROR_LEDGER_NEWER);
}

static void another_programs_database_is_refused(void **state)
{
    const char *path = temporary_path(state, "l.db");
    sqlite3 *other;
    struct error err = {0};

    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "CREATE TABLE theirs(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    assert_null(database_open(path, &create, &err));
    assert_int_equal(err.code, ERROR_LEDGER_DAMAGED);
    assert_non_null(strstr(err.text, "no stream2sqs ledger"));
}

static void steps_keep_their_times_and_compare_by_them(void **state)
{
    char earlier[STEP_BYTES];
    char later[STEP_BYTES];
    enum step_kind kind;
    int64_t at_ms;

    (void)state;
    step_encode(earlier, STEP_DELETED, INT64_C(1767225600123));
    step_encode(later, STEP_ENQUEUED, INT64_C(1767225600379)); /* differs in the last two bytes */
    assert_true(step_decode(slice_from(earlier, STEP_BYTES), 0, &kind, &at_ms));
    assert_int_equal(kind, STEP_DELETED);
    assert_int_equal(at_ms, INT64_C(1767225600123));
    assert_false(step_decode(slice_from(earlier, STEP_BYTES), 1, &kind, &at_ms));
    assert_true(memcmp(earlier + 2, later + 2, 6) < 0);
}

/* A failed statement spoils its transaction, and nothing of it is there afterwards. */
static void failures_stick_until_the_commit_reports_them(void **state)
{
    struct database *db = open_or_fail(temporary_path(state, "l.db"), &create);
    struct record_row record = {.id = 1, .shard = 1, .sequence_number = SLICE("5"), .body = SLICE("{}")};

    sqlite3_exec(database_handle(db), "PRAGMA max_page_count=40", NULL, NULL, NULL);
    database_begin(db);
    for (int i = 0; i < 500; i++) {
        char body[1024];

        memset(body, 'b', sizeof(body));
        record.id = i + 1;
        record.sequence_number = SLICE_NONE;
        record.shard = 0;
        record.body = slice_from(body, sizeof(body));
        ledger_record_insert(db, &record);
    }
    assert_int_equal(database_commit(db), DATABASE_FULL);
    assert_non_null(strstr(database_failure(db), "full"));
    database_begin(db);
    record.id = 1;
    record.body = SLICE("{}");
    ledger_record_insert(db, &record);
    assert_int_equal(database_commit(db), DATABASE_OK);
    database_close(db);
}

static void a_record_is_stored_once(void **state)
{
    struct database *db = open_or_fail(temporary_path(state, "l.db"), &create);
    struct record_row record = {.id = 1, .shard = 1, .sequence_number = SLICE("5"), .body = SLICE("{}")};

    database_begin(db);
    ledger_record_insert(db, &record);
    record.id = 2;
    record.sub_sequence = 1;
    ledger_record_insert(db, &record);
    assert_int_equal(database_commit(db), DATABASE_OK);
    database_begin(db);
    record.id = 3;
    ledger_record_insert(db, &record); /* shard, sequence number and sub-sequence of record 2 */
    assert_int_equal(database_commit(db), DATABASE_BROKEN);
    database_abandon(db);
}

static void insert_message(struct database *db, int64_t id)
{
    struct buffer body = {0};
    struct record_row record = {.id = id};
    const struct new_message message = {.id = id, .record = id, .state = MESSAGE_PENDING, .step = STEP_ENQUEUED};

    buffer_printf(&body, "body %lld", (long long)id);
    record.body = buffer_slice(&body);
    ledger_record_insert(db, &record);
    ledger_message_insert(db, &message, 1);
    buffer_fini(&body);
}

/* Rows may be gone, asked for out of order, and written to on the way; no other is ever taken for the one that was asked for. */
static void a_walk_finds_each_message_or_none(void **state)
{
    static const struct {
        int64_t id;
        bool there;
    } asked[] = {{1, true}, {2, true}, {3, false}, {4, true}, {5, true}, {5, true}, {2, true}, {3, false}, {3, false}, {4, true}, {6, false}, {7, false}, {1, true}};
    struct database *db = open_or_fail(temporary_path(state, "l.db"), &create);
    struct message_walk walk = {0};
    struct message_row row;
    char body[16];

    database_begin(db);
    for (int64_t id = 1; id <= 5; id++)
        if (id != 3)
            insert_message(db, id);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        if (ledger_walk_find(db, &walk, asked[i].id, &row) != asked[i].there)
            fail_msg("question %zu: message %lld is %sthere", i, (long long)asked[i].id, asked[i].there ? "" : "not ");
        if (!asked[i].there)
            continue;
        snprintf(body, sizeof(body), "body %lld", (long long)asked[i].id);
        assert_int_equal(row.id, asked[i].id);
        assert_slice(row.body, body);
        ledger_send_unknown(db, row.id, 2); /* a move of the row that the walk stands on */
    }
    ledger_walk_end(db, &walk);
    ledger_walk_end(db, &walk);
    assert_int_equal(database_commit(db), DATABASE_OK);
    database_close(db);
}

static void database_exec_or_fail(struct database *db, const char *sql)
{
    assert_int_equal(sqlite3_exec(database_handle(db), sql, NULL, NULL, NULL), SQLITE_OK);
}

#define QUEUE_2 (INT64_C(2) << QUEUE_ID_SHIFT)
#define QUEUE_3 (INT64_C(3) << QUEUE_ID_SHIFT)

static void insert_copy(struct database *db, int64_t id, int64_t origin, int64_t now_ms)
{
    ledger_message_insert(db, &(struct new_message){.id = id, .record = 1, .state = MESSAGE_QUEUED, .step = STEP_ENQUEUED, .origin = origin}, now_ms);
}

/* The steps of message 1 as text: kind@time, or [queue]. */
static void append_life(struct database *db, struct buffer *out)
{
    struct message_row row;
    enum step_kind kind;
    int64_t at_ms;

    assert_true(ledger_message_find(db, 1, &row));
    assert_in_range(row.history.len, STEP_BYTES, HISTORY_BYTES);
    for (size_t i = 0; step_decode(row.history, i, &kind, &at_ms); i++) {
        if (kind == STEP_IN_QUEUE)
            buffer_printf(out, "[%lld] ", (long long)at_ms);
        else
            buffer_printf(out, "%s@%lld ", step_name(kind), (long long)at_ms);
    }
    ledger_message_end(db);
}

static void assert_life(struct database *db, const char *expected)
{
    struct buffer life = {0};

    append_life(db, &life);
    assert_slice(buffer_slice(&life), expected);
    buffer_fini(&life);
}

static void a_message_that_was_dead_keeps_its_copies_lives_and_queues(void **state)
{
    struct database *db = open_or_fail(temporary_path(state, "l.db"), &create);

    database_begin(db);
    insert_message(db, 1);
    database_exec_or_fail(db, "UPDATE message SET state=2");
    ledger_receive_one(db, 1, 9, 2);
    insert_copy(db, QUEUE_2 + 1, 1, 3);
    assert_int_equal(ledger_die(db, 1, QUEUE_2 + 1, 3), 1);
    ledger_receive_one(db, QUEUE_2 + 1, 9, 4);
    insert_copy(db, QUEUE_3 + 1, QUEUE_2 + 1, 5);
    assert_int_equal(ledger_die(db, QUEUE_2 + 1, QUEUE_3 + 1, 5), 1); /* a dead-letter queue that has one itself */
    assert_int_equal(ledger_redrive(db, 1, MESSAGE_QUEUED, 6), 1);
    assert_life(db, "enqueued@1 received@2 dead@3 [2] enqueued@3 received@4 dead@5 [3] enqueued@5 redriven@6 ");
    assert_int_equal(ledger_redrive(db, 1, MESSAGE_QUEUED, 7), 0);
    assert_life(db, "enqueued@1 received@2 dead@3 [2] enqueued@3 received@4 dead@5 [3] enqueued@5 redriven@6 ");
    assert_int_equal(database_commit(db), DATABASE_OK);
    database_close(db);
}

/* Its beginning and its newest steps stay, and where they happened. */
static void a_long_life_keeps_its_ends(void **state)
{
    struct database *db = open_or_fail(temporary_path(state, "l.db"), &create);
    struct buffer expected = {0};
    int64_t now = 10;

    database_begin(db);
    insert_message(db, 1);
    database_exec_or_fail(db, "UPDATE message SET state=2");
    for (int round = 0; round < 3; round++) {
        now++;
        insert_copy(db, QUEUE_2 + round + 1, 1, now);
        assert_int_equal(ledger_die(db, 1, QUEUE_2 + round + 1, now), 1);
        ledger_receive_one(db, QUEUE_2 + round + 1, 9, ++now);
        for (int i = 0; i < 40; i++)
            ledger_reschedule(db, QUEUE_2 + round + 1, 9, ++now);
        assert_int_equal(ledger_redrive(db, 1, MESSAGE_QUEUED, ++now), 1);
        buffer_reset(&expected);
        buffer_printf(&expected, "enqueued@1 [2] ");
        for (int64_t at = now - 29; at < now; at++)
            buffer_printf(&expected, "visibility changed@%lld ", (long long)at);
        buffer_printf(&expected, "redriven@%lld ", (long long)now);
        assert_life(db, expected.ptr);
    }
    assert_int_equal(database_commit(db), DATABASE_OK);
    database_close(db);
    buffer_fini(&expected);
}

/* The number of a receive goes on over a redrive; the count, which another server tells, begins anew. */
static void receives_elsewhere_are_counted_since_the_last_redrive(void **state)
{
    struct database *db = open_or_fail(temporary_path(state, "l.db"), &create);
    static const int64_t told[][2] = {{2, 2}, {1, 2}, {3, 3}}; /* the server's count, and what is known then: they may come out of order */
    struct message_row row;

    database_begin(db);
    insert_message(db, 1);
    assert_int_equal(ledger_remote_received(db, 1, 7, 2), 1);
    assert_int_equal(ledger_park(db, 1, 3), 1);
    assert_int_equal(ledger_redrive(db, 1, MESSAGE_PENDING, 4), 1);
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        assert_int_equal(ledger_remote_received(db, 1, told[i][0], 5), 1);
        assert_true(ledger_message_find(db, 1, &row));
        assert_int_equal(row.receive_count, told[i][1]);
        assert_int_equal(row.receive_number, (INT64_C(1) << 20) + told[i][1]);
        ledger_message_end(db);
    }
    assert_int_equal(database_commit(db), DATABASE_OK);
    database_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(no_statement_scans_a_table_by_accident),
        with_directory(files_are_private),
        with_directory(a_second_writer_is_refused_by_name),
        with_directory(what_is_no_ledger_is_refused_and_left_as_it_is),
        with_directory(a_newer_schema_is_refused),
        with_directory(another_programs_database_is_refused),
        cmocka_unit_test(steps_keep_their_times_and_compare_by_them),
        with_directory(failures_stick_until_the_commit_reports_them),
        with_directory(a_record_is_stored_once),
        with_directory(a_walk_finds_each_message_or_none),
        with_directory(a_message_that_was_dead_keeps_its_copies_lives_and_queues),
        with_directory(a_long_life_keeps_its_ends),
        with_directory(receives_elsewhere_are_counted_since_the_last_redrive),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
