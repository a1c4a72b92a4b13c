/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue_internal.h"

#include "base/memory.h"
#include "base/planted.h"
#include "codec/sqs_wire.h"

#include <stdlib.h>

void queue_count(struct queue *q, enum message_state from, enum message_state to)
{
    q->counts[from]--;
    q->counts[to]++;
    q->changed = true;
}

/* ---- loading and saving ---- */

struct loading {
    struct queue *queue;
    struct database *db;
    struct instant now;
};

/* Of a message whose row is open. A dead letter is of the group that it had where it died. */
static uint64_t group_of_row(struct queue *q, struct database *db, const struct message_row *row)
{
    const struct queue *home = q;

    if (row->shard == 0)
        return row->key_hash;
    if (row->origin)
        home = queue_of_message(q, queue_root(db, row->origin));
    if (home && home->deleted) /* nothing says any more what it was there */
        home = q;
    if (home == NULL || home->options.form == NULL)
        return row->key_hash;
    return message_form_group_hash(home->options.form, row->body, row->key_hash, &q->composed);
}

uint64_t queue_group_of(struct queue *q, struct database *db, int64_t id)
{
    struct message_row row;
    uint64_t group;

    if (!q->grouped || !ledger_message_find(db, id, &row))
        return 0;
    group = group_of_row(q, db, &row);
    ledger_message_end(db);
    return group;
}

static void delay(struct queue *q, struct flight *f, int64_t due_mono_ms)
{
    f->delayed = true;
    q->delayed_count++;
    if (q->grouped)
        groups_add(&q->groups, &f->member, f->id, f->group, true, false);
    flight_schedule(q, f, due_mono_ms);
}

/* In flight before the restart. */
static void load_in_flight(struct queue *q, struct flight *f, int64_t due_mono_ms)
{
    if (q->grouped) { /* into its line, and out of it again */
        groups_add(&q->groups, &f->member, f->id, f->group, false, false);
        groups_lock(&q->groups, &f->member);
    }
    flight_schedule(q, f, due_mono_ms);
}

/* A due time on disk is of the wall clock, which may have jumped since: nothing stays hidden for longer than SQS allows. */
static void load_flight(void *context, const struct scheduled_row *row)
{
    struct loading *loading = context;
    struct queue *q = loading->queue;
    int64_t wait_ms = row->due_at_ms - loading->now.wall_ms;
    struct flight *f;

    if (row->state == MESSAGE_QUEUED)
        q->fresh_count--;
    if (row->id < q->purge_to)
        return;
    f = flight_new(q, row->id, row->receive_number, row->origin, loading->now);
    f->group = queue_group_of(q, loading->db, row->id);
    if (wait_ms > SQS_VISIBILITY_MAX_S * INT64_C(1000))
        wait_ms = SQS_VISIBILITY_MAX_S * INT64_C(1000);
    if (wait_ms <= 0)
        flight_show(q, f);
    else if (row->state == MESSAGE_QUEUED)
        delay(q, f, loading->now.mono_ms + wait_ms);
    else
        load_in_flight(q, f, loading->now.mono_ms + wait_ms);
}

struct queue *queue_load(struct database *db, const struct queue_row *row, struct instant now)
{
    struct queue *q = memory_zeroed(1, sizeof(*q));

    (void)db;
    q->id = row->id;
    q->name = slice_dup(row->name);
    q->next_message = row->next_message;
    q->next_fresh = row->next_fresh;
    q->created_at_ms = row->created_at_ms;
    q->remote = row->remote;
    q->possible_duplicates = row->possible_duplicates;
    q->groups.strict = slice_ends_with(row->name, SLICE(".fifo"));
    q->grouped = !q->remote && (row->grouped || q->groups.strict);
    q->purge_to = row->purge_to;
    q->backfill_at = row->backfill_at;
    q->purge_at = q->expire_at = QUEUE_FIRST_MESSAGE(row->id);
    q->expire_due_ms = now.mono_ms;
    memcpy(q->counts, row->counts, sizeof(q->counts));
    return q;
}

