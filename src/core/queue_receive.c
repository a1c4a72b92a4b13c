/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue_internal.h"

#include "base/memory.h"
#include "base/planted.h"
#include "codec/sqs_wire.h"

#define READ_AT_ONCE 200
#define READ_A_TICK 4000

/* ---- receiving ---- */

struct receiving {
    struct queue *queue;
    struct database *db;
    int64_t visibility_ms;
    struct instant now;
    bool (*each)(void *context, const struct received *received, struct error *err);
    void *context;
};

/* False: it cannot be delivered now, and was parked or is held. */
static bool hand_over(struct receiving *r, const struct message_row *row)
{
    struct received received = {.row = row, .receive_number = NEXT_RECEIVE(row->receive_number), .root = row->id};
    struct error reason = {0};

    if (row->origin)
        received.root = queue_root_and_receives(r->db, row->id, &received.earlier_receives);
    if (queue_hold(r->queue, r->db, row, r->now))
        return false;
    if (r->each(r->context, &received, &reason))
        return true;
    queue_park(r->queue, r->db, row, slice_text(error_name(reason.code)), slice_text(reason.text), r->now);
    return false;
}

/* It was received as often as it may be: it dies, or, behind a dead record of its key, waits for what an operator decides of that. */
static bool end_spent(struct receiving *r, struct flight *f)
{
    struct queue *q = r->queue;
    struct message_row row;
    bool held;

    if (q->options.max_receive_count == 0 || RECEIVES_OF(f->receive_number) < q->options.max_receive_count)
        return false;
    held = queue_row(r->db, f->id, &row) && queue_hold(q, r->db, &row, r->now);
    ledger_message_end(r->db);
    if (held)
        flight_free(q, f);
    else
        queue_die(q, r->db, f, r->now);
    return true;
}

/* Messages that were visible before. */
static int receive_again(struct receiving *r, int max)
{
    struct queue *q = r->queue;
    int got = 0;

    while (got < max && q->visible_first) {
        struct flight *f = q->visible_first;
        struct message_row row;

        if (end_spent(r, f))
            continue;
        if (!queue_row(r->db, f->id, &row))
            break;
        if (!hand_over(r, &row)) {
            ledger_message_end(r->db);
            flight_free(q, f);
            continue;
        }
        if (row.state == MESSAGE_QUEUED)
            queue_count(q, MESSAGE_QUEUED, MESSAGE_IN_FLIGHT);
        ledger_message_end(r->db);
        ledger_receive_again(r->db, f->id, r->now.wall_ms + r->visibility_ms, r->now.wall_ms);
        f->receive_number = NEXT_RECEIVE(f->receive_number);
        f->received_mono_ms = r->now.mono_ms;
        flight_schedule(q, f, r->now.mono_ms + r->visibility_ms);
        got++;
    }
    return got;
}

/* Messages that were never received: read in order, then moved by one statement (what was parked or held on the way is in another state by then).
 * *looked: how many left the fresh ones. */
static int receive_fresh_once(struct receiving *r, int max, int *looked)
{
    struct queue *q = r->queue;
    struct message_row row;
    int64_t first = 0;
    int64_t last = 0;
    int got = 0;

    *looked = 0;
    ledger_fresh_begin(r->db, q->next_fresh, QUEUE_END_MESSAGE(q->id), max);
    while (*looked < max && ledger_fresh_next(r->db, &row)) {
        first = first ? first : row.id;
        last = row.id;
        ++*looked;
        if (!hand_over(r, &row))
            continue;
        flight_schedule(q, flight_new(q, row.id, 1, row.origin, r->now), r->now.mono_ms + r->visibility_ms);
        got++;
    }
    ledger_fresh_end(r->db);
    if (*looked == 0)
        return 0;
    if (got > 0)
        ledger_receive_fresh(r->db, first, last, r->now.wall_ms + r->visibility_ms, r->now.wall_ms);
    q->next_fresh = last + 1;
    q->fresh_count -= *looked;
    q->counts[MESSAGE_QUEUED] -= got;
    q->counts[MESSAGE_IN_FLIGHT] += got;
    q->changed = true;
    return got;
}

static int receive_fresh(struct receiving *r, int max)
{
    int got = 0;
    int looked;

    while (got < max && r->queue->fresh_count > 0) {
        got += receive_fresh_once(r, max - got, &looked);
        if (looked == 0)
            break;
    }
    return got;
}

