/* SPDX-License-Identifier: Apache-2.0
 *
 * groups: the messages of a queue whose order or fairness goes by message group, as far as they are in memory.
 *
 * Strict (FIFO queues): a group's messages are given in the order of their arrival, and while one of them is in flight the group gives none. Not strict (a
 * standard queue with group ids: AWS's fair queues): groups take turns, so that one with a long backlog or slow consumers delays no other.
 * (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html, sqs-fair-queues.html)
 *
 * Invariants: a member is in its group's line unless it is in flight; the line is a heap by ids, since what comes again may come in any order. A group is
 * in the ready list exactly when it would give a message. Knows no ledger and no time.
 */
#ifndef S2Q_CORE_GROUPS_H
#define S2Q_CORE_GROUPS_H

#include "base/heap.h"
#include "base/id_map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct group;

/* Embedded in whatever stands for a message. */
struct group_member {
    struct group *group;             /* NULL: of none */
    struct heap_node place;          /* in the line */
    struct group_member *newer;      /* of those that were never received, in the order of their ids */
    struct group_member *older;
    int64_t id;
    bool in_line;
    bool hidden;                     /* in the line, but delayed: those behind it wait for it (strict) */
    bool fresh;                      /* never received, and its row has no due time: a restart finds it by next_fresh */
};

/* Zeroed but for `strict`: empty. */
struct groups {
    bool strict;
    struct id_map by_hash;
    struct group *ready_first;
    struct group *ready_last;
    size_t ready_count;              /* groups */
    size_t line_count;               /* members in lines */
    struct group_member *fresh_first;
    struct group_member *fresh_last;
};

void groups_fini(struct groups *gs);
/* fresh members come with rising ids. */
void groups_add(struct groups *gs, struct group_member *m, int64_t id, uint64_t hash, bool hidden, bool fresh);
/* A delayed member's time has come. */
void groups_show(struct groups *gs, struct group_member *m);
/* The next message to give, which is in flight from now on; NULL: none. *current: zeroed before the first take of a receive, which may take several of a
 * (strict) group that it has begun with. */
struct group_member *groups_take(struct groups *gs, struct group **current);
/* In flight, as it was before a restart. */
void groups_lock(struct groups *gs, struct group_member *m);
/* In flight no longer, and not settled: it comes again. */
void groups_put_back(struct groups *gs, struct group_member *m);
/* Gone, wherever it was. */
void groups_settle(struct groups *gs, struct group_member *m);
/* It was received (its row says so). */
void groups_not_fresh(struct groups *gs, struct group_member *m);
bool groups_ready(const struct groups *gs);
/* The lowest id of a fresh member; 0: there is none. */
int64_t groups_oldest_fresh(const struct groups *gs);

#endif
