/* SPDX-License-Identifier: Apache-2.0 */
#include "core/parcels.h"

#include "base/memory.h"
#include "base/planted.h"

#include <stdlib.h>

/* Parcels of a group, behind the one that is out. */
struct lane {
    struct parcel *first;
    struct parcel *last;
};

/* Ids of a map are positive; two groups that share 63 bits of hash wait for each other: harmless. */
static int64_t lane_id(uint64_t group)
{
    int64_t id = (int64_t)(group & INT64_MAX);

    return id ? id : 1;
}

void parcels_fini(struct parcels *ps)
{
    void *lane;
    void *parcel;
    size_t at = 0;

    while ((lane = id_map_next(&ps->lanes, &at)) != NULL)
        free(lane);
    at = 0;
    while ((parcel = id_map_next(&ps->all, &at)) != NULL)
        free(parcel);
    id_map_fini(&ps->lanes);
    id_map_fini(&ps->all);
    heap_fini(&ps->due);
    *ps = (struct parcels){.lanes_wanted = ps->lanes_wanted};
}

/* ---- by age ---- */

static void age_append(struct parcels *ps, struct parcel *p)
{
    p->older = ps->newest;
    if (ps->newest)
        ps->newest->newer = p;
    else
        ps->oldest = p;
    ps->newest = p;
}

static void age_remove(struct parcels *ps, struct parcel *p)
{
    if (p->scheduled)
        return;
    if (p->older)
        p->older->newer = p->newer;
    else
        ps->oldest = p->newer;
    if (p->newer)
        p->newer->older = p->older;
    else
        ps->newest = p->older;
    p->older = p->newer = NULL;
}

/* ---- ready ---- */

static void ready_append(struct parcels *ps, struct parcel *p)
{
    p->next = NULL;
    if (ps->ready_last)
        ps->ready_last->next = p;
    else
        ps->ready_first = p;
    ps->ready_last = p;
    ps->ready_count++;
}

/* ---- lanes ---- */

/* False: another of its group is out; the parcel waits behind it. */
static bool lane_enter(struct parcels *ps, struct parcel *p)
{
    struct lane *lane;

    if (!ps->lanes_wanted || PLANTED(GROUP_UNLOCKED))
        return true;
    lane = id_map_find(&ps->lanes, lane_id(p->group));
    if (lane == NULL) {
        id_map_put(&ps->lanes, lane_id(p->group), memory_zeroed(1, sizeof(*lane)));
        return true;
    }
    p->next = NULL;
    if (lane->last)
        lane->last->next = p;
    else
        lane->first = p;
    lane->last = p;
    return false;
}

static void lane_leave(struct parcels *ps, uint64_t group)
{
    struct lane *lane = ps->lanes_wanted ? id_map_find(&ps->lanes, lane_id(group)) : NULL;
    struct parcel *next;

    if (lane == NULL)
        return;
    next = lane->first;
    if (next == NULL) {
        free(id_map_take(&ps->lanes, lane_id(group)));
        return;
    }
    lane->first = next->next;
    if (lane->first == NULL)
        lane->last = NULL;
    ready_append(ps, next);
}

/* ---- moves ---- */

void parcels_add(struct parcels *ps, int64_t id, uint64_t group, bool scheduled, int64_t due_mono_ms)
{
    struct parcel *p = memory_zeroed(1, sizeof(*p));

    p->id = id;
    p->group = group;
    p->scheduled = scheduled;
    id_map_put(&ps->all, id, p);
    ps->count++;
    if (!scheduled)
        age_append(ps, p);
    if (!lane_enter(ps, p))
        return; /* its time, if it has one, will have come before its turn does */
    if (due_mono_ms > 0)
        heap_set(&ps->due, &p->due, due_mono_ms);
    else
        ready_append(ps, p);
}

struct parcel *parcels_take(struct parcels *ps)
{
    struct parcel *p = ps->ready_first;

    if (p == NULL)
        return NULL;
    ps->ready_first = p->next;
    if (p->next == NULL)
        ps->ready_last = NULL;
    p->next = NULL;
    ps->ready_count--;
    return p;
}

void parcels_put_back(struct parcels *ps, struct parcel *p)
{
    p->next = ps->ready_first;
    ps->ready_first = p;
    if (ps->ready_last == NULL)
        ps->ready_last = p;
    ps->ready_count++;
}

void parcels_schedule(struct parcels *ps, struct parcel *p, int64_t due_mono_ms)
{
    age_remove(ps, p);
    p->scheduled = true;
    heap_set(&ps->due, &p->due, due_mono_ms);
}

void parcels_settle(struct parcels *ps, struct parcel *p)
{
    uint64_t group = p->group;

    age_remove(ps, p);
    heap_remove(&ps->due, &p->due);
    id_map_take(&ps->all, p->id);
    ps->count--;
    free(p);
    lane_leave(ps, group);
}

void parcels_tick(struct parcels *ps, int64_t now_mono_ms)
{
    struct heap_node *first;

    while ((first = heap_first(&ps->due)) != NULL && first->due <= now_mono_ms) {
        heap_remove(&ps->due, first);
        ready_append(ps, container_of(first, struct parcel, due));
    }
}

int64_t parcels_due(const struct parcels *ps)
{
    const struct heap_node *first = heap_first(&ps->due);

    return first ? first->due : INT64_MAX;
}

int64_t parcels_oldest(const struct parcels *ps)
{
    return ps->oldest ? ps->oldest->id : 0;
}
