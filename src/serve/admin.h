/* SPDX-License-Identifier: Apache-2.0
 *
 * admin: what operators and their machines see: /healthz, /readyz, /metrics; and, on the Unix socket beside the ledger, what they may ask for.
 *
 * The control socket's requests are JSON over POST /control/<operation>: status; reload; those of serve/operations.h, which are answered after the
 * commit (admin_release); and sqs/<operation of SQS> in AWS JSON 1.0, for `stream2sqs queue` (sqs_api).
 */
#ifndef S2Q_SERVE_ADMIN_H
#define S2Q_SERVE_ADMIN_H

#include "serve/sqs_api.h"

#include <jansson.h>

#define CYCLE_BUCKETS 12

/* Commits and how long they took, cycle by cycle. */
struct cycle_stats {
    uint64_t counts[CYCLE_BUCKETS]; /* by time: see cycle_note */
    uint64_t commits;
    double seconds;
};
void cycle_note(struct cycle_stats *stats, double seconds);

/* Borrowed for the admin's life. */
struct admin_view {
    struct bridge *bridge;
    struct database *db;
    struct sqs_api *api;
    struct http_server *sqs_server;
    const struct cycle_stats *cycles;
    void (*reload)(void *context); /* somebody asks for a reload: to be done soon, but not within this call, and its outcome given to admin_reloaded */
    void *context;
};

struct admin;
struct admin *admin_new(const struct admin_view *view);
/* Where the endpoint and the admin address are, once it is known; borrowed. */
void admin_set_urls(struct admin *a, const char *sqs_url, const char *admin_url);
/* After its HTTP servers are gone. */
void admin_free(struct admin *a);
/* control: for the Unix socket. */
struct http_handlers admin_handlers(struct admin *a, bool control);
/* Answers what waited for the commit; full: there was no room, nothing was done. */
void admin_release(struct admin *a, bool full);
/* Answers those who asked for a reload, if any: status is HTTP's. Takes the document. */
void admin_reloaded(struct admin *a, int status, json_t *outcome);

#endif
