/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_internal.h"

#include "base/hash.h"
#include "base/memory.h"
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>

#define SEQUENCE_STEP_MAX 100000

/* ---- tables and streams ---- */

struct fake_table *fake_table_find(const struct fake_aws *fake, struct slice name)
{
    for (size_t i = 0; i < fake->table_count; i++)
        if (slice_is(name, fake->tables[i].name))
            return &fake->tables[i];
    return NULL;
}

static struct fake_table *table_get(struct fake_aws *fake, const char *name)
{
    struct fake_table *table = fake_table_find(fake, slice_text(name));

    if (table)
        return table;
    fake->tables = memory_resize(fake->tables, (fake->table_count + 1) * sizeof(*fake->tables));
    table = &fake->tables[fake->table_count++];
    *table = (struct fake_table){.name = memory_strdup(name)};
    return table;
}

void fake_table_add(struct fake_aws *fake, const char *table)
{
    table_get(fake, table);
}

/* 21 digits; now and then so few steps below 22 that a stream's numbers cross lengths by themselves. */
static random_wide first_sequence(struct fake_aws *fake)
{
    random_wide ten_to_20 = (random_wide)UINT64_C(10000000000) * UINT64_C(10000000000);

    if (!fake->options.plain_records && fake_chance(fake, 2500))
        return ten_to_20 * 10 - random_below(&fake->random, 20 * SEQUENCE_STEP_MAX) - 1;
    return ten_to_20 + random_next(&fake->random);
}

struct fake_stream *fake_stream_add(struct fake_aws *fake, const char *table)
{
    struct fake_table *owner = table_get(fake, table);
    struct fake_stream *stream = memory_zeroed(1, sizeof(*stream));
    struct buffer text = {0};

    buffer_append_time(&text, FAKE_EPOCH_MS + (int64_t)fake->stream_count * 3600000);
    text.ptr[text.len - 1] = '\0'; /* the Z */
    *stream = (struct fake_stream){.fake = fake, .table = memory_strdup(table), .next_sequence = first_sequence(fake)};
    stream->label = buffer_take(&text);
    buffer_printf(&text, "arn:aws:dynamodb:" FAKE_REGION ":000000000000:table/%s/stream/%s", table, stream->label);
    stream->arn = buffer_take(&text);
    fake->streams = memory_resize(fake->streams, (fake->stream_count + 1) * sizeof(struct fake_stream *));
    fake->streams[fake->stream_count++] = stream;
    owner->latest = stream;
    return stream;
}

struct fake_stream *fake_table_recreate(struct fake_aws *fake, const char *table)
{
    struct fake_table *found = fake_table_find(fake, slice_text(table));

    if (found && found->latest)
        fake_stream_turn_off(found->latest);
    return fake_stream_add(fake, table);
}

void fake_stream_turn_off(struct fake_stream *stream)
{
    stream->disabled = true;
    for (size_t i = 0; i < stream->shard_count; i++)
        if (!stream->shards[i]->closed)
            fake_shard_close(stream->shards[i]);
}

bool fake_stream_is_off(const struct fake_stream *stream)
{
    return stream->disabled;
}

void fake_stream_delete(struct fake_stream *stream)
{
    struct fake_table *table = fake_table_find(stream->fake, slice_text(stream->table));

    for (size_t i = 0; i < stream->shard_count; i++)
        if (!stream->shards[i]->deleted)
            fake_shard_delete(stream->shards[i]);
    stream->disabled = stream->deleted = true;
    if (table->latest == stream)
        table->latest = NULL;
}

const char *fake_stream_arn(const struct fake_stream *stream)
{
    return stream->arn;
}

struct fake_stream *fake_stream_find(struct fake_aws *fake, struct slice arn)
{
    for (size_t i = 0; i < fake->stream_count; i++)
        if (slice_is(arn, fake->streams[i]->arn))
            return fake->streams[i];
    return NULL;
}

struct fake_stream *fake_stream_at(const struct fake_aws *fake, size_t i)
{
    return i < fake->stream_count ? fake->streams[i] : NULL;
}

/* ---- sequence numbers ---- */

static void sequence_write(random_wide number, char out[SEQUENCE_BYTES])
{
    char digits[SEQUENCE_BYTES];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + (int)(number % 10));
        number /= 10;
    } while (number > 0);
    memcpy(out, digits + at, sizeof(digits) - at);
}

void fake_sequence_next(struct fake_stream *stream, char out[SEQUENCE_BYTES])
{
    sequence_write(stream->next_sequence, out);
    stream->next_sequence += 1 + random_below(&stream->fake->random, SEQUENCE_STEP_MAX);
}

