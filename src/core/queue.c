/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue.h"

#include "base/memory.h"
#include "base/planted.h"
#include "codec/sqs_wire.h"

#include <stdlib.h>

#define READ_AT_ONCE 200
#define READ_A_TICK 4000
#define ONE_SECOND_MS 1000

/* A message that is delayed, in flight, visible again or, in a grouped queue, read ahead. */
struct flight {
    struct heap_node node; /* in the heap: not visible yet */
    struct group_member member; /* of a grouped queue */
    uint64_t group;        /* its hash */
    struct flight *next;   /* in the visible list of a queue that is not grouped */
    struct flight *previous;
    int64_t id;
    int64_t receive_count;
    int64_t received_mono_ms; /* the newest receive (after a restart: the restart) */
    int64_t origin; /* a dead-letter copy: the message that died; 0: none */
    bool visible;
    bool delayed; /* not visible yet, and never received */
};

/* ---- where a flight is ---- */

static void list_append(struct queue *q, struct flight *f)
{
    f->next = NULL;
    f->previous = q->visible_last;
    if (q->visible_last)
        q->visible_last->next = f;
    else
        q->visible_first = f;
    q->visible_last = f;
}

static void list_remove(struct queue *q, struct flight *f)
{
    if (f->previous)
        f->previous->next = f->next;
    else
        q->visible_first = f->next;
    if (f->next)
        f->next->previous = f->previous;
    else
        q->visible_last = f->previous;
}

static void visible_append(struct queue *q, struct flight *f)
{
    f->visible = true;
    q->visible_count++;
    if (!q->grouped)
        list_append(q, f);
    else if (f->member.group == NULL)
        groups_add(&q->groups, &f->member, f->id, f->group, false, false);
    else if (f->member.in_line)
        groups_show(&q->groups, &f->member);
    else
        groups_put_back(&q->groups, &f->member);
}

/* In a grouped queue whoever takes it out of its line has done the rest. */
static void visible_remove(struct queue *q, struct flight *f)
{
    if (!f->visible)
        return;
    f->visible = false;
    q->visible_count--;
    if (!q->grouped)
        list_remove(q, f);
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
    if (f->member.fresh)
        q->fresh_count--;
    if (f->member.group)
        groups_settle(&q->groups, &f->member);
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
    struct database *db;
    struct instant now;
};

/* Of a message whose row is open. */
static uint64_t group_of_row(struct queue *q, const struct message_row *row)
{
    const struct message_form *form = q->options.form;

    if (form == NULL || row->shard == 0 || row->origin != 0)
        return row->key_hash;
    return message_form_group_hash(form, row->body, row->key_hash, &q->composed);
}

static uint64_t find_group(struct queue *q, struct database *db, int64_t id)
{
    struct message_row row;
    uint64_t group;

    if (!q->grouped || !ledger_message_find(db, id, &row))
        return 0;
    group = group_of_row(q, &row);
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
    f = flight_new(q, row->id, row->receive_count, row->origin, loading->now);
    f->group = find_group(q, loading->db, row->id);
    if (wait_ms > SQS_VISIBILITY_MAX_S * INT64_C(1000))
        wait_ms = SQS_VISIBILITY_MAX_S * INT64_C(1000);
    if (wait_ms <= 0)
        visible_append(q, f);
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

/* Memory is forgotten; the rows have it all. */
static void forget(struct queue *q)
{
    struct flight *f;
    size_t at = 0;

    while ((f = id_map_next(&q->flights, &at)) != NULL)
        free(f);
    id_map_fini(&q->flights);
    heap_fini(&q->due);
    groups_fini(&q->groups);
    q->flights = (struct id_map){0};
    q->due = (struct heap){0};
    q->visible_first = q->visible_last = NULL;
    q->visible_count = q->delayed_count = 0;
}

void queue_group(struct queue *q, struct database *db, struct instant now)
{
    if (q->grouped || q->remote)
        return;
    forget(q);
    q->grouped = true;
    q->changed = true;
    load_scheduled(q, db, now);
}

void queue_free(struct queue *q)
{
    if (q == NULL)
        return;
    forget(q);
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
                            .remote = q->remote, .possible_duplicates = q->possible_duplicates, .grouped = q->grouped, .purge_to = q->purge_to};

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

        f->group = find_group(q, db, message.id);
        delay(q, f, now.mono_ms + delay_ms);
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
        clear_delayed(q, f);
        visible_append(q, f);
    }
    return queue_due(q);
}

