/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole core in one thread, from one seed: a fake AWS that misbehaves, consumers that fail, a disk that fills up, breaks and loses power, a clock that
 * jumps, and a crash with restart between any two steps or in the middle of a commit. Then the faults end, and everything must drain.
 *
 * Checked after every restart and at the end:
 *   P1  every record up to a shard's position is stored, or in a named gap
 *   P2  no message comes again once its delete was confirmed, nor before its visibility time-out has passed; what comes is what AWS sent, byte for byte
 *   P5  what was confirmed is still so after a crash (seen through P1 and P2); a message whose sending was confirmed comes
 *       and what is on another server came there at least once, and twice only if its outcome was not known (never in a FIFO queue)
 *   P8  the audit adds up; at the end every record that was ever written is stored, or in a named gap
 *
 * usage: sim [--seed N] [--seeds COUNT] [--first N] [--bug NAME] [--verbose] [--log]
 */
#include "base/log.h"
#include "base/memory.h"
#include "base/planted.h"
#include "core/audit.h"
#include "core/bridge.h"
#include "support/fake_aws.h"
#include "support/fake_sqs.h"
#include "support/memory_disk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LEDGER "ledger.db"
#define CONSUMERS 4
#define CALLS 16
#define QUEUES 3 /* orders, its dead-letter queue, copies */
#define FAR 2    /* queues on other servers: a standard one and a FIFO one */
#define FAR_CALLS 128
#define HELD 64
#define STEPS 260
#define DRAIN_STEPS 20000
#define DAY_MS (24 * 3600 * INT64_C(1000))

enum { ORDERS, ORDERS_DEAD, COPIES };
static const char *const queue_names[QUEUES] = {"orders", "orders-dead", "copies"};

/* What is known of one record's message in one queue. */
struct truth {
    bool deleted;             /* a delete was confirmed */
    bool asked;               /* a delete was asked for */
    int64_t hidden_until_ms;  /* monotonic; 0: not known */
};

struct record_at {
    struct fake_shard *shard;
    const char *arn;
    size_t index;
};

struct held {
    int queue;
    uint64_t key;
    bool sent; /* by SendMessage: `key` is its number */
    char handle[64];
};

/* A message that a consumer sent. */
struct sent {
    bool confirmed;
    bool delivered;
    struct truth truth[QUEUES];
};

struct consumer {
    struct exchange x;
    struct buffer body; /* the request's text */
    bool busy;
    int queue;
    int64_t visibility_ms;
    struct held held[HELD];
    size_t held_count;
    struct held asked[10]; /* of the delete or change that is under way */
    size_t asked_count;
    int64_t asked_visibility_ms;
};

/* A configuration. One of its queues comes and goes while the bridge runs; nobody consumes it, but the audit has to add up. */
struct shape {
    struct bridge_queue queues[QUEUES + FAR + 1];
    const char *fed[4 + 1];
    struct bridge_source source;
    struct bridge_options options;
};

struct world {
    uint64_t seed;
    struct random random;
    struct memory_disk *disk;
    struct database *db;
    struct bridge *bridge;
    struct bridge_options *options; /* the newer shape's */
    struct fake_aws *aws;
    struct instant now;
    struct stream_call calls[CALLS];
    size_t call_count;
    struct fake_sqs far[FAR];
    struct target_call far_calls[FAR_CALLS];
    size_t far_call_count;
    uint64_t far_not_committed[FAR]; /* entries taken there whose answers are not in the ledger yet */
    uint64_t far_lost[FAR];          /* and never will be */
    uint64_t far_again[FAR];         /* messages that an operator sent again on purpose: replayed or redriven */
    struct filter *filter;           /* of the standard one */
    bool unfiltered;                 /* it was given records by `replay`, which asks no filter */
    struct shape shapes[2]; /* the configuration, and the one before */
    int shape;
    struct consumer consumers[CONSUMERS];
    struct record_at *records; /* by key */
    struct truth *truths[QUEUES];
    size_t record_count;
    struct sent *sent;
    size_t sent_count;
    bool faults;
    bool growth_limited; /* in this cycle */
    bool draining;
    int restarts;
    int recreated;
    uint64_t deliveries;
    uint64_t full;
    int64_t gaps;
    jmp_buf failed;
    char failure[600];
};

static bool verbose;

