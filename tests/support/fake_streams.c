/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_streams.h"

#include "base/memory.h"
#include "codec/digest.h"
#include "codec/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ITERATOR_LIFE_MS (15 * 60 * INT64_C(1000))
#define FIRST_SEQUENCE 9999900 /* after 14 more digits: the numbers grow from 21 to 22 digits on the way */

/* ---- the account ---- */

struct fake_aws *fake_aws_new(uint64_t seed)
{
    struct fake_aws *aws = memory_zeroed(1, sizeof(*aws));

    aws->random.state = seed;
    aws->next_sequence = FIRST_SEQUENCE;
    return aws;
}

static void shard_free(struct fake_shard *s)
{
    for (size_t i = 0; i < s->len; i++)
        free(s->records[i].body);
    free(s->records);
    free(s);
}

void fake_aws_free(struct fake_aws *aws)
{
    for (size_t i = 0; i < aws->len; i++) {
        for (size_t k = 0; k < aws->streams[i]->len; k++)
            shard_free(aws->streams[i]->shards[k]);
        free(aws->streams[i]->shards);
        free(aws->streams[i]);
    }
    free(aws->streams);
    free(aws);
}

static void take_sequence(struct fake_aws *aws, char out[32])
{
    snprintf(out, 32, "10000000000000%" PRIu64, aws->next_sequence++);
}

struct fake_shard *fake_shard_add(struct fake_aws *aws, struct fake_stream *stream, struct fake_shard *parent, int64_t now_ms)
{
    struct fake_shard *s = memory_zeroed(1, sizeof(*s));

    snprintf(s->id, sizeof(s->id), "shardId-%020" PRIu64 "-%08x", aws->next_shard++, (unsigned)random_next(&aws->random));
    s->parent = parent;
    s->stream = stream;
    s->listed_from_ms = now_ms;
    take_sequence(aws, s->starting);
    stream->shards = memory_resize(stream->shards, (stream->len + 1) * sizeof(*stream->shards));
    stream->shards[stream->len++] = s;
    return s;
}

static void shard_close(struct fake_shard *s, int64_t listed_from_ms)
{
    s->closed = true;
    s->end_listed_from_ms = listed_from_ms;
}

void fake_stream_disable(struct fake_stream *stream, int64_t now_ms)
{
    stream->disabled = true;
    for (size_t i = 0; i < stream->len; i++)
        if (!stream->shards[i]->closed)
            shard_close(stream->shards[i], now_ms);
}

struct fake_stream *fake_stream_enable(struct fake_aws *aws, const char *table, int64_t now_ms)
{
    struct fake_stream *stream = memory_zeroed(1, sizeof(*stream));

    for (size_t i = 0; i < aws->len; i++)
        if (strcmp(aws->streams[i]->table, table) == 0 && !aws->streams[i]->disabled)
            fake_stream_disable(aws->streams[i], now_ms);
    snprintf(stream->table, sizeof(stream->table), "%s", table);
    snprintf(stream->arn, sizeof(stream->arn), "arn:aws:dynamodb:eu-west-1:000000000000:table/%s/stream/%013" PRId64, table, now_ms);
    aws->streams = memory_resize(aws->streams, (aws->len + 1) * sizeof(*aws->streams));
    aws->streams[aws->len++] = stream;
    fake_shard_add(aws, stream, NULL, now_ms);
    return stream;
}

void fake_shard_split(struct fake_aws *aws, struct fake_shard *shard, int64_t now_ms, int64_t lag_ms)
{
    shard_close(shard, now_ms + lag_ms);
    fake_shard_add(aws, shard->stream, shard, now_ms + lag_ms);
    fake_shard_add(aws, shard->stream, shard, now_ms + lag_ms);
}