static void load_scheduled(struct queue *q, struct database *db, struct instant now)
{
    struct loading loading = {q, db, now};

    q->fresh_count = q->counts[MESSAGE_QUEUED];
    if (q->purge_to > 0) {
        q->fresh_count -= ledger_fresh_count(db, QUEUE_FIRST_MESSAGE(q->id), q->purge_to);
        q->next_fresh = q->next_fresh > q->purge_to ? q->next_fresh : q->purge_to;
    }
    q->cursor = q->next_fresh;
    ledger_scheduled(db, q->id, load_flight, &loading);
}

void queue_group(struct queue *q, struct database *db, struct instant now)
{
    if (q->grouped || q->remote)
        return;
    q->grouped = true;
    q->changed = true;
    queue_regroup(q, db, now);
}

void queue_regroup(struct queue *q, struct database *db, struct instant now)
{
    if (!q->grouped)
        return;
    flights_forget(q);
    load_scheduled(q, db, now);
}

void queue_free(struct queue *q)
{
    if (q == NULL)
        return;
    flights_forget(q);
    held_fini(&q->held);
    composed_fini(&q->composed);
    free(q->name);
    free(q);
}

/* No message below it waits for its first receive, those with a due time aside. */
static void update_next_fresh(struct queue *q)
{
    int64_t oldest = groups_oldest_fresh(&q->groups);
    int64_t next = oldest > 0 ? oldest : q->cursor;

    if (next == q->next_fresh)
        return;
    q->next_fresh = next;
    q->changed = true;
}

void queue_save(struct queue *q, struct database *db)
{
    struct queue_row row = {.id = q->id, .name = slice_text(q->name), .next_message = q->next_message, .next_fresh = q->next_fresh,
                            .remote = q->remote, .possible_duplicates = q->possible_duplicates, .grouped = q->grouped, .purge_to = q->purge_to,
                            .backfill_at = q->backfill_at};

    if (q->grouped)
        update_next_fresh(q);
    if (!q->changed)
        return;
    row.next_fresh = q->next_fresh;
    memcpy(row.counts, q->counts, sizeof(row.counts));
    ledger_queue_save(db, &row);
    q->changed = false;
}

void queue_set_lookup(struct queue *q, struct queue *(*find)(void *context, int64_t id), void *context)
{
    q->find = find;
    q->find_context = context;
}

struct queue *queue_of_message(const struct queue *q, int64_t message)
{
    return q->find ? q->find(q->find_context, QUEUE_OF_MESSAGE(message)) : NULL;
}

/* ---- adding and becoming visible ---- */

int64_t queue_insert(struct queue *q, struct database *db, struct new_message message, int64_t delay_ms, struct instant now)
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

        f->group = queue_group_of(q, db, message.id);
        delay(q, f, now.mono_ms + delay_ms);
    } else {
        q->fresh_count++;
    }
    return message.id;
}

int64_t queue_add(struct queue *q, struct database *db, int64_t record, int64_t delay_ms, struct instant now)
{
    return queue_insert(q, db, (struct new_message){.record = record, .step = STEP_ENQUEUED}, delay_ms, now);
}

int64_t queue_replay(struct queue *q, struct database *db, int64_t record, struct instant now)
{
    return queue_insert(q, db, (struct new_message){.record = record, .step = STEP_REPLAYED}, 0, now);
}

int64_t queue_due(const struct queue *q)
{
    struct heap_node *first = heap_first(&q->due);

    return first ? first->due : INT64_MAX;
}

int64_t queue_tick(struct queue *q, struct instant now)
{
    struct heap_node *first;

    while ((first = heap_first(&q->due)) != NULL && first->due <= now.mono_ms) {
        struct flight *f = container_of(first, struct flight, node);

        heap_remove(&q->due, first);
        flight_clear_delayed(q, f);
        flight_show(q, f);
    }
    return queue_due(q);
}

