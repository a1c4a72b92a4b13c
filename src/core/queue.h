/* SPDX-License-Identifier: Apache-2.0
 *
 * queue: the semantics of an embedded queue. The ledger row is the message; memory holds only what is out of the ordinary.
 * (Of a queue on another server it keeps the counters and takes new messages, as PENDING; core/pump sends them.)
 *
 * A grouped queue (FIFO, or a standard queue that was sent a message with a group id) gives its messages by their groups (core/groups.h). For that it
 * reads ahead: up to QUEUE_READ_AHEAD messages that were never received are in memory. Those behind them wait until some are received, as in
 * SQS, which looks through so many, too (SQSDeveloperGuide/FIFO-queues-understanding-logic.html).
 *
 * Invariants:
 * 1. A message that was never received and is not delayed is known by its row alone: it lies at or behind `next_fresh`, in the order of arrival. So a
 *    backlog of any size costs no memory (in a grouped queue: but for those that were read ahead).
 * 2. Every other unsettled message has a `flight`: in the heap until it is due, then in the list of those that are visible again.
 *    A time-out writes nothing: the row's due_at_ms has simply passed.
 * 3. Whatever is changed here is changed in the ledger's current transaction first. When that is rolled back, memory is wrong:
 *    the caller frees the queue and loads it again.
 */
#ifndef S2Q_CORE_QUEUE_H
#define S2Q_CORE_QUEUE_H

#include "base/clock.h"
#include "base/heap.h"
#include "codec/event_pattern.h"
#include "core/groups.h"
#include "core/held.h"
#include "core/message_form.h"
#include "store/ledger.h"

#define QUEUE_READ_AHEAD 120000

struct queue_options {
    int64_t visibility_timeout_ms;
    int64_t delay_ms;          /* of messages that give none */
    int64_t wait_ms;           /* of receives that say nothing of it */
    int64_t retention_ms;      /* of what SendMessage brought, from then on; 0: it is kept until it is settled. Records of streams always are */
    int64_t message_bytes_max; /* 0: SQS's */
    bool fifo;
    bool content_based_deduplication;
    bool deduplicate_by_group; /* deduplication ids are told apart by group */
    int64_t max_receive_count; /* 0: no limit */
    struct queue *dead_letter_queue; /* NULL: dead messages stay where they are, in state DEAD */
    const struct filter *filter; /* which records it gets; NULL: all. Borrowed */
    const struct message_form *form; /* of records' messages: names the group, if it is not the item's key; NULL: it is. Borrowed */
    bool hold_key;             /* later records of a dead or parked one's key wait until an operator has decided */
};

struct queue {
    int64_t id;
    char *name;
    struct queue_options options;
    bool remote;                         /* its messages are sent to another server */
    bool deleted;                        /* by DeleteQueue; it stays as long as messages of it are in dead-letter queues */
    int64_t possible_duplicates;         /* of a remote queue: messages sent again because no answer had come */
    int64_t next_message;
    int64_t next_fresh;                  /* of a remote queue: no message below it waits to be sent, scheduled ones aside */
    int64_t fresh_count;                 /* never received, not delayed */
    int64_t counts[MESSAGE_STATE_COUNT]; /* rows by state, and settled ones that were pruned */
    int64_t created_at_ms;
    bool changed;                        /* the row has to be saved before the commit */
    struct id_map flights;               /* message id -> struct flight */
    struct heap due;                     /* on the monotonic clock */
    struct flight *visible_first;        /* due: visible again */
    struct flight *visible_last;
    int64_t visible_count;
    int64_t delayed_count;
    bool grouped;
    struct groups groups;                /* of a grouped queue */
    int64_t cursor;                      /* of a grouped queue: fresh messages below it are in memory */
    struct composed composed;            /* scratch */
    int64_t backfill_at;                 /* it is given what the ledger has first: the next record to look at; 0: it gets what is read (core/backfill) */
    int64_t purge_to;                    /* unsettled messages below it are being purged; 0: none are */
    int64_t purge_at;                    /* how far that is */
    int64_t expire_at;                   /* messages below it are settled, or never expire */
    int64_t expire_due_ms;               /* when one may next expire (monotonic) */
    int64_t stays;                       /* of this look through them: the first that went back of late, while those behind it expire; 0: none */
    int64_t stays_due_ms;                /* when the first of such expires (monotonic) */
    struct queue *(*find)(void *context, int64_t id); /* other queues, for dead-letter copies */
    void *find_context;
    struct held_keys held;               /* empty unless options.hold_key */
    void (*send)(void *context, int64_t id, uint64_t key_hash); /* a remote queue's message is PENDING again: core/pump */
    void *send_context;
};

