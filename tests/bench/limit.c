/* SPDX-License-Identifier: Apache-2.0
 *
 * limit: what the ledger alone could do on this machine: the daemon's rows and SQLite settings, in one thread, without network or HTTP.
 *
 *     limit --ledger FILE [--preload N] [--settled] [--records N] [--repeat N] [--raw] [--bytes N] [--arn ARN --shard ID]
 *
 * First it fills FILE with N records (pending, or settled ones kept), then it measures, --repeat times each:
 *     life    a page of 1,000 records inserted in one commit, then ten commits, each with 100 messages received by tens and the 100 before them deleted
 *     insert  pages of 1,000 records, each in a commit
 * The records' texts are made, and cut into slices, outside the measured spells. One line of JSON is printed.
 *
 * Two engines write the same rows by the same statements: the product's own layers (intake, queue, ledger), and bare SQLite calls (--raw), which keep
 * nothing in memory, look nothing up and compute no hash. The difference is what the layers cost.
 *
 * bench.py also uses it to fill ledgers for the daemon, which goes on behind the position that is left here.
 */
#include "base/hash.h"
#include "base/memory.h"
#include "core/identity.h"
#include "core/intake.h"

#include <getopt.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAGE_RECORDS 1000
#define GROUP 100 /* messages received, and deleted, in a commit */
#define BATCH 10
#define VISIBILITY_MS 30000
#define REPEAT_MAX 100

struct options {
    const char *ledger;
    const char *arn;
    const char *shard;
    int64_t preload;
    int64_t records;
    int64_t bytes;
    int64_t repeat;
    bool settled;
    bool raw;
};

struct world {
    struct database *db;
    const struct engine *engine;
    struct queue *queue;
    struct intake intake;
    struct shard_row shard;
    char position[64];
    struct buffer text; /* of the page at hand */
    struct stream_page page;
    int64_t bytes;
    int64_t made; /* records so far: their numbers rise */
    int64_t waiting[GROUP];
    int waiting_count; /* received, not deleted yet */
    struct raw {
        sqlite3_stmt *statements[STATEMENT_COUNT];
        int64_t next_record;
        struct queue_row row;
        struct buffer bloom;
    } raw;
};

struct engine {
    const char *name;
    void (*insert)(struct world *w, struct instant now);                              /* the page at hand */
    int (*receive)(struct world *w, int64_t ids[BATCH], struct instant now);
    void (*settle)(struct world *w, const int64_t *ids, int count, struct instant now);
    void (*save)(struct world *w);                                                     /* before each commit */
};

/* ---- pages ---- */

static void append_record(struct world *w, int64_t number, int64_t now_ms)
{
    static const char blank[] = "................................................................";
    size_t start = w->text.len;
    size_t end = start + (size_t)w->bytes;
    struct buffer *out = &w->text;
    char tail[160];
    int tail_bytes = snprintf(tail, sizeof(tail), "\"}},\"SequenceNumber\":\"1%020lld\",\"SizeBytes\":%lld,\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"}}",
                              (long long)number, (long long)w->bytes);

    buffer_printf(out, "{\"eventID\":\"%016llx%016llx\",\"eventName\":\"MODIFY\",\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\","
                       "\"awsRegion\":\"eu-west-1\",\"dynamodb\":{\"ApproximateCreationDateTime\":%lld,\"Keys\":{\"id\":{\"S\":\"order-%012lld\"}},",
                  (unsigned long long)hash_mix((uint64_t)number), (unsigned long long)number, (long long)(now_ms / 1000), (long long)number);
    buffer_printf(out, "\"NewImage\":{\"id\":{\"S\":\"order-%012lld\"},\"amount\":{\"N\":\"%lld\"},\"status\":{\"S\":\"PAID\"},\"note\":{\"S\":\"",
                  (long long)number, (long long)(number % 100000));
    while (out->len + (size_t)tail_bytes < end) {
        size_t room = end - (size_t)tail_bytes - out->len;

        buffer_append(out, slice_from(blank, room < sizeof(blank) - 1 ? room : sizeof(blank) - 1));
    }
    buffer_append(out, slice_from(tail, (size_t)tail_bytes));
}

static void make_page(struct world *w, int64_t count)
{
    int64_t now_ms = clock_now().wall_ms;
    const char *error;

    buffer_reset(&w->text);
    buffer_append_text(&w->text, "{\"Records\":[");
    for (int64_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_byte(&w->text, ',');
        append_record(w, w->made++, now_ms);
    }
    buffer_append_text(&w->text, "],\"NextShardIterator\":\"next\"}");
    if (!get_records_decode(&w->page, buffer_slice(&w->text), &error))
        panic("the page that was made is malformed: %s", error);
}

