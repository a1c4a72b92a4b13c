/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger: the rows of the ledger as C values: what the core reads at start, and every change that it makes.
 *
 * Nothing here decides anything: rules live in core/. Failures stick to the database's transaction (store/database.h), so that changes return nothing
 * unless the number of changed rows matters. Texts in rows read by a callback are borrowed until it returns.
 */
#ifndef S2Q_STORE_LEDGER_H
#define S2Q_STORE_LEDGER_H

#include "base/buffer.h"
#include "store/database.h"
#include "store/states.h"

#define QUEUE_ID_SHIFT 40
#define QUEUE_OF_MESSAGE(id) ((id) >> QUEUE_ID_SHIFT)
#define QUEUE_FIRST_MESSAGE(queue) (((int64_t)(queue) << QUEUE_ID_SHIFT) + 1)
#define QUEUE_END_MESSAGE(queue) (((int64_t)(queue) + 1) << QUEUE_ID_SHIFT)

#define UUID_BYTES 16
#define UUID_TEXT 36
/* message.remote_id as the other server wrote it. */
void remote_id_text(struct slice stored, struct buffer *out);
bool remote_id_is(struct slice stored, struct slice text);

/* Writes the 8 bytes of a step; see store/states.h. */
void step_encode(char out[STEP_BYTES], enum step_kind kind, int64_t at_ms);
/* The step at `index` of a history; false: there is none. */
bool step_decode(struct slice history, size_t index, enum step_kind *kind, int64_t *at_ms);

/* When the message was last redriven, in ms since 1970; 0: never. */
int64_t history_redriven_ms(struct slice history);
/* Was the message enqueued by `replay`? */
bool history_replayed(struct slice history);

/* A secret or identity of this ledger's own; false: not there yet. */
bool ledger_meta_get(struct database *db, const char *name, void *out, size_t bytes);
void ledger_meta_put(struct database *db, const char *name, const void *value, size_t bytes);

struct queue_row {
    int64_t id;
    struct slice name;
    int64_t next_message;
    int64_t next_fresh;
    int64_t counts[MESSAGE_STATE_COUNT]; /* by enum message_state */
    int64_t created_at_ms;
    bool remote;                 /* its messages are sent to another server */
    int64_t possible_duplicates; /* messages sent again because no answer had come */
    bool grouped;                /* a message with a group id was sent to it */
    int64_t backfill_at;         /* it is given what the ledger has: the next record to look at; 0: it is not */
    int64_t purge_to;            /* unsettled messages below it are being purged; 0: none are */
    /* what ledger_queue_settings stores */
    int64_t modified_at_ms;
    int64_t deleted_at_ms;       /* 0: it exists */
    struct slice region;         /* empty: the bridge's own */
    struct slice attributes;     /* JSON; absent: none were given */
    struct slice tags;
};
/* Makes it in the bridge's own region, without attributes. */
void ledger_queue_insert(struct database *db, int64_t id, struct slice name, int64_t now_ms);
/* The same in another region. */
void ledger_queue_insert_in(struct database *db, struct slice region, int64_t id, struct slice name, int64_t now_ms);
/* What is asked of it, apart from what happens in it (ledger_queue_save). */
void ledger_queue_settings(struct database *db, const struct queue_row *row);
void ledger_queue_save(struct database *db, const struct queue_row *row);
void ledger_queues(struct database *db, void (*each)(void *context, const struct queue_row *row), void *context);
/* What message.receive_count holds: the receives since the message last went back, and above these 20 bits how often it went back. So the number of a receive,
 * which its receipt handle names, never comes again. */
#define RECEIVES_OF(receive_number) ((receive_number) & INT64_C(0xfffff))
#define NEXT_RECEIVE(receive_number) ((receive_number) + (RECEIVES_OF(receive_number) < INT64_C(0xfffff))) /* who counts to a million stays there */
#define SAME_RECEIVE(a, b) ((uint32_t)(a) == (uint32_t)(b)) /* a handle has room for 32 bits */
struct scheduled_row {
    int64_t id;
    enum message_state state;
    int64_t due_at_ms;
    int64_t receive_number;
    int64_t origin; /* 0: none */
};
void ledger_scheduled(struct database *db, int64_t queue, void (*each)(void *context, const struct scheduled_row *row), void *context);
/* When the oldest message came (or went back) that waits to be received or sent, has been received and may come again, or is in flight; 0: there is none.
 * from_message: the queue's next_fresh. */
int64_t ledger_oldest_waiting_ms(struct database *db, int64_t queue, int64_t from_message);

