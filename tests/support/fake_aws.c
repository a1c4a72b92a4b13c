/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_internal.h"

#include "base/memory.h"
#include "codec/digest.h"
#include "codec/json.h"

#include <stddef.h>
#include <stdlib.h>

#define VALIDATION_TYPE "com.amazon.coral.validate#ValidationException"

static const struct {
    const char *target;
    const char *name;
    void (*handle)(struct fake_call *call);
} operations[FAKE_ANY_OPERATION] = {
    [FAKE_DESCRIBE_TABLE] = {"DynamoDB_20120810.DescribeTable", "DescribeTable", fake_describe_table},
    [FAKE_LIST_STREAMS] = {"DynamoDBStreams_20120810.ListStreams", "ListStreams", fake_list_streams},
    [FAKE_DESCRIBE_STREAM] = {"DynamoDBStreams_20120810.DescribeStream", "DescribeStream", fake_describe_stream},
    [FAKE_GET_SHARD_ITERATOR] = {"DynamoDBStreams_20120810.GetShardIterator", "GetShardIterator", fake_get_shard_iterator},
    [FAKE_GET_RECORDS] = {"DynamoDBStreams_20120810.GetRecords", "GetRecords", fake_get_records},
};

struct fake_aws *fake_service_new(uint64_t seed)
{
    struct fake_aws *fake = memory_zeroed(1, sizeof(*fake));

    digest_init();
    fake->random.state = seed;
    fake->now_ms = FAKE_EPOCH_MS;
    fake->options = (struct fake_options){.page_shards = 100, .page_streams = 100, .page_records = 1000, .page_bytes = 1024 * 1024,
                                          .iterator_life_ms = 15 * 60 * 1000, .slow_ms = 10000};
    return fake;
}

void fake_service_free(struct fake_aws *fake)
{
    if (fake == NULL)
        return;
    fake_streams_free(fake);
    free(fake->scripts);
    free(fake);
}

struct fake_options *fake_service_options(struct fake_aws *fake)
{
    return &fake->options;
}

void fake_time_advance(struct fake_aws *fake, int64_t ms)
{
    fake->offset_ms += ms;
}

void fake_time_set(struct fake_aws *fake, int64_t now_ms)
{
    fake->now_ms = now_ms;
}

int64_t fake_now(const struct fake_aws *fake)
{
    return fake->now_ms + fake->offset_ms;
}

bool fake_chance(struct fake_aws *fake, unsigned per_10000)
{
    return random_below(&fake->random, 10000) < per_10000;
}

bool fake_window_admits(struct fake_window *window, int64_t now_ms, int limit)
{
    if (window->second != now_ms / 1000)
        *window = (struct fake_window){.second = now_ms / 1000};
    return limit == 0 || window->calls++ < limit;
}

uint64_t fake_calls(const struct fake_aws *fake, const char *operation)
{
    enum fake_operation found = fake_operation_named(operation);

    return found == FAKE_ANY_OPERATION ? 0 : fake->calls[found];
}

enum fake_operation fake_operation_named(const char *name)
{
    enum fake_operation o = FAKE_DESCRIBE_TABLE;

    while (o < FAKE_ANY_OPERATION && strcmp(operations[o].name, name) != 0)
        o++;
    return o;
}

/* ---- errors ---- */

static void write_error(struct fake_call *call, int status, const char *type, const char *text)
{
    struct fake_answer *answer = call->answer;

    answer->status = status;
    answer->shard = NULL;
    answer->record_count = 0;
    buffer_reset(&answer->memory);
    buffer_append_text(&answer->memory, "{\"__type\":");
    json_append_string(&answer->memory, slice_text(type));
    buffer_append_text(&answer->memory, fake_chance(call->fake, 2500) ? ",\"Message\":" : ",\"message\":");
    json_append_string(&answer->memory, slice_text(text));
    buffer_append_byte(&answer->memory, '}');
}

void fake_fail(struct fake_call *call, enum fake_fault error, const char *text)
{
    int status;
    const char *type;
    const char *usual;

    fake_fault_is_error(error, &status, &type, &usual);
    write_error(call, status, type, text ? text : usual);
}

void fake_fail_validation(struct fake_call *call, const char *text)
{
    write_error(call, 400, VALIDATION_TYPE, text);
}

/* ---- requests ---- */