/* The page's text goes; the position stays. */
static void keep_position(struct world *w)
{
    snprintf(w->position, sizeof(w->position), "%.*s", SLICE_ARG(w->shard.position));
    w->shard.position = slice_text(w->position);
}

/* ---- the engine of the product's layers ---- */

static void layers_insert(struct world *w, struct instant now)
{
    if (intake_page(&w->intake, &w->shard, &w->page, &w->queue, 1, 0, now) != (int64_t)w->page.len)
        panic("not every record of the page was new");
    keep_position(w);
    w->shard.last_read_at_ms = now.wall_ms;
    ledger_shard_save(w->db, &w->shard);
}

struct handed_over {
    int64_t *ids;
    int count;
};

static bool hand_over(void *context, const struct received *received, struct error *err)
{
    struct handed_over *h = context;

    (void)err;
    h->ids[h->count++] = received->root;
    return true;
}

static int layers_receive(struct world *w, int64_t ids[BATCH], struct instant now)
{
    struct handed_over h = {ids, 0};
    bool over_limit;

    queue_tick(w->queue, now);
    return queue_receive(w->queue, w->db, BATCH, VISIBILITY_MS, now, hand_over, &h, &over_limit);
}

static void layers_settle(struct world *w, const int64_t *ids, int count, struct instant now)
{
    for (int i = 0; i < count; i++)
        queue_delete(w->queue, w->db, ids[i], 1, now);
}

static void layers_save(struct world *w)
{
    queue_save(w->queue, w->db);
}

/* ---- the engine of bare SQLite calls ---- */

/* What is bound, by letter: i int64_t, t struct slice as text, b struct slice as blob, 0 NULL. */
static void raw_bind(sqlite3_stmt *statement, const char *kinds, va_list values)
{
    for (int at = 1; kinds[at - 1]; at++) {
        struct slice s;

        switch (kinds[at - 1]) {
        case 'i':
            sqlite3_bind_int64(statement, at, va_arg(values, int64_t));
            break;
        case 't':
            s = va_arg(values, struct slice);
            sqlite3_bind_text64(statement, at, s.ptr, s.len, SQLITE_STATIC, SQLITE_UTF8);
            break;
        case 'b':
            s = va_arg(values, struct slice);
            sqlite3_bind_blob64(statement, at, s.ptr, s.len, SQLITE_STATIC);
            break;
        default:
            sqlite3_bind_null(statement, at);
        }
    }
}

static void raw_run(struct world *w, enum statement s, const char *kinds, ...)
{
    sqlite3_stmt *statement = w->raw.statements[s];
    va_list values;

    va_start(values, kinds);
    raw_bind(statement, kinds, values);
    va_end(values);
    if (sqlite3_step(statement) != SQLITE_DONE)
        panic("%s: %s", sqlite3_sql(statement), sqlite3_errmsg(database_handle(w->db)));
    sqlite3_reset(statement);
}

static struct slice step_of(char out[STEP_BYTES], enum step_kind kind, struct instant now)
{
    step_encode(out, kind, now.wall_ms);
    return slice_from(out, STEP_BYTES);
}

static void raw_insert(struct world *w, struct instant now)
{
    struct raw *raw = &w->raw;
    const struct stream_page *page = &w->page;
    int64_t first = raw->next_record;
    int64_t first_message = raw->row.next_message;
    int64_t count = (int64_t)page->len;
    char text[STEP_BYTES];
    struct slice step = step_of(text, STEP_ENQUEUED, now);

    for (size_t i = 0; i < page->len; i++) {
        const struct stream_record *r = &page->records[i];

        raw_run(w, STATEMENT_RECORD_INSERT, "iitiiib0", raw->next_record++, w->shard.id, r->sequence_number, INT64_C(0), INT64_C(2), w->made, r->body);
    }
    raw_run(w, STATEMENT_PAGE_INSERT, "iiitttib", first, w->shard.id, count, w->shard.position, page->records[0].sequence_number,
            page->records[page->len - 1].sequence_number, now.wall_ms, buffer_slice(&raw->bloom));
    for (int64_t i = 0; i < count; i++)
        raw_run(w, STATEMENT_MESSAGE_INSERT, "ii00bi", raw->row.next_message++, first + i, step, (int64_t)MESSAGE_QUEUED);
    raw_run(w, STATEMENT_DELIVERY_INSERT, "iiiii", first, raw->row.id, first_message, count, INT64_C(0));
    raw_run(w, STATEMENT_TALLY_ADD, "iiiii", w->shard.id, raw->row.id, w->shard.records_read, count, INT64_C(0));
    raw->row.counts[MESSAGE_QUEUED] += count;
    w->shard.position = page->records[page->len - 1].sequence_number;
    keep_position(w);
    w->shard.records_read += count;
    raw_run(w, STATEMENT_SHARD_SAVE, "iii00tiii00", w->shard.id, (int64_t)w->shard.state, (int64_t)w->shard.start, w->shard.position, w->shard.records_read,
            INT64_C(0), now.wall_ms);
}

