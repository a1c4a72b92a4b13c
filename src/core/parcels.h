/* SPDX-License-Identifier: Apache-2.0
 *
 * parcels: the messages of a remote queue that were read ahead, and which of them may go next. Knows no ledger and no server.
 *
 * A parcel is in one place at a time: ready; on its way (with whoever took it); waiting for its due time; or, in a FIFO queue, in its group's
 * lane behind the one of the group that is in one of the other places.
 */
#ifndef S2Q_CORE_PARCELS_H
#define S2Q_CORE_PARCELS_H

#include "base/heap.h"
#include "base/id_map.h"

#include <stdbool.h>

struct parcel {
    struct heap_node due;  /* while it waits */
    struct parcel *next;   /* in the ready list, or in its lane */
    struct parcel *older;  /* of those whose row has no due time, in the order of their ids */
    struct parcel *newer;
    int64_t id;
    uint64_t group;
    int attempts;
    uint64_t alone; /* the last call before it was refused, in a batch or by itself: see refused_whole; 0: never */
    int refusals;   /* by itself */
    int proofs;     /* of those, with others taken between it and the one before */
    bool stored;    /* its payload is an object already (core/offload) */
    bool scheduled; /* its row has a due time: a restart finds it without a search */
};

/* Zeroed but for `lanes_wanted`: empty. */
struct parcels {
    bool lanes_wanted; /* one of a group at a time */
    size_t count;
    size_t ready_count;
    struct parcel *ready_first;
    struct parcel *ready_last;
    struct parcel *oldest;
    struct parcel *newest;
    struct heap due;
    struct id_map lanes; /* group -> struct lane; there while one of its parcels is out of the lane */
    struct id_map all;   /* id -> struct parcel */
};

void parcels_fini(struct parcels *ps);
/* A message that waits to be sent; ids rise, but for scheduled ones. due_mono_ms 0: ready as soon as its group lets it. */
void parcels_add(struct parcels *ps, int64_t id, uint64_t group, bool scheduled, int64_t due_mono_ms);
/* The next one that may go, or NULL. It stays counted. */
struct parcel *parcels_take(struct parcels *ps);
/* It did not go after all: first in line again. */
void parcels_put_back(struct parcels *ps, struct parcel *p);
/* It is to go again at a time that its row says, too. Its group waits. */
void parcels_schedule(struct parcels *ps, struct parcel *p, int64_t due_mono_ms);
/* Done with it, whatever became of it: the next of its group may go. Frees it. */
void parcels_settle(struct parcels *ps, struct parcel *p);
/* Those whose time has come become ready. */
void parcels_tick(struct parcels *ps, int64_t now_mono_ms);
/* When the next one's time comes; INT64_MAX: never. */
int64_t parcels_due(const struct parcels *ps);
/* The lowest id whose row has no due time; 0: there is none. */
int64_t parcels_oldest(const struct parcels *ps);

#endif