static void violated(struct world *w, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

static void violated(struct world *w, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(w->failure, sizeof(w->failure), format, arguments);
    va_end(arguments);
    longjmp(w->failed, 1);
}

static uint64_t below(struct world *w, uint64_t limit)
{
    return random_below(&w->random, limit);
}

static bool chance(struct world *w, uint64_t of_1000)
{
    return below(w, 1000) < of_1000;
}

static const struct pump_options far_options[FAR] = {{.name = "far"}, {.name = "far.fifo", .fifo = true}};
/* Two records of three. */
#define FAR_FILTER "{\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[{\"anything-but\":{\"suffix\":[\"0\",\"3\",\"6\",\"9\"]}}]}}}}"

/* ---- the bridge's life ---- */

static void open_world(struct world *w)
{
    const struct database_options options = {.vfs = memory_disk_name(w->disk), .create = true};
    struct error err = {0};

    w->db = database_open(LEDGER, &options, &err);
    if (w->db == NULL)
        violated(w, "P5: the ledger cannot be opened after restart %d: %s", w->restarts, err.text);
    w->options->seed = random_next(&w->random);
    w->bridge = bridge_new(w->db, w->options, w->now, &err);
    if (w->bridge == NULL && err.code == ERROR_LEDGER_FULL) { /* what the configuration asks for has no room: an operator makes some */
        memory_disk_limit(w->disk, 0);
        w->bridge = bridge_new(w->db, w->options, w->now, &err);
    }
    if (w->bridge == NULL)
        violated(w, "P5: the bridge cannot start after restart %d: %s", w->restarts, err.text);
}

static void forget_calls(struct world *w)
{
    for (size_t i = 0; i < w->call_count; i++)
        buffer_fini(&w->calls[i].body);
    w->call_count = 0;
    for (size_t i = 0; i < w->far_call_count; i++)
        target_call_fini(&w->far_calls[i]);
    w->far_call_count = 0;
    for (int i = 0; i < FAR; i++) {
        w->far_lost[i] += w->far_not_committed[i];
        w->far_not_committed[i] = 0;
    }
}

/* Everybody who waited for an answer has lost the connection. */
static void drop_connections(struct world *w)
{
    for (int i = 0; i < CONSUMERS; i++)
        w->consumers[i].busy = false;
    forget_calls(w);
}

static void close_world(struct world *w)
{
    if (w->bridge)
        bridge_free(w->bridge);
    if (w->db)
        database_abandon(w->db);
    w->bridge = NULL;
    w->db = NULL;
}

/* ---- what must hold ---- */

struct gap_search {
    const char *shard_id;
    const char *arn;
    struct slice sequence;
    bool covered;   /* the record is in a gap of its shard */
    bool ancestors; /* a gap of its stream says that shards were never seen */
};

static void look_at_gap(void *context, const struct gap_row *gap)
{
    struct gap_search *s = context;

    if (gap->cause == GAP_STREAM_RECREATED)
        s->ancestors = true;
    if (!slice_is(gap->arn, s->arn))
        return;
    if (gap->cause == GAP_PARENT_VANISHED || gap->cause == GAP_STREAM_VANISHED)
        s->ancestors = true;
    if (slice_is(gap->shard_id, s->shard_id) && (!slice_present(gap->from_sequence) || sequence_compare(gap->from_sequence, s->sequence) < 0) &&
        (!slice_present(gap->to_sequence) || sequence_compare(s->sequence, gap->to_sequence) < 0))
        s->covered = true;
}

struct shard_search {
    struct fake_shard *shard;
    const char *arn;
    int64_t stream;
    int64_t id;
    char *position;
};

static void find_stream(void *context, const struct stream_row *row)
{
    struct shard_search *s = context;

    if (slice_is(row->arn, s->arn))
        s->stream = row->id;
}

static void find_shard(void *context, const struct shard_row *row)
{
    struct shard_search *s = context;

    if (row->stream != s->stream || !slice_is(row->shard_id, fake_shard_id(s->shard)))
        return;
    s->id = row->id;
    s->position = slice_present(row->position) ? slice_dup(row->position) : NULL;
}

static void note_record(void *context, int64_t record)
{
    (*(int *)context)++;
    (void)record;
}

/* May it have been settled in every queue, and pruned since? */
static bool may_be_pruned(const struct world *w, const struct fake_record *r)
{
    uint64_t key = strtoull(r->key + 2, NULL, 10);

    return w->options->keep_settled_ms < DAY_MS && w->truths[COPIES][key].asked && (w->truths[ORDERS][key].asked || w->truths[ORDERS_DEAD][key].asked);
}

static void check_record(struct world *w, const struct shard_search *s, const struct fake_record *r, bool at_the_end)
{
    struct gap_search gap = {.shard_id = fake_shard_id(s->shard), .arn = s->arn, .sequence = slice_text(r->sequence)};
    bool passed = s->position && sequence_compare(gap.sequence, slice_text(s->position)) <= 0;
    int stored = 0;

    if (s->id)
        question_by_sequence(w->db, s->id, gap.sequence, note_record, &stored);
    if (stored == 1 || (stored == 0 && may_be_pruned(w, r)) || (!passed && !at_the_end))
        return;
    ledger_gaps(w->db, look_at_gap, &gap);
    if (gap.covered || (s->id == 0 && gap.ancestors))
        return;
    violated(w, "%s: record %s of %s is %s, and in no gap (shard %lld, position %s, trimmed %d, returned %u times)", at_the_end ? "P8" : "P1", r->sequence,
             fake_shard_id(s->shard), stored > 1 ? "stored more than once" : "not stored", (long long)s->id, s->position ? s->position : "none", r->trimmed,
             (unsigned)r->returned);
}

static void check_shard(struct world *w, struct fake_stream *stream, struct fake_shard *shard, bool at_the_end)
{
    struct shard_search s = {.shard = shard, .arn = fake_stream_arn(stream)};
    size_t count;
    const struct fake_record *records = fake_shard_records(shard, &count);

    ledger_streams(w->db, find_stream, &s);
    ledger_shards(w->db, find_shard, &s);
    for (size_t i = 0; i < count; i++)
        check_record(w, &s, &records[i], at_the_end);
    free(s.position);
}

static void check_ledger(struct world *w, bool at_the_end)
{
    struct audit audit;
    size_t differences;

    database_begin(w->db); /* one view of it; nothing is written */
    for (size_t i = 0; fake_stream_at(w->aws, i); i++)
        for (size_t k = 0; fake_shard_at(fake_stream_at(w->aws, i), k); k++)
            check_shard(w, fake_stream_at(w->aws, i), fake_shard_at(fake_stream_at(w->aws, i), k), at_the_end);
    audit_run(&audit, w->db);
    differences = audit.difference_count;
    if (differences > 0)
        snprintf(w->failure, sizeof(w->failure), "P8: the audit does not add up: %s", audit.differences[0]);
    w->gaps = audit.gaps;
    audit_fini(&audit);
    database_rollback(w->db);
    if (differences > 0)
        longjmp(w->failed, 1);
}

/* ---- crashes ---- */

/* Records older than a day are trimmed by the fake; here, a closed shard without any vanishes. */
static void age(struct world *w)
{
    fake_time_set(w->aws, w->now.wall_ms);
    for (size_t i = 0; fake_stream_at(w->aws, i); i++) {
        for (size_t k = 0; fake_shard_at(fake_stream_at(w->aws, i), k); k++) {
            struct fake_shard *s = fake_shard_at(fake_stream_at(w->aws, i), k);
            size_t count;
            const struct fake_record *records = fake_shard_records(s, &count);

            if (!fake_shard_is_open(s) && count > 0 && records[count - 1].created_ms < w->now.wall_ms - DAY_MS)
                fake_shard_delete(s);
        }
    }
}

static void advance(struct world *w, int64_t ms)
{
    w->now.wall_ms += ms;
    w->now.mono_ms += ms;
    if (ms > 60000)
        age(w);
}

static void crash(struct world *w, bool power)
{
    close_world(w);
    drop_connections(w);
    if (power)
        memory_disk_power_cut(w->disk);
    else
        memory_disk_kill(w->disk);
    w->restarts++;
    if (w->faults && chance(w, 40))
        advance(w, DAY_MS + (int64_t)below(w, (uint64_t)DAY_MS)); /* nobody started it for a day or two */
    else
        advance(w, (int64_t)below(w, 5000));
    open_world(w);
    check_ledger(w, false);
}

/* ---- consumers ---- */

static struct truth *truth_of(struct world *w, int queue, uint64_t key, bool sent)
{
    if (key >= (sent ? w->sent_count : w->record_count))
        violated(w, "P9: a message %s%" PRIu64 ", which was never written", sent ? "s" : "k", key);
    return sent ? &w->sent[key].truth[queue] : &w->truths[queue][key];
}

/* A dead letter is the same message as the one that died. */
static bool deleted_already(struct world *w, int queue, uint64_t key, bool sent)
{
    return truth_of(w, queue, key, sent)->deleted || (queue == ORDERS_DEAD && truth_of(w, ORDERS, key, sent)->deleted) ||
           (queue == ORDERS && truth_of(w, ORDERS_DEAD, key, sent)->deleted);
}

/* What SQS refuses arrives as an escape of the JSON text, which a consumer's parser reads as the same (pitfall 23). */
static void append_expected(struct buffer *out, struct slice record)
{
    for (size_t i = 0; i < record.len; i++) {
        if (i + 2 < record.len && memcmp(record.ptr + i, "\xef\xbf\xbe", 3) == 0)
            buffer_append_text(out, "\\ufffe");
        else if (i + 2 < record.len && memcmp(record.ptr + i, "\xef\xbf\xbf", 3) == 0)
            buffer_append_text(out, "\\uffff");
        else {
            buffer_append_byte(out, record.ptr[i]);
            continue;
        }
        i += 2;
    }
}

static void check_body(struct world *w, uint64_t key, const char *body)
{
    const struct record_at *at = &w->records[key];
    size_t count;
    struct slice want = fake_shard_records(at->shard, &count)[at->index].body;
    struct buffer expected = {0};

    append_expected(&expected, slice_from(want.ptr, want.len - 1));
    buffer_printf(&expected, ",\"eventSourceARN\":\"%s\"}", at->arn);
    if (strcmp(body, expected.ptr) != 0)
        violated(w, "P9: record k%" PRIu64 " was altered: %s", key, body);
    buffer_fini(&expected);
}

/* The key stands as "k-42-" in the record's Keys; nothing else of a record looks like that. */
static uint64_t key_of(const char *body)
{
    const char *at = strstr(body, "\"k-");

    return at ? strtoull(at + 3, NULL, 10) : UINT64_MAX;
}

static void take_message(struct world *w, struct consumer *c, json_t *message)
{
    const char *body = json_string_value(json_object_get(message, "Body"));
    bool sent = strncmp(body, "sent ", 5) == 0;
    uint64_t key = sent ? strtoull(body + 5, NULL, 10) : key_of(body);
    struct truth *truth = truth_of(w, c->queue, key, sent);

    if (sent)
        w->sent[key].delivered = true;
    else
        check_body(w, key, body);
    w->deliveries++;
    if (deleted_already(w, c->queue, key, sent))
        violated(w, "P2: record k%" PRIu64 " came from %s after its delete was confirmed", key, queue_names[c->queue]);
    if (truth->hidden_until_ms > w->now.mono_ms)
        violated(w, "P2: record k%" PRIu64 " came from %s %lld ms before its visibility time-out", key, queue_names[c->queue],
                 (long long)(truth->hidden_until_ms - w->now.mono_ms));
    truth->hidden_until_ms = w->now.mono_ms + c->visibility_ms;
    if (c->held_count < HELD) {
        struct held *h = &c->held[c->held_count++];

        h->queue = c->queue;
        h->key = key;
        h->sent = sent;
        snprintf(h->handle, sizeof(h->handle), "%s", json_string_value(json_object_get(message, "ReceiptHandle")));
    }
}

static void take_answer(struct world *w, struct consumer *c)
{
    const struct sqs_answer *a = &c->x.answer;
    enum sqs_action action = c->x.request.action;

    if (a->error == SQS_SERVICE_UNAVAILABLE || a->error == SQS_OVER_LIMIT || a->error == SQS_MESSAGE_NOT_INFLIGHT)
        return;
    if (a->error == SQS_INVALID_PARAMETER_VALUE && action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY) /* it is settled */
        return;
    if (a->error != SQS_OK)
        violated(w, "a consumer got an error that it should not get: %s", a->body.ptr);
    if (action == SQS_ACTION_RECEIVE_MESSAGE) {
        json_t *document = json_loadb(a->body.ptr, a->body.len, JSON_ALLOW_NUL, NULL);
        json_t *messages = json_object_get(document, "Messages");

        for (size_t i = 0; i < json_array_size(messages); i++)
            take_message(w, c, json_array_get(messages, i));
        json_decref(document);
        return;
    }
    if (action == SQS_ACTION_SEND_MESSAGE)
        w->sent[c->asked[0].key].confirmed = true;
    for (size_t i = 0; i < c->asked_count && action != SQS_ACTION_SEND_MESSAGE; i++) {
        struct truth *t = truth_of(w, c->asked[i].queue, c->asked[i].key, c->asked[i].sent);

        if (action == SQS_ACTION_DELETE_MESSAGE || action == SQS_ACTION_DELETE_MESSAGE_BATCH)
            t->deleted = true;
        else
            t->hidden_until_ms = w->now.mono_ms + c->asked_visibility_ms;
    }
}

static void ask(struct world *w, struct consumer *c, const char *target, const char *body)
{
    struct sqs_failure failure;

    buffer_reset(&c->body);
    buffer_append_text(&c->body, body);
    if (!sqs_request_decode(&c->x.request, slice_text(target), buffer_slice(&c->body), &failure))
        violated(w, "a request of the simulation is refused: %s", failure.text);
    c->x.base_url = SLICE("http://127.0.0.1:9324");
    c->busy = true;
    bridge_apply(w->bridge, &c->x, w->now);
}

static void ask_receive(struct world *w, struct consumer *c)
{
    char body[200];

    c->queue = (int)below(w, QUEUES);
    c->visibility_ms = w->draining ? 1000 : 1000 * (int64_t)(1 + below(w, 60));
    snprintf(body, sizeof(body), "{\"QueueUrl\":\"http://x/0/%s\",\"MaxNumberOfMessages\":%d,\"WaitTimeSeconds\":%d,\"VisibilityTimeout\":%d}",
             queue_names[c->queue], (int)(1 + below(w, 10)), w->draining ? 0 : (int)below(w, 21), (int)(c->visibility_ms / 1000));
    ask(w, c, "ReceiveMessage", body);
}

/* Takes held messages of one queue, to be asked about. */
static int pick(struct world *w, struct consumer *c, size_t most)
{
    int queue = c->held[c->held_count - 1].queue;

    (void)w;
    c->asked_count = 0;
    for (size_t i = c->held_count; i > 0 && c->asked_count < most; i--) {
        if (c->held[i - 1].queue != queue)
            continue;
        c->asked[c->asked_count++] = c->held[i - 1];
        c->held[i - 1] = c->held[--c->held_count];
    }
    return queue;
}

static void ask_delete(struct world *w, struct consumer *c)
{
    bool batch = chance(w, 600);
    int queue = pick(w, c, batch ? 1 + (size_t)below(w, 10) : 1);
    struct buffer body = {0};

    for (size_t i = 0; i < c->asked_count; i++)
        truth_of(w, c->asked[i].queue, c->asked[i].key, c->asked[i].sent)->asked = true;
    buffer_printf(&body, "{\"QueueUrl\":\"http://x/0/%s\"", queue_names[queue]);
    for (size_t i = 0; batch && i < c->asked_count; i++)
        buffer_printf(&body, "%s{\"Id\":\"%zu\",\"ReceiptHandle\":\"%s\"}", i ? "," : ",\"Entries\":[", i, c->asked[i].handle);
    if (batch)
        buffer_append_text(&body, "]}");
    else
        buffer_printf(&body, ",\"ReceiptHandle\":\"%s\"}", c->asked[0].handle);
    ask(w, c, batch ? "DeleteMessageBatch" : "DeleteMessage", body.ptr);
    buffer_fini(&body);
}

static void ask_change(struct world *w, struct consumer *c)
{
    int queue = pick(w, c, 1);
    char body[300];

    c->asked_visibility_ms = 1000 * (int64_t)below(w, 100);
    truth_of(w, queue, c->asked[0].key, c->asked[0].sent)->hidden_until_ms = 0; /* not known until it is answered */
    snprintf(body, sizeof(body), "{\"QueueUrl\":\"http://x/0/%s\",\"ReceiptHandle\":\"%s\",\"VisibilityTimeout\":%d}", queue_names[queue], c->asked[0].handle,
             (int)(c->asked_visibility_ms / 1000));
    ask(w, c, "ChangeMessageVisibility", body);
}

static void ask_send(struct world *w, struct consumer *c)
{
    char body[200];

    w->sent = memory_resize(w->sent, (w->sent_count + 1) * sizeof(*w->sent));
    w->sent[w->sent_count] = (struct sent){.confirmed = false};
    c->asked_count = 1;
    c->asked[0] = (struct held){.key = w->sent_count, .sent = true};
    snprintf(body, sizeof(body), "{\"QueueUrl\":\"http://x/0/%s\",\"MessageBody\":\"sent %zu\",\"DelaySeconds\":%d}", queue_names[chance(w, 500) ? ORDERS : COPIES],
             w->sent_count++, chance(w, 300) ? (int)below(w, 30) : 0);
    ask(w, c, "SendMessage", body);
}

static void act(struct world *w, struct consumer *c)
{
    if (c->busy) {
        if (!w->draining && chance(w, 20)) { /* it hangs up */
            bridge_forget(w->bridge, &c->x);
            c->busy = false;
        }
        return;
    }
    if (!w->draining && chance(w, 60))
        ask_send(w, c);
    else if (c->held_count > 0 && (w->draining || chance(w, 650)))
        ask_delete(w, c);
    else if (c->held_count > 0 && chance(w, 200))
        ask_change(w, c);
    else if (c->held_count > 0 && chance(w, 200))
        c->held_count--; /* it fails on one, and forgets it */
    else
        ask_receive(w, c);
}

static void release_replies(struct world *w)
{
    struct exchange *x;

    while ((x = bridge_next_reply(w->bridge)) != NULL) {
        struct consumer *c = (struct consumer *)(void *)((char *)x - offsetof(struct consumer, x));

        c->busy = false;
        if (!w->draining && chance(w, 30)) /* the answer is lost on its way: what was asked for may be done or not, as far as the consumer knows */
            continue;
        take_answer(w, c);
    }
}

/* ---- AWS ---- */

static struct fake_stream *newest_stream(const struct world *w)
{
    size_t i = 0;

    while (fake_stream_at(w->aws, i + 1))
        i++;
    return fake_stream_at(w->aws, i);
}

static struct fake_shard *any_shard(struct world *w, size_t *count)
{
    struct fake_stream *stream = newest_stream(w);

    *count = 0;
    while (fake_shard_at(stream, *count))
        (*count)++;
    return fake_shard_at(stream, (size_t)below(w, *count));
}

static void put_records(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t shards;
        size_t before;
        struct fake_shard *s = any_shard(w, &shards);
        char key[32];
        const struct fake_put put = {.key = key};

        if (!fake_shard_is_open(s))
            continue;
        w->records = memory_resize(w->records, (w->record_count + 1) * sizeof(*w->records));
        for (int q = 0; q < QUEUES; q++) {
            w->truths[q] = memory_resize(w->truths[q], (w->record_count + 1) * sizeof(*w->truths[q]));
            w->truths[q][w->record_count] = (struct truth){0};
        }
        fake_shard_records(s, &before);
        snprintf(key, sizeof(key), "k-%zu", w->record_count);
        w->records[w->record_count++] = (struct record_at){s, fake_stream_arn(newest_stream(w)), before};
        fake_record_put(s, &put);
    }
}

