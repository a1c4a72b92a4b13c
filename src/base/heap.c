/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/memory.h"

#include <stdlib.h>

void heap_fini(struct heap *h)
{
    free(h->nodes);
    *h = (struct heap){0};
}

static void put(struct heap *h, size_t place, struct heap_node *node)
{
    h->nodes[place - 1] = node;
    node->place = place;
}

static void sift_up(struct heap *h, struct heap_node *node)
{
    size_t place = node->place;

    while (place > 1 && h->nodes[place / 2 - 1]->due > node->due) {
        put(h, place, h->nodes[place / 2 - 1]);
        place /= 2;
    }
    put(h, place, node);
}

static void sift_down(struct heap *h, struct heap_node *node)
{
    size_t place = node->place;

    for (;;) {
        size_t child = place * 2;

        if (child > h->len)
            break;
        if (child < h->len && h->nodes[child]->due < h->nodes[child - 1]->due)
            child++;
        if (h->nodes[child - 1]->due >= node->due)
            break;
        put(h, place, h->nodes[child - 1]);
        place = child;
    }
    put(h, place, node);
}

void heap_set(struct heap *h, struct heap_node *node, int64_t due)
{
    node->due = due;
    if (node->place == 0) {
        if (h->len == h->cap) {
            h->cap = h->cap ? h->cap * 2 : 4;
            h->nodes = memory_resize(h->nodes, h->cap * sizeof(*h->nodes));
        }
        h->len++;
        put(h, h->len, node);
    }
    sift_up(h, node);
    sift_down(h, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    struct heap_node *last;
    size_t place = node->place;

    if (place == 0)
        return;
    last = h->nodes[h->len - 1];
    h->len--;
    node->place = 0;
    if (last == node)
        return;
    put(h, place, last);
    sift_up(h, last);
    sift_down(h, last);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->len > 0 ? h->nodes[0] : NULL;
}
