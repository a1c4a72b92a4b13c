/* SPDX-License-Identifier: Apache-2.0
 *
 * states: the states that the ledger stores, as numbers that never change. docs/states.md tells what a crash leaves in each.
 */
#ifndef S2Q_STORE_STATES_H
#define S2Q_STORE_STATES_H

#include <stdbool.h>

/* number, name, settled (nobody waits for it any more: may be pruned) */
#define MESSAGE_STATE_LIST(X)                                                                                                            \
    X(PENDING, 1, "pending", false)     /* to be sent to another server (not used by embedded queues) */                                 \
    X(QUEUED, 2, "queued", false)       /* waits for a consumer */                                                                       \
    X(IN_FLIGHT, 3, "in_flight", false) /* a consumer has it; visible again at due_at_ms */                                              \
    X(DELETED, 4, "deleted", true)      /* a consumer confirmed it */                                                                    \
    X(DEAD, 5, "dead", false)           /* received too often; waits for redrive, drop or a delete from the dead-letter queue */          \
    X(DROPPED, 6, "dropped", true)      /* an operator gave it up */                                                                     \
    X(REDRIVEN, 7, "redriven", true)    /* the dead-letter queue's copy of a message that went back */                                   \
    X(PARKED, 8, "parked", false)       /* cannot be sent as it is; an operator decides */                                              \
    X(SENT, 9, "sent", true)            /* another server has it: what is known ends here, unless its consumers use the gateway */       \
    X(HELD, 10, "held", false)          /* an earlier record of its key is dead or parked, and on_dead is hold_key */                     \
    X(EXPIRED, 11, "expired", true)     /* sent by SendMessage, and older than its queue's retention */                                  \
    X(PURGED, 12, "purged", true)       /* removed by PurgeQueue, or with its queue by DeleteQueue */

enum message_state {
#define MESSAGE_STATE_ENUM(name, number, text, settled) MESSAGE_##name = number,
    MESSAGE_STATE_LIST(MESSAGE_STATE_ENUM)
#undef MESSAGE_STATE_ENUM
    MESSAGE_STATE_COUNT = 13
};

/* One step of a message's life, as it is kept in message.history: 8 bytes, kind, detail, then the time in ms since 1970 as 48 bits,
 * most significant first (so that the last six bytes of a history compare like the time). IN_QUEUE is no step: it says where the steps behind it
 * happened, up to the next REDRIVEN, and has the queue's id for a time. It is never the first and never the last. */
#define STEP_BYTES 8
#define HISTORY_BYTES 512 /* at most: statements.h */
#define STEP_LIST(X)                                                                                                                     \
    X(ENQUEUED, 1, "enqueued")                                                                                                           \
    X(RECEIVED, 2, "received")                                                                                                           \
    X(VISIBILITY_CHANGED, 3, "visibility changed")                                                                                       \
    X(DELETED, 4, "deleted")                                                                                                             \
    X(DEAD, 5, "dead")                                                                                                                   \
    X(REDRIVEN, 6, "redriven")                                                                                                           \
    X(DROPPED, 7, "dropped")                                                                                                             \
    X(DELETED_WHEN_DEAD, 8, "deleted from the dead-letter queue")                                                                        \
    X(SENT, 9, "sent")                                                                                                                   \
    X(SEND_FAILED, 10, "not taken by the other server; again later")                                                                     \
    X(SEND_UNKNOWN, 11, "sent, but no answer came: sent again")                                                                          \
    X(PARKED, 12, "parked")                                                                                                              \
    X(HELD, 13, "held behind a dead record of its key")                                                                                  \
    X(RELEASED, 14, "released")                                                                                                          \
    X(REPLAYED, 15, "enqueued by replay")                                                                                                \
    X(EXPIRED, 16, "expired: older than its queue's retention")                                                                          \
    X(PURGED, 17, "purged")                                                                                                              \
    X(SENT_PROJECTED, 18, "sent with its key alone: it was too large")                                                                   \
    X(SENT_STORED, 19, "sent as a pointer to S3: it was too large")                                                                      \
    X(IN_QUEUE, 20, "in the queue")