static void split_one(struct world *w)
{
    size_t count;
    struct fake_shard *s = any_shard(w, &count);

    if (fake_shard_is_open(s) && count < 20)
        fake_shard_split_into(s, 1 + (size_t)below(w, 2));
}

static void recreate(struct world *w)
{
    w->recreated++;
    fake_shard_new(fake_table_recreate(w->aws, "orders"), NULL);
}

static void deliver_call(struct world *w, size_t at)
{
    struct stream_call call = w->calls[at];
    struct fake_answer answer = fake_service_call(w->aws, w->now.wall_ms, slice_text(call.target), buffer_slice(&call.body));
    struct stream_answer out = {.token = call.token};

    w->calls[at] = w->calls[--w->call_count];
    if (!answer.lost) {
        out.status = answer.status;
        out.body = answer.body;
        out.has_crc32 = answer.has_crc32;
        out.crc32 = answer.crc32;
    }
    bridge_answer(w->bridge, &out, w->now);
    fake_answer_fini(&answer);
    buffer_fini(&call.body);
}

/* The server does what it is asked; the answer may find nobody who waits for it. */
static void deliver_far_call(struct world *w, size_t at)
{
    struct target_call call = w->far_calls[at];
    size_t far = call.queue - QUEUES;
    struct fake_sqs_answer answer;
    struct target_answer out = {.token = call.token};

    w->far_calls[at] = w->far_calls[--w->far_call_count];
    w->far_not_committed[far] += (uint64_t)__builtin_popcount(fake_sqs_call(&w->far[far], call.action, buffer_slice(&call.body), w->now, &answer));
    if (w->far[far].complaint[0])
        violated(w, "the bridge broke a rule of SQS: %s", w->far[far].complaint);
    out.status = answer.status;
    out.body = buffer_slice(&answer.body);
    out.unsent = answer.unsent;
    bridge_target_answer(w->bridge, &out, w->now);
    buffer_fini(&answer.body);
    target_call_fini(&call);
}

