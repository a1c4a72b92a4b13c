/* SPDX-License-Identifier: Apache-2.0
 *
 * target: a call to the server that a remote queue is on, as the core names it, its answer, and what an answer that is no success means.
 */
#ifndef S2Q_CORE_TARGET_H
#define S2Q_CORE_TARGET_H

#include "base/buffer.h"
#include "base/random.h"
#include "core/stream_call.h"

/* A call to make, once the current transaction is committed. `body` belongs to whoever takes the call. */
struct target_call {
    uint64_t token;
    size_t queue;        /* which of the bridge's queues: the configuration says where it is, and whose credentials to use */
    const char *action;  /* of SQS: "SendMessageBatch" */
    struct buffer body;
    char *object;        /* of S3's PutObject: bucket and key, "/bucket/key", which needs no escape; the call's. NULL: a call of SQS */
    int64_t timeout_ms;
};

void target_call_fini(struct target_call *call);

struct target_answer {
    uint64_t token;
    int status; /* 0: no answer came */
    struct slice body;
    const char *failure;      /* status 0: why, for people */
    bool unsent;              /* status 0: nothing of the request left this machine (no connection) */
    bool untrusted;           /* status 0: its certificate is not trusted; `failure` says so */
    bool withheld;            /* status 0: there are no credentials to make the call with; `failure` says why */
    bool has_etag;            /* of S3: it names what it has stored */
    const char *bucket_region; /* of S3: the region that the bucket is in, by a header; NULL, "": not told */
};

/* What an answer that is not a success means. */
enum target_verdict {
    TARGET_RETRY,     /* passing; back off */
    TARGET_THROTTLED, /* back off; nothing is wrong */
    TARGET_REFUSED,   /* the request, or this entry of it, will never be taken as it is */
    TARGET_TOO_LONG,  /* the batch is longer than the server takes */
    TARGET_NOT_FOUND, /* the queue is not there */
    TARGET_DENIED,    /* an operator has to act: retried slowly, and shown */
};

/* By the error's name (without namespace and prefix), one table; an unknown name: by whether the server says it is the sender's fault. */
enum target_verdict target_judge(struct slice error_name, bool senders_fault);
/* Will it stay so until an operator acts? Then it is asked again slowly. */
bool target_waits_for_operator(enum target_verdict verdict);
/* True: the answer is no success; *verdict says what follows, and `trouble` what is wrong and what to do, for people. */
bool target_answer_failed(const struct target_answer *answer, enum target_verdict *verdict, char trouble[TROUBLE_TEXT]);

#endif
