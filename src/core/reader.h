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

#include "core/intake.h"
#include "core/stream_call.h"

struct reader_options {
    bool start_latest;          /* for shards of the first listing */
    bool from_beginning;        /* a stream that followed another one: what is missing at the beginning of its first shards is a gap */
    bool stop_at_gap;           /* on_gap: stop */
    int64_t idle_poll_ms;       /* 200..60,000 */
    int64_t discovery_ms;
    const char *region;         /* where it is asked, for words; NULL: not told */
    struct queue *const *queues;
    size_t queue_count;
};

struct reader;
/* Loads what the ledger knows of the stream. stream->arn is copied. */
struct reader *reader_new(struct database *db, struct intake *intake, const struct stream_row *stream, const struct reader_options *options,
                          uint64_t seed, struct instant now);
void reader_free(struct reader *r);
/* What may change while it reads: all but where a first listing starts, which has been decided. */
void reader_set_options(struct reader *r, const struct reader_options *options);
/* Takes the next call that is due; false: none is due now. */
bool reader_next_call(struct reader *r, struct stream_call *call, struct instant now);
/* When reader_next_call is worth another try (monotonic ms); INT64_MAX: only after an answer. */
int64_t reader_due(const struct reader *r);
/* Applies an answer to the ledger's current transaction. An unknown token is ignored. */
void reader_answer(struct reader *r, const struct stream_answer *answer, struct instant now);
/* The table, asked at the same place, has a newer stream: so this one counts as gone once a few listings have not found it. (Else only when
 * nothing was heard of it for 24 hours: the region, or the account, may be a wrong one.) */
void reader_supersede(struct reader *r);
/* The stream, which was taken for gone, is there: its shards go on where they stopped, and are no gaps any more. Inside the ledger's transaction. */
void reader_reopen(struct reader *r, struct instant now);
/* Shards that on_gap: stop holds at gaps which an operator has acknowledged go on with what is left. Inside the ledger's transaction. */
void reader_resume(struct reader *r, struct instant now);
/* Every shard is finished or gone, and the stream is disabled or gone. */
bool reader_finished(const struct reader *r);
/* It ended because the stream is not there any more. */
bool reader_gone(const struct reader *r);
/* Its shards that are being read or wait to be, for people. */
void reader_shards(const struct reader *r, void (*each)(void *context, const struct shard_row *row), void *context);
/* The worst that keeps it from reading, for people; "" if nothing does. */
const char *reader_trouble(const struct reader *r);

#endif