static void release_calls(struct world *w)
{
    struct target_call call;

    while (bridge_next_target_call(w->bridge, &call)) {
        if (w->far_call_count == FAR_CALLS)
            violated(w, "more than %d requests are on their way to other servers", FAR_CALLS);
        w->far_calls[w->far_call_count++] = call;
    }
    while (w->call_count < CALLS && bridge_next_call(w->bridge, &w->calls[w->call_count], w->now))
        w->call_count++;
}

/* ---- the cycle ---- */

/* The ledger's file may grow by so many pages: a statement in the middle of the cycle fails then, not the commit. Negative: without a limit. */
static void limit_growth(struct world *w, int pages)
{
    struct sqlite3 *handle = database_handle(w->db);
    char *pragma = NULL;
    sqlite3_stmt *count = NULL;
    int64_t limit = INT32_MAX;

    if (pages >= 0) {
        if (sqlite3_prepare_v2(handle, "PRAGMA page_count", -1, &count, NULL) != SQLITE_OK || sqlite3_step(count) != SQLITE_ROW)
            violated(w, "PRAGMA page_count: %s", sqlite3_errmsg(handle));
        limit = sqlite3_column_int64(count, 0) + pages;
        sqlite3_finalize(count);
    }
    pragma = sqlite3_mprintf("PRAGMA max_page_count=%lld", (long long)limit);
    if (sqlite3_exec(handle, pragma, NULL, NULL, NULL) != SQLITE_OK)
        violated(w, "%s: %s", pragma, sqlite3_errmsg(handle));
    sqlite3_free(pragma);
}