static int raw_receive(struct world *w, int64_t ids[BATCH], struct instant now)
{
    struct raw *raw = &w->raw;
    sqlite3_stmt *fresh = raw->statements[STATEMENT_MESSAGE_FRESH];
    char text[STEP_BYTES];
    volatile int64_t bytes = 0; /* the body is looked at, as an answer would */
    int got = 0;

    sqlite3_bind_int64(fresh, 1, raw->row.next_fresh);
    sqlite3_bind_int64(fresh, 2, QUEUE_END_MESSAGE(raw->row.id));
    sqlite3_bind_int64(fresh, 3, BATCH);
    while (sqlite3_step(fresh) == SQLITE_ROW) {
        ids[got++] = sqlite3_column_int64(fresh, 0);
        if (sqlite3_column_blob(fresh, 10))
            bytes += sqlite3_column_bytes(fresh, 10);
    }
    sqlite3_reset(fresh);
    if (got == 0)
        return 0;
    raw_run(w, STATEMENT_MESSAGE_RECEIVE_FRESH, "iiib", ids[0], ids[got - 1], now.wall_ms + VISIBILITY_MS, step_of(text, STEP_RECEIVED, now));
    raw->row.next_fresh = ids[got - 1] + 1;
    raw->row.counts[MESSAGE_QUEUED] -= got;
    raw->row.counts[MESSAGE_IN_FLIGHT] += got;
    return got;
}

static void raw_settle(struct world *w, const int64_t *ids, int count, struct instant now)
{
    char text[STEP_BYTES];
    struct slice step = step_of(text, STEP_DELETED, now);

    for (int i = 0; i < count; i++)
        raw_run(w, STATEMENT_MESSAGE_DELETE, "ib", ids[i], step);
    w->raw.row.counts[MESSAGE_IN_FLIGHT] -= count;
    w->raw.row.counts[MESSAGE_DELETED] += count;
}

static void raw_save(struct world *w)
{
    const struct queue_row *q = &w->raw.row;

    raw_run(w, STATEMENT_QUEUE_SAVE, "iiiiiiiiiiiiiiiiiiii", q->id, q->next_message, q->next_fresh, q->counts[MESSAGE_QUEUED], q->counts[MESSAGE_IN_FLIGHT],
            q->counts[MESSAGE_DELETED], INT64_C(0), INT64_C(0), INT64_C(0), INT64_C(0), INT64_C(0), INT64_C(0), INT64_C(0), INT64_C(0), INT64_C(0), INT64_C(0),
            INT64_C(0), INT64_C(0), INT64_C(0), INT64_C(0));
}

static void raw_prepare(struct world *w)
{
    static const enum statement used[] = {STATEMENT_RECORD_INSERT, STATEMENT_PAGE_INSERT, STATEMENT_MESSAGE_INSERT, STATEMENT_DELIVERY_INSERT,
                                          STATEMENT_TALLY_ADD, STATEMENT_SHARD_SAVE, STATEMENT_MESSAGE_FRESH, STATEMENT_MESSAGE_RECEIVE_FRESH,
                                          STATEMENT_MESSAGE_DELETE, STATEMENT_QUEUE_SAVE};

    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
        if (sqlite3_prepare_v3(database_handle(w->db), database_statement_text(used[i]), -1, SQLITE_PREPARE_PERSISTENT, &w->raw.statements[used[i]], NULL) !=
            SQLITE_OK)
            panic("%s", sqlite3_errmsg(database_handle(w->db)));
    w->raw.next_record = ledger_next_record(w->db);
    w->raw.row = (struct queue_row){.id = w->queue->id, .next_message = w->queue->next_message, .next_fresh = w->queue->next_fresh};
    memcpy(w->raw.row.counts, w->queue->counts, sizeof(w->raw.row.counts));
    bloom_size(&w->raw.bloom, PAGE_RECORDS * 3);
}

static void raw_close(struct world *w)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(w->raw.statements[i]);
    buffer_fini(&w->raw.bloom);
}

static const struct engine engines[] = {
    {"layers", layers_insert, layers_receive, layers_settle, layers_save},
    {"raw", raw_insert, raw_receive, raw_settle, raw_save},
};

