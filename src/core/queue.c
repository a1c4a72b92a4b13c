/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue.h"

#include "base/memory.h"
#include "base/planted.h"
#include "codec/sqs_wire.h"

#include <stdlib.h>

/* A message that is delayed, in flight, or visible again. */
struct flight {
    struct heap_node node; /* in the heap: not visible yet */
    struct flight *next;   /* in the visible list */
    struct flight *previous;
    int64_t id;
    int64_t receive_count;
    int64_t received_mono_ms; /* the newest receive (after a restart: the restart) */
    int64_t origin; /* a dead-letter copy: the message that died; 0: none */
    bool visible;
    bool delayed; /* not visible yet, and never received */
};

/* ---- where a flight is ---- */

static void visible_append(struct queue *q, struct flight *f)
{
    f->visible = true;
    f->next = NULL;
    f->previous = q->visible_last;
    if (q->visible_last)
        q->visible_last->next = f;
    else
        q->visible_first = f;
    q->visible_last = f;
    q->visible_count++;
}

static void visible_remove(struct queue *q, struct flight *f)
{
    if (!f->visible)
        return;
    if (f->previous)
        f->previous->next = f->next;
    else
        q->visible_first = f->next;
    if (f->next)
        f->next->previous = f->previous;
    else
        q->visible_last = f->previous;
    f->visible = false;
    q->visible_count--;
}

static void clear_delayed(struct queue *q, struct flight *f)
{
    q->delayed_count -= f->delayed;
    f->delayed = false;
}

static void flight_schedule(struct queue *q, struct flight *f, int64_t due_mono_ms)
{
    visible_remove(q, f);
    heap_set(&q->due, &f->node, due_mono_ms);
}

static struct flight *flight_new(struct queue *q, int64_t id, int64_t receive_count, int64_t origin, struct instant now)
{
    struct flight *f = memory_zeroed(1, sizeof(*f));

    f->id = id;
    f->receive_count = receive_count;
    f->received_mono_ms = now.mono_ms;
    f->origin = origin;
    id_map_put(&q->flights, id, f);
    return f;
}

static void flight_free(struct queue *q, struct flight *f)
{
    visible_remove(q, f);
    clear_delayed(q, f);
    heap_remove(&q->due, &f->node);
    id_map_take(&q->flights, f->id);
    free(f);
}

void queue_count(struct queue *q, enum message_state from, enum message_state to)
{
    q->counts[from]--;
    q->counts[to]++;
    q->changed = true;
}

/* ---- loading and saving ---- */

struct loading {
    struct queue *queue;
    struct instant now;
};

/* A due time on disk is of the wall clock, which may have jumped since: nothing stays hidden for longer than SQS allows. */
static void load_flight(void *context, const struct scheduled_row *row)
{
    struct loading *loading = context;
    struct queue *q = loading->queue;
    struct flight *f = flight_new(q, row->id, row->receive_count, row->origin, loading->now);
    int64_t wait_ms = row->due_at_ms - loading->now.wall_ms;

    if (wait_ms > SQS_VISIBILITY_MAX_S * INT64_C(1000))
        wait_ms = SQS_VISIBILITY_MAX_S * INT64_C(1000);
    if (row->state == MESSAGE_QUEUED)
        q->fresh_count--;
    if (wait_ms <= 0) {
        visible_append(q, f);
        return;
    }
    f->delayed = row->state == MESSAGE_QUEUED;
    q->delayed_count += f->delayed;
    flight_schedule(q, f, loading->now.mono_ms + wait_ms);
}

struct queue *queue_load(struct database *db, const struct queue_row *row, struct instant now)
{
    struct queue *q = memory_zeroed(1, sizeof(*q));
    struct loading loading = {q, now};

    q->id = row->id;
    q->name = slice_dup(row->name);
    q->next_message = row->next_message;
    q->next_fresh = row->next_fresh;
    q->created_at_ms = row->created_at_ms;
    q->remote = row->remote;
    q->possible_duplicates = row->possible_duplicates;
    memcpy(q->counts, row->counts, sizeof(q->counts));
    if (q->remote) /* what is scheduled there is the pump's */
        return q;
    q->fresh_count = row->counts[MESSAGE_QUEUED];
    ledger_scheduled(db, q->id, load_flight, &loading);
    return q;
}

void queue_free(struct queue *q)
{
    struct flight *f;
    size_t at = 0;

    if (q == NULL)
        return;
    while ((f = id_map_next(&q->flights, &at)) != NULL)
        free(f);
    id_map_fini(&q->flights);
    heap_fini(&q->due);
    held_fini(&q->held);
    free(q->name);
    free(q);
}