static bool more_to_read(const struct queue *q)
{
    return q->grouped && q->cursor < q->next_message && q->groups.line_count < QUEUE_READ_AHEAD;
}

bool queue_has_visible(const struct queue *q)
{
    if (q->grouped)
        return groups_ready(&q->groups) || (more_to_read(q) && q->fresh_count > 0);
    return q->visible_count > 0 || q->fresh_count > 0;
}

/* ---- keys that are held ---- */

/* Its row says QUEUED or PENDING, due now. */
static void go_out_again(struct queue *q, struct database *db, int64_t id, uint64_t key_hash, struct instant now)
{
    struct flight *f;

    if (q->remote && q->send)
        q->send(q->send_context, id, key_hash);
    if (q->remote)
        return;
    f = flight_new(q, id, 0, 0, now);
    f->group = find_group(q, db, id);
    visible_append(q, f);
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
    go_out_again(q, db, id, dead.key_hash, now);
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

    f->group = q->options.form && origin == 0 ? find_group(q, a->db, id) : key_hash;
    groups_add(&q->groups, &f->member, id, f->group, false, true);
    q->cursor = id + 1;
    a->count++;
}

/* Until as many groups are ready as could be given from, or there are no more; a bounded number at once. */
static void read_ahead(struct queue *q, struct database *db, int wanted, struct instant now)
{
    int64_t read = 0;

    while (q->groups.ready_count < (size_t)wanted && more_to_read(q) && read < READ_A_TICK) {
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
    f->receive_count++;
    f->received_mono_ms = r->now.mono_ms;
    flight_schedule(q, f, r->now.mono_ms + r->visibility_ms);
}

static int receive_grouped(struct receiving *r, int max)
{
    struct queue *q = r->queue;
    struct group *current = NULL;
    struct group_member *m;
    int got = 0;

    read_ahead(q, r->db, max, r->now);
    while (got < max && (m = groups_take(&q->groups, &current)) != NULL) {
        struct flight *f = container_of(m, struct flight, member);
        struct message_row row;
        enum message_state state;

        if (q->options.max_receive_count > 0 && f->receive_count >= q->options.max_receive_count) {
            die(q, r->db, f, r->now);
            current = NULL;
            continue;
        }
        if (!ledger_message_find(r->db, f->id, &row))
            panic("message %lld waits, but is not in the ledger", (long long)f->id);
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

/* ---- settling ---- */

/* In a FIFO queue a handle is good as long as its receive is the message's last, and has not timed out (API_DeleteMessage.html). */
static bool handle_expired(const struct queue *q, const struct flight *f, int64_t receive_count)
{
    return q->options.fifo && (f->visible || f->member.in_line || f->receive_count != receive_count) && !PLANTED(EXPIRED_HANDLE_DELETES);
}

bool queue_delete(struct queue *q, struct database *db, int64_t id, int64_t receive_count, struct instant now)
{
    struct flight *f = id_map_find(&q->flights, id);
    int64_t origin;
    bool was_queued;

    if (f == NULL) {
        settle_late(q, db, id, now);
        return true;
    }
    if (handle_expired(q, f, receive_count))
        return false;
    origin = f->origin;
    was_queued = f->receive_count == 0;
    if (PLANTED(DELETE_IGNORED))
        return true;
    flight_free(q, f);
    if (origin != 0)
        settle_chain(q, db, id, now);
    else if (ledger_delete(db, id, now.wall_ms) == 1)
        queue_count(q, was_queued ? MESSAGE_QUEUED : MESSAGE_IN_FLIGHT, MESSAGE_DELETED);
    return true;
}

enum visibility_outcome queue_change_visibility(struct queue *q, struct database *db, int64_t id, int64_t receive_count, int64_t visibility_ms,
                                                struct instant now)
{
    struct flight *f = id_map_find(&q->flights, id);

    if (f == NULL || f->visible || f->delayed || f->member.fresh || f->receive_count != receive_count)
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

bool queue_repeat(struct queue *q, struct database *db, int64_t id, int64_t receive_count, int64_t visibility_ms, struct instant now,
                  bool (*each)(void *context, const struct received *received, struct error *err), void *context)
{
    struct flight *f = id_map_find(&q->flights, id);
    struct received received = {.receive_count = receive_count, .root = id};
    struct message_row row;
    struct error err = {0};
    bool given;

    if (f == NULL || f->visible || f->delayed || f->member.fresh || f->receive_count != receive_count || !ledger_message_find(db, id, &row))
        return false;
    received.row = &row;
    received.root = row.origin ? root_of(db, id) : id;
    given = each(context, &received, &err);
    ledger_message_end(db);
    if (given) {
        ledger_reschedule(db, id, now.wall_ms + visibility_ms, now.wall_ms);
        flight_schedule(q, f, now.mono_ms + visibility_ms);
    }
    return given;
}

/* ---- purging, and retention ---- */

bool queue_has_unsettled(const struct queue *q)
{
    int64_t count = 0;

    for (int state = 0; state < MESSAGE_STATE_COUNT; state++)
        count += message_state_settled((enum message_state)state) ? 0 : q->counts[state];
    return count > 0;
}

void queue_purge(struct queue *q)
{
    forget(q);
    q->purge_to = q->cursor = q->next_fresh = q->next_message;
    q->purge_at = QUEUE_FIRST_MESSAGE(q->id);
    q->fresh_count = 0;
    q->changed = true;
}

struct glances {
    struct message_glance *list;
    size_t len;
};

static void note_glance(void *context, const struct message_glance *glance)
{
    struct glances *g = context;

    g->list = memory_resize(g->list, (g->len + 1) * sizeof(*g->list));
    g->list[g->len++] = *glance;
}

/* A message that nobody has settled ends here. A dead letter's end is that of the message that died. */
static void end_message(struct queue *q, struct database *db, const struct message_glance *glance, enum message_state state, struct instant now)
{
    if (glance->origin != 0) {
        int64_t root = root_of(db, glance->id);
        struct queue *home = queue_of(q, root);

        if (home && queue_drop_dead(home, db, root, now))
            return;
        remove_copy(q, db, glance->id, MESSAGE_DROPPED);
        return;
    }
    if (ledger_end(db, glance->id, state, state == MESSAGE_EXPIRED ? STEP_EXPIRED : STEP_PURGED, now.wall_ms) == 1)
        queue_count(q, glance->state, state);
}

static bool waits(const struct message_glance *glance)
{
    return glance->state == MESSAGE_QUEUED || glance->state == MESSAGE_IN_FLIGHT;
}

bool queue_purge_step(struct queue *q, struct database *db, int64_t limit, struct instant now)
{
    struct glances g = {0};

    if (q->purge_to == 0)
        return false;
    ledger_glance(db, q->purge_at, q->purge_to, limit, note_glance, &g);
    for (size_t i = 0; i < g.len; i++)
        if (waits(&g.list[i]))
            end_message(q, db, &g.list[i], MESSAGE_PURGED, now);
    if (g.len > 0)
        q->purge_at = g.list[g.len - 1].id + 1;
    if ((int64_t)g.len < limit) {
        q->purge_to = 0;
        q->changed = true;
    }
    free(g.list);
    return q->purge_to != 0;
}

static void forget_one(struct queue *q, const struct message_glance *glance)
{
    struct flight *f = id_map_find(&q->flights, glance->id);

    if (f)
        flight_free(q, f);
    else if (glance->state == MESSAGE_QUEUED && glance->due_at_ms == 0)
        q->fresh_count--;
}

void queue_expire(struct queue *q, struct database *db, int64_t now_ms, int64_t limit, struct instant now)
{
    struct glances g = {0};
    int64_t wait_ms = q->options.retention_ms;
    size_t i = 0;

    if (q->options.retention_ms == 0 || q->expire_due_ms > now.mono_ms)
        return;
    if (q->expire_at < q->purge_to)
        q->expire_at = q->purge_to;
    ledger_glance(db, q->expire_at, q->next_message, limit, note_glance, &g);
    for (; i < g.len; i++) {
        const struct message_glance *glance = &g.list[i];

        if (!waits(glance) || glance->from_stream)
            continue;
        wait_ms = glance->sent_ms + q->options.retention_ms - now_ms;
        if (wait_ms > 0)
            break;
        if (glance->origin == 0)
            forget_one(q, glance);
        end_message(q, db, glance, MESSAGE_EXPIRED, now);
    }
    if (i > 0)
        q->expire_at = g.list[i - 1].id + 1;
    q->expire_due_ms = now.mono_ms + ((int64_t)i == limit ? 0 : wait_ms > ONE_SECOND_MS ? wait_ms : ONE_SECOND_MS);
    free(g.list);
}

/* ---- moving dead letters elsewhere ---- */

/* One that was sent to this queue by itself: it is a new message there. */
static void move_sent(struct queue *q, struct database *db, const struct message_glance *glance, struct queue *to, struct instant now)
{
    struct message_row row;
    int64_t record;

    if (!ledger_message_find(db, glance->id, &row))
        return;
    record = row.record;
    ledger_message_end(db);
    forget_one(q, glance);
    add(to, db, (struct new_message){.record = record, .step = STEP_ENQUEUED}, 0, now);
    if (ledger_end(db, glance->id, MESSAGE_DROPPED, STEP_REDRIVEN, now.wall_ms) == 1)
        queue_count(q, glance->state, MESSAGE_DROPPED);
}

/* A dead letter: what stands for the message that died is a copy in the other queue now. Of a record that came to this queue by itself, the message dies here. */
static void move_copy(struct queue *q, struct database *db, const struct message_glance *glance, struct queue *to, struct instant now)
{
    int64_t parent = glance->origin ? glance->origin : glance->id;
    struct message_row row;
    int64_t copy;
    int64_t record;

    if (!ledger_message_find(db, glance->id, &row))
        return;
    record = row.record;
    ledger_message_end(db);
    forget_one(q, glance);
    copy = add(to, db, (struct new_message){.record = record, .step = STEP_ENQUEUED, .origin = parent}, 0, now);
    if (glance->origin == 0) {
        if (ledger_die(db, parent, copy, now.wall_ms) == 1)
            queue_count(q, glance->state, MESSAGE_DEAD);
        return;
    }
    ledger_move_copy(db, parent, copy, now.wall_ms);
    queue_count(q, glance->state, MESSAGE_REDRIVEN);
    ledger_remove_copy(db, glance->id, MESSAGE_REDRIVEN);
}

static bool in_flight(const struct queue *q, int64_t id)
{
    const struct flight *f = id_map_find(&q->flights, id);

    return f && !f->visible && !f->delayed && !f->member.fresh;
}

enum move_outcome queue_move(struct queue *q, struct database *db, const struct message_glance *glance, struct queue *to, struct instant now)
{
    int64_t root = glance->origin ? root_of(db, glance->id) : 0;
    struct queue *home = root ? queue_of(q, root) : NULL;

    if (!waits(glance) || in_flight(q, glance->id))
        return MOVE_PASSED_OVER;
    if (to == NULL && home == NULL)
        return MOVE_NO_SOURCE;
    if (home && (to == NULL || to == home))
        return queue_redrive(home, db, root, now) ? MOVE_DONE : MOVE_PASSED_OVER;
    if (glance->origin == 0 && !glance->from_stream)
        move_sent(q, db, glance, to, now);
    else
        move_copy(q, db, glance, to, now);
    return MOVE_DONE;
}
