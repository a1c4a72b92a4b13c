/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue_internal.h"

#include "base/memory.h"

#include <stdlib.h>

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

void flight_show(struct queue *q, struct flight *f)
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
void flight_hide(struct queue *q, struct flight *f)
{
    if (!f->visible)
        return;
    f->visible = false;
    q->visible_count--;
    if (!q->grouped)
        list_remove(q, f);
}

void flight_clear_delayed(struct queue *q, struct flight *f)
{
    q->delayed_count -= f->delayed;
    f->delayed = false;
}

void flight_schedule(struct queue *q, struct flight *f, int64_t due_mono_ms)
{
    flight_hide(q, f);
    heap_set(&q->due, &f->node, due_mono_ms);
}

struct flight *flight_new(struct queue *q, int64_t id, int64_t receive_number, int64_t origin, struct instant now)
{
    struct flight *f = memory_zeroed(1, sizeof(*f));

    f->id = id;
    f->receive_number = receive_number;
    f->received_mono_ms = now.mono_ms;
    f->origin = origin;
    id_map_put(&q->flights, id, f);
    return f;
}

void flight_free(struct queue *q, struct flight *f)
{
    flight_hide(q, f);
    flight_clear_delayed(q, f);
    if (f->member.fresh)
        q->fresh_count--;
    if (f->member.group)
        groups_settle(&q->groups, &f->member);
    heap_remove(&q->due, &f->node);
    id_map_take(&q->flights, f->id);
    free(f);
}

/* Memory is forgotten; the rows have it all. */
void flights_forget(struct queue *q)
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
