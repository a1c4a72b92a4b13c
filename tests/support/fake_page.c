/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_internal.h"

#include "base/hash.h"
#include "codec/digest.h"

#include <inttypes.h>
#include <stdio.h>

#define RECORDS_MAX 1000

/* ---- iterators: ARN|1|base64 of shard, position, time of issue and a check over them ---- */

static uint64_t iterator_check(const struct fake_shard *shard, size_t position, int64_t issued_ms)
{
    return hash_mix(hash_mix((uint64_t)issued_ms ^ hash_bytes(slice_text(shard->id))) ^ position);
}

void fake_iterator_write(struct buffer *out, const struct fake_shard *shard, size_t position, int64_t issued_ms)
{
    char text[128];
    uint64_t check = iterator_check(shard, position, issued_ms);
    int len = snprintf(text, sizeof(text), "%zu:%zu:%" PRId64 ":%" PRIx64, shard->index, position, issued_ms, check);

    buffer_printf(out, "%s|1|", shard->stream->arn);
    base64_append(out, slice_from(text, (size_t)len));
}

bool fake_iterator_read(struct fake_call *call)
{
    size_t bar = slice_index(call->iterator, '|');
    struct buffer text = {0};
    size_t shard = 0;
    uint64_t check = 0;
    bool ours;

    call->stream = fake_stream_find(call->fake, slice_from(call->iterator.ptr, bar));
    ours = call->stream && base64_decode(&text, slice_after(call->iterator, bar + 3)) &&
           sscanf(text.ptr ? text.ptr : "", "%zu:%zu:%" SCNd64 ":%" SCNx64, &shard, &call->position, &call->issued_ms, &check) == 4 &&
           shard < call->stream->shard_count;
    buffer_fini(&text);
    if (ours && check == iterator_check(call->stream->shards[shard], call->position, call->issued_ms))
        call->shard = call->stream->shards[shard];
    return call->shard != NULL;
}

/* ---- GetShardIterator ---- */

void fake_shard_age(struct fake_shard *shard)
{
    struct fake_aws *fake = shard->stream->fake;

    while (fake->options.retention_ms > 0 && shard->first_kept < shard->len &&
           shard->records[shard->first_kept].created_ms < fake_now(fake) - fake->options.retention_ms)
        fake_shard_trim_oldest(shard, 1);
}

static bool is_number(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0 && s.len <= 40;
}

static int compare_to(struct slice number, const char *other)
{
    return sequence_compare(number, slice_text(other));
}

/* The first record (or prepared page) above `number`, or at it. */
static size_t position_of(const struct fake_shard *shard, struct slice number, bool after)
{
    size_t low = 0;
    size_t high = shard->page_count > 0 ? shard->page_count - 1 : shard->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_to(number, shard->page_count > 0 ? shard->pages[middle].last : shard->records[middle].sequence);

        if (order > 0 || (order == 0 && after))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What AT_ and AFTER_SEQUENCE_NUMBER may name: a number of this shard's, not older than what is kept. */
static bool sequence_admitted(struct fake_call *call)
{
    const struct fake_shard *s = call->shard;

    if (!is_number(call->sequence) || compare_to(call->sequence, s->start) < 0 || (s->closed && compare_to(call->sequence, s->end) > 0)) {
        fake_fail_validation(call, "Invalid SequenceNumber in ShardIterator request");
        return false;
    }
    if (s->first_kept > 0 && compare_to(call->sequence, s->records[s->first_kept - 1].sequence) <= 0) {
        fake_fail(call, FAULT_TRIMMED, NULL);
        return false;
    }
    return true;
}

static bool iterator_start(struct fake_call *call)
{
    struct fake_shard *s = call->shard;
    bool after = slice_is(call->type, "AFTER_SEQUENCE_NUMBER");

    if (slice_is(call->type, "TRIM_HORIZON")) {
        call->position = s->first_kept;
    } else if (slice_is(call->type, "LATEST")) {
        call->position = s->page_count > 0 ? s->page_count - 1 : s->len;
    } else if (after || slice_is(call->type, "AT_SEQUENCE_NUMBER")) {
        if (!sequence_admitted(call))
            return false;
        call->position = position_of(s, call->sequence, after);
    } else {
        fake_fail_validation(call, "1 validation error detected: Value at 'shardIteratorType' failed to satisfy constraint");
        return false;
    }
    return true;
}

void fake_get_shard_iterator(struct fake_call *call)
{
    struct buffer *out = &call->answer->memory;

    if (call->shard == NULL || call->shard->deleted) {
        fake_fail(call, FAULT_NOT_FOUND, call->stream && !call->stream->deleted ? "Requested resource not found: Shard does not exist"
                                                                               : "Requested resource not found: Stream not found");
        return;
    }
    fake_shard_age(call->shard);
    if (!iterator_start(call))
        return;
    buffer_append_text(out, "{\"ShardIterator\":\"");
    fake_iterator_write(out, call->shard, call->position, call->shard->page_count > 0 ? -1 : fake_now(call->fake));
    buffer_append_text(out, "\"}");
}

/* ---- GetRecords ---- */

static bool may_read(struct fake_call *call)
{
    struct fake_options *options = &call->fake->options;
    struct fake_shard *s = call->shard;
    int64_t now_ms = fake_now(call->fake);

    if (call->limit == 0 || call->limit > RECORDS_MAX) {
        fake_fail_validation(call, "1 validation error detected: Value at 'limit' failed to satisfy constraint: Member must have value less than or "
                                   "equal to 1000");
    } else if (s == NULL) {
        fake_fail_validation(call, "Invalid ShardIterator");
    } else if (s->deleted) {
        fake_fail(call, FAULT_NOT_FOUND, NULL);
    } else if (!fake_window_admits(&s->reads, now_ms, options->reads_per_second)) {
        fake_fail(call, FAULT_LIMIT_EXCEEDED, NULL);
    } else if (call->issued_ms >= 0 && now_ms - call->issued_ms > options->iterator_life_ms) {
        fake_fail(call, FAULT_EXPIRED_ITERATOR, NULL);
    } else if (call->position < s->first_kept) {
        fake_fail(call, FAULT_TRIMMED, NULL);
    } else {
        return true;
    }
    return false;
}

static size_t records_on_page(const struct fake_call *call)
{
    const struct fake_options *options = &call->fake->options;
    size_t most = call->limit > 0 && (size_t)call->limit < options->page_records ? (size_t)call->limit : options->page_records;
    size_t bytes = 0;
    size_t count = 0;

    if (call->fault == FAULT_EMPTY_PAGE || call->fault == FAULT_NO_RECORDS || call->fault == FAULT_NULL_RECORDS)
        return 0;
    while (count < most && call->position + count < call->shard->len) {
        bytes += call->shard->records[call->position + count].body.len;
        if (count > 0 && bytes > options->page_bytes)
            break;
        count++;
    }
    return count;
}

static void write_records(const struct fake_call *call, size_t count)
{
    struct buffer *out = &call->answer->memory;

    if (call->fault == FAULT_NULL_RECORDS)
        buffer_append_text(out, "\"Records\":null,");
    if (call->fault == FAULT_NO_RECORDS || call->fault == FAULT_NULL_RECORDS)
        return;
    buffer_append_text(out, "\"Records\":[");
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i ? "," : "");
        buffer_append(out, call->shard->records[call->position + i].body);
    }
    buffer_append_text(out, "],");
}

