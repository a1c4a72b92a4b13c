/* SPDX-License-Identifier: Apache-2.0 */
#include "core/origin.h"

#include "base/memory.h"

#include <stdlib.h>

struct search {
    int64_t shard;
    int64_t stream;
    struct origin *found;
};

static void note_shard(void *context, const struct shard_row *row)
{
    struct search *search = context;

    if (row->id != search->shard)
        return;
    search->stream = row->stream;
    search->found->shard_id = slice_dup(row->shard_id);
}

static void note_stream(void *context, const struct stream_row *row)
{
    struct search *search = context;

    if (row->id == search->stream)
        search->found->arn = slice_dup(row->arn);
}

const struct origin *origin_of(struct origins *o, int64_t shard)
{
    struct search search = {.shard = shard};

    for (size_t i = o->len; i > 0; i--) /* newer shards are asked for more often */
        if (o->list[i - 1].shard == shard)
            return &o->list[i - 1];
    o->list = memory_resize(o->list, (o->len + 1) * sizeof(*o->list));
    search.found = &o->list[o->len++];
    *search.found = (struct origin){.shard = shard};
    ledger_shards(o->db, note_shard, &search);
    ledger_streams(o->db, note_stream, &search);
    if (!search.found->arn || !search.found->shard_id) {
        free(search.found->shard_id);
        search.found->arn = memory_strdup("");
        search.found->shard_id = memory_strdup("");
    }
    return search.found;
}

void origins_fini(struct origins *o)
{
    for (size_t i = 0; i < o->len; i++) {
        free(o->list[i].arn);
        free(o->list[i].shard_id);
    }
    free(o->list);
    o->list = NULL;
    o->len = 0;
}