void fake_sequence_set(struct fake_stream *stream, const char *sequence_number)
{
    random_wide number = 0;

    for (const char *p = sequence_number; *p; p++)
        number = number * 10 + (unsigned)(*p - '0');
    if (strlen(sequence_number) > 38 || number < stream->next_sequence)
        panic("sequence number %s is too long, or not above those given so far", sequence_number);
    stream->next_sequence = number;
}

/* ---- shards ---- */

struct fake_shard *fake_shard_new(struct fake_stream *stream, const char *parent)
{
    struct fake_aws *fake = stream->fake;
    struct fake_shard *shard = memory_zeroed(1, sizeof(*shard));

    if (stream->disabled)
        panic("a disabled stream gets no shards");
    if (stream->shard_count == stream->shard_cap) {
        stream->shard_cap = stream->shard_cap ? stream->shard_cap * 2 : 8;
        stream->shards = memory_resize(stream->shards, stream->shard_cap * sizeof(struct fake_shard *));
    }
    shard->stream = stream;
    shard->index = stream->shard_count;
    shard->parent = memory_strdup(parent);
    snprintf(shard->id, sizeof(shard->id), "shardId-%020lld-%08x", (long long)(FAKE_EPOCH_MS + (int64_t)shard->index * 1009),
             (unsigned)(random_next(&fake->random) & 0xffffffff));
    if (fake_chance(fake, 5000)) /* its first record's number, or one of its own below */
        fake_sequence_next(stream, shard->start);
    else
        sequence_write(stream->next_sequence, shard->start);
    stream->shards[stream->shard_count++] = shard;
    return shard;
}

struct fake_shard *fake_shard_find(const struct fake_stream *stream, const char *id)
{
    for (size_t i = 0; i < stream->shard_count; i++)
        if (strcmp(stream->shards[i]->id, id) == 0)
            return stream->shards[i];
    return NULL;
}

struct fake_shard *fake_shard_at(const struct fake_stream *stream, size_t i)
{
    return i < stream->shard_count ? stream->shards[i] : NULL;
}

const char *fake_shard_id(const struct fake_shard *shard)
{
    return shard->id;
}

const char *fake_shard_parent(const struct fake_shard *shard)
{
    return shard->parent;
}

const char *fake_shard_start(const struct fake_shard *shard)
{
    return shard->start;
}

const char *fake_shard_end(const struct fake_shard *shard)
{
    return shard->closed ? shard->end : NULL;
}

bool fake_shard_is_open(const struct fake_shard *shard)
{
    return !shard->closed && !shard->deleted;
}

/* The end is the last record's number, or one of its own above; always above the start, which may be a number still to be given. */
void fake_shard_close(struct fake_shard *shard)
{
    if (shard->closed)
        panic("%s is closed", shard->id);
    shard->closed = true;
    if (shard->len > 0 && fake_chance(shard->stream->fake, 5000))
        memcpy(shard->end, shard->records[shard->len - 1].sequence, SEQUENCE_BYTES);
    else
        fake_sequence_next(shard->stream, shard->end);
}

struct fake_shard *fake_shard_split_into(struct fake_shard *shard, size_t children)
{
    struct fake_shard *first = NULL;

    fake_shard_close(shard);
    for (size_t i = 0; i < children; i++) {
        struct fake_shard *child = fake_shard_new(shard->stream, shard->id);

        first = first ? first : child;
    }
    return first;
}

size_t fake_shard_trim_oldest(struct fake_shard *shard, size_t n)
{
    size_t end = n < shard->len - shard->first_kept ? shard->first_kept + n : shard->len;
    size_t start = shard->first_kept;

    for (; shard->first_kept < end; shard->first_kept++) {
        shard->records[shard->first_kept].trimmed = true;
        shard->records[shard->first_kept].visible = shard->records[shard->first_kept].returned > 0;
    }
    return end - start;
}

void fake_shard_delete(struct fake_shard *shard)
{
    if (!shard->closed)
        fake_shard_close(shard);
    fake_shard_trim_oldest(shard, shard->len);
    shard->deleted = true;
}

/* The parent's n-th child; n = SIZE_MAX only counts. */
static struct fake_shard *child_at(const struct fake_stream *stream, const char *parent, size_t n, size_t *count)
{
    struct fake_shard *found = NULL;

