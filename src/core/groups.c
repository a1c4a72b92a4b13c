/* SPDX-License-Identifier: Apache-2.0 */
#include "core/groups.h"

#include "base/memory.h"
#include "base/planted.h"

#include <stdlib.h>

struct group {
    int64_t hash;               /* in the map */
    struct heap line;           /* the oldest first */
    size_t in_flight;
    struct group *next;         /* in the ready list */
    struct group *previous;
    bool ready;
};

static void group_free(struct group *g)
{
    heap_fini(&g->line);
    free(g);
}

void groups_fini(struct groups *gs)
{
    struct group *g;
    size_t at = 0;

    while ((g = id_map_next(&gs->by_hash, &at)) != NULL)
        group_free(g);
    id_map_fini(&gs->by_hash);
    *gs = (struct groups){.strict = gs->strict};
}

/* ---- lines ---- */

static struct group_member *first_of(const struct group *g)
{
    struct heap_node *node = heap_first(&g->line);

    return node ? container_of(node, struct group_member, place) : NULL;
}

static void line_insert(struct groups *gs, struct group_member *m)
{
    heap_set(&m->group->line, &m->place, m->id);
    m->in_line = true;
    gs->line_count++;
}

static void line_remove(struct groups *gs, struct group_member *m)
{
    heap_remove(&m->group->line, &m->place);
    m->in_line = false;
    gs->line_count--;
}

/* ---- the ready list ---- */

static bool gives(const struct groups *gs, const struct group *g)
{
    bool locked = gs->strict && g->in_flight > 0 && !PLANTED(FIFO_GROUP_UNLOCKED);

    const struct group_member *first = first_of(g);

    return first && !first->hidden && !locked;
}

static void ready_append(struct groups *gs, struct group *g)
{
    g->ready = true;
    g->next = NULL;
    g->previous = gs->ready_last;
    if (gs->ready_last)
        gs->ready_last->next = g;
    else
        gs->ready_first = g;
    gs->ready_last = g;
    gs->ready_count++;
}

static void ready_remove(struct groups *gs, struct group *g)
{
    if (g->previous)
        g->previous->next = g->next;
    else
        gs->ready_first = g->next;
    if (g->next)
        g->next->previous = g->previous;
    else
        gs->ready_last = g->previous;
    g->ready = false;
    gs->ready_count--;
}

/* Whatever was changed in a group ends with this. It may free the group. */
static void settle_group(struct groups *gs, struct group *g)
{
    bool ready = gives(gs, g);

    if (ready && !g->ready)
        ready_append(gs, g);
    if (!ready && g->ready)
        ready_remove(gs, g);
    if (g->line.len > 0 || g->in_flight > 0)
        return;
    id_map_take(&gs->by_hash, g->hash);
    group_free(g);
}

/* ---- fresh ones ---- */

static void fresh_append(struct groups *gs, struct group_member *m)
{
    m->fresh = true;
    m->newer = NULL;
    m->older = gs->fresh_last;
    if (gs->fresh_last)
        gs->fresh_last->newer = m;
    else
        gs->fresh_first = m;
    gs->fresh_last = m;
}

void groups_not_fresh(struct groups *gs, struct group_member *m)
{
    if (!m->fresh)
        return;
    if (m->older)
        m->older->newer = m->newer;
    else
        gs->fresh_first = m->newer;
    if (m->newer)
        m->newer->older = m->older;
    else
        gs->fresh_last = m->older;
    m->fresh = false;
}

int64_t groups_oldest_fresh(const struct groups *gs)
{
    return gs->fresh_first ? gs->fresh_first->id : 0;
}

/* ---- moves ---- */

static struct group *group_of(struct groups *gs, uint64_t hash)
{
    int64_t id = (int64_t)(hash >> 1) + 1; /* ids of the map are positive */
    struct group *g = id_map_find(&gs->by_hash, id);

    if (g)
        return g;
    g = memory_zeroed(1, sizeof(*g));
    g->hash = id;
    id_map_put(&gs->by_hash, g->hash, g);
    return g;
}

void groups_add(struct groups *gs, struct group_member *m, int64_t id, uint64_t hash, bool hidden, bool fresh)
{
    *m = (struct group_member){.group = group_of(gs, hash), .id = id, .hidden = hidden};
    line_insert(gs, m);
    if (fresh)
        fresh_append(gs, m);
    settle_group(gs, m->group);
}

void groups_show(struct groups *gs, struct group_member *m)
{
    m->hidden = false;
    settle_group(gs, m->group);
}

struct group_member *groups_take(struct groups *gs, struct group **current)
{
    struct group *g = *current;
    struct group_member *m = g ? first_of(g) : NULL;

    /* a strict group that this receive has begun with goes on; a fair one goes to the end of the list after each */
    if (!gs->strict || m == NULL || m->hidden)
        g = gs->ready_first;
    if (g == NULL)
        return NULL;
    m = first_of(g);
    line_remove(gs, m);
    g->in_flight++;
    *current = g;
    if (g->ready)
        ready_remove(gs, g);
    settle_group(gs, g);
    return m;
}

void groups_lock(struct groups *gs, struct group_member *m)
{
    line_remove(gs, m);
    m->group->in_flight++;
    settle_group(gs, m->group);
}

void groups_put_back(struct groups *gs, struct group_member *m)
{
    m->group->in_flight--;
    line_insert(gs, m);
    settle_group(gs, m->group);
}

void groups_settle(struct groups *gs, struct group_member *m)
{
    struct group *g = m->group;

    groups_not_fresh(gs, m);
    if (m->in_line)
        line_remove(gs, m);
    else
        g->in_flight--;
    m->group = NULL;
    settle_group(gs, g);
}

bool groups_ready(const struct groups *gs)
{
    return gs->ready_first != NULL;
}