struct stream_row {
    int64_t id;
    struct slice source;
    struct slice arn;
    enum stream_state state;
    int64_t discovered_at_ms; /* 0: not yet */
    int64_t created_at_ms;
};
/* Returns the new row's id; 0 if the transaction has failed. */
int64_t ledger_stream_insert(struct database *db, const struct stream_row *row);
/* The stream of that ARN is that source's from now on, whatever it was called before. False: the ledger knows no such stream. */
bool ledger_stream_adopt(struct database *db, struct slice arn, struct slice source);
void ledger_stream_save(struct database *db, const struct stream_row *row);
void ledger_streams(struct database *db, void (*each)(void *context, const struct stream_row *row), void *context);

struct shard_row {
    int64_t id;
    int64_t stream;
    struct slice shard_id;
    struct slice parent_id;
    enum shard_state state;
    enum shard_start start;
    int64_t start_at_ms;
    struct slice starting_sequence;
    struct slice ending_sequence;
    struct slice position;
    int64_t records_read;
    int64_t duplicates;
    int64_t pruned_records;
    int64_t last_read_at_ms;   /* 0: never */
    int64_t idle_since_ms;     /* 0: not idle */
    int64_t last_record_at_ms; /* 0: unknown */
    int64_t created_at_ms;
};
int64_t ledger_shard_insert(struct database *db, const struct shard_row *row);
void ledger_shard_save(struct database *db, const struct shard_row *row);
void ledger_shards(struct database *db, void (*each)(void *context, const struct shard_row *row), void *context);

struct gap_row {
    int64_t id;
    int64_t shard;
    struct slice shard_id;
    struct slice arn;
    struct slice from_sequence;
    struct slice to_sequence;
    enum gap_cause cause;
    int64_t found_at_ms;
    int64_t acknowledged_at_ms; /* 0: not yet */
};
void ledger_gap_insert(struct database *db, int64_t shard, struct slice from, struct slice to, enum gap_cause cause, int64_t now_ms);
void ledger_gaps(struct database *db, void (*each)(void *context, const struct gap_row *row), void *context);
/* What was taken for missing is there after all. */
void ledger_gap_withdraw(struct database *db, int64_t shard, enum gap_cause cause);
int64_t ledger_gaps_new(struct database *db);
int ledger_gaps_acknowledge(struct database *db, int64_t now_ms);

/* The id that the next record gets. */
int64_t ledger_next_record(struct database *db);
/* The first record of the oldest page that was stored at or after since_ms; the next record's id if there is none. */
int64_t ledger_first_record_since(struct database *db, int64_t since_ms);
struct record_row {
    int64_t id;
    int64_t shard; /* 0: SendMessage */
    struct slice sequence_number;
    int64_t sub_sequence;
    int event_name;
    uint64_t key_hash;
    struct slice body;
    struct slice attributes;
    struct slice body_md5; /* 16 bytes; absent: not known */
};
void ledger_record_insert(struct database *db, const struct record_row *row);
struct page_row {
    int64_t id;
    int64_t shard; /* 0: SendMessage */
    int64_t record_count;
    struct slice after_sequence;
    struct slice first_sequence;
    struct slice last_sequence;
    int64_t stored_at_ms;
    struct slice bloom;
};
void ledger_page_insert(struct database *db, const struct page_row *row);
void ledger_delivery_insert(struct database *db, int64_t page, int64_t queue, int64_t first_message, int64_t message_count, int64_t filtered);
/* Adds to what a shard gave a queue; since_records counts only when the row is new. */
void ledger_tally_add(struct database *db, int64_t shard, int64_t queue, int64_t since_records, int64_t assigned, int64_t filtered);
/* The queue gets what the shard reads from now on. Writes nothing if it does already. */
void ledger_subscribe(struct database *db, int64_t shard, int64_t queue, int64_t since_records);
/* Of a queue that is given what the ledger has of a shard; until ledger_tally_resume the shard's reading does not count for it. */
void ledger_tally_backfill(struct database *db, int64_t shard, int64_t queue, int64_t assigned, int64_t filtered);
/* While a queue is not fed, what the shard reads does not count for it. */
void ledger_tally_pause(struct database *db, int64_t shard, int64_t queue, int64_t records_read);
void ledger_tally_resume(struct database *db, int64_t shard, int64_t queue, int64_t records_read);
/* Returns 0 if the shard never gave the queue anything. */
int ledger_tally_replayed(struct database *db, int64_t shard, int64_t queue, int64_t count);
struct new_message {
    int64_t id;
    int64_t record;
    enum message_state state; /* QUEUED, or PENDING in a remote queue */
    enum step_kind step;      /* its first: ENQUEUED or REPLAYED */
    int64_t due_at_ms;        /* 0: visible (to be sent) at once */
    int64_t origin;           /* a dead-letter copy: the message that died; 0: none */
};
void ledger_message_insert(struct database *db, const struct new_message *message, int64_t now_ms);