enum step_kind {
#define STEP_ENUM(name, number, text) STEP_##name = number,
    STEP_LIST(STEP_ENUM)
#undef STEP_ENUM
};

#define SHARD_STATE_LIST(X)                                                                                                              \
    X(WAITING, 1, "waiting")   /* its parent has not been read to its end yet */                                                         \
    X(READING, 2, "reading")   /* open or closed, not read to its end */                                                                 \
    X(FINISHED, 3, "finished") /* closed, and read to its end */                                                                         \
    X(GONE, 4, "gone")         /* vanished before its end was read: see gap */                                                           \
    X(SKIPPED, 5, "skipped")   /* closed before a start at latest */                                                                     \
    X(STOPPED, 6, "stopped")   /* stopped at a gap by on_gap: stop */

enum shard_state {
#define SHARD_STATE_ENUM(name, number, text) SHARD_##name = number,
    SHARD_STATE_LIST(SHARD_STATE_ENUM)
#undef SHARD_STATE_ENUM
};

/* Where the first read of a shard begins, while it has no position. */
enum shard_start {
    SHARD_START_TRIM_HORIZON = 1, /* the first shards of a stream: whatever is there */
    SHARD_START_BEGINNING = 2,    /* a shard that appeared later: its very first record, or there is a gap */
    SHARD_START_LATEST = 3,       /* start: latest; resolved at start_at_ms */
};

#define STREAM_STATE_LIST(X)                                                                                                             \
    X(WAITING, 1, "waiting")   /* an older stream of the same table is read first */                                                     \
    X(READING, 2, "reading")                                                                                                             \
    X(FINISHED, 3, "finished") /* disabled, and every shard read to its end */                                                           \
    X(GONE, 4, "gone")         /* vanished */

enum stream_state {
#define STREAM_STATE_ENUM(name, number, text) STREAM_##name = number,
    STREAM_STATE_LIST(STREAM_STATE_ENUM)
#undef STREAM_STATE_ENUM
};

#define GAP_CAUSE_LIST(X)                                                                                                                \
    X(TRIMMED, 1, "trimmed: the position is older than the stream's retention (24 h)")                                                   \
    X(BEGINNING_TRIMMED, 2, "trimmed: the shard's beginning was older than the stream's retention (24 h) when it was first read")       \
    X(SHARD_VANISHED, 3, "the shard vanished before it was read to its end")                                                             \
    X(PARENT_VANISHED, 4, "the shard's parent vanished before it was ever read")                                                         \
    X(STREAM_VANISHED, 5, "the stream vanished before the shard was read to its end")                                                    \
    X(STREAM_RECREATED, 6, "the table's stream was re-created: what changed while there was none is in neither")

enum gap_cause {
#define GAP_CAUSE_ENUM(name, number, text) GAP_##name = number,
    GAP_CAUSE_LIST(GAP_CAUSE_ENUM)
#undef GAP_CAUSE_ENUM
};

#define MOVE_TASK_STATE_LIST(X)                                                                                                          \
    X(RUNNING, 1, "RUNNING")                                                                                                             \
    X(COMPLETED, 2, "COMPLETED")                                                                                                         \
    X(CANCELLING, 3, "CANCELLING")                                                                                                       \
    X(CANCELLED, 4, "CANCELLED")                                                                                                         \
    X(FAILED, 5, "FAILED")

enum move_task_state {
#define MOVE_TASK_STATE_ENUM(name, number, text) MOVE_TASK_##name = number,
    MOVE_TASK_STATE_LIST(MOVE_TASK_STATE_ENUM)
#undef MOVE_TASK_STATE_ENUM
};

/* As SQS writes it. */
const char *move_task_state_name(enum move_task_state state);
const char *message_state_name(enum message_state state);
bool message_state_settled(enum message_state state);
const char *step_name(enum step_kind kind);
const char *shard_state_name(enum shard_state state);
const char *stream_state_name(enum stream_state state);
const char *gap_cause_text(enum gap_cause cause);

#endif
