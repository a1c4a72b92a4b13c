/* SPDX-License-Identifier: Apache-2.0
 *
 * origin: which stream and shard a record came from, in words: what its messages say of it. Remembered, because it is asked for every message.
 */
#ifndef S2Q_CORE_ORIGIN_H
#define S2Q_CORE_ORIGIN_H

#include "store/ledger.h"

struct origin {
    int64_t shard; /* row id */
    char *arn;     /* of the stream; "" when the ledger does not know the shard */
    char *shard_id;
};

/* Zeroed but for db: empty. */
struct origins {
    struct database *db;
    struct origin *list;
    size_t len;
};

/* Borrowed until the next call, or origins_fini. */
const struct origin *origin_of(struct origins *o, int64_t shard);
void origins_fini(struct origins *o);

#endif
