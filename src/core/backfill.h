/* SPDX-License-Identifier: Apache-2.0
 *
 * backfill: a queue that was added later is first given the records that the ledger has, in their order, in bounded steps. What is read meanwhile comes
 * to it in its turn, so that the order of an item's records holds; when nothing is left it gets what is read like any other queue.
 *
 * Where it stands is in the queue's row: a crash loses nothing, and gives nothing twice.
 */
#ifndef S2Q_CORE_BACKFILL_H
#define S2Q_CORE_BACKFILL_H

#include "core/intake.h"

/* From the first page that was stored at or after since_ms. */
void backfill_begin(struct queue *q, struct database *db, int64_t since_ms);
/* feeds: does the shard's stream feed the queue? */
struct backfill {
    struct database *db;
    struct intake *intake;
    bool (*feeds)(void *context, int64_t shard, const struct queue *q);
    void *context;
};
/* One step inside the ledger's transaction. False: the queue is up to date, and gets what is read from now on. */
bool backfill_step(const struct backfill *b, struct queue *q, struct instant now);

#endif
