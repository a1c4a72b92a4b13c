/* SPDX-License-Identifier: Apache-2.0
 *
 * intake: a page that GetRecords returned becomes records and messages, and the shard's position moves, all in the ledger's current transaction (promise P1).
 *
 * Reading again changes nothing: a record at or below the position is counted as a duplicate and passed over. A page that is not in order is malformed.
 */
#ifndef S2Q_CORE_INTAKE_H
#define S2Q_CORE_INTAKE_H

#include "core/queue.h"
#include "core/record.h"

struct intake {
    struct database *db;
    int64_t next_record; /* ledger_next_record at start */
    struct buffer bloom; /* scratch */
    struct buffer arena;
};

void intake_init(struct intake *in, struct database *db);
void intake_fini(struct intake *in);
/* Stores what is new in the page, one message in each queue. Updates *shard (position: a slice into the page; counts) but does not save it. Until the shard
 * has a position, records created before not_before_ms are passed over (start: latest); 0: none are. Returns the records stored, -1: sequence numbers do
 * not rise, nothing was stored. */
int64_t intake_page(struct intake *in, struct shard_row *shard, const struct stream_page *page, struct queue *const *queues, size_t queue_count,
                    int64_t not_before_ms, struct instant now);

#endif