/* ---- the life of records, in commits ---- */

static void commit(struct world *w)
{
    w->engine->save(w);
    if (database_commit(w->db) != DATABASE_OK || database_checkpoint(w->db) != DATABASE_OK)
        panic("%s", database_failure(w->db));
}

static void insert_page(struct world *w)
{
    database_begin(w->db);
    w->engine->insert(w, clock_now());
    commit(w);
}

/* Up to GROUP messages are received; those of the commit before are deleted. */
static void receive_and_settle(struct world *w, int limit)
{
    struct instant now = clock_now();
    int64_t ids[GROUP];
    int got = 0;
    int more = 1;

    database_begin(w->db);
    while (got < limit && more > 0)
        got += more = w->engine->receive(w, ids + got, now);
    w->engine->settle(w, w->waiting, w->waiting_count, now);
    commit(w);
    memcpy(w->waiting, ids, (size_t)got * sizeof(ids[0]));
    w->waiting_count = got;
}

static void settle_all(struct world *w, int64_t count)
{
    for (int64_t i = 0; i < count; i += GROUP)
        receive_and_settle(w, GROUP);
}

/* ---- measuring ---- */

struct spell {
    int64_t wall_ns;
    int64_t cpu_ns;
};

static int64_t read_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void spell_begin(struct spell *s)
{
    s->wall_ns -= read_ns(CLOCK_MONOTONIC);
    s->cpu_ns -= read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void spell_end(struct spell *s)
{
    s->wall_ns += read_ns(CLOCK_MONOTONIC);
    s->cpu_ns += read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* with_life false: inserted only. */
static struct spell measure(struct world *w, int64_t records, bool with_life)
{
    struct spell s = {0, 0};

    for (int64_t i = 0; i < records; i += PAGE_RECORDS) {
        make_page(w, PAGE_RECORDS);
        spell_begin(&s);
        insert_page(w);
        if (with_life)
            settle_all(w, PAGE_RECORDS);
        spell_end(&s);
    }
    if (!with_life)
        return s;
    spell_begin(&s);
    receive_and_settle(w, 0);
    spell_end(&s);
    return s;
}

static void preload(struct world *w, const struct options *o)
{
    for (int64_t i = 0; i < o->preload; i += PAGE_RECORDS) {
        make_page(w, o->preload - i < PAGE_RECORDS ? o->preload - i : PAGE_RECORDS);
        insert_page(w);
        if (o->settled)
            settle_all(w, (int64_t)w->page.len);
    }
    if (o->settled)
        receive_and_settle(w, 0);
}

static void print_spells(const char *name, const struct spell *spells, int64_t count, int64_t records)
{
    printf("\"%s\":[", name);
    for (int64_t i = 0; i < count; i++)
        printf("%s{\"per_second\":%.0f,\"wall_us\":%.3f,\"cpu_us\":%.3f}", i ? "," : "", (double)records * 1e9 / (double)spells[i].wall_ns,
               (double)spells[i].wall_ns / 1e3 / (double)records, (double)spells[i].cpu_ns / 1e3 / (double)records);
    printf("]");
}

/* Is what the ledger counts what was done? A benchmark of something that went wrong tells nothing. */
static void check(struct world *w, const struct options *o)
{
    int64_t settled = (o->settled ? o->preload : 0) + o->repeat * o->records;
    int64_t inserted = o->preload + 2 * o->repeat * o->records;
    struct queue *q = w->queue;
    const int64_t *counts = o->raw ? w->raw.row.counts : q->counts;

    if (counts[MESSAGE_DELETED] != settled || counts[MESSAGE_QUEUED] != inserted - settled || counts[MESSAGE_IN_FLIGHT] != 0)
        panic("%lld deleted, %lld queued, %lld in flight; wanted %lld and %lld and none", (long long)counts[MESSAGE_DELETED], (long long)counts[MESSAGE_QUEUED],
              (long long)counts[MESSAGE_IN_FLIGHT], (long long)settled, (long long)(inserted - settled));
}

static void run(struct world *w, const struct options *o)
{
    struct spell life[REPEAT_MAX];
    struct spell insert[REPEAT_MAX];

    preload(w, o);
    for (int64_t i = 0; i < o->repeat; i++) {
        life[i] = measure(w, o->records, true);
        insert[i] = measure(w, o->records, false);
    }
    check(w, o);
    printf("{\"engine\":\"%s\",\"preloaded\":%lld,\"settled\":%s,\"records\":%lld,\"made\":%lld,\"ledger_bytes\":%lld,", w->engine->name, (long long)o->preload,
           o->settled ? "true" : "false", (long long)o->records, (long long)w->made, (long long)database_bytes_used(w->db));
    print_spells("insert", insert, o->repeat, o->records);
    printf(",");
    print_spells("life", life, o->repeat, o->records);
    printf("}\n");
}

/* ---- the ledger ---- */

static void load_queue(void *context, const struct queue_row *row)
{
    struct world *w = context;

    w->queue = queue_load(w->db, row, clock_now());
    queue_start(w->queue, w->db, clock_now());
    w->queue->options.visibility_timeout_ms = VISIBILITY_MS;
}

static void world_open(struct world *w, const struct options *o)
{
    static const struct database_options database = {.create = true, .purpose = "limit"};
    int64_t now_ms = clock_now().wall_ms;
    struct stream_row stream = {.source = SLICE("bench"), .arn = slice_text(o->arn), .state = STREAM_READING, .created_at_ms = now_ms};
    struct identity identity;
    struct error err;

    *w = (struct world){.engine = &engines[o->raw], .bytes = o->bytes,
                        .shard = {.shard_id = slice_text(o->shard), .state = SHARD_READING, .start = SHARD_START_TRIM_HORIZON, .created_at_ms = now_ms}};
    w->db = database_open(o->ledger, &database, &err);
    if (w->db == NULL)
        panic("%s", err.text);
    database_begin(w->db);
    identity_init(&identity, w->db); /* the daemon's keys, which every ledger has */
    identity_fini(&identity);
    ledger_queue_insert(w->db, 1, SLICE("bench"), now_ms);
    ledger_queues(w->db, load_queue, w);
    w->shard.stream = ledger_stream_insert(w->db, &stream);
    w->shard.id = ledger_shard_insert(w->db, &w->shard);
    intake_init(&w->intake, w->db);
    if (database_commit(w->db) != DATABASE_OK)
        panic("%s: %s (the ledger has to be a new file)", o->ledger, database_failure(w->db));
    raw_prepare(w);
}

static void world_close(struct world *w)
{
    raw_close(w);
    intake_fini(&w->intake);
    queue_free(w->queue);
    stream_page_fini(&w->page);
    buffer_fini(&w->text);
    database_close(w->db);
}

/* ---- the command line ---- */

enum flag { LEDGER = 1, ARN, SHARD, PRELOAD, RECORDS, BYTES, REPEAT, SETTLED, RAW };

static const struct option options_known[] = {
    {"ledger", required_argument, NULL, LEDGER}, {"arn", required_argument, NULL, ARN},       {"shard", required_argument, NULL, SHARD},
    {"preload", required_argument, NULL, PRELOAD}, {"records", required_argument, NULL, RECORDS}, {"bytes", required_argument, NULL, BYTES},
    {"repeat", required_argument, NULL, REPEAT}, {"settled", no_argument, NULL, SETTLED},     {"raw", no_argument, NULL, RAW},
    {NULL, 0, NULL, 0},
};

static int64_t count_of(const char *text, int64_t most)
{
    uint64_t value;

    if (!slice_to_u64(slice_text(text), &value) || value > (uint64_t)most)
        panic("%s: not a number up to %lld", text, (long long)most);
    return (int64_t)value;
}

static bool set(struct options *o, int option, const char *value)
{
    switch (option) {
    case LEDGER:
        o->ledger = value;
        return true;
    case ARN:
        o->arn = value;
        return true;
    case SHARD:
        o->shard = value;
        return true;
    case PRELOAD:
        o->preload = count_of(value, INT64_C(100000000));
        return true;
    case RECORDS:
        o->records = count_of(value, INT64_C(100000000));
        return true;
    case BYTES:
        o->bytes = count_of(value, 400000);
        return true;
    case REPEAT:
        o->repeat = count_of(value, REPEAT_MAX);
        return true;
    case SETTLED:
        return o->settled = true;
    case RAW:
        return o->raw = true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    struct options o = {.arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/bench/stream/2026-01-01T00:00:00.000",
                        .shard = "shardId-00000001767225600000-00000001", .records = 20000, .bytes = 1024, .repeat = 3};
    struct world w;
    int option;

    while ((option = getopt_long(argc, argv, "", options_known, NULL)) != -1)
        if (!set(&o, option, optarg))
            return 64;
    if (o.ledger == NULL || optind < argc || o.records % PAGE_RECORDS != 0) {
        fprintf(stderr, "limit: wants --ledger FILE, and --records as a multiple of %d\n", PAGE_RECORDS);
        return 64;
    }
    digest_init();
    world_open(&w, &o);
    run(&w, &o);
    world_close(&w);
    digest_fini();
    return 0;
}