bool queue_reads_ahead(const struct queue *q)
{
    return q->grouped && q->cursor < q->next_message && q->groups.line_count < QUEUE_READ_AHEAD;
}

bool queue_has_visible(const struct queue *q)
{
    if (q->grouped)
        return groups_ready(&q->groups) || (queue_reads_ahead(q) && q->fresh_count > 0);
    return q->visible_count > 0 || q->fresh_count > 0;
}

/* ---- keys that are held ---- */

/* Its row says QUEUED or PENDING, due now. */
static void go_out_again(struct queue *q, struct database *db, int64_t id, uint64_t key_hash, struct instant now)
{
    struct message_row row;
    struct flight *f;
    int64_t receive_number;

    if (q->remote && q->send)
        q->send(q->send_context, id, key_hash);
    if (q->remote)
        return;
    receive_number = queue_row(db, id, &row) ? row.receive_number : 0;
    ledger_message_end(db);
    f = flight_new(q, id, receive_number, 0, now);
    f->group = queue_group_of(q, db, id);
    flight_show(q, f);
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
        go_out_again(q, db, r.found[i].id, r.found[i].key_hash, now);
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

void queue_start(struct queue *q, struct database *db, struct instant now)
{
    if (!q->remote) /* what is scheduled there is the pump's */
        load_scheduled(q, db, now);
    if (q->options.hold_key)
        ledger_troubled(db, q->id, note_dead, q);
    if (q->counts[MESSAGE_HELD] > 0) /* the policy may have changed, or an operator settled the dead while no daemon ran */
        release_held(q, db, now);
}

void queue_hold_changed(struct queue *q, struct database *db, struct instant now)
{
    held_fini(&q->held);
    q->held = (struct held_keys){0};
    if (q->options.hold_key)
        ledger_troubled(db, q->id, note_dead, q);
    else if (q->counts[MESSAGE_HELD] > 0)
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

void queue_found_dead(struct queue *q, struct database *db, const struct message_row *row, struct instant now)
{
    const struct fault_row fault = {SLICE("received_too_often"), SLICE("it is in the dead-letter queue on the other server"), now.wall_ms};

    if (ledger_remote_dead(db, row->id, now.wall_ms) != 1)
        return;
    queue_count(q, MESSAGE_SENT, MESSAGE_DEAD);
    ledger_fault_put(db, row->id, &fault);
    if (q->options.hold_key)
        held_add(&q->held, row->key_hash, row->id);
}

/* ---- counts of the moment ---- */

int64_t queue_visible(const struct queue *q)
{
    return q->fresh_count + q->visible_count;
}

int64_t queue_not_visible(const struct queue *q)
{
    return (int64_t)q->due.len - q->delayed_count;
}

int64_t queue_delayed(const struct queue *q)
{
    return q->delayed_count;
}

/* ---- dead letters ---- */

bool queue_row(struct database *db, int64_t id, struct message_row *row)
{
    if (ledger_message_find(db, id, row))
        return true;
    if (!*database_failure(db))
        panic("message %lld is in memory, but not in the ledger", (long long)id);
    return false;
}

/* The message has been received too often: it leaves this queue, with its record, for the dead-letter queue if there is one. */
void queue_die(struct queue *q, struct database *db, struct flight *f, struct instant now)
{
    struct queue *target = q->options.dead_letter_queue;
    struct message_row row;
    int64_t copy = 0;
    enum message_state state;
    uint64_t key_hash;

    if (!queue_row(db, f->id, &row)) {
        flight_free(q, f);
        return;
    }
    state = row.state;
    key_hash = row.key_hash;
    if (target) {
        int64_t record = row.record;

        ledger_message_end(db);
        copy = queue_insert(target, db, (struct new_message){.record = record, .step = STEP_ENQUEUED, .origin = f->id}, 0, now);
    } else {
        ledger_message_end(db);
    }
    if (ledger_die(db, f->id, copy, now.wall_ms) == 1)
        queue_count(q, state, MESSAGE_DEAD);
    if (q->options.hold_key && f->origin == 0) /* a copy is of another queue's record, which holds there what it holds */
        held_add(&q->held, key_hash, f->id);
    flight_free(q, f);
}

int64_t queue_root(struct database *db, int64_t id)
{
    int64_t receives;

    return queue_root_and_receives(db, id, &receives);
}

int64_t queue_root_and_receives(struct database *db, int64_t id, int64_t *earlier_receives)
{
    int64_t last = id;
    int64_t origin = id;

    *earlier_receives = 0;
    while (origin != 0) {
        id = origin;
        origin = 0;
        bind_i64(db, STATEMENT_MESSAGE_ORIGIN, 1, id);
        if (database_row(db, STATEMENT_MESSAGE_ORIGIN)) {
            origin = column_i64(db, STATEMENT_MESSAGE_ORIGIN, 0);
            if (id != last)
                *earlier_receives += RECEIVES_OF(column_i64(db, STATEMENT_MESSAGE_ORIGIN, 1));
            database_reset(db, STATEMENT_MESSAGE_ORIGIN);
        }
    }
    return id;
}

/* Takes a copy out of its dead-letter queue's memory and rows, wherever in a chain it is. */
void queue_remove_copy(struct queue *q, struct database *db, int64_t copy, enum message_state state)
{
    while (copy != 0) {
        struct queue *home = queue_of_message(q, copy);
        struct message_row row;
        struct flight *f;
        int64_t next;

        if (!ledger_message_find(db, copy, &row))
            return;
        next = row.moved_to;
        if (home) {
            queue_count(home, row.state, state);
            f = id_map_find(&home->flights, copy);
            if (f)
                flight_free(home, f);
            else if (row.state == MESSAGE_QUEUED && row.due_at_ms == 0 && copy >= home->purge_to)
                home->fresh_count--;
        }
        ledger_message_end(db);
        ledger_remove_copy(db, copy, state);
        copy = next;
    }
}

/* A consumer deleted a copy: the message that died, at the head of the chain of copies, is settled, and the chain goes. */
static void settle_chain(struct queue *q, struct database *db, int64_t copy, struct instant now)
{
    int64_t root = queue_root(db, copy);
    struct queue *home = queue_of_message(q, root);
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
    queue_remove_copy(q, db, first_copy, MESSAGE_DELETED);
}

/* A delete that comes when the message is dead already still counts: its consumer was slow, but done (P2). In a FIFO queue it does not: its handle has
 * expired (false). Anything else that is not in memory is settled. */
static bool settle_late(struct queue *q, struct database *db, int64_t id, struct instant now)
{
    struct message_row row;
    bool dead;

    if (!ledger_message_find(db, id, &row))
        return true;
    dead = row.state == MESSAGE_DEAD;
    ledger_message_end(db);
    if (dead && q->options.fifo && !PLANTED(EXPIRED_HANDLE_DELETES))
        return false;
    if (dead)
        settle_chain(q, db, id, now);
    return true;
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
    queue_remove_copy(q, db, dead.copy, MESSAGE_REDRIVEN);
    if (id < q->expire_at) { /* which has passed over it while it was dead */
        q->expire_at = id;
        q->stays = 0;
        q->expire_due_ms = now.mono_ms;
    }
    go_out_again(q, db, id, dead.key_hash, now);
    no_longer_dead(q, db, dead.key_hash, now);
    return true;
}

bool queue_redrive_to(struct queue *q, struct database *db, int64_t id, struct queue *to, struct instant now)
{
    struct message_row row;
    struct dead dead;
    int64_t copy;
    int64_t record;

    if (to->remote || !find_dead(db, id, &dead) || dead.state != MESSAGE_DEAD || !ledger_message_find(db, id, &row))
        return false;
    record = row.record;
    ledger_message_end(db);
    copy = queue_insert(to, db, (struct new_message){.record = record, .step = STEP_ENQUEUED, .origin = id}, 0, now);
    ledger_move_copy(db, id, copy, now.wall_ms);
    queue_remove_copy(q, db, dead.copy, MESSAGE_REDRIVEN);
    return true;
}

bool queue_drop_dead(struct queue *q, struct database *db, int64_t id, struct instant now)
{
    struct dead dead;

    if (!find_dead(db, id, &dead) || ledger_settle_dead(db, id, MESSAGE_DROPPED, STEP_DROPPED, now.wall_ms) != 1)
        return false;
    queue_count(q, dead.state, MESSAGE_DROPPED);
    queue_remove_copy(q, db, dead.copy, MESSAGE_DROPPED);
    no_longer_dead(q, db, dead.key_hash, now);
    return true;
}

/* ---- settling ---- */

/* In a FIFO queue a handle is good as long as its receive is the message's last, and has not timed out (API_DeleteMessage.html). */
static bool handle_expired(const struct queue *q, const struct flight *f, int64_t receive_number)
{
    return q->options.fifo && (f->visible || f->member.in_line || !SAME_RECEIVE(f->receive_number, receive_number)) && !PLANTED(EXPIRED_HANDLE_DELETES);
}

bool queue_delete(struct queue *q, struct database *db, int64_t id, int64_t receive_number, struct instant now)
{
    struct flight *f = id_map_find(&q->flights, id);
    int64_t origin;
    bool was_queued;

    if (f == NULL)
        return settle_late(q, db, id, now);
    if (handle_expired(q, f, receive_number))
        return false;
    origin = f->origin;
    was_queued = RECEIVES_OF(f->receive_number) == 0;
    if (PLANTED(DELETE_IGNORED))
        return true;
    flight_free(q, f);
    if (origin != 0)
        settle_chain(q, db, id, now);
    else if (ledger_delete(db, id, now.wall_ms) == 1)
        queue_count(q, was_queued ? MESSAGE_QUEUED : MESSAGE_IN_FLIGHT, MESSAGE_DELETED);
    return true;
}

enum visibility_outcome queue_change_visibility(struct queue *q, struct database *db, int64_t id, int64_t receive_number, int64_t visibility_ms,
                                                struct instant now)
{
    struct flight *f = id_map_find(&q->flights, id);

    if (f == NULL)
        return VISIBILITY_GONE;
    if (f->visible || f->delayed || f->member.fresh || !SAME_RECEIVE(f->receive_number, receive_number))
        return VISIBILITY_NOT_IN_FLIGHT;
    if (now.mono_ms - f->received_mono_ms + visibility_ms > SQS_VISIBILITY_MAX_S * INT64_C(1000))
        return VISIBILITY_TOO_LONG;
    ledger_reschedule(db, id, now.wall_ms + visibility_ms, now.wall_ms);
    if (visibility_ms > 0) {
        flight_schedule(q, f, now.mono_ms + visibility_ms);
    } else {
        heap_remove(&q->due, &f->node);
        flight_show(q, f);
    }
    return VISIBILITY_CHANGED;
}

bool queue_repeat(struct queue *q, struct database *db, int64_t id, int64_t receive_number, int64_t visibility_ms, struct instant now,
                  bool (*each)(void *context, const struct received *received, struct error *err), void *context)
{
    struct flight *f = id_map_find(&q->flights, id);
    struct received received = {.receive_number = receive_number, .root = id};
    struct message_row row;
    struct error err = {0};
    bool given;

    if (f == NULL || f->visible || f->delayed || f->member.fresh || !SAME_RECEIVE(f->receive_number, receive_number) || !ledger_message_find(db, id, &row))
        return false;
    received.row = &row;
    if (row.origin)
        received.root = queue_root_and_receives(db, id, &received.earlier_receives);
    given = each(context, &received, &err);
    ledger_message_end(db);
    if (given) {
        ledger_reschedule(db, id, now.wall_ms + visibility_ms, now.wall_ms);
        flight_schedule(q, f, now.mono_ms + visibility_ms);
    }
    return given;
}