static const struct {
    const char *name;
    size_t offset;
} members[] = {
    {"TableName", offsetof(struct fake_call, table)},
    {"StreamArn", offsetof(struct fake_call, stream_arn)},
    {"ExclusiveStartStreamArn", offsetof(struct fake_call, start_arn)},
    {"ExclusiveStartShardId", offsetof(struct fake_call, start_shard)},
    {"ShardId", offsetof(struct fake_call, shard_id)},
    {"ShardIteratorType", offsetof(struct fake_call, type)},
    {"SequenceNumber", offsetof(struct fake_call, sequence)},
    {"ShardIterator", offsetof(struct fake_call, iterator)},
};

static struct slice *member_find(struct fake_call *call, struct slice key)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (slice_is(key, members[i].name))
            return (struct slice *)(void *)((char *)call + members[i].offset);
    return NULL;
}

static void read_filter(struct fake_call *call, struct scanner *j)
{
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (slice_is(key, "Type"))
            call->filter_type = scan_string(j);
        else if (slice_is(key, "ShardId"))
            call->filter_shard = scan_string(j);
        else
            scan_skip(j);
    }
}

static bool read_request(struct fake_call *call, struct slice body)
{
    struct scanner j;
    struct slice key;
    uint64_t limit = 0;

    scan_init(&j, body);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        struct slice *member = member_find(call, key);

        if (member) {
            *member = scan_string(&j);
        } else if (slice_is(key, "Limit")) {
            if (!slice_to_u64(scan_number(&j), &limit))
                scan_reject(&j, "not a limit");
            call->limit = (int64_t)limit;
        } else if (slice_is(key, "ShardFilter")) {
            read_filter(call, &j);
        } else {
            scan_skip(&j);
        }
    }
    return scan_end(&j);
}

static enum fake_operation operation_of(struct slice target)
{
    enum fake_operation o = FAKE_DESCRIBE_TABLE;

    while (o < FAKE_ANY_OPERATION && !slice_is(target, operations[o].target))
        o++;
    return o;
}

/* Which shard the call is about, so that a script can name it. */
static void resolve(struct fake_call *call)
{
    if (call->operation == FAKE_GET_RECORDS) {
        fake_iterator_read(call);
        return;
    }
    call->stream = slice_present(call->stream_arn) ? fake_stream_find(call->fake, call->stream_arn) : NULL;
    if (call->stream && slice_present(call->shard_id)) {
        char *id = slice_dup(call->shard_id);

        call->shard = fake_shard_find(call->stream, id);
        free(id);
    }
}

/* ---- answers ---- */

static void mark(struct fake_answer *answer, int step)
{
    for (size_t i = 0; i < answer->record_count && answer->shard; i++)
        answer->shard->records[answer->first_record + i].returned += (uint32_t)step;
}

static void serve(struct fake_call *call, struct slice body)
{
    struct fake_answer *answer = call->answer;
    int status;
    const char *type;
    const char *text;

    resolve(call);
    call->fake->calls[call->operation]++;
    call->fault = fake_fault_choose(call->fake, call->operation, call->shard);
    (void)body;
    if (fake_fault_is_error(call->fault, &status, &type, &text))
        write_error(call, status, type, text);
    else if (!fake_fault_is_before(call->fault))
        operations[call->operation].handle(call);
    if (!fake_fault_delivers(call->fault))
        answer->record_count = 0;
}

struct fake_answer fake_service_call(struct fake_aws *fake, int64_t now_ms, struct slice target, struct slice body)
{
    struct fake_answer answer = {.status = 200, .has_crc32 = true};
    struct fake_call call = {.fake = fake, .operation = operation_of(target), .limit = -1, .answer = &answer};

    fake->now_ms = now_ms;
    answer.server_date_ms = fake_now(fake) + fake->options.skew_ms;
    if (call.operation == FAKE_ANY_OPERATION)
        write_error(&call, 400, "com.amazon.coral.service#UnknownOperationException", "");
    else if (!read_request(&call, body))
        write_error(&call, 400, "com.amazon.coral.service#SerializationException", "Unexpected token in the request");
    else
        serve(&call, body);
    if (!slice_present(answer.body)) {
        answer.body = buffer_slice(&answer.memory);
        answer.crc32 = crc32_of(answer.body);
    }
    fake_fault_damage(&call);
    mark(&answer, 1);
    return answer;
}

void fake_answer_dropped(struct fake_answer *answer)
{
    mark(answer, -1);
    for (size_t i = 0; i < answer->record_count && answer->shard; i++) {
        struct fake_record *record = &answer->shard->records[answer->first_record + i];

        if (record->returned == 0 && (record->trimmed || answer->shard->deleted || answer->shard->stream->deleted))
            record->visible = false;
    }
    answer->record_count = 0;
}

void fake_answer_fini(struct fake_answer *answer)
{
    buffer_fini(&answer->memory);
    *answer = (struct fake_answer){0};
}
