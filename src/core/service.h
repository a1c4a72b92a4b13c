/* SPDX-License-Identifier: Apache-2.0
 *
 * service: the operations of SQS, applied to the embedded queues in the ledger's current transaction. Knows no protocol and no socket.
 */
#ifndef S2Q_CORE_SERVICE_H
#define S2Q_CORE_SERVICE_H

#include "base/heap.h"
#include "codec/sqs_wire.h"
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
    struct exchange *next;      /* in one list: waiting at a queue, or answered and to be released */
    struct exchange *previous;
    struct heap_node deadline;  /* of a long poll */
    struct desk *waiting_at;    /* NULL: it does not wait */
    bool answered;
};

/* A queue with those who wait at it, in order of arrival. */
struct desk {
    struct queue *queue;
    struct pump *pump; /* sends its messages to the server that it is on; NULL: embedded */
    const struct message_form *form; /* of its messages */
    size_t configured; /* of a queue with a pump: its place in the options */
    struct exchange *first;
    struct exchange *last;
};

struct service_counts {
    uint64_t sent;
    uint64_t received;
    uint64_t deleted; /* entries of delete requests that were accepted */
};

struct service {
    struct database *db;
    struct intake *intake;
    struct identity identity;
    const char *account_id;
    const char *region;
    struct desk *desks;
    size_t desk_count;
    bool accepting;             /* false: no room, SendMessage is refused */
    struct origins origins;
    struct service_counts counts;
    struct buffer body;         /* scratch */
    struct buffer arena;
    struct composed composed;
};

struct desk *service_find(const struct service *s, struct slice queue_name);
/* Applies a request. False: a receive that found nothing, and is willing to wait: nothing was answered. */
bool service_apply(struct service *s, struct exchange *x, struct instant now);
/* Answers a receive with nothing. */
void service_answer_empty(struct exchange *x);
/* Frees what was remembered of shards, and the scratch memory; not the queues. */
void service_fini(struct service *s);

#endif
