/* SPDX-License-Identifier: Apache-2.0
 *
 * audit: the proof that nothing was lost (promise P8). Counts the ledger's rows again, and compares them with everything that must be equal to them:
 *
 * 1. per shard: records read = records stored + records pruned;
 * 2. per shard and queue: records read since the queue was subscribed + replayed = filtered + messages in all states + messages pruned;
 * 3. per queue and state: the counter = rows + rows pruned;
 * 4. per shard: each page begins where the page before it ended (or later, if pages were pruned), and the position is where the last one did;
 * 5. no message without its record, no dead message without its dead letter.
 */
#ifndef S2Q_CORE_AUDIT_H
#define S2Q_CORE_AUDIT_H

#include "store/questions.h"

struct audit_line {
    int64_t shard;
    int64_t queue;
    int64_t read; /* records of the shard that the queue was to get */
    int64_t filtered;
    int64_t replayed; /* messages that `replay` added */
    int64_t counts[MESSAGE_STATE_COUNT]; /* messages by state, pruned ones included */
};

struct audit {
    struct audit_line *lines; /* one a shard and queue */
    size_t len;
    struct audit_shard {
        int64_t id;
        int64_t read;
        int64_t stored;
        int64_t pruned;
        char *position; /* NULL: none */
        char *chain;    /* last sequence number of the last page so far */
        bool broken;    /* said once */
    } *shards;
    size_t shard_count;
    char **differences; /* what does not add up, for people */
    size_t difference_count;
    int64_t gaps;
    int64_t gaps_new;
    int64_t records;
};

/* Inside one read transaction. */
void audit_run(struct audit *a, struct database *db);
void audit_fini(struct audit *a);

#endif
