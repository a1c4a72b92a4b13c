/* SPDX-License-Identifier: Apache-2.0
 *
 * held: the keys of items that have a dead or parked record in a queue whose on_dead is hold_key: later records of such a key wait until
 * an operator has redriven or dropped the dead one. Derived from the ledger's DEAD and PARKED rows.
 */
#ifndef S2Q_CORE_HELD_H
#define S2Q_CORE_HELD_H

#include "base/id_map.h"

#include <stdbool.h>

struct held_keys {
    struct id_map keys; /* key hash -> struct held_key */
};

void held_fini(struct held_keys *h);
/* A message of this key died or was parked. key_hash 0 (no key) is never held. */
void held_add(struct held_keys *h, uint64_t key_hash, int64_t message);
/* One of them was settled, or goes out again. True: it was the last, so what is held can be released. */
bool held_remove(struct held_keys *h, uint64_t key_hash);
/* Must this message wait? Only what came after the first dead one does. */
bool held_holds(const struct held_keys *h, uint64_t key_hash, int64_t message);

#endif
