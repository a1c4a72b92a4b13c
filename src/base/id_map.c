/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id_map.h"

#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>

struct id_slot {
    int64_t id; /* 0: free */
    void *value;
};

void id_map_fini(struct id_map *m)
{
    free(m->slots);
    *m = (struct id_map){0};
}

static size_t home_of(const struct id_map *m, int64_t id)
{
    return (size_t)hash_mix((uint64_t)id) & (m->cap - 1);
}

/* The slot that holds the id, or the free one where it belongs. */
static size_t slot_of(const struct id_map *m, int64_t id)
{
    size_t at = home_of(m, id);

    while (m->slots[at].id != 0 && m->slots[at].id != id)
        at = (at + 1) & (m->cap - 1);
    return at;
}

static void grow(struct id_map *m)
{
    struct id_map larger = {.cap = m->cap ? m->cap * 2 : 64};

    larger.slots = memory_zeroed(larger.cap, sizeof(*larger.slots));
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].id != 0)
            larger.slots[slot_of(&larger, m->slots[i].id)] = m->slots[i];
    larger.len = m->len;
    free(m->slots);
    *m = larger;
}

void id_map_put(struct id_map *m, int64_t id, void *value)
{
    size_t at;

    if (id <= 0 || value == NULL)
        panic("id_map_put: id %lld", (long long)id);
    if (m->len * 4 >= m->cap * 3)
        grow(m);
    at = slot_of(m, id);
    if (m->slots[at].id == 0)
        m->len++;
    m->slots[at] = (struct id_slot){id, value};
}

void *id_map_find(const struct id_map *m, int64_t id)
{
    return m->cap > 0 && id > 0 ? m->slots[slot_of(m, id)].value : NULL;
}

void *id_map_take(struct id_map *m, int64_t id)
{
    size_t hole;
    void *value;

    if (m->cap == 0 || id <= 0)
        return NULL;
    hole = slot_of(m, id);
    if (m->slots[hole].id == 0)
        return NULL;
    value = m->slots[hole].value;
    /* Close the hole: move back whatever probed past it. */
    for (size_t at = (hole + 1) & (m->cap - 1); m->slots[at].id != 0; at = (at + 1) & (m->cap - 1)) {
        size_t home = home_of(m, m->slots[at].id);

        if (((at - home) & (m->cap - 1)) >= ((at - hole) & (m->cap - 1))) {
            m->slots[hole] = m->slots[at];
            hole = at;
        }
    }
    m->slots[hole] = (struct id_slot){0, NULL};
    m->len--;
    return value;
}

void *id_map_next(const struct id_map *m, size_t *at)
{
    while (*at < m->cap) {
        struct id_slot *slot = &m->slots[(*at)++];

        if (slot->id != 0)
            return slot->value;
    }
    return NULL;
}
