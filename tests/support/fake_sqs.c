/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_sqs.h"

#include "base/memory.h"
#include "base/random.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define LIMIT (1024 * 1024)
#define DEDUPLICATION_MS (5 * 60 * INT64_C(1000))

static uint64_t below(struct fake_sqs *q, uint64_t limit)
{
    struct random random = {.state = q->seed};
    uint64_t value = random_below(&random, limit);

    q->seed = random.state;
    return value;
}

static bool fault(struct fake_sqs *q, enum fake_sqs_fault f)
{
    if (q->once[f] > 0) {
        q->once[f]--;
        return true;
    }
    return q->rates[f] > 0 && below(q, 10000) < q->rates[f];
}

void fake_sqs_faults_off(struct fake_sqs *q)
{
    memset(q->rates, 0, sizeof(q->rates));
    memset(q->once, 0, sizeof(q->once));
}

void fake_sqs_fini(struct fake_sqs *q)
{
    for (size_t i = 0; i < q->len; i++) {
        free(q->arrivals[i].body);
        free(q->arrivals[i].id);
        free(q->arrivals[i].group);
        free(q->arrivals[i].deduplication);
    }
    free(q->arrivals);
    q->arrivals = NULL;
    q->len = 0;
}

static void complain(struct fake_sqs *q, const char *text)
{
    if (q->complaint[0] == '\0')
        snprintf(q->complaint, sizeof(q->complaint), "%s", text);
}