static const char *const payloads[] = {
    "{\"N\":\"12345678901234567890123456789012345678\"}",
    "{\"N\":\"-0.00000000000000000000000000000000000001\"}",
    "{\"S\":\"\\\"quoted\\\" \\\\ \\/ \\b\\f\\n\\r\\t \\u0000 \\ud83d\\ude00\"}",
    "{\"S\":\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\x89\"}",
    "{\"B\":\"AAECAwQFBgcICQ==\"}",
    "{\"S\":\"\"}",
    "{\"L\":[{\"NULL\":true},{\"M\":{\"deep\":{\"BOOL\":false}}},{\"NS\":[\"1\",\"2.50\"]}]}",
};

const struct fake_record *fake_put(struct fake_aws *aws, struct fake_shard *shard, size_t filler_bytes, int64_t now_ms)
{
    struct fake_record *r;
    struct buffer body = {0};

    shard->records = memory_resize(shard->records, (shard->len + 1) * sizeof(*shard->records));
    r = &shard->records[shard->len++];
    *r = (struct fake_record){.created_ms = now_ms};
    take_sequence(aws, r->sequence);
    snprintf(r->key, sizeof(r->key), "k%" PRIu64, aws->next_key++);
    buffer_printf(&body, "{\"eventID\":\"%032" PRIx64 "\",\"eventName\":\"INSERT\",\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\","
                  "\"awsRegion\":\"eu-west-1\",\"dynamodb\":{\"ApproximateCreationDateTime\":%" PRId64 ",\"Keys\":{\"id\":{\"S\":\"%s\"}},"
                  "\"NewImage\":{\"id\":{\"S\":\"%s\"},\"filler\":{\"S\":\"%*s\"},\"value\":%s},\"SequenceNumber\":\"%s\",\"SizeBytes\":40,\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"}}",
                  aws->next_key, now_ms / 1000, r->key, r->key, (int)filler_bytes, "", payloads[aws->next_key % (sizeof(payloads) / sizeof(payloads[0]))], r->sequence);
    r->body = buffer_take(&body);
    return r;
}

void fake_shard_trim(struct fake_shard *shard, size_t count)
{
    for (; shard->trimmed < count && shard->trimmed < shard->len; shard->trimmed++)
        shard->records[shard->trimmed].trimmed = true;
}

/* ---- requests ---- */

struct request {
    char table[64];
    char arn[160];
    char shard_id[64];
    char start_shard_id[64];
    char start_arn[160];
    char type[32];
    char sequence[64];
    char iterator[400];
};

static void take_text(struct scanner *j, char *out, size_t size)
{
    struct slice text = scan_string(j);

    snprintf(out, size, "%.*s", SLICE_ARG(text));
}

static bool read_request(struct request *r, struct slice body)
{
    struct scanner j;
    struct slice key;

    *r = (struct request){.table = ""};
    scan_init(&j, body);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (slice_is(key, "TableName"))
            take_text(&j, r->table, sizeof(r->table));
        else if (slice_is(key, "StreamArn"))
            take_text(&j, r->arn, sizeof(r->arn));
        else if (slice_is(key, "ShardId"))
            take_text(&j, r->shard_id, sizeof(r->shard_id));
        else if (slice_is(key, "ExclusiveStartShardId"))
            take_text(&j, r->start_shard_id, sizeof(r->start_shard_id));
        else if (slice_is(key, "ExclusiveStartStreamArn"))
            take_text(&j, r->start_arn, sizeof(r->start_arn));
        else if (slice_is(key, "ShardIteratorType"))
            take_text(&j, r->type, sizeof(r->type));
        else if (slice_is(key, "SequenceNumber"))
            take_text(&j, r->sequence, sizeof(r->sequence));
        else if (slice_is(key, "ShardIterator"))
            take_text(&j, r->iterator, sizeof(r->iterator));
        else
            scan_skip(&j);
    }
    return scan_end(&j);
}

static void fail(struct fake_answer *a, int status, const char *name, const char *message)
{
    bool coral = strcmp(name, "ThrottlingException") == 0 || strcmp(name, "UnrecognizedClientException") == 0;

    buffer_reset(&a->body);
    a->status = status;
    a->has_crc32 = false;
    buffer_printf(&a->body, "{\"__type\":\"%s#%s\",\"%s\":\"%s\"}", coral ? "com.amazon.coral.service" : "com.amazonaws.dynamodb.v20120810", name,
                  coral ? "Message" : "message", message);
}

