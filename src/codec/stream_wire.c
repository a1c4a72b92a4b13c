/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/stream_wire.h"

#include "base/memory.h"

#include <stdlib.h>

/* ---- requests ---- */

static void append_member(struct buffer *out, const char *name, struct slice value)
{
    if (!slice_present(value))
        return;
    if (out->ptr[out->len - 1] != '{')
        buffer_append_byte(out, ',');
    json_append_string(out, slice_text(name));
    buffer_append_byte(out, ':');
    json_append_string(out, value);
}

void describe_table_encode(struct buffer *out, struct slice table)
{
    buffer_append_byte(out, '{');
    append_member(out, "TableName", table);
    buffer_append_byte(out, '}');
}

void list_streams_encode(struct buffer *out, struct slice table, struct slice exclusive_start_arn)
{
    buffer_append_byte(out, '{');
    append_member(out, "TableName", table);
    append_member(out, "ExclusiveStartStreamArn", exclusive_start_arn);
    buffer_append_byte(out, '}');
}

void describe_stream_encode(struct buffer *out, struct slice arn, struct slice exclusive_start_shard_id)
{
    buffer_append_byte(out, '{');
    append_member(out, "StreamArn", arn);
    append_member(out, "ExclusiveStartShardId", exclusive_start_shard_id);
    buffer_append_byte(out, '}');
}

void get_shard_iterator_encode(struct buffer *out, struct slice arn, struct slice shard_id, enum iterator_type type, struct slice sequence_number)
{
    static const char *const names[] = {"TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"};

    buffer_append_byte(out, '{');
    append_member(out, "StreamArn", arn);
    append_member(out, "ShardId", shard_id);
    append_member(out, "ShardIteratorType", slice_text(names[type]));
    append_member(out, "SequenceNumber", sequence_number);
    buffer_append_byte(out, '}');
}

void get_records_encode(struct buffer *out, struct slice iterator)
{
    buffer_append_byte(out, '{');
    append_member(out, "ShardIterator", iterator);
    buffer_append_byte(out, '}');
}

/* ---- pages ---- */

static bool is_sequence_number(struct slice s)
{
    if (s.len == 0 || s.len > 56)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return true;
}

/* Seconds since 1970, with a fraction perhaps, or an ISO 8601 text that some servers write (then: 0, unknown). */
static int64_t decode_time(struct scanner *j)
{
    struct slice number;
    double seconds;

    if (scan_peek(j) != SCAN_NUMBER) {
        scan_skip(j);
        return 0;
    }
    number = scan_number(j);
    if (number.len == 0 || number.len > 32)
        return 0;
    seconds = strtod(number.ptr, NULL); /* stops at the byte behind the number, which exists: the object is not closed yet */
    return seconds > 0 && seconds < 1e11 ? (int64_t)(seconds * 1000) : 0;
}

static void decode_dynamodb(struct scanner *j, struct stream_record *r)
{
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (slice_equal(key, SLICE("SequenceNumber"))) {
            if (slice_present(r->sequence_number))
                scan_reject(j, "two SequenceNumbers in a record");
            r->sequence_number = scan_string(j);
        } else if (slice_equal(key, SLICE("Keys")) && scan_peek(j) == SCAN_OBJECT) {
            r->keys = scan_skip(j);
        } else if (slice_equal(key, SLICE("ApproximateCreationDateTime"))) {
            r->created_ms = decode_time(j);
        } else {
            scan_skip(j);
        }
    }
}

static void decode_record(struct scanner *j, struct stream_record *r)
{
    struct slice key;
    const char *start;

    *r = (struct stream_record){0};
    scan_peek(j);
    start = j->at;
    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (slice_equal(key, SLICE("eventID")) && scan_peek(j) == SCAN_STRING)
            r->event_id = scan_string(j);
        else if (slice_equal(key, SLICE("eventName")) && scan_peek(j) == SCAN_STRING)
            r->event_name = scan_string(j);
        else if (slice_equal(key, SLICE("dynamodb")))
            decode_dynamodb(j, r);
        else
            scan_skip(j);
    }
    if (!scan_failed(j) && !is_sequence_number(r->sequence_number))
        scan_reject(j, "a record without a sequence number of digits");
    r->body = slice_from(start, (size_t)(j->at - start));
}

static void decode_records(struct scanner *j, struct stream_page *page)
{
    scan_array_begin(j);
    while (scan_element(j)) {
        if (page->len == page->cap) {
            page->cap = page->cap ? page->cap * 2 : 256;
            page->records = memory_resize(page->records, page->cap * sizeof(*page->records));
        }
        decode_record(j, &page->records[page->len++]);
    }
}