void queue_save(struct queue *q, struct database *db)
{
    struct queue_row row = {.id = q->id, .name = slice_text(q->name), .next_message = q->next_message, .next_fresh = q->next_fresh,
                            .remote = q->remote, .possible_duplicates = q->possible_duplicates};

    if (!q->changed)
        return;
    memcpy(row.counts, q->counts, sizeof(row.counts));
    ledger_queue_save(db, &row);
    q->changed = false;
}

void queue_set_lookup(struct queue *q, struct queue *(*find)(void *context, int64_t id), void *context)
{
    q->find = find;
    q->find_context = context;
}

static struct queue *queue_of(const struct queue *q, int64_t message)
{
    return q->find ? q->find(q->find_context, QUEUE_OF_MESSAGE(message)) : NULL;
}

/* ---- adding and becoming visible ---- */

static int64_t add(struct queue *q, struct database *db, struct new_message message, int64_t delay_ms, struct instant now)
{
    message.id = q->next_message++;
    message.state = q->remote ? MESSAGE_PENDING : MESSAGE_QUEUED;
    message.due_at_ms = delay_ms > 0 ? now.wall_ms + delay_ms : 0;
    ledger_message_insert(db, &message, now.wall_ms);
    q->counts[message.state]++;
    q->changed = true;
    if (q->remote)
        return message.id; /* the pump finds it by its row */
    if (delay_ms > 0) {
        struct flight *f = flight_new(q, message.id, 0, message.origin, now);

        f->delayed = true;
        q->delayed_count++;
        flight_schedule(q, f, now.mono_ms + delay_ms);
    } else {
        q->fresh_count++;
    }
    return message.id;
}

int64_t queue_add(struct queue *q, struct database *db, int64_t record, int64_t delay_ms, struct instant now)
{
    return add(q, db, (struct new_message){.record = record, .step = STEP_ENQUEUED}, delay_ms, now);
}

int64_t queue_replay(struct queue *q, struct database *db, int64_t record, struct instant now)
{
    return add(q, db, (struct new_message){.record = record, .step = STEP_REPLAYED}, 0, now);
}

int64_t queue_tick(struct queue *q, struct instant now)
{
    struct heap_node *first;

    while ((first = heap_first(&q->due)) != NULL && first->due <= now.mono_ms) {
        struct flight *f = container_of(first, struct flight, node);

        heap_remove(&q->due, first);
        clear_delayed(q, f);
        visible_append(q, f);
    }
    return first ? first->due : INT64_MAX;
}

bool queue_has_visible(const struct queue *q)
{
    return q->visible_count > 0 || q->fresh_count > 0;
}

/* ---- keys that are held ---- */

/* Its row says QUEUED or PENDING, due now. */
static void go_out_again(struct queue *q, int64_t id, uint64_t key_hash, struct instant now)
{
    if (q->remote && q->send)
        q->send(q->send_context, id, key_hash);
    else if (!q->remote)
        visible_append(q, flight_new(q, id, 0, 0, now));
}

struct releasing {
    struct queue *queue;
    struct waiting {
        int64_t id;
        uint64_t key_hash;
    } *found;
    size_t len;
};

static void note_held(void *context, int64_t id, enum message_state state, uint64_t key_hash)
{
    struct releasing *r = context;

    if (state != MESSAGE_HELD || held_holds(&r->queue->held, key_hash, id))
        return;
    r->found = memory_resize(r->found, (r->len + 1) * sizeof(*r->found));
    r->found[r->len++] = (struct waiting){id, key_hash};
}

/* Whatever no dead record holds any more goes on, in the order in which it came. */
static void release_held(struct queue *q, struct database *db, struct instant now)
{
    enum message_state state = q->remote ? MESSAGE_PENDING : MESSAGE_QUEUED;
    struct releasing r = {.queue = q};

    ledger_troubled(db, q->id, note_held, &r);
    for (size_t i = 0; i < r.len; i++) {
        if (ledger_release(db, r.found[i].id, state, now.wall_ms) != 1)
            continue;
        queue_count(q, MESSAGE_HELD, state);
        go_out_again(q, r.found[i].id, r.found[i].key_hash, now);
    }
    free(r.found);
}

static void no_longer_dead(struct queue *q, struct database *db, uint64_t key_hash, struct instant now)
{
    if (q->options.hold_key && held_remove(&q->held, key_hash))
        release_held(q, db, now);
}

static void note_dead(void *context, int64_t id, enum message_state state, uint64_t key_hash)
{
    struct queue *q = context;

    if (state != MESSAGE_HELD)
        held_add(&q->held, key_hash, id);
}

void queue_load_held(struct queue *q, struct database *db, struct instant now)
{
    if (q->options.hold_key)
        ledger_troubled(db, q->id, note_dead, q);
    if (q->counts[MESSAGE_HELD] > 0) /* the policy may have changed, or an operator settled the dead while no daemon ran */
        release_held(q, db, now);
}

