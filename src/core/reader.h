/* SPDX-License-Identifier: Apache-2.0
 *
 * reader: reads one stream (one ARN): lists its shards, reads each from its position, parents before children, and knows what may be missing.
 *
 * Sans I/O: it names the calls to make and is given their answers. At most one call is in flight for each shard and one for the listing.
 * Invariants:
 * 1. A position moves only in the transaction that stores the page (core/intake.h). The next call is named only after that, so it leaves after the commit.
 * 2. A shard's end is a stored state, believed only when the listing confirms it: a null NextShardIterator alone is not enough.
 * 3. Whatever may be missing is a gap row, written in the transaction that moves the shard past it.
 * Rules: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html; docs/decisions.md.
 */
#ifndef S2Q_CORE_READER_H
#define S2Q_CORE_READER_H

#include "base/random.h"
#include "core/intake.h"

/* What an answer that is not a success means for the reader. */
enum reader_verdict {
    VERDICT_RETRY,        /* passing; back off */
    VERDICT_THROTTLED,    /* back off; nothing is wrong */
    VERDICT_NEW_ITERATOR, /* the iterator is of no use any more: ask for one after the position */
    VERDICT_TRIMMED,      /* the position is older than what the stream keeps */
    VERDICT_NOT_FOUND,    /* the shard or stream is not there */
    VERDICT_DENIED,       /* an operator has to act: retried slowly, and shown */
    VERDICT_SKEWED,       /* our clock: signed again with the server's time */
};
/* By the error's name (without namespace), one table; an unknown name: by the status, and RETRY. */
enum reader_verdict reader_judge(struct slice error_name, int status);

struct reader_options {
    bool start_latest;          /* for shards of the first listing */
    bool stop_at_gap;           /* on_gap: stop */
    int64_t idle_poll_ms;       /* 200..60,000 */
    int64_t discovery_ms;
    struct queue *const *queues;
    size_t queue_count;
};

/* A call to make, once the current transaction is committed. `body` belongs to whoever takes the call. */
struct reader_call {
    uint64_t token;
    const char *target; /* X-Amz-Target */
    struct buffer body;
};

struct reader_answer {
    uint64_t token;
    int status; /* 0: no answer came */
    struct slice body;
    bool has_crc32;
    uint32_t crc32;
};

struct reader;
/* Loads what the ledger knows of the stream. stream->arn is copied. */
struct reader *reader_new(struct database *db, struct intake *intake, const struct stream_row *stream, const struct reader_options *options,
                          uint64_t seed, struct instant now);
void reader_free(struct reader *r);
/* Takes the next call that is due; false: none is due now. */
bool reader_next_call(struct reader *r, struct reader_call *call, struct instant now);
/* When reader_next_call is worth another try (monotonic ms); INT64_MAX: only after an answer. */
int64_t reader_due(const struct reader *r);
/* Applies an answer to the ledger's current transaction. An unknown token is ignored. */
void reader_answer(struct reader *r, const struct reader_answer *answer, struct instant now);
/* Every shard is finished or gone, and the stream is disabled or gone. */
bool reader_finished(const struct reader *r);
/* The worst that keeps it from reading, for people; "" if nothing does. */
const char *reader_trouble(const struct reader *r);

#endif
