/* SPDX-License-Identifier: Apache-2.0
 *
 * calls: a consumer's calls to SQS under way, in a table of fixed size; their answers settle jobs, or say that it cannot go on.
 *
 * Receives go over connections of their own, so that they can be cut when the consumer stops: long polls at once, but what was asked for a moment ago, and is
 * perhaps on its way, is waited for, as messages in an answer that nobody reads stay hidden.
 */
#ifndef S2Q_CONSUMER_CALLS_H
#define S2Q_CONSUMER_CALLS_H

#include "aws/aws_call.h"
#include "consumer/jobs.h"
#include "consumer/settings.h"

#define CALLS_RECEIVING 8
#define CALLS_SETTLING 16
#define CALLS_MAX (CALLS_RECEIVING + CALLS_SETTLING)

enum call_kind { CALL_SEND = BATCH_SEND, CALL_DELETE = BATCH_DELETE, CALL_VISIBILITY = BATCH_VISIBILITY, CALL_RECEIVE, CALL_LOOKUP };
#define CALL_KINDS (CALL_LOOKUP + 1)

struct call {
    bool used;
    enum call_kind kind;
    bool alone;         /* of a receive: all was settled when it began */
    size_t asked;       /* of a receive: messages */
    int64_t started_ms;
    struct batch batch; /* of the others */
};

/* How calls of a kind go. */
struct fortune {
    int failures;           /* in a row */
    int refusals;           /* in a row: of the same, again and again */
    int64_t refused_at_ms;  /* when the last that counted was started */
    bool said;              /* that they fail */
    int64_t said_ms;        /* when it was said last */
};

struct calls {
    const struct settings *settings;
    struct jobs *jobs;
    struct http_client *receiving;
    bool closing;                  /* no more receives */
    struct http_client *settling;
    struct clock_skew skew;
    struct buffer queue_url;              /* empty: to be asked for first */
    struct buffer dead_letter_queue_url;  /* empty: to be asked for, or there is none */
    struct call table[CALLS_MAX]; /* receives first */
    size_t receives_most;         /* at once: more than one while they come back full */
    int64_t receive_due_ms;
    struct fortune fortunes[CALL_KINDS];
    bool empty;                   /* the queue gave nothing for as long as options.stop_when_empty_s says */
    bool trusted;                 /* the server was, at least once: another certificate passes, then */
    bool failed;                  /* it cannot go on: `failure` says why */
    enum s2q_status status;
    struct error failure;
};

MUST_USE bool calls_init(struct calls *c, const struct settings *settings, struct jobs *jobs, struct loop *loop, struct error *err);
void calls_fini(struct calls *c);
/* Starts what is due. */
void calls_start(struct calls *c, int64_t now_ms);
/* When to call that again, if nothing is answered before; INT64_MAX: not by time. */
int64_t calls_due(const struct calls *c, int64_t now_ms);
/* No more receives. */
void calls_stop_receiving(struct calls *c);
bool calls_idle(const struct calls *c);

#endif
