/* SPDX-License-Identifier: Apache-2.0
 *
 * queue: the semantics of an embedded standard queue. The ledger row is the message; memory holds only what is out of the ordinary.
 *
 * Invariants:
 * 1. A message that was never received and is not delayed is known by its row alone: it lies at or behind `next_fresh`, in the order of arrival. So a
 *    backlog of any size costs no memory.
 * 2. Every other unsettled message has a `flight`: in the heap until it is due, then in the list of those that are visible again.
 *    A time-out writes nothing: the row's due_at_ms has simply passed.
 * 3. Whatever is changed here is changed in the ledger's current transaction first. When that is rolled back, memory is wrong:
 *    the caller frees the queue and loads it again.
 */
#ifndef S2Q_CORE_QUEUE_H
#define S2Q_CORE_QUEUE_H

#include "base/clock.h"
#include "base/heap.h"
#include "base/id_map.h"
#include "store/ledger.h"

struct queue_options {
    int64_t visibility_timeout_ms;
    int64_t max_receive_count; /* 0: no limit */
    struct queue *dead_letter_queue; /* NULL: dead messages stay where they are, in state DEAD */
};

struct queue {
    int64_t id;
    char *name;
    struct queue_options options;
    int64_t next_message;
    int64_t next_fresh;
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
    struct queue *(*find)(void *context, int64_t id); /* other queues, for dead-letter copies */
    void *find_context;
};

/* Builds a queue from its row and its scheduled messages. The options are the caller's to set. */
struct queue *queue_load(struct database *db, const struct queue_row *row, struct instant now);
void queue_free(struct queue *q);
/* Saves the row if anything changed; call before each commit. */
void queue_save(struct queue *q, struct database *db);

/* Adds a message for a record: visible at once, or after delay_ms. Returns its id. */
int64_t queue_add(struct queue *q, struct database *db, int64_t record, int64_t delay_ms, struct instant now);
/* Makes visible whatever is due; returns when the next one is (monotonic ms), INT64_MAX: none. */
int64_t queue_tick(struct queue *q, struct instant now);
/* Could a receive give anything now? (It may still give nothing: what was received too often goes to the dead letters.) */
bool queue_has_visible(const struct queue *q);

/* A received message, borrowed until the callback returns. `row` is as before the receive. */
struct received {
    const struct message_row *row;
    int64_t receive_count;
    int64_t root; /* the row whose id is the message id: the first of a chain of dead-letter copies */
};
/* Receives up to `max` messages, each hidden for visibility_ms, and hands them over one by one. Messages that were received max_receive_count times already
 * die instead. Never more in flight than SQS_IN_FLIGHT_MAX. Returns how many were received; 0 with *over_limit set when that was the cause. */
int queue_receive(struct queue *q, struct database *db, int max, int64_t visibility_ms, struct instant now,
                  void (*each)(void *context, const struct received *received), void *context, bool *over_limit);
/* Settles a message; one that is settled already, or not in this queue any more, changes nothing (deleting again succeeds in SQS). */
void queue_delete(struct queue *q, struct database *db, int64_t id, struct instant now);
enum visibility_outcome {
    VISIBILITY_CHANGED,
    VISIBILITY_NOT_IN_FLIGHT, /* or received again since: the handle is not the newest */
    VISIBILITY_TOO_LONG,      /* more than SQS_VISIBILITY_MAX_S since the receive */
};
/* Hides an in-flight message for visibility_ms from now on. receive_count: of the receipt handle. */
enum visibility_outcome queue_change_visibility(struct queue *q, struct database *db, int64_t id, int64_t receive_count, int64_t visibility_ms,
                                                struct instant now);

/* A dead message (not a copy in a dead-letter queue) goes back to its queue, with a receive count of 0. False: it is not dead. */
bool queue_redrive(struct queue *q, struct database *db, int64_t id, struct instant now);
/* A dead message is given up: settled as dropped. False: it is not dead. */
bool queue_drop_dead(struct queue *q, struct database *db, int64_t id, struct instant now);
/* Dead-letter copies live in other queues: the caller says how to find a queue by its id. */
void queue_set_lookup(struct queue *q, struct queue *(*find)(void *context, int64_t id), void *context);

#endif