/* ---- what is asked ---- */

static struct fake_stream *find_stream(struct fake_aws *aws, const char *arn)
{
    for (size_t i = 0; i < aws->len; i++)
        if (strcmp(aws->streams[i]->arn, arn) == 0 && !aws->streams[i]->vanished)
            return aws->streams[i];
    return NULL;
}

static void describe_table(struct fake_aws *aws, const struct request *r, struct fake_answer *a)
{
    const struct fake_stream *latest = NULL;
    bool exists = false;

    for (size_t i = 0; i < aws->len; i++) {
        if (strcmp(aws->streams[i]->table, r->table) != 0)
            continue;
        exists = true;
        if (!aws->streams[i]->vanished)
            latest = aws->streams[i];
    }
    if (!exists) {
        fail(a, 400, "ResourceNotFoundException", "Requested resource not found: Table not found");
        return;
    }
    buffer_printf(&a->body, "{\"Table\":{\"TableName\":\"%s\"", r->table);
    if (latest && !latest->disabled)
        buffer_printf(&a->body, ",\"LatestStreamArn\":\"%s\"", latest->arn);
    buffer_append_text(&a->body, ",\"TableStatus\":\"ACTIVE\"}}");
}

/* Two ARNs a page. */
static void list_streams(struct fake_aws *aws, const struct request *r, struct fake_answer *a)
{
    int given = 0;

    if (aws->no_list_streams) {
        fail(a, 400, "AccessDeniedException", "User is not authorized to perform: dynamodb:ListStreams");
        return;
    }
    buffer_append_text(&a->body, "{\"Streams\":[");
    for (size_t i = 0; i < aws->len; i++) {
        const struct fake_stream *s = aws->streams[i];

        if (s->vanished || strcmp(s->table, r->table) != 0 || (r->start_arn[0] && strcmp(s->arn, r->start_arn) <= 0))
            continue;
        buffer_printf(&a->body, "%s{\"StreamArn\":\"%s\",\"TableName\":\"%s\"}", given ? "," : "", s->arn, s->table);
        if (++given == 2) {
            buffer_printf(&a->body, "],\"LastEvaluatedStreamArn\":\"%s\"}", s->arn);
            return;
        }
    }
    buffer_append_text(&a->body, "]}");
}

static bool odds(struct fake_aws *aws, int of_1000)
{
    return of_1000 > 0 && random_below(&aws->random, 1000) < (uint64_t)of_1000;
}

static void describe_stream(struct fake_aws *aws, const struct request *r, struct fake_answer *a, int64_t now_ms)
{
    struct fake_stream *stream = find_stream(aws, r->arn);
    size_t most = aws->listing_max ? aws->listing_max : 100;
    size_t given = 0;
    size_t end;
    const char *last = NULL;
    bool started = r->start_shard_id[0] == '\0';

    if (stream == NULL) {
        fail(a, 400, "ResourceNotFoundException", "Requested resource not found: Stream not found");
        return;
    }
    end = stream->len - (stream->len > 1 && odds(aws, aws->faults.stale_listing));
    buffer_printf(&a->body, "{\"StreamDescription\":{\"StreamArn\":\"%s\",\"StreamStatus\":\"%s\",\"Shards\":[", stream->arn,
                  stream->disabled ? "DISABLED" : "ENABLED");
    for (size_t i = 0; i < end; i++) {
        const struct fake_shard *s = stream->shards[i];

        if (!started) {
            started = strcmp(s->id, r->start_shard_id) == 0;
            continue;
        }
        if (s->vanished || s->listed_from_ms > now_ms)
            continue;
        if (given == most)
            break;
        buffer_printf(&a->body, "%s{\"ShardId\":\"%s\",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"%s\"", given++ ? "," : "", s->id, s->starting);
        if (s->closed && s->end_listed_from_ms <= now_ms)
            buffer_printf(&a->body, ",\"EndingSequenceNumber\":\"%s\"", s->len ? s->records[s->len - 1].sequence : s->starting);
        buffer_append_text(&a->body, "}");
        if (s->parent)
            buffer_printf(&a->body, ",\"ParentShardId\":\"%s\"", s->parent->id);
        buffer_append_text(&a->body, "}");
        last = s->id;
    }
    buffer_append_text(&a->body, "]");
    if (given == most)
        buffer_printf(&a->body, ",\"LastEvaluatedShardId\":\"%s\"", last);
    buffer_append_text(&a->body, "}}");
}