/* Moves; each returns how many rows moved. */
int ledger_receive_fresh(struct database *db, int64_t first, int64_t last, int64_t due_at_ms, int64_t now_ms);
/* The same for one message. */
int ledger_receive_one(struct database *db, int64_t id, int64_t due_at_ms, int64_t now_ms);
/* Not settled -> EXPIRED, PURGED or DROPPED. */
int ledger_end(struct database *db, int64_t id, enum message_state state, enum step_kind step, int64_t now_ms);
/* Still DEAD; what stands for it is another message now, and the steps of the one before are taken over. */
int ledger_move_copy(struct database *db, int64_t id, int64_t moved_to, int64_t now_ms);
int ledger_receive_again(struct database *db, int64_t id, int64_t due_at_ms, int64_t now_ms);
int ledger_reschedule(struct database *db, int64_t id, int64_t due_at_ms, int64_t now_ms);
int ledger_delete(struct database *db, int64_t id, int64_t now_ms);
int ledger_die(struct database *db, int64_t id, int64_t moved_to, int64_t now_ms);
/* DEAD or PARKED -> state; the steps of its copy in the dead-letter queue are taken over first. */
int ledger_settle_dead(struct database *db, int64_t id, enum message_state state, enum step_kind step, int64_t now_ms);
/* DEAD or PARKED -> state (QUEUED, PENDING), due now. */
int ledger_redrive(struct database *db, int64_t id, enum message_state state, int64_t now_ms);
/* Not settled -> PARKED. */
int ledger_park(struct database *db, int64_t id, int64_t now_ms);
int ledger_hold(struct database *db, int64_t id, int64_t now_ms);
/* HELD -> state (QUEUED, PENDING), due now. */
int ledger_release(struct database *db, int64_t id, enum message_state state, int64_t now_ms);

/* Messages to other servers. remote_id: as the server wrote it; a UUID is kept as its 16 bytes. as: STEP_SENT, STEP_SENT_PROJECTED or STEP_SENT_STORED. */
int ledger_sent(struct database *db, int64_t id, struct slice remote_id, enum step_kind as, int64_t now_ms);
/* Still PENDING; to be sent again at due_at_ms. */
int ledger_send_again(struct database *db, int64_t id, int64_t due_at_ms, int64_t now_ms);
/* Still PENDING; whether the other server has it is not known. */
int ledger_send_unknown(struct database *db, int64_t id, int64_t now_ms);
/* What the gateway saw of a message: SENT, or PENDING while no answer has told that it arrived. */
int ledger_remote_received(struct database *db, int64_t id, int64_t receive_count, int64_t now_ms);
int ledger_remote_deleted(struct database *db, int64_t id, int64_t now_ms);
int ledger_remote_dead(struct database *db, int64_t id, int64_t now_ms);

/* Why a message is parked or dead. */
struct fault_row {
    struct slice code;
    struct slice text;
    int64_t at_ms;
};
void ledger_fault_put(struct database *db, int64_t message, const struct fault_row *row);
/* False: nothing is known. The texts are borrowed until the callback returns. */
bool ledger_fault(struct database *db, int64_t message, void (*each)(void *context, const struct fault_row *row), void *context);

/* PENDING messages of [from, end) that are not scheduled, in order, at most `limit`; `keyed`: with the hash of their item's key (their records are looked up
 * for it), else 0. */
void ledger_pending(struct database *db, int64_t from, int64_t end, int64_t limit, bool keyed,
                    void (*each)(void *context, int64_t id, uint64_t key_hash), void *context);
/* Messages of [from, end) that were never received, in order, with the hash of their group; at most `limit`. */
void ledger_fresh_groups(struct database *db, int64_t from, int64_t end, int64_t limit,
                         void (*each)(void *context, int64_t id, uint64_t key_hash, int64_t origin), void *context);
int64_t ledger_fresh_count(struct database *db, int64_t from, int64_t end);
/* Messages of [from, end) in whatever state, in order, at most `limit`. */
struct message_glance {
    int64_t id;
    enum message_state state;
    int64_t due_at_ms; /* 0: none */
    int64_t origin;
    int64_t receive_count;
    int64_t sent_ms; /* or when it last went back: retention counts anew, as in SQS (SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html) */
    bool went_back;
    bool from_stream;
};
void ledger_glance(struct database *db, int64_t from, int64_t end, int64_t limit, void (*each)(void *context, const struct message_glance *glance),
                   void *context);
