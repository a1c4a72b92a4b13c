/* SPDX-License-Identifier: Apache-2.0
 *
 * pump: sends a remote queue's PENDING messages to the server that it is on, in batches, and settles each by its own outcome.
 *
 * How it goes. Messages are read from the ledger in the order of their arrival, a bounded number ahead; a backlog of any size costs no memory. A batch goes
 * at once when none is on its way; while one is, the next fills up. How many may be on their way at once follows the server: one more after each
 * round of successes that were not slower than usual, half as many after a throttled one. After a call that failed as a whole, one batch at a time is
 * tried, with back-off, until one succeeds: an outage of any length only grows the ledger.
 *
 * Outcomes (pitfalls 20 to 25): an entry in Successful is SENT if its MD5 agrees, else PARKED, never sent again blindly. An entry that failed by the sender's
 * fault is PARKED. One that failed otherwise is sent again after a back-off of its own. One in neither list, or whose batch got no answer, may or may not
 * have arrived: it is sent again, counted as a possible duplicate, and its history says so.
 *
 * Order in FIFO queues: of each group one message is on its way at a time, and the next one goes when the first is settled. (SQS may take the second
 * entry of a group in a batch and fail the first: two of a group in one batch could change places.)
 *
 * Invariants:
 * 1. Only what is committed is sent: calls are made inside the transaction, and start after its commit.
 * 2. queue.next_fresh in the ledger is never above a message that is PENDING and has no due time: after a crash each is found again.
 */
#ifndef S2Q_CORE_PUMP_H
#define S2Q_CORE_PUMP_H

#include "core/identity.h"
#include "core/message_form.h"
#include "core/origin.h"
#include "core/queue.h"
#include "core/target.h"

struct pump_options {
    const char *url;      /* of the queue; NULL: asked for by name */
    const char *name;     /* on the other server */
    const char *owner;    /* account id; NULL: the credentials' own */
    const char *server;   /* where it is: an endpoint and a region. Only told apart from others; NULL: the same as ever */
    bool fifo;
    bool gateway;         /* consumers may come through our endpoint: core/gateway */
    const char *dead_letter_name; /* the dead-letter queue that it has there, to be read (core/dead_reader); NULL: none */
    const char *dead_letter_url;  /* NULL: asked for by name */
    const char *dead_letter_owner;
    int64_t requests_max; /* on their way at the same time; 0: 32 */
    const struct message_form *form; /* NULL: Lambda's */
    bool project_oversize; /* what is too large goes with its key alone, and says so; else it is parked */
    const char *s3_bucket; /* the payload of what is too large goes there first (core/offload); NULL: it does not */
    const char *s3_prefix; /* of objects' keys; NULL: none */
};

struct pump;
/* Borrows all that it is given. */
struct pump *pump_new(struct database *db, struct queue *queue, const struct pump_options *options, const struct identity *identity,
                      struct origins *origins, uint64_t seed, struct instant now);
void pump_free(struct pump *p);
/* Is the queue of `options` another one than the pump sends to? */
bool pump_moved(const struct pump *p, const struct pump_options *options);
/* Of the same queue. Borrowed. */
void pump_set_options(struct pump *p, const struct pump_options *options);
/* Its answers will not be waited for: what is on its way may have arrived or not. Inside the ledger's transaction, before pump_free. */
void pump_abandon(struct pump *p, struct instant now);

/* The messages that are on their way, for pump_note_unknown after memory was thrown away. */
void pump_each_on_its_way(const struct pump *p, void (*each)(void *context, int64_t id), void *context);
/* What became of this message's sending is not known (pump_abandon does it for all). Inside the ledger's transaction. */
void pump_note_unknown(struct pump *p, int64_t id, struct instant now);

/* The next call that is due, inside the ledger's transaction; false: none now. Tokens are below 2^32. */
bool pump_next_call(struct pump *p, struct target_call *call, struct instant now);
/* Inside the ledger's transaction. */
void pump_answer(struct pump *p, const struct target_answer *answer, struct instant now);
/* When there is something to do without an event (monotonic ms); INT64_MAX: never. */
int64_t pump_due(const struct pump *p);
/* A message is PENDING again, due now (redriven, or held no longer). */
void pump_send(struct pump *p, int64_t id);
/* Has it something to do now? For whoever opens a transaction only then. */
bool pump_ready(const struct pump *p, struct instant now);
/* Before each commit: brings queue.next_fresh up to date. */
void pump_save(struct pump *p);
/* Requests whose answers have not come. */
size_t pump_on_their_way(const struct pump *p);
/* What keeps it from sending, for people; "" if nothing does. */
const char *pump_trouble(const struct pump *p);
const struct pump_options *pump_options(const struct pump *p);
/* The queue's URL; NULL: not known yet. */
const char *pump_url(const struct pump *p);
/* Its ARN, as its server tells it; NULL: not known. */
const char *pump_arn(const struct pump *p);

struct pump_counts {
    uint64_t requests;
    uint64_t sent;
    uint64_t failed;    /* entries that the server did not take, for now */
    uint64_t throttled; /* requests and entries */
    uint64_t unknown;   /* entries whose outcome is not known: sent again */
    uint64_t parked;
    uint64_t projected; /* too large: sent with the key alone */
    uint64_t stored;    /* too large: payloads that were stored in S3 */
    int64_t window;     /* requests that may be on their way at present */
    int64_t latency_us; /* of a request, smoothed */
};
const struct pump_counts *pump_counts(const struct pump *p);

#endif