static void end_cycle(struct world *w)
{
    enum database_outcome outcome;

    if (PLANTED(REPLY_BEFORE_COMMIT))
        release_replies(w);
    if (w->faults && chance(w, 8))
        memory_disk_break(w->disk, 1 + (int64_t)below(w, 12)); /* in the middle of this commit, perhaps */
    outcome = bridge_commit(w->bridge, w->now);
    if (w->growth_limited && outcome != DATABASE_BROKEN)
        limit_growth(w, -1);
    w->growth_limited = false;
    if (outcome == DATABASE_BROKEN) {
        crash(w, chance(w, 700));
        return;
    }
    for (int i = 0; i < FAR && outcome == DATABASE_OK; i++)
        w->far_not_committed[i] = 0;
    if (outcome == DATABASE_FULL) /* calls on their way are forgotten */
        forget_calls(w);
    w->full += outcome == DATABASE_FULL;
    if (w->faults && chance(w, 15)) {
        crash(w, chance(w, 500));
        return;
    }
    release_replies(w);
    release_calls(w);
}

/* The wall clock is set forward: what is in flight now may be visible early after a restart, whose due times on disk are of that clock. */
static void jump(struct world *w)
{
    w->now.wall_ms += (int64_t)below(w, 7200000);
    for (int q = 0; q < QUEUES; q++)
        for (size_t i = 0; i < w->record_count; i++)
            w->truths[q][i].hidden_until_ms = 0;
    for (size_t i = 0; i < w->sent_count; i++)
        for (int q = 0; q < QUEUES; q++)
            w->sent[i].truth[q].hidden_until_ms = 0;
}