    *count = 0;
    for (size_t i = 0; i < stream->shard_count; i++) {
        struct fake_shard *s = stream->shards[i];

        if ((parent == NULL) != (s->parent == NULL) || (parent && strcmp(parent, s->parent) != 0))
            continue;
        if ((*count)++ == n)
            found = s;
    }
    return found;
}

struct fake_shard *fake_shard_of_key(const struct fake_stream *stream, const char *key)
{
    uint64_t hash = hash_bytes(slice_text(key));
    const char *parent = NULL;
    size_t count;

    for (;;) {
        struct fake_shard *shard;

        child_at(stream, parent, SIZE_MAX, &count);
        if (count == 0)
            return NULL;
        shard = child_at(stream, parent, hash % count, &count);
        if (fake_shard_is_open(shard))
            return shard;
        parent = shard->id;
        hash = hash_mix(hash);
    }
}

static void shard_free(struct fake_shard *shard)
{
    for (size_t i = 0; i < shard->len; i++) {
        free(shard->records[i].key);
        free((void *)(uintptr_t)shard->records[i].body.ptr);
    }
    for (size_t i = 0; i < shard->page_count; i++)
        free(shard->pages[i].text);
    free(shard->pages);
    free(shard->records);
    free(shard->parent);
    free(shard);
}

void fake_streams_free(struct fake_aws *fake)
{
    for (size_t i = 0; i < fake->stream_count; i++) {
        struct fake_stream *stream = fake->streams[i];

        for (size_t k = 0; k < stream->shard_count; k++)
            shard_free(stream->shards[k]);
        free(stream->shards);
        free(stream->table);
        free(stream->label);
        free(stream->arn);
        free(stream);
    }
    for (size_t i = 0; i < fake->table_count; i++)
        free(fake->tables[i].name);
    free(fake->streams);
    free(fake->tables);
}

/* ---- answers ---- */

void fake_describe_table(struct fake_call *call)
{
    struct fake_table *table = fake_table_find(call->fake, call->table);
    struct buffer *out = &call->answer->memory;

    if (table == NULL) {
        fake_fail(call, FAULT_NOT_FOUND, "Requested resource not found: Table not found");
        return;
    }
    buffer_printf(out, "{\"Table\":{\"TableName\":\"%s\",\"TableStatus\":\"ACTIVE\"", table->name);
    if (table->latest)
        buffer_printf(out, ",\"LatestStreamArn\":\"%s\",\"LatestStreamLabel\":\"%s\"", table->latest->arn, table->latest->label);
    buffer_append_text(out, "}}");
}

void fake_list_streams(struct fake_call *call)
{
    struct fake_aws *fake = call->fake;
    struct buffer *out = &call->answer->memory;
    bool started = !slice_present(call->start_arn);
    const char *last = NULL;
    size_t count = 0;

    if (!fake_window_admits(&fake->describes, fake_now(fake), fake->options.describes_per_second)) {
        fake_fail(call, FAULT_THROTTLED, NULL);
        return;
    }
    buffer_append_text(out, "{\"Streams\":[");
    for (size_t i = 0; i < fake->stream_count; i++) {
        struct fake_stream *s = fake->streams[i];

        if (started && !s->deleted && (!slice_present(call->table) || slice_is(call->table, s->table))) {
            if (count == fake->options.page_streams)
                break;
            buffer_append_text(out, count++ ? "," : "");
            buffer_printf(out, "{\"StreamArn\":\"%s\",\"TableName\":\"%s\",\"StreamLabel\":\"%s\"}", s->arn, s->table, s->label);
            last = s->arn;
        }
        started = started || slice_is(call->start_arn, s->arn);
    }
    buffer_append_byte(out, ']');
    if (last && count == fake->options.page_streams)
        buffer_printf(out, ",\"LastEvaluatedStreamArn\":\"%s\"", last);
    buffer_append_byte(out, '}');
}

/* How many of the shards, from the oldest, the answer knows of. A stale answer is as old as one of the last generations. */
static size_t shards_known(struct fake_call *call)
{
    size_t count = call->stream->shard_count;
    bool stale = call->fault == FAULT_HIDDEN_NEWEST || call->fault == FAULT_HIDDEN_CHILDREN;

    return stale && count > 0 ? count - 1 - random_below(&call->fake->random, count < 3 ? count : 3) : count;
}

static bool has_child(const struct fake_stream *stream, const char *id, size_t known)
{
    for (size_t i = 0; i < known; i++)
        if (stream->shards[i]->parent && strcmp(stream->shards[i]->parent, id) == 0)
            return true;
    return false;
}

