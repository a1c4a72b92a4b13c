/* SPDX-License-Identifier: Apache-2.0 */
#include "core/subscriptions.h"

#include "base/memory.h"
#include "store/questions.h"

#include <stdlib.h>

struct known {
    struct known_stream {
        int64_t id;
        char *source;
    } *streams;
    size_t stream_count;
    struct known_shard { /* by id */
        int64_t id;
        int64_t stream;
        int64_t records_read;
    } *shards;
    size_t shard_count;
    struct known_tally {
        int64_t shard;
        int64_t queue;
    } *tallies;
    size_t tally_count;
};

static void note_stream(void *context, const struct stream_row *row)
{
    struct known *k = context;

    k->streams = memory_resize(k->streams, (k->stream_count + 1) * sizeof(*k->streams));
    k->streams[k->stream_count++] = (struct known_stream){row->id, slice_dup(row->source)};
}

static void note_shard(void *context, const struct shard_row *row)
{
    struct known *k = context;

    k->shards = memory_resize(k->shards, (k->shard_count + 1) * sizeof(*k->shards));
    k->shards[k->shard_count++] = (struct known_shard){row->id, row->stream, row->records_read};
}

static void note_tally(void *context, int64_t shard, int64_t queue, int64_t since_records, int64_t assigned, int64_t filtered, int64_t replayed)
{
    struct known *k = context;

    (void)since_records;
    (void)assigned;
    (void)filtered;
    (void)replayed;
    k->tallies = memory_resize(k->tallies, (k->tally_count + 1) * sizeof(*k->tallies));
    k->tallies[k->tally_count++] = (struct known_tally){shard, queue};
}

static int compare_shards(const void *a, const void *b)
{
    int64_t left = ((const struct known_shard *)a)->id;
    int64_t right = ((const struct known_shard *)b)->id;

    return left < right ? -1 : left > right;
}

static const char *source_of(const struct known *k, int64_t stream)
{
    for (size_t i = 0; i < k->stream_count; i++)
        if (k->streams[i].id == stream)
            return k->streams[i].source;
    return NULL;
}

void subscriptions_update(struct database *db, enum fed (*fed)(void *context, const char *source, int64_t queue), void *context)
{
    struct known k = {0};

    ledger_streams(db, note_stream, &k);
    ledger_shards(db, note_shard, &k); /* in the order of their ids */
    question_tally(db, note_tally, &k);
    for (size_t i = 0; i < k.tally_count; i++) {
        struct known_shard wanted = {.id = k.tallies[i].shard};
        const struct known_shard *shard = k.shard_count ? bsearch(&wanted, k.shards, k.shard_count, sizeof(*k.shards), compare_shards) : NULL;
        const char *source = shard ? source_of(&k, shard->stream) : NULL;

        enum fed feeds = source ? fed(context, source, k.tallies[i].queue) : FED_OTHERWISE;

        if (feeds == FED)
            ledger_tally_resume(db, shard->id, k.tallies[i].queue, shard->records_read);
        else if (feeds == NOT_FED)
            ledger_tally_pause(db, shard->id, k.tallies[i].queue, shard->records_read);
    }
    for (size_t i = 0; i < k.stream_count; i++)
        free(k.streams[i].source);
    free(k.streams);
    free(k.shards);
    free(k.tallies);
}
