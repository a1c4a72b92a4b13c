/* SPDX-License-Identifier: Apache-2.0
 *
 * planted: bugs that are put in on purpose, in builds of their own (-DS2Q_PLANTED_BUGS), so that each suite proves that it would see them. In any other build
 * PLANTED(...) is false, and costs nothing.
 */
#ifndef S2Q_BASE_PLANTED_H
#define S2Q_BASE_PLANTED_H

#define PLANTED_LIST(X)                                                                                                                  \
    X(POSITION_FIRST)      /* P1: the position moves past a record that is not stored */                                                 \
    X(VISIBILITY_IGNORED)  /* P2: a received message stays visible */                                                                    \
    X(DELETE_IGNORED)      /* P2: a confirmed delete is not done */                                                                      \
    X(REPLY_BEFORE_COMMIT) /* P5: answers leave before the commit */                                                                     \
    X(NO_SYNC)             /* P5: commits are not synced */                                                                              \
    X(GAP_UNSAID)          /* P8: trimmed records leave no gap row */                                                                   \
    X(FAILED_IGNORED)      /* P2: entries of a batch that failed count as sent (pitfall 20) */                                           \
    X(MD5_IGNORED)         /* P9: a message that arrived altered counts as sent (pitfall 25) */                                          \
    X(UNKNOWN_IGNORED)     /* P2: entries without an outcome count as sent (pitfalls 20 and 21) */                                       \
    X(BATCH_UNSPLIT)       /* batches of ten, however long (pitfall 22) */                                                               \
    X(CHARACTERS_RAW)      /* what SQS refuses is sent as it is (pitfall 23) */                                                          \
    X(GROUP_UNLOCKED)      /* P3: two records of a group are on their way at once */                                                     \
    X(HOLD_FORGOTTEN)      /* P3: records behind a parked one of their key are sent */                                                   \
    X(FIFO_GROUP_UNLOCKED) /* P3: an embedded FIFO queue gives a group's next message while one is in flight */                         \
    X(EXPIRED_HANDLE_DELETES) /* a FIFO queue takes the handle of a receive that has timed out */                                        \
    X(DEDUPLICATION_FORGOTTEN) /* a FIFO queue takes the same deduplication id twice */                                                  \
    X(RELOAD_NOT_UNDONE)   /* P8: a configuration is taken though there was no room for what it makes */                                 \
    X(GATEWAY_FORGETS)     /* what consumers do through the gateway is not recorded */                                                   \
    X(GATEWAY_UNCONFIRMED) /* the gateway confirms deletes before the other server has */                                                \
    X(GATEWAY_HIDES)       /* what the gateway received for a consumer who has gone stays hidden */                                     \
    X(CONSUMER_DELETES_FAILED) /* the C library: an entry of a batch that failed counts as deleted */                                      \
    X(CONSUMER_GROUP_UNLOCKED) /* the C library: a group goes on after a message of it that is to come again */                           \
    X(CONSUMER_NOT_EXTENDED)   /* the C library: visibility is not extended while a message waits for a worker */                         \
    X(CONSUMER_OVERTAKES)      /* the C library: a message is released while its visibility is being extended */                          \
    X(CONSUMER_UNCONFIRMED)    /* the C library: what is given up is deleted though it arrived altered */                                 \
    X(CONSUMER_FEEDS_ITSELF)   /* the C library: a stop makes messages visible while its own long poll is being cut */                    \
    X(CONSUMER_HIDES)          /* the C library: what waits is not made visible at a stop */                                              \
    X(OVERSIZE_SENT_FIRST) /* a message points to an object that is not confirmed */                                                     \
    X(UNKNOWN_KEY_QUICK)   /* P10: by its time an answer tells whether an access key is known */

#ifdef S2Q_PLANTED_BUGS
#include <stdbool.h>

enum planted_bug {
    PLANTED_NONE,
#define PLANTED_ENUM(name) PLANTED_##name,
    PLANTED_LIST(PLANTED_ENUM)
#undef PLANTED_ENUM
};
extern enum planted_bug planted_bug;
/* Switches one on by its name; false: there is none of that name. */
bool planted_set(const char *name);
#define PLANTED(name) (planted_bug == PLANTED_##name)
#else
#define PLANTED(name) 0
#endif

#endif
