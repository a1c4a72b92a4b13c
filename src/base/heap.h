/* SPDX-License-Identifier: Apache-2.0
 *
 * heap: what is due next. A binary min-heap of nodes that live inside their owners; each node knows its place, so that a due time can
 * change and a node can leave in O(log n) (the idea is beanstalkd's).
 */
#ifndef S2Q_BASE_HEAP_H
#define S2Q_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: in no heap. */
struct heap_node {
    int64_t due;
    size_t place; /* 1-based; 0: in no heap */
};

/* Zeroed: empty. */
struct heap {
    struct heap_node **nodes; /* nodes[0] has place 1 */
    size_t len;
    size_t cap;
};

/* Frees the heap's own memory; the nodes are their owners'. */
void heap_fini(struct heap *h);
/* Puts a node in, or moves it if it is in. */
void heap_set(struct heap *h, struct heap_node *node, int64_t due);
/* Takes it out; nothing happens if it is not in. */
void heap_remove(struct heap *h, struct heap_node *node);
/* The node that is due first, or NULL. */
struct heap_node *heap_first(const struct heap *h);

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