/* What can be received now; what is hidden since it was received; what was never visible yet. */
int64_t queue_visible(const struct queue *q);
int64_t queue_not_visible(const struct queue *q);
int64_t queue_delayed(const struct queue *q);

/* Builds a queue from its row. The options are the caller's to set; then queue_start loads the rest. */
struct queue *queue_load(struct database *db, const struct queue_row *row, struct instant now);
void queue_free(struct queue *q);
/* Call once the options are set: loads the scheduled messages, and the keys that are held, if options.hold_key says so; releases what was held if it
 * does not. */
void queue_start(struct queue *q, struct database *db, struct instant now);
/* Saves the row if anything changed; call before each commit. */
void queue_save(struct queue *q, struct database *db);

/* Adds a message for a record: visible at once, or after delay_ms (to be sent, when the queue is remote). Returns its id. */
int64_t queue_add(struct queue *q, struct database *db, int64_t record, int64_t delay_ms, struct instant now);
/* The same for a record that was enqueued before: its history says so. */
int64_t queue_replay(struct queue *q, struct database *db, int64_t record, struct instant now);
/* options.hold_key has changed while it was in use. */
void queue_hold_changed(struct queue *q, struct database *db, struct instant now);
/* Its messages are given by their groups from now on (a message with a group id came to a standard queue). */
void queue_group(struct queue *q, struct database *db, struct instant now);
/* Its messages' groups are made anew: what its options' form, or that of a queue whose dead letters it has, says of them has changed. */
void queue_regroup(struct queue *q, struct database *db, struct instant now);
/* Makes visible whatever is due; returns when the next one is (monotonic ms), INT64_MAX: none. */
int64_t queue_tick(struct queue *q, struct instant now);
/* The same question without doing anything. */
int64_t queue_due(const struct queue *q);
/* Could a receive give anything now? (It may still give nothing: what was received too often goes to the dead letters.) */
bool queue_has_visible(const struct queue *q);

/* A received message, borrowed until the callback returns. `row` is as before the receive. */
struct received {
    const struct message_row *row;
    int64_t receive_number;   /* its receipt handle's: RECEIVES_OF it in this queue */
    int64_t earlier_receives; /* in the queues where it died */
    int64_t root; /* the row whose id is the message id: the first of a chain of dead-letter copies */
};
/* Receives up to `max` messages, each hidden for visibility_ms, and hands them over one by one; one that `each` refuses (false, *err) cannot be
 * delivered as it is: it is parked. Messages that were received max_receive_count times already die instead. Never more in flight than
 * SQS_IN_FLIGHT_MAX. Returns how many were received; 0 with *over_limit set when that was the cause. */
int queue_receive(struct queue *q, struct database *db, int max, int64_t visibility_ms, struct instant now,
                  bool (*each)(void *context, const struct received *received, struct error *err), void *context, bool *over_limit);
/* Settles a message; one that is settled already, or not in this queue any more, changes nothing (deleting again succeeds in SQS). receive_number: of the
 * receipt handle; false: the queue is FIFO, and the handle's receive has timed out: nothing was deleted. */