/* Does the answer hide that this shard is closed? */
static bool shows_open(const struct fake_call *call, const struct fake_shard *shard, size_t known)
{
    if (call->fault == FAULT_OPEN_PARENTS)
        return has_child(shard->stream, shard->id, known);
    return call->fault == FAULT_HIDDEN_NEWEST && !has_child(shard->stream, shard->id, known) &&
           has_child(shard->stream, shard->id, shard->stream->shard_count);
}

static void write_shard(struct fake_call *call, const struct fake_shard *shard, size_t known)
{
    struct buffer *out = &call->answer->memory;

    buffer_printf(out, "{\"ShardId\":\"%s\"", shard->id);
    if (shard->parent)
        buffer_printf(out, ",\"ParentShardId\":\"%s\"", shard->parent);
    buffer_printf(out, ",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"%s\"", shard->start);
    if (shard->closed && !shows_open(call, shard, known))
        buffer_printf(out, ",\"EndingSequenceNumber\":\"%s\"", shard->end);
    buffer_append_text(out, "}}");
}

static bool listed(const struct fake_call *call, const struct fake_shard *shard)
{
    if (shard->deleted || (slice_present(call->start_shard) && slice_compare(slice_text(shard->id), call->start_shard) <= 0))
        return false; /* ids rise with time, so that a page goes on even when the shard that it starts behind is gone */
    return !slice_is(call->filter_type, "CHILD_SHARDS") || (shard->parent && slice_is(call->filter_shard, shard->parent));
}

static void shuffle(struct fake_aws *fake, struct fake_shard **shards, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = random_below(&fake->random, i);
        struct fake_shard *kept = shards[i - 1];

        shards[i - 1] = shards[k];
        shards[k] = kept;
    }
}

/* What LastEvaluatedShardId says, given the page's last shard and whether there are more; absent: nothing. */
static struct slice last_evaluated(const struct fake_call *call, struct slice last, bool more)
{
    if (call->fault == FAULT_ENDLESS_PAGES && slice_present(call->start_shard))
        return call->start_shard;
    return more || call->fault == FAULT_FALSE_MORE || call->fault == FAULT_ENDLESS_PAGES ? last : SLICE_NONE;
}

static void write_description(struct fake_call *call, struct fake_shard **page, size_t count, size_t known, bool more)
{
    struct buffer *out = &call->answer->memory;
    const struct fake_stream *s = call->stream;
    struct slice last = last_evaluated(call, count > 0 ? slice_text(page[count - 1]->id) : SLICE_NONE, more);

    if (call->fault == FAULT_ODD_ORDER)
        shuffle(call->fake, page, count);
    buffer_printf(out, "{\"StreamDescription\":{\"StreamArn\":\"%s\",\"StreamLabel\":\"%s\",\"TableName\":\"%s\",\"StreamStatus\":\"%s\","
                       "\"StreamViewType\":\"NEW_AND_OLD_IMAGES\",\"KeySchema\":[{\"AttributeName\":\"pk\",\"KeyType\":\"HASH\"}],\"Shards\":[",
                  s->arn, s->label, s->table, s->disabled ? "DISABLED" : "ENABLED");
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i ? "," : "");
        write_shard(call, page[i], known);
    }
    buffer_append_byte(out, ']');
    if (slice_present(last))
        buffer_printf(out, ",\"LastEvaluatedShardId\":\"%.*s\"", SLICE_ARG(last));
    buffer_append_text(out, "}}");
}

void fake_describe_stream(struct fake_call *call)
{
    struct fake_aws *fake = call->fake;
    size_t most = fake->options.page_shards;
    size_t count = 0;
    bool more = false;
    struct fake_shard **page;
    size_t known;

    if (call->stream == NULL || call->stream->deleted) {
        fake_fail(call, FAULT_NOT_FOUND, "Requested resource not found: Stream not found");
        return;
    }
    if (!fake_window_admits(&fake->describes, fake_now(fake), fake->options.describes_per_second)) {
        fake_fail(call, FAULT_THROTTLED, NULL);
        return;
    }
    if (call->limit > 0 && (size_t)call->limit < most)
        most = (size_t)call->limit;
    known = shards_known(call);
    page = memory_alloc(most * sizeof(struct fake_shard *));
    for (size_t i = 0; i < known && !more; i++) {
        if (!listed(call, call->stream->shards[i]))
            continue;
        more = count == most;
        if (!more)
            page[count++] = call->stream->shards[i];
    }
    write_description(call, page, count, known, more);
    free(page);
}
