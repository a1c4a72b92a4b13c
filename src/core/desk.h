/* SPDX-License-Identifier: Apache-2.0
 *
 * desk: a queue as its clients meet it: its name's place, its attributes and tags, and those who wait at it. It never moves, so that exchanges can point to it.
 */
#ifndef S2Q_CORE_DESK_H
#define S2Q_CORE_DESK_H

#include "core/queue.h"
#include "core/queue_attributes.h"

struct exchange;
struct pump;

struct tag {
    char *key;
    char *value;
};

/* What a receive with a ReceiveRequestAttemptId gave. */
struct attempt {
    uint64_t hash;
    int64_t at_mono_ms;
    int count;
    struct {
        int64_t message;
        int64_t receive_number;
    } given[SQS_BATCH_MAX];
};

struct desk {
    struct queue *queue;
    char *region;              /* "": the bridge's own */
    bool configured;           /* it stands in the configuration: never deleted by a client */
    size_t place;              /* of a configured one, in the options */
    struct queue_attributes attributes;
    int64_t visibility_ms;     /* of a configured one, as the configuration says (it may not be whole seconds) */
    int64_t max_receive_count; /* the same; without a dead-letter queue, dead messages stay where they are */
    struct tag *tags;
    size_t tag_count;
    int64_t modified_at_ms;
    int64_t deleted_at_ms;     /* 0: it exists */
    int64_t purged_mono_ms;    /* the last PurgeQueue; INT64_MIN: none */
    struct attempt *attempts;  /* of the last five minutes, oldest first */
    size_t attempt_count;
    struct dead_reader *dead_reader; /* of its dead-letter queue there; NULL: none */
    struct pump *pump;         /* sends its messages to the server that it is on; NULL: embedded */
    uint64_t reader_number;    /* of this reader and no other before it, in the tokens of its calls (core/bridge); so is the next */
    uint64_t pump_number;
    const struct message_form *form; /* of its messages */
    bool stale;                /* while queues are loaded again: its row has not been met yet */
    struct exchange *first;    /* those who wait, in order of arrival */
    struct exchange *last;
};

/* Of a row; the queue itself is loaded by whoever calls (queue_load). */
struct desk *desk_new(const struct queue_row *row);
/* With its queue; not its pump. Nobody waits at it any more. */
void desk_free(struct desk *desk);
/* The queue was loaded again (`fresh`, which is freed): the desk keeps its place and those who wait. */
void desk_take_over(struct desk *desk, struct desk *fresh);
/* Stores region, attributes, tags and times. */
void desk_save(const struct desk *desk, struct database *db);
/* A key that is there gets the new value. */
void desk_tag(struct desk *desk, struct slice key, struct slice value);
void desk_untag(struct desk *desk, struct slice key);

#endif