/* A raw string that must stand for itself: escapes in ARNs, shard ids and iterators would have to be decoded before they are sent back. */
static struct slice plain_string(struct scanner *j)
{
    struct slice raw = scan_string(j);

    if (slice_index(raw, '\\') != raw.len)
        scan_reject(j, "an escape in an identifier");
    return raw;
}

static void decode_next_iterator(struct scanner *j, struct stream_page *page)
{
    if (scan_peek(j) == SCAN_NULL) {
        scan_null(j);
        return;
    }
    page->iterator = plain_string(j);
    page->next = page->iterator.len > 0 ? NEXT_ITERATOR_GIVEN : NEXT_ITERATOR_EMPTY;
}

static bool finish(struct scanner *j, const char **error)
{
    scan_end(j);
    *error = j->error;
    return j->error == NULL;
}

bool get_records_decode(struct stream_page *page, struct slice text, const char **error)
{
    struct scanner j;
    struct slice key;
    bool has_records = false;
    bool has_next = false;

    page->len = 0;
    page->next = NEXT_ITERATOR_NONE;
    page->iterator = SLICE_NONE;
    scan_init(&j, text);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (slice_equal(key, SLICE("Records"))) {
            if (has_records)
                scan_reject(&j, "two Records in a page");
            has_records = true;
            decode_records(&j, page);
        } else if (slice_equal(key, SLICE("NextShardIterator"))) {
            if (has_next)
                scan_reject(&j, "two NextShardIterators in a page");
            has_next = true;
            decode_next_iterator(&j, page);
        } else {
            scan_skip(&j);
        }
    }
    if (!scan_failed(&j) && !has_records)
        scan_reject(&j, "a page without Records");
    return finish(&j, error);
}

void stream_page_fini(struct stream_page *page)
{
    free(page->records);
    *page = (struct stream_page){0};
}

/* ---- keys ---- */

static bool decode_key_value(struct scanner *j, struct key_attribute *attribute, struct buffer *arena)
{
    struct slice type;
    int members = 0;

    scan_object_begin(j);
    while (scan_member(j, &type)) {
        size_t start = arena->len;

        if (type.len != 1 || strchr("SNB", type.ptr[0]) == NULL || ++members > 1)
            return false;
        attribute->type = type.ptr[0];
        json_unescape(arena, scan_string(j));
        attribute->value = slice_from(arena->ptr + start, arena->len - start);
    }
    return members == 1;
}

int keys_decode(struct slice keys, struct key_attribute out[2], struct buffer *arena)
{
    struct scanner j;
    struct slice name;
    int count = 0;

    buffer_reset(arena);
    buffer_reserve(arena, keys.len); /* decoding never lengthens, so the slices stay where they are */
    scan_init(&j, keys);
    scan_object_begin(&j);
    while (scan_member(&j, &name)) {
        size_t start = arena->len;

        if (count == 2)
            return -1;
        json_unescape(arena, name);
        out[count].name = slice_from(arena->ptr + start, arena->len - start);
        if (!decode_key_value(&j, &out[count], arena))
            return -1;
        count++;
    }
    return scan_end(&j) ? count : -1;
}

/* ---- small answers ---- */

/* Steps into the object member `name` of the object that stands next, and calls `inside` for each of its members. */
static void walk_object(struct scanner *j, const char *name, void (*inside)(struct scanner *, struct slice key, void *), void *context)
{
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (!slice_is(key, name)) {
            scan_skip(j);
            continue;
        }
        scan_object_begin(j);
        while (scan_member(j, &key))
            inside(j, key, context);
    }
}

static void table_member(struct scanner *j, struct slice key, void *context)
{
    struct slice *arn = context;

    if (slice_equal(key, SLICE("LatestStreamArn")) && scan_peek(j) == SCAN_STRING)
        *arn = plain_string(j);
    else
        scan_skip(j);
}

bool describe_table_decode(struct slice text, struct slice *stream_arn, const char **error)
{
    struct scanner j;

    *stream_arn = SLICE_NONE;
    scan_init(&j, text);
    walk_object(&j, "Table", table_member, stream_arn);
    return finish(&j, error);
}

bool get_shard_iterator_decode(struct slice text, struct slice *iterator, const char **error)
{
    struct scanner j;
    struct slice key;

    *iterator = SLICE_NONE;
    scan_init(&j, text);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (slice_equal(key, SLICE("ShardIterator")))
            *iterator = plain_string(&j);
        else
            scan_skip(&j);
    }
    if (!scan_failed(&j) && iterator->len == 0)
        scan_reject(&j, "an answer without ShardIterator");
    return finish(&j, error);
}

static struct slice optional_string(struct scanner *j)
{
    struct slice s = SLICE_NONE;

