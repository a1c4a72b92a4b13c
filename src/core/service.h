/* SPDX-License-Identifier: Apache-2.0
 *
 * service: the operations of SQS, applied to the embedded queues in the ledger's current transaction. Knows no protocol and no socket.
 *
 * One file a family: service.c finds the queue and the operation, service_messages.c sends, receives, deletes, service_queues.c makes and changes queues,
 * service_moves.c moves dead letters back, service_policy.c keeps policies and judges by them.
 */
#ifndef S2Q_CORE_SERVICE_H
#define S2Q_CORE_SERVICE_H

#include "base/heap.h"
#include "codec/sqs_wire.h"
#include "core/desk.h"
#include "core/identity.h"
#include "core/intake.h"
#include "core/message_form.h"
#include "core/origin.h"

/* One request and its answer. Its memory is its owner's; from the moment that it is applied until its answer is handed back, or it is forgotten, it
 * must stay where it is. */
struct exchange {
    struct sqs_request request; /* decoded; the body that it was decoded from stays, too */
    struct sqs_answer answer;
    struct slice base_url;      /* "http://127.0.0.1:9324": how the client reached us, for queue URLs */
    struct slice region;        /* that it was signed for; empty: the bridge's own */
    struct slice sender;        /* the principal that signed it: SenderId of what it sends; absent: the account */
    struct slice guest_account; /* of another account: the queue's policy judges; absent: the bridge's own account */
    struct exchange *next;      /* in one list: waiting at a queue, or answered and to be released */
    struct exchange *previous;
    struct heap_node deadline;  /* of a long poll */
    struct desk *waiting_at;    /* NULL: it does not wait */
    bool answered;
    bool forwarded;             /* to the server that its queue is on: core/gateway */
};

struct service_counts {
    uint64_t sent;
    uint64_t received;
    uint64_t deleted; /* entries of delete requests that were accepted */
    uint64_t expired;
    uint64_t purged;
};

struct move_task;

struct service {
    struct database *db;
    struct intake *intake;
    struct identity identity;
    const char *account_id;
    const char *region;
    const char *regions;        /* that have queues of their own: a list with commas, or "*"; NULL: one set of queues for all */
    bool aws_waits;             /* the 60 seconds after DeleteQueue and PurgeQueue */
    struct desk **desks;        /* deleted ones, too, while something of them is unsettled */
    size_t desk_count;
    int64_t highest_queue;      /* id */
    struct move_task *moves;    /* newest first */
    struct instant started;     /* the process: for service_steady_ms */
    int64_t deduplication_due_ms; /* when old ids are next forgotten (monotonic) */
    bool deduplicates;          /* there may be ids to forget */
    bool accepting;             /* false: no room, SendMessage is refused */
    struct origins origins;
    struct service_counts counts;
    struct buffer body;         /* scratch */
    struct buffer arena;
    struct composed composed;
};

/* In the bridge's own region. NULL: there is none. */
struct desk *service_find(const struct service *s, struct slice queue_name);
struct desk *service_find_in(const struct service *s, struct slice region, struct slice queue_name);
/* By the region that a request was signed for. */
struct desk *service_find_signed(const struct service *s, struct slice region, struct slice queue_name);
struct desk *service_find_id(const struct service *s, int64_t queue);
/* The desk itself, or, of one that is deleted, that of the queue which has its name now; NULL: there is none (or no desk). */
struct desk *service_heir(const struct service *s, struct desk *desk);
/* Makes a queue in the ledger's current transaction. Its options are the caller's to set; then service_link. */
struct desk *service_make_queue(struct service *s, struct slice region, struct slice name, struct instant now);
/* Finds the dead-letter queues anew that RedrivePolicies name. */
void service_link(struct service *s);
/* Sets the options of a queue that follow from its attributes. */
void service_apply_attributes(struct desk *desk);
/* The ARN of a queue. */
void service_queue_arn(const struct service *s, const struct desk *desk, struct buffer *out);
/* Applies a request. False: a receive that found nothing, and is willing to wait: nothing was answered. */
bool service_apply(struct service *s, struct exchange *x, struct instant now);
/* Answers a receive with nothing. */
void service_answer_empty(struct exchange *x);
/* What goes on by itself, a bounded step at a time, in a transaction that it opens if there is something to do: purges, retention, move tasks, old
 * deduplication ids. Returns when there is more to do (monotonic ms; INT64_MAX: not before something happens). */
int64_t service_step(struct service *s, struct instant now);
/* Loads move tasks; once the desks are loaded. */
void service_load_moves(struct service *s);
/* Frees what was remembered of shards, move tasks, and the scratch memory; not the desks. */
void service_fini(struct service *s);

#endif