/* ---- receiving by groups ---- */

struct ahead {
    struct queue *queue;
    struct database *db;
    struct instant now;
    int64_t count;
};

static void note_fresh(void *context, int64_t id, uint64_t key_hash, int64_t origin)
{
    struct ahead *a = context;
    struct queue *q = a->queue;
    struct flight *f = flight_new(q, id, 0, origin, a->now);

    f->group = q->options.form || origin != 0 ? queue_group_of(q, a->db, id) : key_hash;
    groups_add(&q->groups, &f->member, id, f->group, false, true);
    q->cursor = id + 1;
    a->count++;
}

/* Until as many groups are ready as could be given from, or there are no more; a bounded number at once. */
static void read_ahead(struct queue *q, struct database *db, int wanted, struct instant now)
{
    int64_t read = 0;

    while (q->groups.ready_count < (size_t)wanted && queue_reads_ahead(q) && read < READ_A_TICK) {
        struct ahead a = {q, db, now, 0};

        ledger_fresh_groups(db, q->cursor, q->next_message, READ_AT_ONCE, note_fresh, &a);
        read += a.count;
        if (a.count < READ_AT_ONCE)
            q->cursor = q->next_message;
    }
}

/* Its row and its place in memory say that it is in flight. */
static void note_received(struct receiving *r, struct flight *f, enum message_state state)
{
    struct queue *q = r->queue;
    int64_t due_wall_ms = r->now.wall_ms + r->visibility_ms;

    if (state == MESSAGE_QUEUED)
        queue_count(q, MESSAGE_QUEUED, MESSAGE_IN_FLIGHT);
    if (f->member.fresh) {
        ledger_receive_one(r->db, f->id, due_wall_ms, r->now.wall_ms);
        groups_not_fresh(&q->groups, &f->member);
        q->fresh_count--;
    } else {
        ledger_receive_again(r->db, f->id, due_wall_ms, r->now.wall_ms);
    }
    f->receive_number = NEXT_RECEIVE(f->receive_number);
    f->received_mono_ms = r->now.mono_ms;
    flight_schedule(q, f, r->now.mono_ms + r->visibility_ms);
}

/* Those that were ready may all have died, or been held, on the way: then there may be more behind them. */
static struct group_member *next_member(struct receiving *r, int wanted, struct group **current)
{
    struct queue *q = r->queue;

    if (q->groups.ready_count < (size_t)wanted)
        read_ahead(q, r->db, wanted, r->now);
    return groups_take(&q->groups, current);
}

static int receive_grouped(struct receiving *r, int max)
{
    struct queue *q = r->queue;
    struct group *current = NULL;
    struct group_member *m;
    int got = 0;

    while (got < max && (m = next_member(r, max - got, &current)) != NULL) {
        struct flight *f = container_of(m, struct flight, member);
        struct message_row row;
        enum message_state state;

        if (end_spent(r, f)) {
            current = NULL;
            continue;
        }
        if (!queue_row(r->db, f->id, &row))
            break;
        state = row.state;
        if (!hand_over(r, &row)) {
            ledger_message_end(r->db);
            flight_free(q, f);
            current = NULL;
            continue;
        }
        ledger_message_end(r->db);
        note_received(r, f, state);
        got++;
    }
    return got;
}

int queue_receive(struct queue *q, struct database *db, int max, int64_t visibility_ms, struct instant now,
                  bool (*each)(void *context, const struct received *received, struct error *err), void *context, bool *over_limit)
{
    struct receiving r = {q, db, PLANTED(VISIBILITY_IGNORED) ? 0 : visibility_ms, now, each, context};
    int64_t in_flight = (int64_t)q->due.len - q->delayed_count;
    int got;

    *over_limit = false;
    if (in_flight + max > SQS_IN_FLIGHT_MAX)
        max = in_flight >= SQS_IN_FLIGHT_MAX ? 0 : (int)(SQS_IN_FLIGHT_MAX - in_flight);
    if (max == 0) {
        *over_limit = true;
        return 0;
    }
    if (q->grouped)
        return receive_grouped(&r, max);
    /* When both kinds wait, each gets half: neither new messages nor those that fail again and again starve the other. */
    got = receive_again(&r, q->fresh_count > 0 ? (max + 1) / 2 : max);
    got += receive_fresh(&r, max - got);
    return got + receive_again(&r, max - got);
}