/* An operator sends all dead messages back; whoever held a dead letter does not have it any more. */
static void redrive(struct world *w)
{
    struct bridge_move move = {.drop = false};

    for (int i = 0; i < CONSUMERS; i++) {
        struct consumer *c = &w->consumers[i];

        for (size_t k = c->held_count; k > 0; k--)
            if (c->held[k - 1].queue == ORDERS_DEAD)
                c->held[k - 1] = c->held[--c->held_count];
    }
    for (size_t i = 0; i < w->record_count; i++)
        w->truths[ORDERS][i].hidden_until_ms = w->truths[ORDERS_DEAD][i].hidden_until_ms = 0;
    for (size_t i = 0; i < w->sent_count; i++)
        w->sent[i].truth[ORDERS].hidden_until_ms = w->sent[i].truth[ORDERS_DEAD].hidden_until_ms = 0;
    if (!bridge_move_dead(w->bridge, SLICE("orders"), &move, w->now))
        violated(w, "the queue of the dead is gone");
    for (int far = 0; far < FAR; far++) { /* what is parked there had arrived, altered */
        struct bridge_move parked = {.drop = chance(w, 200)};

        if (!bridge_move_dead(w->bridge, slice_text(far_options[far].name), &parked, w->now))
            violated(w, "the queue %s is gone", far_options[far].name);
        w->far_again[far] += (uint64_t)parked.moved;
    }
}

/* An operator gives some records to another server again. */
static void replay(struct world *w)
{
    int far = chance(w, 100) ? 0 : 1;
    int64_t records[5];
    int64_t replayed;

    for (size_t i = 0; i < 5; i++)
        records[i] = 1 + (int64_t)below(w, w->record_count + w->sent_count + 1);
    if (!bridge_replay(w->bridge, slice_text(far_options[far].name), records, 5, &replayed, w->now))
        violated(w, "the queue %s is gone", far_options[far].name);
    w->far_again[far] += (uint64_t)replayed;
    w->unfiltered = w->unfiltered || far == 0;
}

static void set_shape(struct world *w, struct shape *shape, bool later);

/* SIGHUP with another configuration. */
static void reconfigure(struct world *w)
{
    struct shape *next = &w->shapes[w->shape ^ 1];
    struct error err;

    set_shape(w, next, chance(w, 600));
    if (bridge_reconfigure(w->bridge, &next->options, w->now, &err)) {
        w->shape ^= 1;
        w->options = &next->options;
    } else if (err.code == ERROR_LEDGER_IO) {
        crash(w, chance(w, 700));
    } else if (err.code == ERROR_LEDGER_FULL) {
        forget_calls(w);
        w->full++;
    } else {
        violated(w, "the configuration was not taken: %s", err.text);
    }
}

static void mishaps(struct world *w)
{
    if (chance(w, 15))
        reconfigure(w);
    if (chance(w, 20))
        redrive(w);
    if (chance(w, 20))
        replay(w);
    if (chance(w, 60))
        split_one(w);
    if (chance(w, 6) && w->recreated < 2)
        recreate(w);
    if (chance(w, 15)) {
        memory_disk_limit(w->disk, memory_disk_bytes(w->disk) + (int64_t)below(w, 40000));
    } else if (chance(w, 150)) {
        memory_disk_limit(w->disk, 0);
        bridge_set_room(w->bridge, true);
    }
    if (chance(w, 10))
        jump(w);
    if (chance(w, 10))
        advance(w, 16 * 60 * INT64_C(1000));
    if (chance(w, 15))
        crash(w, chance(w, 500));
}

static void step(struct world *w)
{
    int64_t due = bridge_due(w->bridge);

    if (w->faults && chance(w, 60)) {
        w->growth_limited = true;
        limit_growth(w, (int)below(w, 4));
    }
    for (int i = 0; i < CONSUMERS; i++)
        if (chance(w, 400))
            act(w, &w->consumers[i]);
    while (w->call_count > 0 && chance(w, 600))
        deliver_call(w, (size_t)below(w, w->call_count));
    while (w->far_call_count > 0 && chance(w, 700))
        deliver_far_call(w, (size_t)below(w, w->far_call_count));
    end_cycle(w);
    if (w->faults)
        mishaps(w);
    if (due != INT64_MAX && due > w->now.mono_ms && due < w->now.mono_ms + 30000 && chance(w, 700))
        advance(w, due - w->now.mono_ms);
    else
        advance(w, (int64_t)below(w, 400));
}

/* ---- a seed ---- */

/* What a stream that is read rightly must survive. The others would be lies that nobody can see through: a shard that ends though it does not, say,
 * or a trim that was none. */
static const struct {
    enum fake_fault fault;
    unsigned per_10000;
} rates[] = {
    {FAULT_EMPTY_PAGE, 2000},     {FAULT_NO_RECORDS, 100},        {FAULT_NULL_RECORDS, 100},       {FAULT_NEXT_EMPTY, 100},
    {FAULT_NEXT_NULL, 100},       {FAULT_NEXT_ABSENT, 100},       {FAULT_REPEATED_PAGE, 200},      {FAULT_BLANKS, 300},
    {FAULT_HIDDEN_NEWEST, 700},   {FAULT_HIDDEN_CHILDREN, 500},   {FAULT_OPEN_PARENTS, 500},       {FAULT_ODD_ORDER, 500},
    {FAULT_FALSE_MORE, 500},      {FAULT_ENDLESS_PAGES, 300},     {FAULT_CUT_JSON, 100},           {FAULT_CUT_BODY, 100},
    {FAULT_WRONG_CRC, 100},       {FAULT_GARBAGE, 100},           {FAULT_HTML_503, 100},           {FAULT_LOST_REQUEST, 150},
    {FAULT_LOST_REPLY, 150},      {FAULT_EXPIRED_ITERATOR, 150},  {FAULT_LIMIT_EXCEEDED, 100},     {FAULT_THROUGHPUT_EXCEEDED, 100},
    {FAULT_THROTTLED, 100},       {FAULT_THROTTLED_SHORT, 50},    {FAULT_INTERNAL_ERROR, 150},     {FAULT_ACCESS_DENIED, 20},
    {FAULT_EXPIRED_TOKEN, 20},    {FAULT_TIME_TOO_SKEWED, 30},    {FAULT_INVALID_SIGNATURE, 30},   {FAULT_REQUEST_EXPIRED, 30},
};

