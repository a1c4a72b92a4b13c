/* SPDX-License-Identifier: Apache-2.0
 *
 * source: one configured stream, named by a table or by an ARN. A table's current stream is found, and followed when it is re-created.
 *
 * Invariants:
 * 1. A stream is known by its ARN (pitfall 14): each is a row of its own, with its own shards and positions.
 * 2. One stream is read at a time, the oldest first: a newer one waits until the older is read to its end, or gone.
 * 3. A stream that follows another is read from its very beginning, whatever `start` says; between the two, changes may be in neither: a gap row.
 */
#ifndef S2Q_CORE_SOURCE_H
#define S2Q_CORE_SOURCE_H

#include "core/reader.h"

struct source;
/* Loads what the ledger knows. name: a table's name or a stream's ARN; copied. */
struct source *source_new(struct database *db, struct intake *intake, const char *name, const struct reader_options *options, uint64_t seed,
                          struct instant now);
void source_free(struct source *s);
/* See reader_set_options. A stream that is not found yet is looked for at once. */
void source_set_options(struct source *s, const struct reader_options *options);
/* As reader_next_call, reader_due and reader_answer. Tokens are below 2^48. */
bool source_next_call(struct source *s, struct stream_call *call, struct instant now);
int64_t source_due(const struct source *s);
/* Inside the ledger's transaction. */
void source_answer(struct source *s, const struct stream_answer *answer, struct instant now);
/* See reader_resume. */
void source_resume(struct source *s, struct instant now);
/* What keeps it from reading, for people; "" if nothing does. */
const char *source_trouble(const struct source *s);
/* The ARN that is being read; NULL: not known yet. */
const char *source_arn(const struct source *s);
/* See reader_shards. */
void source_shards(const struct source *s, void (*each)(void *context, const struct shard_row *row), void *context);
/* Is this the name of a stream itself, not of a table? */
bool source_is_arn(const char *name);
/* Does a name (a table's, or a stream's ARN) stand for the stream of that ARN? A table's, for all streams that it has had. */
bool source_names(const char *name, const char *arn);

#endif
