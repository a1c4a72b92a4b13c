/* SPDX-License-Identifier: Apache-2.0
 *
 * bridge: the commit cycle. The whole core behind one door: sources, queues and the ledger between them.
 *
 *     wait for sockets and timers
 *       -> collect and apply events   bridge_answer, bridge_apply, bridge_forget: each reads and changes the ledger's open transaction
 *       -> COMMIT                     bridge_commit: time-outs, long polls that can be answered now, one step of pruning, one fsync for all of it
 *       -> release the effects        bridge_next_reply, bridge_next_call, bridge_next_target_call
 *
 * Invariants:
 * 1. An effect is handed out only after the commit that it depends on (promise P5).
 * 2. The bridge opens no socket and reads no clock: a cycle is a function of ledger, time and events.
 * 3. When there was no room for a commit (DATABASE_FULL), everything of the cycle is undone: its requests are answered 503, memory is thrown away and
 *    loaded from the ledger again, calls in flight are forgotten, and reading rests until bridge_set_room says otherwise (P6).
 * 4. When a commit's outcome is unknown (DATABASE_BROKEN), the caller ends the process at once (P7).
 */
#ifndef S2Q_CORE_BRIDGE_H
#define S2Q_CORE_BRIDGE_H

#include "core/pump.h"
#include "core/service.h"
#include "core/source.h"

struct bridge_queue {
    const char *name;
    int64_t visibility_timeout_ms;
    int64_t max_receive_count;     /* 0: no limit */
    const char *dead_letter_queue; /* NULL: none */
    const struct message_form *form; /* what its messages look like; NULL: Lambda's form */
    const struct filter *filter;   /* which records it gets; NULL: all */
    enum bridge_from {
        FROM_NOW,    /* a queue that is added later: what is read from then on */
        FROM_LEDGER, /* first all that the ledger has of its streams */
        FROM_STREAM, /* first what the stream still has, by the ledger: the last 24 hours */
    } from;
    bool hold_key;                 /* later records of a dead or parked one's key wait */
    const struct pump_options *remote; /* on another server; NULL: embedded */
};

struct bridge_source {
    const char *name; /* table name or stream ARN */
    bool start_latest;
    bool stop_at_gap;
    int64_t idle_poll_ms;
    const char *const *queues; /* names of queues of this configuration */
    size_t queue_count;
};

/* Borrowed, with all texts, for the bridge's life. */
struct bridge_options {
    const char *account_id;
    const char *region;
    const char *regions;   /* see struct service; NULL: one set of queues for all */
    bool aws_waits;        /* the 60 seconds after DeleteQueue and PurgeQueue */
    const struct bridge_queue *queues;
    size_t queue_count;
    const struct bridge_source *sources;
    size_t source_count;
    int64_t discovery_ms;
    int64_t keep_settled_ms;
    int64_t budget_bytes;  /* of the ledger; 0: no limit */
    size_t calls_max;      /* stream calls in flight; 0: 16 */
    uint64_t seed;
};

struct bridge;
/* Loads the ledger, makes the queues that are new, and commits that. NULL: *err (no room, or an unknown outcome). */
struct bridge *bridge_new(struct database *db, const struct bridge_options *options, struct instant now, struct error *err);
/* Other pipelines and queues from now on; between two cycles, with a commit of its own: what is the same goes on as it was, with its iterators, its
 * batches on their way and those who wait. `options` is borrowed in place of the ones before, which are of no use any more once this has returned true.
 * A queue that is not in them any more keeps its messages; nothing is read or sent for it. False: *err, nothing has changed; ERROR_LEDGER_IO: that is
 * not known, end the process as after DATABASE_BROKEN. */
MUST_USE bool bridge_reconfigure(struct bridge *b, const struct bridge_options *options, struct instant now, struct error *err);
/* Does not close the ledger. Exchanges that wait are forgotten, not answered. */
void bridge_free(struct bridge *b);