static void set_faults(struct world *w)
{
    unsigned heavy = chance(w, 300) ? 4 : 1;

    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        fake_fault_rate(w->aws, rates[i].fault, rates[i].per_10000 * heavy > 6000 ? 6000 : rates[i].per_10000 * heavy);
    for (int far = 0; far < FAR; far++)
        for (int f = 0; f < SQS_FAULT_COUNT; f++)
            w->far[far].rates[f] = (unsigned)below(w, f == SQS_FAULT_WRONG_MD5 || f == SQS_FAULT_DENIED || f == SQS_FAULT_DELETED ? 60 : 500 * heavy);
}

static const struct bridge_queue bridge_queues[] = {
    {.name = "orders", .visibility_timeout_ms = 30000, .max_receive_count = 4, .dead_letter_queue = "orders-dead"},
    {.name = "orders-dead", .visibility_timeout_ms = 30000},
    {.name = "copies", .visibility_timeout_ms = 30000},
    {.name = "far", .remote = &far_options[0]},
    {.name = "far.fifo", .remote = &far_options[1], .hold_key = true},
};
static const char *const fed[] = {"orders", "copies", "far", "far.fifo", "later"};

static void set_shape(struct world *w, struct shape *shape, bool later)
{
    static const enum bridge_from froms[] = {FROM_NOW, FROM_LEDGER, FROM_STREAM};

    memcpy(shape->queues, bridge_queues, sizeof(bridge_queues));
    shape->queues[QUEUES].filter = w->filter;
    shape->queues[QUEUES + FAR] = (struct bridge_queue){.name = "later", .visibility_timeout_ms = 30000, .from = froms[below(w, 3)]};
    if (later && chance(w, 500))
        shape->queues[QUEUES + FAR].filter = w->filter;
    memcpy(shape->fed, fed, sizeof(fed));
    shape->source = (struct bridge_source){.name = "orders", .idle_poll_ms = 1000, .queues = shape->fed, .queue_count = 4 + later};
    shape->options = w->options ? *w->options : (struct bridge_options){.account_id = "000000000000", .region = "eu-west-1", .source_count = 1, .discovery_ms = 60000};
    shape->options.queues = shape->queues;
    shape->options.queue_count = QUEUES + FAR + later;
    shape->options.sources = &shape->source;
}

static void begin(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->seed = seed;
    w->random.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    w->now = (struct instant){INT64_C(1767225600000), 1000};
    w->disk = memory_disk_new(random_next(&w->random));
    w->aws = fake_service_new(random_next(&w->random));
    fake_service_options(w->aws)->page_records = 1 + (size_t)below(w, 12);
    fake_service_options(w->aws)->page_shards = 1 + (size_t)below(w, 4);
    fake_service_options(w->aws)->page_streams = 1;
    fake_service_options(w->aws)->retention_ms = DAY_MS;
    fake_service_options(w->aws)->odd_times = chance(w, 300);
    fake_time_set(w->aws, w->now.wall_ms);
    w->filter = filter_new(SLICE(FAR_FILTER), NULL);
    set_shape(w, &w->shapes[0], false);
    w->options = &w->shapes[0].options;
    w->options->keep_settled_ms = chance(w, 300) ? 60000 : 3650 * DAY_MS; /* or for good: a seed's clock may go on for weeks */
    for (int i = 0; i < FAR; i++)
        w->far[i] = (struct fake_sqs){.fifo = i == 1, .seed = random_next(&w->random)};
    if (PLANTED(NO_SYNC))
        memory_disk_lie(w->disk);
    fake_shard_new(fake_stream_add(w->aws, "orders"), NULL);
}

static void finish(struct world *w)
{
    close_world(w);
    drop_connections(w);
    for (int i = 0; i < CONSUMERS; i++) {
        sqs_request_fini(&w->consumers[i].x.request);
        sqs_answer_fini(&w->consumers[i].x.answer);
        buffer_fini(&w->consumers[i].body);
    }
    for (int q = 0; q < QUEUES; q++)
        free(w->truths[q]);
    for (int i = 0; i < FAR; i++)
        fake_sqs_fini(&w->far[i]);
    filter_free(w->filter);
    free(w->records);
    free(w->sent);
    fake_service_free(w->aws);
    memory_disk_free(w->disk);
}

static bool drained(struct world *w)
{
    struct desk *const *desks;
    size_t count;

    desks = bridge_desks(w->bridge, &count);
    for (size_t i = 0; i < count; i++) {
        const struct queue *q = desks[i]->queue;

        if (strcmp(q->name, "later") != 0 && q->counts[MESSAGE_QUEUED] + q->counts[MESSAGE_IN_FLIGHT] + q->counts[MESSAGE_PENDING] > 0)
            return false;
    }
    return source_trouble(bridge_source(w->bridge, 0))[0] == '\0';
}

/* Has the reader caught up? It reads every open shard of the newest stream, none of them has anything beyond its position, and nothing else is left. */
struct caught_up {
    struct world *world;
    bool yes;
    size_t open; /* shards that are read, and still open */
};

static void look_at_leaf(void *context, const struct shard_row *row)
{
    struct caught_up *c = context;
    char *id = slice_dup(row->shard_id);
    struct fake_shard *s = fake_shard_find(newest_stream(c->world), id);
    const struct fake_record *records = NULL;
    size_t count = 0;

    free(id);
    if (s)
        records = fake_shard_records(s, &count);
    c->open += s && fake_shard_is_open(s);
    if (s == NULL || !fake_shard_is_open(s) || row->idle_since_ms == 0)
        c->yes = false; /* of an older stream, or its end is not stored yet, or it was not seen to be empty */
    else if (count > 0 && !records[count - 1].trimmed && !slice_is(row->position, records[count - 1].sequence))
        c->yes = false;
}

static bool caught_up(struct world *w)
{
    struct caught_up c = {w, true, 0};
    struct source *source = bridge_source(w->bridge, 0);
    struct fake_stream *newest = newest_stream(w);
    size_t open = 0;

    if (source_arn(source) == NULL || strcmp(source_arn(source), fake_stream_arn(newest)) != 0)
        return false;
    source_shards(source, look_at_leaf, &c);
    for (size_t i = 0; fake_shard_at(newest, i); i++)
        open += fake_shard_is_open(fake_shard_at(newest, i));
    return c.yes && c.open == open;
}