    if (scan_peek(j) == SCAN_NULL)
        scan_null(j);
    else
        s = plain_string(j);
    return s.len > 0 ? s : SLICE_NONE;
}

static void decode_range(struct scanner *j, struct stream_shard *shard)
{
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (slice_equal(key, SLICE("StartingSequenceNumber")))
            shard->starting_sequence = optional_string(j);
        else if (slice_equal(key, SLICE("EndingSequenceNumber")))
            shard->ending_sequence = optional_string(j);
        else
            scan_skip(j);
    }
}

static void decode_shard(struct scanner *j, struct stream_shard *shard)
{
    struct slice key;

    *shard = (struct stream_shard){0};
    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (slice_equal(key, SLICE("ShardId")))
            shard->shard_id = plain_string(j);
        else if (slice_equal(key, SLICE("ParentShardId")))
            shard->parent_id = optional_string(j);
        else if (slice_equal(key, SLICE("SequenceNumberRange")) && scan_peek(j) == SCAN_OBJECT)
            decode_range(j, shard);
        else
            scan_skip(j);
    }
    if (!scan_failed(j) && shard->shard_id.len == 0)
        scan_reject(j, "a shard without ShardId");
}

static void description_member(struct scanner *j, struct slice key, void *context)
{
    struct stream_description *d = context;

    if (slice_equal(key, SLICE("StreamStatus"))) {
        d->status = plain_string(j);
    } else if (slice_equal(key, SLICE("LastEvaluatedShardId"))) {
        d->last_evaluated_shard_id = optional_string(j);
    } else if (slice_equal(key, SLICE("Shards")) && scan_peek(j) == SCAN_ARRAY) {
        scan_array_begin(j);
        while (scan_element(j)) {
            if (d->len == d->cap) {
                d->cap = d->cap ? d->cap * 2 : 128;
                d->shards = memory_resize(d->shards, d->cap * sizeof(*d->shards));
            }
            decode_shard(j, &d->shards[d->len++]);
        }
    } else {
        scan_skip(j);
    }
}

bool describe_stream_decode(struct stream_description *d, struct slice text, const char **error)
{
    struct scanner j;

    d->len = 0;
    d->status = d->last_evaluated_shard_id = SLICE_NONE;
    scan_init(&j, text);
    walk_object(&j, "StreamDescription", description_member, d);
    if (!scan_failed(&j) && !slice_present(d->status))
        scan_reject(&j, "a description without StreamStatus");
    return finish(&j, error);
}

void stream_description_fini(struct stream_description *d)
{
    free(d->shards);
    *d = (struct stream_description){0};
}

static void decode_listed_stream(struct scanner *j, struct stream_listing *l)
{
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (!slice_equal(key, SLICE("StreamArn"))) {
            scan_skip(j);
            continue;
        }
        if (l->len == l->cap) {
            l->cap = l->cap ? l->cap * 2 : 16;
            l->arns = memory_resize(l->arns, l->cap * sizeof(*l->arns));
        }
        l->arns[l->len++] = plain_string(j);
    }
}

bool list_streams_decode(struct stream_listing *l, struct slice text, const char **error)
{
    struct scanner j;
    struct slice key;

    l->len = 0;
    l->last_evaluated_arn = SLICE_NONE;
    scan_init(&j, text);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (slice_equal(key, SLICE("Streams"))) {
            scan_array_begin(&j);
            while (scan_element(&j))
                decode_listed_stream(&j, l);
        } else if (slice_equal(key, SLICE("LastEvaluatedStreamArn"))) {
            l->last_evaluated_arn = optional_string(&j);
        } else {
            scan_skip(&j);
        }
    }
    return finish(&j, error);
}

void stream_listing_fini(struct stream_listing *l)
{
    free(l->arns);
    *l = (struct stream_listing){0};
}

bool aws_error_decode(struct slice text, struct slice *name, struct slice *message)
{
    struct scanner j;
    struct slice key;

    *name = *message = SLICE_NONE;
    scan_init(&j, text);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (slice_equal(key, SLICE("__type")) && scan_peek(&j) == SCAN_STRING)
            *name = scan_string(&j);
        else if ((slice_equal(key, SLICE("message")) || slice_equal(key, SLICE("Message"))) && scan_peek(&j) == SCAN_STRING)
            *message = scan_string(&j);
        else
            scan_skip(&j);
    }
    if (!scan_end(&j) || !slice_present(*name))
        return false;
    *name = slice_after(*name, slice_index(*name, '#') < name->len ? slice_index(*name, '#') + 1 : 0);
    name->len = slice_index(*name, ':'); /* some servers append ":http://..." */
    return true;
}