static enum fake_fault next_form(struct fake_call *call, size_t count)
{
    const struct fake_shard *s = call->shard;
    bool at_end = s->closed && call->position + count == s->len;
    bool ended = at_end && call->fault != FAULT_EMPTY_PAGE && call->fault != FAULT_REPEATED_PAGE;

    if (call->fault == FAULT_NEXT_EMPTY || call->fault == FAULT_NEXT_NULL || call->fault == FAULT_NEXT_ABSENT)
        return call->fault;
    if (!ended || (count > 0 && fake_chance(call->fake, 5000))) /* the end may be said with the last records, or on a page of its own */
        return FAULT_NONE;
    return fake_chance(call->fake, 5000) ? FAULT_NEXT_NULL : FAULT_NEXT_ABSENT;
}

static void write_next(struct fake_call *call, size_t count)
{
    struct buffer *out = &call->answer->memory;
    size_t next = call->fault == FAULT_REPEATED_PAGE ? call->position : call->position + count;

    switch (next_form(call, count)) {
    case FAULT_NEXT_EMPTY:
        buffer_append_text(out, "\"NextShardIterator\":\"\",");
        break;
    case FAULT_NEXT_NULL:
        buffer_append_text(out, "\"NextShardIterator\":null,");
        break;
    case FAULT_NEXT_ABSENT:
        break;
    default:
        buffer_append_text(out, "\"NextShardIterator\":\"");
        fake_iterator_write(out, call->shard, next, fake_now(call->fake));
        buffer_append_text(out, "\",");
    }
}

static void give_prepared(struct fake_call *call)
{
    size_t last = call->shard->page_count - 1;
    const struct fake_page *page = &call->shard->pages[call->position < last ? call->position : last];

    call->answer->body = slice_from(page->text, page->len);
    call->answer->crc32 = page->crc32;
}

static void end_object(struct buffer *out)
{
    if (out->ptr[out->len - 1] == ',')
        out->ptr[--out->len] = '\0';
    buffer_append_byte(out, '}');
}

void fake_get_records(struct fake_call *call)
{
    struct buffer *out = &call->answer->memory;
    size_t count;

    if (call->shard && !call->shard->deleted)
        fake_shard_age(call->shard);
    if (!may_read(call))
        return;
    if (call->shard->page_count > 0) {
        give_prepared(call);
        return;
    }
    count = records_on_page(call);
    buffer_append_byte(out, '{');
    if (fake_chance(call->fake, 5000)) {
        write_next(call, count);
        write_records(call, count);
    } else {
        write_records(call, count);
        write_next(call, count);
    }
    end_object(out);
    call->answer->shard = call->shard;
    call->answer->first_record = call->position;
    call->answer->record_count = count;
}