static struct fake_shard *find_shard(struct fake_stream *stream, const char *id)
{
    for (size_t i = 0; stream && i < stream->len; i++)
        if (strcmp(stream->shards[i]->id, id) == 0 && !stream->shards[i]->vanished)
            return stream->shards[i];
    return NULL;
}

static void get_shard_iterator(struct fake_aws *aws, const struct request *r, struct fake_answer *a, int64_t now_ms)
{
    struct fake_shard *s = find_shard(find_stream(aws, r->arn), r->shard_id);
    size_t at = 0;

    if (s == NULL) {
        fail(a, 400, "ResourceNotFoundException", "Requested resource not found: Shard does not exist");
        return;
    }
    if (strcmp(r->type, "TRIM_HORIZON") == 0) {
        at = s->trimmed;
    } else if (strcmp(r->type, "LATEST") == 0) {
        at = s->len;
    } else {
        struct slice wanted = slice_text(r->sequence);

        while (at < s->len && sequence_compare(slice_text(s->records[at].sequence), wanted) < 0)
            at++;
        if (strcmp(r->type, "AFTER_SEQUENCE_NUMBER") == 0 && at < s->len && slice_is(wanted, s->records[at].sequence))
            at++;
        if (at < s->trimmed) {
            fail(a, 400, "TrimmedDataAccessException", "The operation attempted to read past the oldest stream record in a shard.");
            return;
        }
    }
    buffer_printf(&a->body, "{\"ShardIterator\":\"%s|%s|%zu|%" PRId64 "\"}", s->stream->arn, s->id, at, now_ms);
}

/* "arn|shard|index|issued" */
static struct fake_shard *read_iterator(struct fake_aws *aws, char *text, size_t *at, int64_t *issued_ms)
{
    char *parts[4] = {text, NULL, NULL, NULL};

    for (int i = 1; i < 4; i++) {
        char *bar = strchr(parts[i - 1], '|');

        if (bar == NULL)
            return NULL;
        *bar = '\0';
        parts[i] = bar + 1;
    }
    *at = (size_t)strtoull(parts[2], NULL, 10);
    *issued_ms = strtoll(parts[3], NULL, 10);
    return find_shard(find_stream(aws, parts[0]), parts[1]);
}

/* What a page holds, so that it can be marked once it is known that it arrived. */
struct page {
    struct fake_shard *shard;
    size_t first;
    size_t end;
};

static void get_records(struct fake_aws *aws, struct request *r, struct fake_answer *a, int64_t now_ms, struct page *page)
{
    size_t most = aws->page_max ? 1 + (size_t)random_below(&aws->random, aws->page_max) : 1000;
    int64_t issued_ms;
    size_t at;
    struct fake_shard *s = read_iterator(aws, r->iterator, &at, &issued_ms);
    size_t end;

    if (s == NULL) {
        fail(a, 400, "ResourceNotFoundException", "Requested resource not found");
        return;
    }
    if (now_ms - issued_ms > ITERATOR_LIFE_MS) {
        fail(a, 400, "ExpiredIteratorException", "Iterator expired.");
        return;
    }
    if (at < s->trimmed) {
        fail(a, 400, "TrimmedDataAccessException", "The operation attempted to read past the oldest stream record in a shard.");
        return;
    }
    end = s->len - at < most ? s->len : at + most;
    if (odds(aws, aws->faults.empty))
        end = at;
    *page = (struct page){s, at, end};
    buffer_append_text(&a->body, "{\"Records\":[");
    for (size_t i = at; i < end; i++) {
        buffer_append_text(&a->body, i > at ? "," : "");
        buffer_append_text(&a->body, s->records[i].body);
    }
    buffer_append_byte(&a->body, ']');
    if (!s->closed || end < s->len)
        buffer_printf(&a->body, ",\"NextShardIterator\":\"%s|%s|%zu|%" PRId64 "\"", s->stream->arn, s->id, end, now_ms);
    else if (odds(aws, 500))
        buffer_append_text(&a->body, ",\"NextShardIterator\":null");
    buffer_append_byte(&a->body, '}');
}

