/* SPDX-License-Identifier: Apache-2.0
 *
 * id_map: positive 64-bit ids to pointers, by open addressing. Owns neither.
 */
#ifndef S2Q_BASE_ID_MAP_H
#define S2Q_BASE_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed: empty. */
struct id_map {
    struct id_slot *slots;
    size_t len;
    size_t cap; /* a power of two, or 0 */
};

void id_map_fini(struct id_map *m);
/* value must not be NULL; an id that is there gets the new value. */
void id_map_put(struct id_map *m, int64_t id, void *value);
void *id_map_find(const struct id_map *m, int64_t id);
/* Removes it and gives what it was, or NULL. */
void *id_map_take(struct id_map *m, int64_t id);
/* Iterates in no order: start with *at = 0; NULL at the end. No change to the map meanwhile. */
void *id_map_next(const struct id_map *m, size_t *at);

#endif
