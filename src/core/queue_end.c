/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue_internal.h"

#include "base/memory.h"
#include "store/questions.h"

#include <stdlib.h>

#define ONE_SECOND_MS 1000

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
    flights_forget(q);
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
        int64_t root = queue_root(db, glance->id);
        struct queue *home = queue_of_message(q, root);

        if (home && queue_drop_dead(home, db, root, now))
            return;
        queue_remove_copy(q, db, glance->id, MESSAGE_DROPPED);
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
    bool through;
    size_t i = 0;

    if (q->options.retention_ms == 0 || q->expire_due_ms > now.mono_ms)
        return;
    if (q->expire_at < q->purge_to)
        q->expire_at = q->purge_to;
    ledger_glance(db, q->expire_at, q->next_message, limit, note_glance, &g);
    for (; i < g.len; i++) {
        const struct message_glance *glance = &g.list[i];
        int64_t left_ms = glance->sent_ms + q->options.retention_ms - now_ms;

        if (!waits(glance) || glance->from_stream)
            continue;
        wait_ms = left_ms > 0 && left_ms < wait_ms ? left_ms : wait_ms; /* the shortest */
        if (left_ms > 0 && !glance->went_back)
            break;
        if (left_ms > 0) { /* those behind it are older, and end before it */
            if (q->stays == 0 || now.mono_ms + left_ms < q->stays_due_ms)
                q->stays_due_ms = now.mono_ms + left_ms;
            q->stays = q->stays ? q->stays : glance->id;
            continue;
        }
        if (glance->origin == 0)
            forget_one(q, glance);
        end_message(q, db, glance, MESSAGE_EXPIRED, now);
    }
    through = (int64_t)i < limit;
    if (i > 0)
        q->expire_at = g.list[i - 1].id + 1;
    q->expire_due_ms = now.mono_ms + (!through ? 0 : wait_ms > ONE_SECOND_MS ? wait_ms : ONE_SECOND_MS);
    if (through && q->stays) { /* then from that one on again */
        q->expire_at = q->stays;
        q->expire_due_ms = q->stays_due_ms < q->expire_due_ms ? q->stays_due_ms : q->expire_due_ms;
        q->stays = 0;
    }
    free(g.list);
}

/* ---- moving dead letters elsewhere ---- */

/* One that was sent to this queue by itself: it is a new message there, for which its record's page vouches, too (or pruning would take the record). */
static void move_sent(struct queue *q, struct database *db, const struct message_glance *glance, struct queue *to, struct instant now)
{
    struct message_row row;
    struct stored_page page;
    int64_t record;
    int64_t moved;

    if (!ledger_message_find(db, glance->id, &row))
        return;
    record = row.record;
    ledger_message_end(db);
    forget_one(q, glance);
    moved = queue_insert(to, db, (struct new_message){.record = record, .step = STEP_ENQUEUED}, 0, now);
    if (question_page(db, record, &page))
        ledger_delivery_insert(db, page.id, to->id, moved, 1, 0);
    if (ledger_end(db, glance->id, MESSAGE_DROPPED, STEP_REDRIVEN, now.wall_ms) == 1)
        queue_count(q, glance->state, MESSAGE_DROPPED);
}

/* A dead letter: what stands for the message that died is a copy in the other queue now. Of a record that came to this queue by itself, the message
 * dies here. */
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
    copy = queue_insert(to, db, (struct new_message){.record = record, .step = STEP_ENQUEUED, .origin = parent}, 0, now);
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
    int64_t root = glance->origin ? queue_root(db, glance->id) : 0;
    struct queue *home = root ? queue_of_message(q, root) : NULL;

    if (!waits(glance) || in_flight(q, glance->id))
        return MOVE_PASSED_OVER;
    if (to == NULL && (home == NULL || home->deleted))
        return MOVE_NO_SOURCE;
    if (home && (to == NULL || to == home))
        return queue_redrive(home, db, root, now) ? MOVE_DONE : MOVE_PASSED_OVER;
    if (glance->origin == 0 && !glance->from_stream)
        move_sent(q, db, glance, to, now);
    else
        move_copy(q, db, glance, to, now);
    return MOVE_DONE;
}