/* ---- faults ---- */

static const char *const throttles[] = {"LimitExceededException", "ProvisionedThroughputExceededException", "ThrottlingException"};
static const char *const skews[] = {"RequestTimeTooSkewed", "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired"};
static const char *const odd_pages[] = {"{}", "{\"Records\":null}", "{\"Records\":[],\"NextShardIterator\":\"\"}", "{\"NextShardIterator\":null}",
                                        "{\"Records\":{}}", "[]", "", "{\"Records\":[{}]}"};

/* An answer that comes instead of the right one. */
static bool fault_instead(struct fake_aws *aws, const char *target, struct fake_answer *a)
{
    bool page = strstr(target, "GetRecords") != NULL;

    if (odds(aws, aws->faults.lost)) {
        a->status = 0;
    } else if (odds(aws, aws->faults.throttled)) {
        fail(a, 400, throttles[random_below(&aws->random, 3)], "Rate exceeded");
    } else if (odds(aws, aws->faults.skewed)) {
        fail(a, 400, skews[random_below(&aws->random, 4)], "Signature expired");
    } else if (odds(aws, aws->faults.failed)) {
        if (random_below(&aws->random, 2)) {
            fail(a, 500, "InternalServerError", "The request processing has failed");
        } else {
            a->status = 503;
            buffer_append_text(&a->body, "<html><body>Service Unavailable</body></html>");
        }
    } else if (page && odds(aws, aws->faults.expired)) {
        fail(a, 400, "ExpiredIteratorException", "Iterator expired.");
    } else if (page && odds(aws, aws->faults.odd_page)) {
        a->status = 200;
        buffer_append_text(&a->body, odd_pages[random_below(&aws->random, sizeof(odd_pages) / sizeof(odd_pages[0]))]);
    } else {
        return false;
    }
    return true;
}

static bool harm(struct fake_aws *aws, struct fake_answer *a)
{
    if (odds(aws, aws->faults.cut) && a->body.len > 2) {
        a->body.len = (size_t)random_below(&aws->random, a->body.len - 1);
        a->body.ptr[a->body.len] = '\0';
        a->has_crc32 = false;
        return true;
    }
    if (odds(aws, aws->faults.wrong_crc)) {
        a->has_crc32 = true;
        a->crc32 = crc32_of(buffer_slice(&a->body)) ^ 1;
        return true;
    }
    return false;
}

void fake_aws_call(struct fake_aws *aws, const char *target, struct slice body, int64_t now_ms, struct fake_answer *a)
{
    struct request r;
    struct page page = {0};

    *a = (struct fake_answer){.status = 200};
    aws->calls++;
    if (fault_instead(aws, target, a))
        return;
    if (!read_request(&r, body))
        fail(a, 400, "SerializationException", "malformed");
    else if (strstr(target, ".DescribeTable"))
        describe_table(aws, &r, a);
    else if (strstr(target, ".ListStreams"))
        list_streams(aws, &r, a);
    else if (strstr(target, ".DescribeStream"))
        describe_stream(aws, &r, a, now_ms);
    else if (strstr(target, ".GetShardIterator"))
        get_shard_iterator(aws, &r, a, now_ms);
    else if (strstr(target, ".GetRecords"))
        get_records(aws, &r, a, now_ms, &page);
    else
        fail(a, 400, "UnknownOperationException", "");
    a->has_crc32 = true;
    a->crc32 = crc32_of(buffer_slice(&a->body));
    if (a->status == 200 && harm(aws, a))
        return;
    for (size_t i = page.first; page.shard && i < page.end; i++)
        page.shard->records[i].returned = true;
}
