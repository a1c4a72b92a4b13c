/* SPDX-License-Identifier: Apache-2.0
 *
 * own_queue: how a command reaches a queue of the process that runs on its ledger, as any client would: the queue's URL, and a key of the endpoint.
 */
#ifndef S2Q_APP_OWN_QUEUE_H
#define S2Q_APP_OWN_QUEUE_H

#include "app/config.h"

struct own_queue {
    char *url;           /* NULL: it is no queue of that process */
    char *endpoint_url;  /* where it is reached, when it listens on every address; NULL: as the URL says */
    char *certificate;   /* the file of the one that it shows; NULL: no TLS, or the file cannot be read from here */
    char *access_key_id; /* wiped with the secret */
    char *secret;
};

/* queue: a name, or a URL. A URL of another server is no error: out->url is NULL then. A name that cannot be asked for: *err (UNAVAILABLE: nothing runs on the
 * ledger; NOT_FOUND: there is no such queue). In any case own_queue_fini. */
MUST_USE bool own_queue_find(struct own_queue *out, const struct config *config, const char *queue, struct error *err);
/* Fills in a key of the file of keys that may receive from the queue and settle what it got. False: *err. */
MUST_USE bool own_queue_find_key(struct own_queue *q, const struct config *config, struct error *err);
void own_queue_fini(struct own_queue *q);

#endif
