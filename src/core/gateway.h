/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway: consumers of a queue on another server who come through our endpoint. What they ask is forwarded, and what the other server answers is
 * recorded, so that the ledger knows the receives and deletes of such a queue, too.
 *
 * Promises:
 * 1. A delete is confirmed only when the other server has confirmed it, and its row says so. When no answer comes the consumer is told (503), and asks again.
 * 2. Messages that others put into the queue pass through as they are. Ours are known by their attribute `stream2sqs.id` (core/pump), which is asked for
 *    always, and taken out again when the consumer did not ask for it.
 * 3. A receipt handle that a consumer gets holds the other server's own, the message's row and a MAC: nobody can make one, and a delete finds its row.
 * 4. Messages that arrive for a consumer who has gone are made visible again at once.
 *
 * Calls are made inside the ledger's transaction, and start after it, as the pump's.
 */
#ifndef S2Q_CORE_GATEWAY_H
#define S2Q_CORE_GATEWAY_H

#include "core/service.h"
#include "core/target.h"

#define GATEWAY_TOKEN UINT64_C(0x80000000) /* set in tokens of the gateway's calls; the pump's are below it */

/* Zeroed but for service: nothing is on its way. */
struct gateway {
    struct service *service;
    struct forwarded *first;
    size_t count;
    uint64_t next_token;
    struct buffer text; /* scratch */
};

void gateway_fini(struct gateway *g);
/* Is that operation forwarded for queues on other servers? */
bool gateway_forwards(enum sqs_action action);
/* Forwards a request to the server at `queue_url` (NULL: not known yet). False: it was answered at once. */
bool gateway_forward(struct gateway *g, struct exchange *x, struct desk *desk, const char *queue_url, struct target_call *call);
/* Takes an answer. Returns the exchange that is answered by it, NULL: nobody waits any more. *follows: `next` is a call to make. */
struct exchange *gateway_answer(struct gateway *g, struct desk *desk, const struct target_answer *answer, struct target_call *next, bool *follows,
                                struct instant now);
/* The client of an exchange went away; true: it was forwarded. */
bool gateway_forget(struct gateway *g, struct exchange *x);
/* One exchange whose answer will not be waited for any more, answered with what is known: a receive gives nothing, anything else is asked again. NULL:
 * there is none (any more). only_receives: those alone, for a stop. */
struct exchange *gateway_abandon(struct gateway *g, bool only_receives);
/* Calls that change something, also what is given back: their outcome is worth waiting for before the process stops. */
size_t gateway_on_their_way(const struct gateway *g);
/* Receives whose consumers are gone: what they bring will be given back. */
size_t gateway_lone_receives(const struct gateway *g);

#endif