bool queue_hold(struct queue *q, struct database *db, const struct message_row *row, struct instant now)
{
    if (!held_holds(&q->held, row->key_hash, row->id) || row->origin != 0 || PLANTED(HOLD_FORGOTTEN))
        return false;
    if (ledger_hold(db, row->id, now.wall_ms) == 1)
        queue_count(q, row->state, MESSAGE_HELD);
    return true;
}

void queue_park(struct queue *q, struct database *db, const struct message_row *row, struct slice code, struct slice text, struct instant now)
{
    const struct fault_row fault = {code, text, now.wall_ms};

    if (ledger_park(db, row->id, now.wall_ms) != 1)
        return;
    queue_count(q, row->state, MESSAGE_PARKED);
    ledger_fault_put(db, row->id, &fault);
    if (q->options.hold_key)
        held_add(&q->held, row->key_hash, row->id);
}

/* ---- dead letters ---- */

/* The message has been received too often: it leaves this queue, with its record, for the dead-letter queue if there is one. */
static void die(struct queue *q, struct database *db, struct flight *f, struct instant now)
{
    struct queue *target = q->options.dead_letter_queue;
    struct message_row row;
    int64_t copy = 0;
    enum message_state state;
    uint64_t key_hash;

    if (!ledger_message_find(db, f->id, &row))
        panic("message %lld is in flight, but not in the ledger", (long long)f->id);
    state = row.state;
    key_hash = row.key_hash;
    if (target) {
        int64_t record = row.record;

        ledger_message_end(db);
        copy = add(target, db, (struct new_message){.record = record, .step = STEP_ENQUEUED, .origin = f->id}, 0, now);
    } else {
        ledger_message_end(db);
    }
    if (ledger_die(db, f->id, copy, now.wall_ms) == 1)
        queue_count(q, state, MESSAGE_DEAD);
    if (q->options.hold_key)
        held_add(&q->held, key_hash, f->id);
    flight_free(q, f);
}

/* The first message of a chain of copies: its id is what consumers see. */
static int64_t root_of(struct database *db, int64_t id)
{
    int64_t origin = id;

    while (origin != 0) {
        id = origin;
        origin = 0;
        bind_i64(db, STATEMENT_MESSAGE_ORIGIN, 1, id);
        if (database_row(db, STATEMENT_MESSAGE_ORIGIN)) {
            origin = column_i64(db, STATEMENT_MESSAGE_ORIGIN, 0);
            database_reset(db, STATEMENT_MESSAGE_ORIGIN);
        }
    }
    return id;
}

/* Takes a copy out of its dead-letter queue's memory and rows, wherever in a chain it is. */
static void remove_copy(struct queue *q, struct database *db, int64_t copy, enum message_state state)
{
    while (copy != 0) {
        struct queue *home = queue_of(q, copy);
        struct message_row row;
        struct flight *f;
        int64_t next;

        if (!ledger_message_find(db, copy, &row))
            return;
        next = row.moved_to;
        if (home) {
            queue_count(home, row.state, state);
            if (row.state == MESSAGE_QUEUED && row.due_at_ms == 0)
                home->fresh_count--;
            f = id_map_find(&home->flights, copy);
            if (f)
                flight_free(home, f);
        }
        ledger_message_end(db);
        ledger_remove_copy(db, copy, state);
        copy = next;
    }
}

/* A consumer deleted a copy: the message that died, at the head of the chain of copies, is settled, and the chain goes. */
static void settle_chain(struct queue *q, struct database *db, int64_t copy, struct instant now)
{
    int64_t root = root_of(db, copy);
    struct queue *home = queue_of(q, root);
    struct message_row row;
    int64_t first_copy;
    uint64_t key_hash;

    if (!ledger_message_find(db, root, &row))
        return;
    first_copy = row.moved_to;
    key_hash = row.key_hash;
    ledger_message_end(db);
    if (ledger_settle_dead(db, root, MESSAGE_DELETED, STEP_DELETED_WHEN_DEAD, now.wall_ms) == 1 && home) {
        queue_count(home, MESSAGE_DEAD, MESSAGE_DELETED);
        no_longer_dead(home, db, key_hash, now);
    }
    remove_copy(q, db, first_copy, MESSAGE_DELETED);
}

/* A delete that comes when the message is dead already still counts: its consumer was slow, but done (P2). Anything else that is not in memory is settled. */
static void settle_late(struct queue *q, struct database *db, int64_t id, struct instant now)
{
    struct message_row row;
    bool dead;

    if (!ledger_message_find(db, id, &row))
        return;
    dead = row.state == MESSAGE_DEAD;
    ledger_message_end(db);
    if (dead)
        settle_chain(q, db, id, now);
}

/* A dead or parked message, as far as what follows needs it. */
struct dead {
    enum message_state state;
    int64_t copy;
    uint64_t key_hash;
};

