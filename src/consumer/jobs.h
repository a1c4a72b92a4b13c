/* SPDX-License-Identifier: Apache-2.0
 *
 * jobs: every message that a consumer has received and not settled yet, and what is to be done about it next. Sans I/O: times are given, calls are named.
 * One thread.
 *
 * 1. A job is in one state; it ends only when the server has settled it, or has hidden it no longer, or when leaving it alone is what was asked for.
 * 2. While its state is not its last, its visibility is extended at half of what is left of it.
 * 3. One call at a time is made about a job.
 * 4. Of a FIFO queue: a job is given out when those of its group before it are handled. When one is to come again, those behind it are not given out.
 */
#ifndef S2Q_CONSUMER_JOBS_H
#define S2Q_CONSUMER_JOBS_H

#include "stream2sqs.h"

#include "base/random.h"
#include "codec/sqs_receive_wire.h"

#define JOBS_BATCH SQS_RECEIVED_MAX
#define JOBS_LINGER_MS 50 /* a delete waits so long for company */

enum job_state {
    JOB_READY,     /* waits for a worker */
    JOB_RUNNING,   /* is a worker's */
    JOB_SENDING,   /* given up: to be sent to the dead-letter queue */
    JOB_DELETING,  /* done: to be deleted */
    JOB_RELEASING, /* to be made visible */
    JOB_LEAVING,   /* nothing more, once the call about it is answered */
};
#define JOB_STATES (JOB_LEAVING + 1)

struct job {
    struct job *next;
    struct job *previous;
    struct job *next_shared; /* the crew's, as the next two, while it runs */
    enum s2q_outcome outcome;
    int64_t handled_us;      /* how long the handler took */
    char *reason;            /* why it was given up, printable; NULL: not said. The job's */
    bool retry_said;         /* when it comes again was said: retry_s */
    unsigned retry_s;        /* of RELEASING: hidden for so long from then on; 0 if nothing was said */
    struct sqs_received m;
    enum job_state state;
    bool calling;             /* a call about it is under way */
    bool late;                /* it was said that its visibility has ended */
    uint64_t group;           /* hash; 0: none */
    int64_t hidden_until_ms;
    int64_t extend_ms;        /* when to extend it; INT64_MAX: not any more */
    int64_t due_ms;           /* what its state asks for, not later (or, after failures, not before) */
    int failures;
};

struct jobs_options {
    int visibility_s;
    bool fifo;
    bool retry_at_once;
    bool dead_letters; /* there is a queue for what is given up */
    bool dead_letters_fifo;
    size_t workers;
    uint64_t messages_max; /* given out at most; 0: no bound */
};

struct jobs {
    struct jobs_options options;
    struct job *first; /* in the order they came */
    struct job *last;
    size_t count;
    size_t in_state[JOB_STATES];
    int64_t average_us; /* of handlers; 0: not known */
    bool stopping;
    int64_t release_ms; /* nothing is made visible before: a receive that is being cut would get it */
    uint64_t begun; /* given out, but for those that came back untouched */
    struct s2q_counts counts;
    struct random random;
};

void jobs_init(struct jobs *j, const struct jobs_options *options, uint64_t seed);
void jobs_fini(struct jobs *j);

/* How many messages to ask for now (0 to 10), when `asked` are asked for already: as many as the workers will soon take. */
size_t jobs_room(const struct jobs *j, size_t asked);
/* Takes what a receive brought that was asked for at asked_ms. */
void jobs_add(struct jobs *j, struct sqs_received *messages, size_t count, int64_t asked_ms, int64_t now_ms);
/* The next for a worker, now running; NULL: none, or enough are out. */
struct job *jobs_next(struct jobs *j, int64_t now_ms);
/* A worker has handled it: outcome, reason and time are in the job. */
void jobs_handled(struct jobs *j, struct job *job, int64_t now_ms);
/* It was given out, but no worker has begun with it. */
void jobs_untouched(struct jobs *j, struct job *job);
/* As many were given out as there are to be, and all of them are handled. */
bool jobs_exhausted(const struct jobs *j);
/* From now on nothing is given out; what waits is made visible. */
void jobs_stop(struct jobs *j, int64_t now_ms);

enum batch_kind { BATCH_SEND, BATCH_DELETE, BATCH_VISIBILITY };
#define BATCH_KINDS (BATCH_VISIBILITY + 1)

struct batch {
    enum batch_kind kind;
    struct job *jobs[JOBS_BATCH];
    size_t count;
    bool release[JOBS_BATCH]; /* of VISIBILITY: made visible; else extended */
    int64_t started_ms;
    char body_md5[33]; /* of SEND, which has one entry: what must arrive */
    char attributes_md5[33];
};
extern const char *const batch_actions[BATCH_KINDS]; /* SQS's names */

/* The next call that is due; false: none. */
bool jobs_batch(struct jobs *j, int64_t now_ms, struct batch *out);
/* Its body. */
void jobs_batch_write(const struct jobs *j, struct batch *batch, struct slice queue_url, struct slice dead_letter_queue_url, struct buffer *body);
/* What became of its entries; all absent if no answer told. hopeless: trying again will not help while stopping. */
void jobs_settle(struct jobs *j, const struct batch *batch, const struct sqs_entry_result results[JOBS_BATCH], bool hopeless, int64_t now_ms);
/* When jobs_batch will have something; INT64_MAX: not by time alone. */
int64_t jobs_due(const struct jobs *j);

#endif