/* Applies a decoded request. Its answer comes by bridge_next_reply, after the commit; until then *x belongs to the bridge. */
void bridge_apply(struct bridge *b, struct exchange *x, struct instant now);
/* The client of an exchange went away before its answer was handed back: *x is its owner's again. What it asked for is done all the same. */
void bridge_forget(struct bridge *b, struct exchange *x);
void bridge_answer(struct bridge *b, const struct stream_answer *answer, struct instant now);
void bridge_target_answer(struct bridge *b, const struct target_answer *answer, struct instant now);
/* Ends the cycle. Costs nothing when nothing happened. */
enum database_outcome bridge_commit(struct bridge *b, struct instant now);
/* The next answered exchange, its owner's again; NULL: none. */
struct exchange *bridge_next_reply(struct bridge *b);
/* The next call to AWS that is due; false: none now. */
bool bridge_next_call(struct bridge *b, struct stream_call *call, struct instant now);
/* The next call to a queue's server that this cycle made; false: none. */
bool bridge_next_target_call(struct bridge *b, struct target_call *call);
/* When there is something to do without an event (monotonic ms); INT64_MAX: never. */
int64_t bridge_due(const struct bridge *b);
/* Is there room on the disk? Without: no reading, no SendMessage. */
void bridge_set_room(struct bridge *b, bool room);
/* Answers every long poll with nothing, and calls nobody any more: the process is about to stop. */
void bridge_drain(struct bridge *b);
/* Calls to AWS whose answers have not come. */
size_t bridge_calls(const struct bridge *b);
/* Of those to queues' servers, the ones whose outcome is worth waiting for before the process stops. */
size_t bridge_sends(const struct bridge *b);
/* Receives from queues' servers that nobody waits for any more: what they bring is given back, if it still comes. */
size_t bridge_lone_receives(const struct bridge *b);

/* What an operator asks for; each within the open cycle. false: there is no such queue. */
struct bridge_move {
    int64_t moved;
    int64_t homeless; /* not moved, because their queue is deleted */
    bool drop; /* else redrive */
};
bool bridge_move_dead(struct bridge *b, struct slice queue_name, struct bridge_move *move, struct instant now);
/* One dead message by its message id. */
bool bridge_move_dead_one(struct bridge *b, struct slice queue_name, struct slice message_id, struct bridge_move *move, struct instant now);
/* Gives records to a queue again, as new deliveries that say so (attribute stream2sqs.replayed), in the order given. false: there is no such queue. Those that
 * are not in the ledger any more, or whose stream does not feed the queue, are passed over: *replayed says how many were not. */
bool bridge_replay(struct bridge *b, struct slice queue_name, const int64_t *records, size_t count, int64_t *replayed, struct instant now);
/* How many of them that would be; nothing is changed. */
bool bridge_replayable(struct bridge *b, struct slice queue_name, const int64_t *records, size_t count, int64_t *replayable);
int bridge_acknowledge_gaps(struct bridge *b, struct instant now);

struct bridge_counts {
    struct service_counts service;
    uint64_t pages;
    uint64_t records;
    uint64_t calls;
    uint64_t call_failures;
    uint64_t commits;       /* with something in them */
    uint64_t events;        /* requests and answers applied */
    uint64_t full;          /* commits without room */
    uint64_t pruned;        /* records */
};
const struct bridge_counts *bridge_counts(const struct bridge *b);
/* Deleted ones, too (desk->deleted_at_ms), while something of them is unsettled. */
struct desk *const *bridge_desks(const struct bridge *b, size_t *count);
size_t bridge_source_count(const struct bridge *b);
struct source *bridge_source(const struct bridge *b, size_t index);
const char *bridge_source_name(const struct bridge *b, size_t index);
/* Appends why the bridge is not ready, one reason a line; nothing: it is. */
void bridge_reasons(struct bridge *b, struct buffer *out);

#endif
