/* SPDX-License-Identifier: Apache-2.0
 *
 * intake: a page that GetRecords returned becomes records and messages, and the shard's position moves, all in the ledger's current transaction (promise P1).
 * So does what SendMessage brings: the messages of one commit are a page, too.
 *
 * Reading again changes nothing: a record at or below the position is counted as a duplicate and passed over. A page that is not in order is malformed.
 */
#ifndef S2Q_CORE_INTAKE_H
#define S2Q_CORE_INTAKE_H

#include "core/origin.h"
#include "core/queue.h"
#include "core/record.h"

#define SENT_PAGE_QUEUES 8

/* Messages that were sent in the current transaction: records without a hole between them, and so are each queue's messages. */
struct sent_page {
    int64_t first_record;
    int64_t count; /* 0: none is open */
    int64_t stored_at_ms;
    struct sent_range {
        int64_t queue;
        int64_t first_message;
        int64_t count;
    } ranges[SENT_PAGE_QUEUES];
    size_t range_count;
};

struct intake {
    struct database *db;
    int64_t next_record; /* ledger_next_record at start */
    struct sent_page sent;
    struct buffer bloom; /* scratch */
    struct buffer arena;
    struct buffer whole;     /* a record with its eventSourceARN, for filters that ask for it */
    struct origins origins;
    size_t *stored;          /* where in the page each new record stands */
};

void intake_init(struct intake *in, struct database *db);
void intake_fini(struct intake *in);
/* Stores what is new in the page, one message in each queue whose filter lets it pass. Updates *shard (position: a slice into the page; counts) but does
 * not save it. Until the shard has a position, records created before not_before_ms are passed over (start: latest); 0: none are. Returns the records
 * stored, -1: sequence numbers do not rise, nothing was stored. */
int64_t intake_page(struct intake *in, struct shard_row *shard, const struct stream_page *page, struct queue *const *queues, size_t queue_count,
                    int64_t not_before_ms, struct instant now);
struct sent_message {
    struct slice body;
    struct slice attributes; /* sqs_attributes_encode's form, or absent */
    struct slice body_md5;   /* MD5_BYTES */
    uint64_t group_hash;     /* of its message group; 0: none */
    int64_t delay_ms;
};
/* Does the queue's filter let the record pass? */
bool intake_wanted(struct intake *in, const struct queue *q, int64_t shard, struct slice body);
/* Stores a message that was sent. Returns its id. */
int64_t intake_message(struct intake *in, struct queue *q, const struct sent_message *message, struct instant now);
/* Writes the page row of the messages sent so far: before each commit. */
void intake_close(struct intake *in);

#endif
