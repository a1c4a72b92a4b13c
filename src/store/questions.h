/* SPDX-License-Identifier: Apache-2.0
 *
 * questions: what the commands ask of a ledger: single records and their pages, and the counts that `audit` compares. Changes nothing.
 *
 * To be asked between database_read_begin and database_read_end, so that all answers are of one moment. Texts in rows are borrowed until the callback
 * returns; a callback must not ask the same question again.
 */
#ifndef S2Q_STORE_QUESTIONS_H
#define S2Q_STORE_QUESTIONS_H

#include "store/ledger.h"

struct stored_record {
    int64_t id;
    int64_t shard; /* 0: SendMessage */
    struct slice sequence_number;
    struct slice body;
    struct slice attributes;
};


/* False: there is no such record (any more). */
bool question_record(struct database *db, int64_t id, void (*each)(void *context, const struct stored_record *record), void *context);
/* The records of [first, end), in order. */
void question_records(struct database *db, int64_t first, int64_t end, void (*each)(void *context, const struct stored_record *record), void *context);
/* The newest `limit` records below `before`, newest first. */
void question_newest(struct database *db, int64_t before, int64_t limit, void (*each)(void *context, const struct stored_record *record), void *context);
/* The ids of the shard's records of that sequence number (aggregated ones share one). */
void question_by_sequence(struct database *db, int64_t shard, struct slice sequence_number, void (*each)(void *context, int64_t record), void *context);
/* The records after this one that came from a stream, in order, with the hash of their item's key. */
void question_keys_after(struct database *db, int64_t record, void (*each)(void *context, int64_t record, uint64_t key_hash), void *context);
/* Every page's Bloom filter, oldest first. */
void question_blooms(struct database *db, void (*each)(void *context, int64_t page, int64_t record_count, struct slice bloom), void *context);

struct stored_page {
    int64_t id;
    int64_t record_count;
    int64_t stored_at_ms;
};
/* The page that a record came with; false: it was pruned. */
bool question_page(struct database *db, int64_t record, struct stored_page *page);
/* The page that a record came with, or the next one behind it; false: there is none. */
bool question_page_from(struct database *db, int64_t record, struct stored_page *page);
/* The oldest page; false: there is none. */
bool question_first_page(struct database *db, struct stored_page *page);
/* The messages that a record became: one a queue; 0: none (any more). */
enum no_message {
    NO_MESSAGE_PRUNED,
    NO_MESSAGE_FILTERED, /* the queue's filter did not want the record */
    NO_MESSAGE_EITHER,   /* one of the two: other messages of its page are pruned */
};
/* message 0: there is none (any more), and why. */
void question_messages(struct database *db, int64_t page, int64_t record,
                       void (*each)(void *context, int64_t queue, int64_t message, enum no_message why), void *context);

/* The ids of all messages, in order. */
void question_message_ids(struct database *db, void (*each)(void *context, int64_t id), void *context);

/* Has a stream ever given the queue anything, or its filter kept anything out? Tallies, which tell it, are never pruned. */
bool question_queue_fed(struct database *db, int64_t queue);

/* Which shards feed which queues, as of the configuration that last ran; a queue that has had nothing yet is not among them. */
void question_fed(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue), void *context);

/* audit */
void question_tally(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue, int64_t since_records, int64_t assigned, int64_t filtered,
                                               int64_t replayed),
                    void *context);
struct chain_page {
    int64_t shard;
    int64_t id;
    int64_t record_count;
    struct slice after_sequence; /* absent: the shard's start */
    struct slice first_sequence;
    struct slice last_sequence;
};
void question_chain(struct database *db, void (*each)(void *context, const struct chain_page *page), void *context);
/* shard, queue and state are 0 where the question does not part by them. */
/* by shard */
void question_record_counts(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue, int state, int64_t count),
    void *context);
/* by shard, queue, state; without dead-letter copies */
void question_message_counts(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue, int state, int64_t count),
    void *context);
/* by queue, state; all rows */
void question_state_counts(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue, int state, int64_t count),
    void *context);
/* by shard, queue, state */
void question_pruned_counts(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue, int state, int64_t count),
    void *context);
/* Messages without a record, and dead messages whose copy is not where it should be. */
int64_t question_orphans(struct database *db);
int64_t question_lost_copies(struct database *db);

#endif