/* ---- other servers ---- */

static const struct queue *far_queue(const struct world *w, int far)
{
    size_t count;
    struct desk *const *desks = bridge_desks(w->bridge, &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(desks[i]->queue->name, far_options[far].name) == 0)
            return desks[i]->queue;
    return NULL;
}

/* Each record that was stored came, but for those that are parked or held; more often than once only where that is admitted. */
static void check_far(struct world *w, int far)
{
    const struct fake_sqs *sqs = &w->far[far];
    const struct queue *q = far_queue(w, far);
    int *times = memory_zeroed(w->record_count + 1, sizeof(int));
    uint64_t twice = 0;
    int64_t distinct = 0;
    int64_t altered = (int64_t)sqs->altered;

    for (size_t i = 0; i < sqs->len; i++) {
        uint64_t key = key_of(sqs->arrivals[i].body);

        if (key >= w->record_count)
            violated(w, "P9: %s got a record that was never written", q->name);
        if (far == 0 && !w->unfiltered && key % 10 % 3 == 0)
            violated(w, "P9: %s got record k%" PRIu64 ", which its filter should have kept out", q->name, key);
        twice += times[key] > 0;
        distinct += times[key]++ == 0;
    }
    free(times);
    if (distinct + (int64_t)w->far_again[far] < q->counts[MESSAGE_SENT])
        violated(w, "P2: %lld messages are sent to %s, but %lld came", (long long)q->counts[MESSAGE_SENT], q->name, (long long)distinct);
    if (q->counts[MESSAGE_PARKED] > altered)
        violated(w, "P9: %lld messages for %s are parked, but only %lld arrived altered", (long long)q->counts[MESSAGE_PARKED], q->name, (long long)altered);
    if (far == 0 && twice > (uint64_t)q->possible_duplicates + w->far_lost[far] + w->far_again[far])
        violated(w, "P2: %" PRIu64 " records came to %s again, but only %lld may have, and %" PRIu64 " answers were lost, %" PRIu64 " were sent again",
                 twice, q->name, (long long)q->possible_duplicates, w->far_lost[far], w->far_again[far]);
}

static void drain(struct world *w)
{
    int steps = 0;

    w->faults = false;
    w->draining = true;
    fake_faults_off(w->aws);
    for (int i = 0; i < FAR; i++)
        fake_sqs_faults_off(&w->far[i]);
    memory_disk_break(w->disk, 0);
    memory_disk_limit(w->disk, 0);
    bridge_set_room(w->bridge, true);
    while (!drained(w) || !caught_up(w)) {
        if (++steps > DRAIN_STEPS)
            violated(w, "liveness: %d steps after the last fault it has not drained (reader: %s; %s)", steps,
                     source_trouble(bridge_source(w->bridge, 0)), caught_up(w) ? "caught up" : "not caught up");
        step(w);
    }
    for (size_t i = 0; i < w->sent_count; i++)
        if (w->sent[i].confirmed && !w->sent[i].delivered)
            violated(w, "P5: message s%zu was confirmed to its sender, but never came", i);
    for (int i = 0; i < FAR; i++)
        check_far(w, i);
    check_ledger(w, true);
}

static void live(struct world *w)
{
    open_world(w);
    for (int i = 0; i < 40; i++) /* the first listing, undisturbed: what was trimmed before a first start is no gap */
        step(w);
    w->faults = true;
    set_faults(w);
    for (int i = 0; i < STEPS; i++) {
        if (chance(w, 300))
            put_records(w, (size_t)below(w, 12));
        step(w);
    }
    drain(w);
    crash(w, true);
    check_ledger(w, true);
}

static bool run_seed(uint64_t seed, struct world *totals)
{
    static struct world w;
    volatile bool good = false;

    begin(&w, seed);
    if (setjmp(w.failed) == 0) {
        live(&w);
        good = true;
    } else {
        printf("seed %" PRIu64 ": %s\n  replay: make sim SEED=%" PRIu64 "\n", seed, w.failure, seed);
    }
    if (verbose)
        printf("seed %" PRIu64 ": %zu records, %" PRIu64 " deliveries, %d restarts, %" PRIu64 " times full, %lld gaps, %d streams\n", seed, w.record_count,
               w.deliveries, w.restarts, w.full, (long long)w.gaps, w.recreated + 1);
    totals->record_count += w.record_count;
    totals->deliveries += w.deliveries;
    totals->restarts += w.restarts;
    totals->full += w.full;
    totals->gaps += w.gaps;
    totals->recreated += w.recreated;
    finish(&w);
    return good;
}

static bool plant(const char *name)
{
#ifdef S2Q_PLANTED_BUGS
    return planted_set(name);
#else
    fprintf(stderr, "sim: %s: bugs are planted only in builds with -DS2Q_PLANTED_BUGS\n", name);
    return false;
#endif
}

int main(int argc, char **argv)
{
    static struct world totals;
    uint64_t first = 1;
    uint64_t count = 2000;
    uint64_t failures = 0;
    bool loud = false;
    int log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 10);
            count = 1;
            verbose = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            count = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--bug") == 0 && i + 1 < argc) {
            if (!plant(argv[++i]))
                return 64;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else if (strcmp(argv[i], "--log") == 0) {
            loud = true;
        } else {
            fprintf(stderr, "usage: sim [--seed N] [--seeds COUNT] [--first N] [--bug NAME] [--verbose] [--log]\n");
            return 64;
        }
    }
    log_init(loud ? 2 : log_fd, LOG_FORMAT_TEXT, loud ? LOG_DEBUG : LOG_ERROR);
    digest_init();
    for (uint64_t seed = first; seed < first + count && failures < 5; seed++)
        failures += !run_seed(seed, &totals);
    digest_fini();
    printf("sim: %" PRIu64 " seeds: %zu records, %" PRIu64 " deliveries, %d restarts, %" PRIu64 " times full, %lld gaps, %d streams re-created: %" PRIu64
           " failed\n", count, totals.record_count, totals.deliveries, totals.restarts, totals.full, (long long)totals.gaps, totals.recreated, failures);
    return failures > 0;
}