static const char *text_in(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

/* ---- digests, by OpenSSL alone ---- */

static void md5_hex(const void *data, size_t len, char hex[33])
{
    unsigned char digest[16];

    EVP_Digest(data, len, digest, NULL, EVP_md5(), NULL);
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static void append_counted(struct buffer *out, const char *text)
{
    size_t len = strlen(text);
    const char be[4] = {(char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};

    buffer_append(out, slice_from(be, 4));
    buffer_append_text(out, text);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* String and Number attributes, as the bridge sends them. */
static void attributes_md5(json_t *attributes, char hex[33])
{
    const char *names[10];
    size_t count = 0;
    struct buffer text = {0};
    const char *name;
    json_t *value;

    json_object_foreach(attributes, name, value)
        if (count < 10)
            names[count++] = name;
    qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++) {
        json_t *one = json_object_get(attributes, names[i]);

        append_counted(&text, names[i]);
        append_counted(&text, text_in(one, "DataType"));
        buffer_append_byte(&text, 1);
        append_counted(&text, text_in(one, "StringValue"));
    }
    md5_hex(text.ptr ? text.ptr : "", text.len, hex);
    buffer_fini(&text);
}

/* ---- taking messages ---- */

static size_t bytes_of(const json_t *entry)
{
    size_t bytes = json_string_length(json_object_get(entry, "MessageBody"));
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(entry, "MessageAttributes"), name, value)
        bytes += strlen(name) + strlen(text_in(value, "DataType")) + strlen(text_in(value, "StringValue"));
    return bytes;
}

static bool known(const struct fake_sqs *q, const char *deduplication, int64_t now_ms)
{
    for (size_t i = q->len; i > 0; i--)
        if (q->arrivals[i - 1].at_ms > now_ms - DEDUPLICATION_MS && strcmp(q->arrivals[i - 1].deduplication, deduplication) == 0)
            return true;
    return false;
}

static void take(struct fake_sqs *q, const json_t *entry, struct instant now, bool altered)
{
    const char *deduplication = text_in(entry, "MessageDeduplicationId");
    struct fake_arrival *a;

    q->taken++;
    q->altered += altered;
    if (q->fifo && (text_in(entry, "MessageGroupId")[0] == '\0' || deduplication[0] == '\0'))
        complain(q, "an entry for a FIFO queue without MessageGroupId or MessageDeduplicationId");
    if (q->fifo && known(q, deduplication, now.wall_ms))
        return;
    q->arrivals = memory_resize(q->arrivals, (q->len + 1) * sizeof(*q->arrivals));
    a = &q->arrivals[q->len++];
    *a = (struct fake_arrival){.body = memory_strdup(text_in(entry, "MessageBody")), .group = memory_strdup(text_in(entry, "MessageGroupId")),
                               .id = memory_strdup(text_in(json_object_get(json_object_get(entry, "MessageAttributes"), "stream2sqs.id"), "StringValue")),
                               .deduplication = memory_strdup(deduplication), .at_ms = now.wall_ms};
}

static json_t *successful(const json_t *entry, bool altered, uint64_t number)
{
    json_t *attributes = json_object_get(entry, "MessageAttributes");
    const char *body = text_in(entry, "MessageBody");
    char id[37];
    char body_md5[33];
    char md5[33];
    json_t *out;

    snprintf(id, sizeof(id), "%08llx-0000-4000-8000-000000000000", (unsigned long long)number);
    md5_hex(body, altered ? 0 : strlen(body), body_md5);
    out = json_pack("{s:s,s:s,s:s}", "Id", text_in(entry, "Id"), "MessageId", id, "MD5OfMessageBody", body_md5);
    if (json_object_size(attributes) > 0) {
        attributes_md5(attributes, md5);
        json_object_set_new(out, "MD5OfMessageAttributes", json_string(md5));
    }
    return out;
}

static json_t *failed(const json_t *entry, bool senders_fault, const char *code, const char *message)
{
    return json_pack("{s:s,s:b,s:s,s:s}", "Id", text_in(entry, "Id"), "SenderFault", senders_fault, "Code", code, "Message", message);
}

static void answer_error(struct fake_sqs_answer *answer, int status, const char *type, const char *message)
{
    answer->status = status;
    buffer_printf(&answer->body, "{\"__type\":\"%s\",\"message\":\"%s\"}", type, message);
}

/* SQS's own rules; false: the whole request is refused. */
static bool rules(struct fake_sqs *q, json_t *entries, struct fake_sqs_answer *answer)
{
    size_t total = 0;
    size_t i;
    json_t *entry;

    if (json_array_size(entries) < 1 || json_array_size(entries) > 10)
        complain(q, "a batch with no entries, or more than ten");
    json_array_foreach(entries, i, entry) {
        total += bytes_of(entry);
        if (json_object_size(json_object_get(entry, "MessageAttributes")) > 10)
            complain(q, "more than ten attributes");
        if (text_in(entry, "MessageBody")[0] == '\0')
            complain(q, "an empty body");
        if (q->refuses_batch_with && strstr(text_in(entry, "MessageBody"), q->refuses_batch_with)) {
            answer_error(answer, 400, "com.amazonaws.sqs#InvalidMessageContents", "The message contains characters outside the allowed set.");
            q->refused_with_others += json_array_size(entries) > 1;
            return false;
        }
    }
    if (total > (q->batch_bytes_max ? q->batch_bytes_max : LIMIT)) {
        answer_error(answer, 400, "com.amazonaws.sqs#BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes.");
        return false;
    }
    return true;
}

static bool refused(const struct fake_sqs *q, const json_t *entry)
{
    const char *body = text_in(entry, "MessageBody");

    if (strstr(body, "\xef\xbf\xbe") || strstr(body, "\xef\xbf\xbf") || strlen(body) != json_string_length(json_object_get(entry, "MessageBody")))
        return true;
    return q->refuses && strstr(text_in(entry, "MessageBody"), q->refuses) != NULL;
}

static unsigned take_all(struct fake_sqs *q, json_t *entries, struct instant now, json_t *good, json_t *bad)
{
    size_t count = json_array_size(entries);
    size_t hit = count > 0 ? (size_t)below(q, count) : 0; /* the entry that a fault is about; behind it, none */
    bool not_taken = fault(q, SQS_FAULT_ENTRY_FAILED);
    bool throttled = !not_taken && fault(q, SQS_FAULT_ENTRY_THROTTLED);
    bool absent = !not_taken && !throttled && fault(q, SQS_FAULT_ENTRY_ABSENT);
    bool dropped = !not_taken && !throttled && !absent && fault(q, SQS_FAULT_ENTRY_DROPPED);
    bool altered = !not_taken && !throttled && !absent && !dropped && fault(q, SQS_FAULT_WRONG_MD5);
    unsigned taken = 0;
    size_t i;
    json_t *entry;

    json_array_foreach(entries, i, entry) {
        if (refused(q, entry)) {
            json_array_append_new(bad, failed(entry, true, "InvalidMessageContents", "Invalid characters found."));
        } else if (bytes_of(entry) > (q->message_bytes_max ? q->message_bytes_max : LIMIT)) {
            json_array_append_new(bad, failed(entry, true, "InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter."));
        } else if (i == hit && not_taken) {
            json_array_append_new(bad, failed(entry, false, "InternalError", "try again"));
        } else if (i == hit && throttled) {
            json_array_append_new(bad, failed(entry, true, "RequestThrottled", "slow down"));
        } else if (i == hit && dropped) {
            continue;
        } else {
            take(q, entry, now, i == hit && altered);
            taken |= 1u << i;
            if (i != hit || !absent)
                json_array_append_new(good, successful(entry, i == hit && altered, q->taken));
        }
    }
    return taken;
}

static unsigned send_batch(struct fake_sqs *q, json_t *request, struct instant now, struct fake_sqs_answer *answer)
{
    json_t *entries = json_object_get(request, "Entries");
    json_t *good = json_array();
    json_t *bad = json_array();
    json_t *out = json_object();
    unsigned taken = 0;
    char *text;

    q->requests++;
    q->entries += json_array_size(entries);
    if (rules(q, entries, answer)) {
        taken = take_all(q, entries, now, good, bad);
        if (json_array_size(good) > 0)
            json_object_set(out, "Successful", good);
        if (json_array_size(bad) > 0)
            json_object_set(out, "Failed", bad);
        text = json_dumps(out, JSON_COMPACT);
        answer->status = 200;
        buffer_append_text(&answer->body, text);
        free(text);
    }
    json_decref(good);
    json_decref(bad);
    json_decref(out);
    return taken;
}

static unsigned handle(struct fake_sqs *q, const char *action, struct slice body, struct instant now, struct fake_sqs_answer *answer)
{
    json_t *request = json_loadb(body.ptr, body.len, JSON_ALLOW_NUL, NULL);
    unsigned taken = 0;

    if (request == NULL) {
        complain(q, "a request that is no JSON");
        answer_error(answer, 400, "com.amazon.coral.service#SerializationException", "no JSON");
        return 0;
    }
    if (strcmp(action, "SendMessageBatch") == 0) {
        taken = send_batch(q, request, now, answer);
    } else if (strcmp(action, "GetQueueUrl") == 0) {
        answer->status = 200;
        buffer_printf(&answer->body, "{\"QueueUrl\":\"http://127.0.0.1:1/000000000000/%s\"}", text_in(request, "QueueName"));
    } else if (strcmp(action, "GetQueueAttributes") == 0) {
        answer->status = 200;
        buffer_printf(&answer->body, "{\"Attributes\":{\"MaximumMessageSize\":\"%zu\"}}", q->message_bytes_max ? q->message_bytes_max : LIMIT);
    } else {
        complain(q, "an operation that the pump has no use for");
    }
    json_decref(request);
    return taken;
}

unsigned fake_sqs_call(struct fake_sqs *q, const char *action, struct slice body, struct instant now, struct fake_sqs_answer *answer)
{
    static const struct {
        enum fake_sqs_fault fault;
        int status;
        const char *type;
    } refusals[] = {
        {SQS_FAULT_UNAVAILABLE, 503, "com.amazon.coral.service#ServiceUnavailable"},
        {SQS_FAULT_THROTTLED, 400, "com.amazonaws.sqs#RequestThrottled"},
        {SQS_FAULT_DENIED, 403, "com.amazon.coral.service#AccessDeniedException"},
        {SQS_FAULT_DELETED, 400, "com.amazonaws.sqs#QueueDoesNotExist"},
        {SQS_FAULT_EXPIRED_TOKEN, 403, "com.amazon.coral.service#ExpiredTokenException"},
    };
    unsigned taken;

    *answer = (struct fake_sqs_answer){0};
    answer->unsent = fault(q, SQS_FAULT_NOT_CONNECTED);
    if (answer->unsent || fault(q, SQS_FAULT_LOST_REQUEST))
        return 0;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (!fault(q, refusals[i].fault))
            continue;
        answer_error(answer, refusals[i].status, refusals[i].type, "a fault of the test");
        return 0;
    }
    taken = handle(q, action, body, now, answer);
    if (fault(q, SQS_FAULT_LOST_REPLY)) {
        answer->status = 0;
    } else if (fault(q, SQS_FAULT_CUT_REPLY)) {
        answer->body.len /= 2;
    } else if (fault(q, SQS_FAULT_GARBAGE)) {
        buffer_reset(&answer->body);
        buffer_append_text(&answer->body, "<html>a proxy's page</html>");
        answer->status = 200;
    } else if (fault(q, SQS_FAULT_INTERNAL_TAKEN)) {
        buffer_reset(&answer->body);
        answer_error(answer, 500, "com.amazon.coral.service#InternalFailure", "a fault of the test");
    }
    return taken;
}
