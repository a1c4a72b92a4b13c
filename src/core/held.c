/* SPDX-License-Identifier: Apache-2.0 */
#include "core/held.h"

#include "base/memory.h"

#include <stdlib.h>

struct held_key {
    int64_t dead;  /* messages of the key that are dead or parked */
    int64_t first; /* the oldest of them that is known */
};

/* Ids are positive. Two keys that share 63 bits of hash wait for each other: harmless. */
static int64_t id_of(uint64_t key_hash)
{
    int64_t id = (int64_t)(key_hash & INT64_MAX);

    return id ? id : 1;
}

void held_fini(struct held_keys *h)
{
    void *key;
    size_t at = 0;

    while ((key = id_map_next(&h->keys, &at)) != NULL)
        free(key);
    id_map_fini(&h->keys);
}

void held_add(struct held_keys *h, uint64_t key_hash, int64_t message)
{
    struct held_key *key;

    if (key_hash == 0)
        return;
    key = id_map_find(&h->keys, id_of(key_hash));
    if (key == NULL) {
        key = memory_zeroed(1, sizeof(*key));
        key->first = message;
        id_map_put(&h->keys, id_of(key_hash), key);
    }
    key->dead++;
    if (message < key->first)
        key->first = message;
}

bool held_remove(struct held_keys *h, uint64_t key_hash)
{
    struct held_key *key = key_hash != 0 ? id_map_find(&h->keys, id_of(key_hash)) : NULL;

    if (key == NULL || --key->dead > 0)
        return false;
    free(id_map_take(&h->keys, id_of(key_hash)));
    return true;
}

bool held_holds(const struct held_keys *h, uint64_t key_hash, int64_t message)
{
    const struct held_key *key = key_hash != 0 ? id_map_find(&h->keys, id_of(key_hash)) : NULL;

    return key != NULL && message > key->first;
}