static bool find_dead(struct database *db, int64_t id, struct dead *dead)
{
    struct message_row row;

    if (!ledger_message_find(db, id, &row))
        return false;
    *dead = (struct dead){row.state, row.moved_to, row.key_hash};
    ledger_message_end(db);
    return (dead->state == MESSAGE_DEAD || dead->state == MESSAGE_PARKED) && row.origin == 0;
}

bool queue_redrive(struct queue *q, struct database *db, int64_t id, struct instant now)
{
    enum message_state state = q->remote ? MESSAGE_PENDING : MESSAGE_QUEUED;
    struct dead dead;

    if (!find_dead(db, id, &dead) || ledger_redrive(db, id, state, now.wall_ms) != 1)
        return false;
    queue_count(q, dead.state, state);
    remove_copy(q, db, dead.copy, MESSAGE_REDRIVEN);
    go_out_again(q, id, dead.key_hash, now);
    no_longer_dead(q, db, dead.key_hash, now);
    return true;
}

bool queue_drop_dead(struct queue *q, struct database *db, int64_t id, struct instant now)
{
    struct dead dead;

    if (!find_dead(db, id, &dead) || ledger_settle_dead(db, id, MESSAGE_DROPPED, STEP_DROPPED, now.wall_ms) != 1)
        return false;
    queue_count(q, dead.state, MESSAGE_DROPPED);
    remove_copy(q, db, dead.copy, MESSAGE_DROPPED);
    no_longer_dead(q, db, dead.key_hash, now);
    return true;
}

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
    struct received received = {row, row->receive_count + 1, row->origin ? root_of(r->db, row->id) : row->id};
    struct error reason = {0};

    if (queue_hold(r->queue, r->db, row, r->now))
        return false;
    if (r->each(r->context, &received, &reason))
        return true;
    queue_park(r->queue, r->db, row, slice_text(error_name(reason.code)), slice_text(reason.text), r->now);
    return false;
}

/* Messages that were visible before. */
static int receive_again(struct receiving *r, int max)
{
    struct queue *q = r->queue;
    int got = 0;

    while (got < max && q->visible_first) {
        struct flight *f = q->visible_first;
        struct message_row row;

        if (q->options.max_receive_count > 0 && f->receive_count >= q->options.max_receive_count) {
            die(q, r->db, f, r->now);
            continue;
        }
        if (!ledger_message_find(r->db, f->id, &row))
            panic("message %lld is visible, but not in the ledger", (long long)f->id);
        if (!hand_over(r, &row)) {
            ledger_message_end(r->db);
            flight_free(q, f);
            continue;
        }
        if (row.state == MESSAGE_QUEUED)
            queue_count(q, MESSAGE_QUEUED, MESSAGE_IN_FLIGHT);
        ledger_message_end(r->db);
        ledger_receive_again(r->db, f->id, r->now.wall_ms + r->visibility_ms, r->now.wall_ms);
        f->receive_count++;
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
    /* When both kinds wait, each gets half: neither new messages nor those that fail again and again starve the other. */
    got = receive_again(&r, q->fresh_count > 0 ? (max + 1) / 2 : max);
    got += receive_fresh(&r, max - got);
    return got + receive_again(&r, max - got);
}

/* ---- settling ---- */

void queue_delete(struct queue *q, struct database *db, int64_t id, struct instant now)
{
    struct flight *f = id_map_find(&q->flights, id);
    int64_t origin;
    bool was_queued;

    if (f == NULL) {
        settle_late(q, db, id, now);
        return;
    }
    origin = f->origin;
    was_queued = f->receive_count == 0;
    if (PLANTED(DELETE_IGNORED))
        return;
    flight_free(q, f);
    if (origin == 0) {
        if (ledger_delete(db, id, now.wall_ms) == 1)
            queue_count(q, was_queued ? MESSAGE_QUEUED : MESSAGE_IN_FLIGHT, MESSAGE_DELETED);
        return;
    }
    settle_chain(q, db, id, now);
}

enum visibility_outcome queue_change_visibility(struct queue *q, struct database *db, int64_t id, int64_t receive_count, int64_t visibility_ms,
                                                struct instant now)
{
    struct flight *f = id_map_find(&q->flights, id);

    if (f == NULL || f->visible || f->delayed || f->receive_count != receive_count)
        return VISIBILITY_NOT_IN_FLIGHT;
    if (now.mono_ms - f->received_mono_ms + visibility_ms > SQS_VISIBILITY_MAX_S * INT64_C(1000))
        return VISIBILITY_TOO_LONG;
    ledger_reschedule(db, id, now.wall_ms + visibility_ms, now.wall_ms);
    if (visibility_ms > 0) {
        flight_schedule(q, f, now.mono_ms + visibility_ms);
    } else {
        heap_remove(&q->due, &f->node);
        visible_append(q, f);
    }
    return VISIBILITY_CHANGED;
}
