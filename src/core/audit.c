/* SPDX-License-Identifier: Apache-2.0 */
#include "core/audit.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DIFFERENCES_MAX 200 /* a ledger so broken is told enough */

static void differs(struct audit *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void differs(struct audit *a, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (a->difference_count == DIFFERENCES_MAX)
        return;
    a->differences = memory_resize(a->differences, (a->difference_count + 1) * sizeof(*a->differences));
    a->differences[a->difference_count++] = memory_strdup(text);
}

/* ---- shards ---- */

static void note_shard(void *context, const struct shard_row *row)
{
    struct audit *a = context;

    a->shards = memory_resize(a->shards, (a->shard_count + 1) * sizeof(*a->shards));
    a->shards[a->shard_count++] = (struct audit_shard){.id = row->id, .read = row->records_read, .pruned = row->pruned_records,
                                                       .position = slice_present(row->position) ? slice_dup(row->position) : NULL};
    a->records += row->records_read;
}

static struct audit_shard *find_shard(struct audit *a, int64_t id)
{
    for (size_t i = 0; i < a->shard_count; i++)
        if (a->shards[i].id == id)
            return &a->shards[i];
    return NULL;
}

static void note_stored(void *context, int64_t shard, int64_t queue, int state, int64_t count)
{
    struct audit *a = context;
    struct audit_shard *s = find_shard(a, shard);

    (void)queue;
    (void)state;
    if (s)
        s->stored = count;
    else
        differs(a, "%lld records belong to shard %lld, which is not in the ledger", (long long)count, (long long)shard);
}

static void check_records(struct audit *a)
{
    for (size_t i = 0; i < a->shard_count; i++) {
        const struct audit_shard *s = &a->shards[i];

        if (s->read != s->stored + s->pruned)
            differs(a, "shard %lld: %lld records were read, but %lld are stored and %lld were pruned", (long long)s->id, (long long)s->read,
                    (long long)s->stored, (long long)s->pruned);
    }
}

/* ---- pages ---- */

/* Pages between the two may have been pruned (a page with unsettled messages stays longer): then the count of check 1 tells whether any is missing. */
static bool follows(const struct audit_shard *s, struct slice ended, struct slice after)
{
    if (s->pruned > 0)
        return slice_present(after) && sequence_compare(after, ended) >= 0;
    return slice_equal(ended, after);
}

static void note_page(void *context, const struct chain_page *page)
{
    struct audit *a = context;
    struct audit_shard *s = find_shard(a, page->shard);
    struct slice expected;

    if (s == NULL)
        return; /* said by note_stored */
    expected = slice_text(s->chain);
    if (s->chain && !s->broken && !follows(s, expected, page->after_sequence)) {
        differs(a, "shard %lld: page %lld begins after sequence number %.*s, but the page before it ended with %s", (long long)s->id, (long long)page->id,
                SLICE_ARG(page->after_sequence), s->chain);
        s->broken = true;
    }
    free(s->chain);
    s->chain = slice_dup(page->last_sequence);
}

static void check_chains(struct audit *a)
{
    for (size_t i = 0; i < a->shard_count; i++) {
        const struct audit_shard *s = &a->shards[i];

        if (s->chain && s->pruned == 0 && (s->position == NULL || strcmp(s->chain, s->position) != 0))
            differs(a, "shard %lld: the position is %s, but the last page ended with %s", (long long)s->id, s->position ? s->position : "not set", s->chain);
    }
}

/* ---- what each queue got ---- */

static struct audit_line *find_line(struct audit *a, int64_t shard, int64_t queue)
{
    for (size_t i = 0; i < a->len; i++)
        if (a->lines[i].shard == shard && a->lines[i].queue == queue)
            return &a->lines[i];
    return NULL;
}

static void note_tally(void *context, int64_t shard, int64_t queue, int64_t since_records, int64_t assigned, int64_t filtered, int64_t replayed)
{
    struct audit *a = context;
    struct audit_shard *s = find_shard(a, shard);

    if (s == NULL) {
        differs(a, "a tally names shard %lld, which is not in the ledger", (long long)shard);
        return;
    }
    a->lines = memory_resize(a->lines, (a->len + 1) * sizeof(*a->lines));
    a->lines[a->len++] = (struct audit_line){.shard = shard, .queue = queue, .read = assigned + filtered, .filtered = filtered, .replayed = replayed};
    if (s->read - since_records != assigned + filtered)
        differs(a, "shard %lld, queue %lld: %lld records were read since it was subscribed, but it was given %lld and %lld were filtered",
                (long long)shard, (long long)queue, (long long)(s->read - since_records), (long long)assigned, (long long)filtered);
}

static void note_messages(void *context, int64_t shard, int64_t queue, int state, int64_t count)
{
    struct audit *a = context;
    struct audit_line *line = find_line(a, shard, queue);

    if (shard == 0 || state < 0 || state >= MESSAGE_STATE_COUNT) /* SendMessage, and copies: only queues' counters know of those */
        return;
    if (line)
        line->counts[state] += count;
    else
        differs(a, "shard %lld, queue %lld: %lld messages in state %s, but the queue was given none", (long long)shard, (long long)queue, (long long)count,
                message_state_name((enum message_state)state));
}

static void check_lines(struct audit *a)
{
    for (size_t i = 0; i < a->len; i++) {
        const struct audit_line *line = &a->lines[i];
        int64_t sum = line->filtered;

        for (int state = 0; state < MESSAGE_STATE_COUNT; state++)
            sum += line->counts[state];
        if (sum != line->read + line->replayed)
            differs(a, "shard %lld, queue %lld: %lld records were read or replayed, but %lld are accounted for", (long long)line->shard, (long long)line->queue,
                    (long long)(line->read + line->replayed), (long long)sum);
    }
}

/* ---- counters ---- */

struct counters {
    struct audit *audit;
    struct counter {
        int64_t queue;
        int64_t counted[MESSAGE_STATE_COUNT];
        int64_t found[MESSAGE_STATE_COUNT];
    } *queues;
    size_t len;
};

static void note_queue(void *context, const struct queue_row *row)
{
    struct counters *c = context;

    c->queues = memory_resize(c->queues, (c->len + 1) * sizeof(*c->queues));
    c->queues[c->len] = (struct counter){.queue = row->id};
    memcpy(c->queues[c->len++].counted, row->counts, sizeof(row->counts));
}

static void note_state(void *context, int64_t shard, int64_t queue, int state, int64_t count)
{
    struct counters *c = context;

    (void)shard;
    for (size_t i = 0; i < c->len && state >= 0 && state < MESSAGE_STATE_COUNT; i++) {
        if (c->queues[i].queue == queue) {
            c->queues[i].found[state] += count;
            return;
        }
    }
    differs(c->audit, "%lld messages belong to queue %lld in state %d, which is not in the ledger", (long long)count, (long long)queue, state);
}

static void check_counters(struct audit *a, struct database *db)
{
    struct counters c = {.audit = a};

    ledger_queues(db, note_queue, &c);
    question_state_counts(db, note_state, &c);
    question_pruned_counts(db, note_state, &c);
    for (size_t i = 0; i < c.len; i++)
        for (int state = 0; state < MESSAGE_STATE_COUNT; state++)
            if (c.queues[i].counted[state] != c.queues[i].found[state])
                differs(a, "queue %lld: the counter says %lld messages are %s, but there are %lld", (long long)c.queues[i].queue,
                        (long long)c.queues[i].counted[state], message_state_name((enum message_state)state), (long long)c.queues[i].found[state]);
    free(c.queues);
}

/* ---- all of it ---- */

static void note_gap(void *context, const struct gap_row *row)
{
    struct audit *a = context;

    a->gaps++;
    a->gaps_new += row->acknowledged_at_ms == 0;
}

void audit_run(struct audit *a, struct database *db)
{
    int64_t orphans = question_orphans(db);
    int64_t lost_copies = question_lost_copies(db);

    *a = (struct audit){0};
    ledger_shards(db, note_shard, a);
    question_record_counts(db, note_stored, a);
    check_records(a);
    question_chain(db, note_page, a);
    check_chains(a);
    question_tally(db, note_tally, a);
    question_message_counts(db, note_messages, a);
    question_pruned_counts(db, note_messages, a);
    check_lines(a);
    check_counters(a, db);
    if (orphans > 0)
        differs(a, "%lld messages have no record", (long long)orphans);
    if (lost_copies > 0)
        differs(a, "%lld dead messages are not in the dead-letter queue that they went to", (long long)lost_copies);
    ledger_gaps(db, note_gap, a);
}

void audit_fini(struct audit *a)
{
    for (size_t i = 0; i < a->shard_count; i++) {
        free(a->shards[i].position);
        free(a->shards[i].chain);
    }
    for (size_t i = 0; i < a->difference_count; i++)
        free(a->differences[i]);
    free(a->shards);
    free(a->lines);
    free(a->differences);
    *a = (struct audit){0};
}