bool queue_delete(struct queue *q, struct database *db, int64_t id, int64_t receive_number, struct instant now);
enum visibility_outcome {
    VISIBILITY_CHANGED,
    VISIBILITY_GONE,          /* settled, or not in this queue any more */
    VISIBILITY_NOT_IN_FLIGHT, /* or received again since: the handle is not the newest */
    VISIBILITY_TOO_LONG,      /* more than SQS_VISIBILITY_MAX_S since the receive */
};
/* Hides an in-flight message for visibility_ms from now on. receive_number: of the receipt handle. */
enum visibility_outcome queue_change_visibility(struct queue *q, struct database *db, int64_t id, int64_t receive_number, int64_t visibility_ms,
                                                struct instant now);

/* A dead or parked message (not a copy in a dead-letter queue) goes back to its queue, with a receive count of 0. False: it is neither. */
bool queue_redrive(struct queue *q, struct database *db, int64_t id, struct instant now);
/* The same for a dead message whose own queue is deleted: to another embedded queue, where a copy stands for it. False: it is not dead. */
bool queue_redrive_to(struct queue *q, struct database *db, int64_t id, struct queue *to, struct instant now);
/* A dead or parked message is given up: settled as dropped. False: it is neither. */
bool queue_drop_dead(struct queue *q, struct database *db, int64_t id, struct instant now);
/* Takes everything that is unsettled out of reach at once (dead letters of this queue in others aside); queue_purge_step then settles it in the ledger. */
void queue_purge(struct queue *q);
/* Settles up to `limit` of what is being purged; a dead letter's message is dropped. False: all is done. */
bool queue_purge_step(struct queue *q, struct database *db, int64_t limit, struct instant now);
/* Settles, of what SendMessage brought, up to `limit` messages that are older than options.retention_ms at now_ms (a wall clock that does not jump). */
void queue_expire(struct queue *q, struct database *db, int64_t now_ms, int64_t limit, struct instant now);
/* A message that is in flight after that very receive: hidden for visibility_ms from now, and handed over again (ReceiveRequestAttemptId). */
bool queue_repeat(struct queue *q, struct database *db, int64_t id, int64_t receive_number, int64_t visibility_ms, struct instant now,
                  bool (*each)(void *context, const struct received *received, struct error *err), void *context);
enum move_outcome {
    MOVE_DONE,
    MOVE_PASSED_OVER, /* in flight, or settled */
    MOVE_NO_SOURCE,   /* it was sent to this queue by itself, or its source is deleted, and no other queue was named */
};
/* Moves a message out of a dead-letter queue: back to where it died (to NULL), which is a redrive, or to another queue. No page of sent messages is open
 * (intake_close). */
enum move_outcome queue_move(struct queue *q, struct database *db, const struct message_glance *glance, struct queue *to, struct instant now);
/* The first message of a chain of dead-letter copies: its id is what consumers see. */
int64_t queue_root(struct database *db, int64_t id);
/* Has it messages that are not settled? */
bool queue_has_unsettled(const struct queue *q);
/* Cannot be delivered as it is, for the reason given: an operator decides. */
void queue_park(struct queue *q, struct database *db, const struct message_row *row, struct slice code, struct slice text, struct instant now);
/* A SENT message of a remote queue was found in the dead-letter queue that its server has. */
void queue_found_dead(struct queue *q, struct database *db, const struct message_row *row, struct instant now);
/* It has to wait behind a dead or parked record of its key, and does from now on; false: it need not. */
bool queue_hold(struct queue *q, struct database *db, const struct message_row *row, struct instant now);
/* Notes a move in the counters. */
void queue_count(struct queue *q, enum message_state from, enum message_state to);
/* Dead-letter copies live in other queues: the caller says how to find a queue by its id. */
void queue_set_lookup(struct queue *q, struct queue *(*find)(void *context, int64_t id), void *context);

#endif