/* What was sent to a FIFO queue of late, by a hash of its deduplication id. 0: nothing since since_ms. What seems to come from the future was sent before the
 * clock was set back, nobody knows when: it is nothing, since to repeat a message is better than to swallow one. */
int64_t ledger_deduplicate(struct database *db, int64_t queue, struct slice key, int64_t since_ms, int64_t now_ms);
void ledger_deduplication_put(struct database *db, int64_t queue, struct slice key, int64_t message, int64_t now_ms);
/* Forgets what was sent before, or after now_ms; a bounded number at a time. Returns how many. */
int ledger_deduplication_prune(struct database *db, int64_t before_ms, int64_t now_ms, int64_t limit);

struct move_task_row {
    int64_t id;
    int64_t source;
    int64_t destination; /* 0: each message's own source */
    int64_t per_second;  /* 0: as fast as it goes */
    enum move_task_state state;
    int64_t moved;
    int64_t to_move;
    int64_t end_message;
    struct slice failure; /* absent: none */
    int64_t started_at_ms;
};
int64_t ledger_move_task_insert(struct database *db, const struct move_task_row *row);
void ledger_move_task_save(struct database *db, const struct move_task_row *row);
void ledger_move_task_remove(struct database *db, int64_t id);
void ledger_move_tasks(struct database *db, void (*each)(void *context, const struct move_task_row *row), void *context);

/* DEAD, PARKED and HELD messages of a queue (copies aside), in order. */
void ledger_troubled(struct database *db, int64_t queue, void (*each)(void *context, int64_t id, enum message_state state, uint64_t key_hash),
                     void *context);
/* Removes a dead-letter queue's copy, and counts it as pruned in `state`. */
int ledger_remove_copy(struct database *db, int64_t id, enum message_state state);

/* A message with its record. */
struct message_row {
    int64_t id;
    int64_t record;
    enum message_state state;
    int64_t receive_number; /* of the last receive */
    int64_t receive_count;
    int64_t due_at_ms; /* 0: none */
    int64_t origin;    /* 0: none */
    int64_t moved_to;  /* 0: none */
    struct slice history;
    int64_t shard; /* 0: SendMessage */
    struct slice sequence_number;
    struct slice body;
    struct slice attributes;
    uint64_t key_hash; /* of the item's key; 0: none */
    int64_t sub_sequence;
    struct slice remote_id; /* see remote_id_text; absent: not sent */
    struct slice body_md5;  /* of the stored body, 16 bytes; absent: not known */
};
/* Messages of [from, end) that were never received, in order: call until false; ledger_fresh_end ends it early. */
void ledger_fresh_begin(struct database *db, int64_t from, int64_t end, int64_t limit);
bool ledger_fresh_next(struct database *db, struct message_row *row);
void ledger_fresh_end(struct database *db);
/* One message; true: *row is filled in until ledger_message_end, which must follow. */
bool ledger_message_find(struct database *db, int64_t id, struct message_row *row);
void ledger_message_end(struct database *db);
/* The same for many, quicker where their ids follow each other. A zeroed walk begins it, ledger_walk_end ends it; a row's slices are valid until the next of
 * these two calls. Only one walk at a time. */
struct message_walk {
    int64_t next; /* the id of the row that is to come; 0: no statement is open */
};
bool ledger_walk_find(struct database *db, struct message_walk *walk, int64_t id, struct message_row *row);
void ledger_walk_end(struct database *db, struct message_walk *walk);
/* When a message was enqueued; 0: there is no such message. May be asked while ledger_message_find's row is open. */
int64_t ledger_message_sent_ms(struct database *db, int64_t id);
/* Dead and parked messages of a queue (copies aside), in order. */
void ledger_dead(struct database *db, int64_t queue, void (*each)(void *context, const struct message_row *row), void *context);

/* Removes what is settled since before `before_ms` (LEDGER_EVER: whenever it was) from the first page at or after `from_page`. Returns the next page to look
 * at, 0: there is none that was stored before `before_ms`, and whose records are all below `end`. A page that was stored after now_ms, when the clock was
 * ahead, is passed over: it must not hide those behind it. *removed: records that went. The newest page always stays. */
#define LEDGER_EVER INT64_C(0xffffffffffff) /* behind all times that a step can have */
int64_t ledger_prune_page(struct database *db, int64_t from_page, int64_t end, int64_t before_ms, int64_t now_ms, int64_t *removed);

#endif
