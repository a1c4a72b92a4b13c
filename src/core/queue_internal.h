/* SPDX-License-Identifier: Apache-2.0
 *
 * queue_internal: what the files of the queue share: queue.c keeps it (loading, adding, holding, settling), queue_receive.c gives its messages,
 * queue_end.c ends
 * them otherwise than by a delete (purges, retention, moves), flight.c knows where each message in memory is.
 */
#ifndef S2Q_CORE_QUEUE_INTERNAL_H
#define S2Q_CORE_QUEUE_INTERNAL_H

#include "core/queue.h"

/* A message that is delayed, in flight, visible again or, in a grouped queue, read ahead. */
struct flight {
    struct heap_node node; /* in the heap: not visible yet */
    struct group_member member; /* of a grouped queue */
    uint64_t group;        /* its hash */
    struct flight *next;   /* in the visible list of a queue that is not grouped */
    struct flight *previous;
    int64_t id;
    int64_t receive_number; /* of its last receive: RECEIVES_OF */
    int64_t received_mono_ms; /* the newest receive (after a restart: the restart) */
    int64_t origin; /* a dead-letter copy: the message that died; 0: none */
    bool visible;
    bool delayed; /* not visible yet, and never received */
};

/* flight.c */
struct flight *flight_new(struct queue *q, int64_t id, int64_t receive_number, int64_t origin, struct instant now);
/* Gone from memory, wherever it was. */
void flight_free(struct queue *q, struct flight *f);
/* It can be received (again). */
void flight_show(struct queue *q, struct flight *f);
/* It cannot, whoever takes it out of its line does the rest. */
void flight_hide(struct queue *q, struct flight *f);
void flight_clear_delayed(struct queue *q, struct flight *f);
/* Hidden until then (monotonic ms). */
void flight_schedule(struct queue *q, struct flight *f, int64_t due_mono_ms);
/* All of memory is forgotten; the rows have it. */
void flights_forget(struct queue *q);

/* queue.c */
/* Adds a message with a row of its own; its id is set here. */
int64_t queue_insert(struct queue *q, struct database *db, struct new_message message, int64_t delay_ms, struct instant now);
/* The hash of a message's group, in a grouped queue; 0 otherwise. */
uint64_t queue_group_of(struct queue *q, struct database *db, int64_t id);
/* Has a grouped queue more fresh messages to read ahead? */
bool queue_reads_ahead(const struct queue *q);
/* The row of a message that is in memory: true, and ledger_message_end ends it. False: a statement before has failed (no room), and what this
 * transaction does to memory and rows will be undone with it. */
bool queue_row(struct database *db, int64_t id, struct message_row *row);
/* The queue that a message is in; NULL: nobody knows it. */
struct queue *queue_of_message(const struct queue *q, int64_t message);
/* queue_root, and how often it was received before this copy of it was made. */
int64_t queue_root_and_receives(struct database *db, int64_t id, int64_t *earlier_receives);
/* It has been received too often. */
void queue_die(struct queue *q, struct database *db, struct flight *f, struct instant now);
/* Takes a copy, and those that it became in turn, out of their queues' memory and rows. */
void queue_remove_copy(struct queue *q, struct database *db, int64_t copy, enum message_state state);

#endif
