/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sqs_wire.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "codec/digest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *type;
    const char *query_code;
    int status;
    const char *text;
} errors[] = {
    [SQS_OK] = {"", "", 200, NULL},
#define SQS_ERROR_ROW(name, type, query, status, text) [SQS_##name] = {type, query, status, text},
    SQS_ERROR_LIST(SQS_ERROR_ROW)
#undef SQS_ERROR_ROW
};

static const char *const action_names[] = {
#define SQS_ACTION_ROW(name, text) [SQS_ACTION_##name] = text,
    SQS_ACTION_LIST(SQS_ACTION_ROW)
#undef SQS_ACTION_ROW
};

const char *sqs_action_name(enum sqs_action action)
{
    return action_names[action];
}

int sqs_error_status(enum sqs_error error)
{
    return errors[error].status;
}

const char *sqs_error_query_code(enum sqs_error error)
{
    return errors[error].query_code;
}

void sqs_fail(struct sqs_failure *failure, enum sqs_error error, const char *format, ...)
{
    va_list arguments;

    failure->error = error;
    if (format == NULL) {
        snprintf(failure->text, sizeof(failure->text), "%s", errors[error].text ? errors[error].text : errors[error].query_code);
        return;
    }
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
}

bool sqs_queue_name_valid(struct slice name)
{
    if (name.len < 1 || name.len > 80)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return true;
}

/* ---- decoding: values ---- */

struct decoder {
    struct scanner json;
    struct sqs_request *request;
    struct sqs_failure *failure; /* failure->error set: stop */
};

static bool failed(struct decoder *d)
{
    return scan_failed(&d->json) || d->failure->error != SQS_OK;
}

/* The arena has room for the whole request, so decoded texts never move. */
static struct slice decode_text(struct decoder *d)
{
    struct buffer *arena = &d->request->arena;
    struct slice raw = scan_string(&d->json);
    size_t start = arena->len;

    if (slice_index(raw, '\\') == raw.len)
        return raw;
    if (!json_unescape(arena, raw))
        scan_reject(&d->json, "a lone surrogate in a string");
    return slice_from(arena->ptr + start, arena->len - start);
}

static int decode_int(struct decoder *d, const char *name, int least, int most)
{
    struct slice number = scan_number(&d->json);
    bool negative = number.len > 0 && number.ptr[0] == '-';
    uint64_t value = 0;

    if (failed(d))
        return least;
    if (!slice_to_u64(slice_after(number, negative), &value)) {
        scan_reject(&d->json, "an integer was expected");
        return least;
    }
    if ((negative && value > 0) || value < (uint64_t)least || value > (uint64_t)most) {
        sqs_fail(d->failure, SQS_INVALID_PARAMETER_VALUE, "Value %.*s for parameter %s is invalid. Reason: Must be between %d and %d, if provided.",
                 SLICE_ARG(number), name, least, most);
        return least;
    }
    return (int)value;
}

static void decode_queue_url(struct decoder *d)
{
    struct slice url = decode_text(d);
    size_t start = url.len;

    while (start > 0 && url.ptr[start - 1] != '/')
        start--;
    d->request->queue_name = slice_after(url, start);
}

/* ---- decoding: message attributes ---- */

static struct sqs_attribute *attribute_new(struct sqs_request *r)
{
    if (r->attribute_count == r->attribute_cap) {
        r->attribute_cap = r->attribute_cap ? r->attribute_cap * 2 : 16;
        r->attributes = memory_resize(r->attributes, r->attribute_cap * sizeof(*r->attributes));
    }
    r->attributes[r->attribute_count] = (struct sqs_attribute){0};
    return &r->attributes[r->attribute_count++];
}

/* The members of one attribute value. `arena` must have room for the decoded binary value. */
static void decode_attribute_value(struct scanner *j, struct sqs_attribute *attribute, struct buffer *arena)
{
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        size_t start = arena->len;
        bool is_binary = slice_equal(key, SLICE("BinaryValue"));

        if (scan_peek(j) != SCAN_STRING) {
            scan_skip(j); /* StringListValues, BinaryListValues: reserved by AWS, always empty */
            continue;
        }
        if (is_binary) {
            if (!base64_decode(arena, scan_string(j)))
                scan_reject(j, "BinaryValue is not base64");
        } else {
            json_unescape(arena, scan_string(j));
        }
        if (slice_equal(key, SLICE("DataType")))
            attribute->type = slice_from(arena->ptr + start, arena->len - start);
        else if (is_binary || slice_equal(key, SLICE("StringValue")))
            attribute->value = slice_from(arena->ptr + start, arena->len - start);
    }
}

bool sqs_attribute_name_valid(struct slice name)
{
    if (name.len < 1 || name.len > 256 || name.ptr[0] == '.' || name.ptr[name.len - 1] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
            return false;
        if (c == '.' && name.ptr[i - 1] == '.')
            return false;
    }
    return true;
}

bool sqs_characters_valid(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
            return false;
        /* U+FFFE and U+FFFF are EF BF BE and EF BF BF */
        if (c == 0xef && i + 2 < s.len && (unsigned char)s.ptr[i + 1] == 0xbf && (unsigned char)s.ptr[i + 2] >= 0xbe)
            return false;
    }
    return true;
}

static void entry_fail(struct sqs_entry *e, enum sqs_error error, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void entry_fail(struct sqs_entry *e, enum sqs_error error, const char *format, ...)
{
    va_list arguments;

    if (e->error != SQS_OK)
        return;
    e->error = error;
    va_start(arguments, format);
    vsnprintf(e->error_text, sizeof(e->error_text), format, arguments);
    va_end(arguments);
}

static bool is_kind(struct slice type, struct slice kind)
{
    return slice_equal(type, kind) || (slice_starts_with(type, kind) && type.len > kind.len && type.ptr[kind.len] == '.');
}

static void check_attribute(struct sqs_entry *e, const struct sqs_attribute *a)
{
    bool binary = is_kind(a->type, SLICE("Binary"));

    if (!sqs_attribute_name_valid(a->name))
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "Message (user) attribute name '%.*s' is invalid.", SLICE_ARG(a->name));
    else if (!binary && !is_kind(a->type, SLICE("String")) && !is_kind(a->type, SLICE("Number")))
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE,
                   "The type of message (user) attribute '%.*s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.",
                   SLICE_ARG(a->name));
    else if (a->value.len == 0)
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "The message (user) attribute '%.*s' must contain a non-empty value of type '%.*s'.",
                   SLICE_ARG(a->name), SLICE_ARG(a->type));
    else if (!binary && !sqs_characters_valid(a->value))
        entry_fail(e, SQS_INVALID_MESSAGE_CONTENTS, "%s", errors[SQS_INVALID_MESSAGE_CONTENTS].text);
    e->bytes += a->name.len + a->type.len + a->value.len;
}

static void decode_attributes(struct decoder *d, struct sqs_entry *e)
{
    struct slice key;

    e->first_attribute = d->request->attribute_count;
    scan_object_begin(&d->json);
    while (scan_member(&d->json, &key)) {
        struct sqs_attribute *a = attribute_new(d->request);
        size_t start = d->request->arena.len;

        json_unescape(&d->request->arena, key);
        a->name = slice_from(d->request->arena.ptr + start, d->request->arena.len - start);
        decode_attribute_value(&d->json, a, &d->request->arena);
        if (failed(d))
            return;
        check_attribute(e, a);
    }
    e->attribute_count = d->request->attribute_count - e->first_attribute;
    if (e->attribute_count > SQS_ATTRIBUTES_MAX)
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "Number of message attributes [%zu] exceeds the allowed maximum [10].", e->attribute_count);
    for (size_t i = 0; i < e->attribute_count; i++)
        for (size_t k = i + 1; k < e->attribute_count; k++)
            if (slice_equal(d->request->attributes[e->first_attribute + i].name, d->request->attributes[e->first_attribute + k].name))
                scan_reject(&d->json, "two message attributes of one name");
}

static void decode_system_attributes(struct decoder *d, struct sqs_entry *e)
{
    struct slice key;

    scan_object_begin(&d->json);
    while (scan_member(&d->json, &key)) {
        struct sqs_attribute a = {.name = key};

        decode_attribute_value(&d->json, &a, &d->request->arena);
        if (slice_equal(key, SLICE("AWSTraceHeader")) && is_kind(a.type, SLICE("String")))
            e->trace_header = a.value;
        else
            entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "Message system attribute name '%.*s' is invalid.", SLICE_ARG(key));
    }
}

/* ---- decoding: entries ---- */

/* Members that stand in an entry of a batch, or in the request itself outside batches. False: the key is not one of them. */
static bool decode_entry_member(struct decoder *d, struct slice key, struct sqs_entry *e)
{
    if (slice_equal(key, SLICE("MessageBody")))
        e->body = decode_text(d);
    else if (slice_equal(key, SLICE("ReceiptHandle")))
        e->receipt_handle = decode_text(d);
    else if (slice_equal(key, SLICE("DelaySeconds")))
        e->delay_s = decode_int(d, "DelaySeconds", 0, SQS_DELAY_MAX_S);
    else if (slice_equal(key, SLICE("VisibilityTimeout")))
        e->visibility_s = decode_int(d, "VisibilityTimeout", 0, SQS_VISIBILITY_MAX_S);
    else if (slice_equal(key, SLICE("MessageAttributes")))
        decode_attributes(d, e);
    else if (slice_equal(key, SLICE("MessageSystemAttributes")))
        decode_system_attributes(d, e);
    else if (slice_equal(key, SLICE("Id")))
        e->id = decode_text(d);
    else
        return false;
    return true;
}

static struct sqs_entry *entry_new(struct sqs_request *r)
{
    struct sqs_entry *e;

    r->entries = memory_resize(r->entries, (r->entry_count + 1) * sizeof(*r->entries));
    e = &r->entries[r->entry_count++];
    *e = (struct sqs_entry){.delay_s = -1, .visibility_s = -1};
    return e;
}

static void decode_entries(struct decoder *d)
{
    scan_array_begin(&d->json);
    while (scan_element(&d->json)) {
        struct sqs_entry *e = entry_new(d->request);
        struct slice key;

        scan_object_begin(&d->json);
        while (scan_member(&d->json, &key)) {
            struct sqs_failure outer = *d->failure;

            if (!decode_entry_member(d, key, e))
                scan_skip(&d->json);
            if (d->failure->error != outer.error) { /* a value out of range spoils its entry, not the batch */
                entry_fail(e, d->failure->error, "%.180s", d->failure->text);
                *d->failure = outer;
            }
        }
        if (d->request->entry_count > 1000)
            scan_reject(&d->json, "far too many entries");
    }
}

/* ---- decoding: the request ---- */

static const struct {
    const char *name;
    unsigned bits;
} system_attribute_names[] = {
    {"All", SQS_ALL_SYSTEM_ATTRIBUTES},
    {"SenderId", SQS_SENDER_ID},
    {"SentTimestamp", SQS_SENT_TIMESTAMP},
    {"ApproximateReceiveCount", SQS_RECEIVE_COUNT},
    {"ApproximateFirstReceiveTimestamp", SQS_FIRST_RECEIVE_TIMESTAMP},
    {"DeadLetterQueueSourceArn", SQS_DEAD_LETTER_SOURCE_ARN},
    {"AWSTraceHeader", SQS_TRACE_HEADER},
    {"SequenceNumber", 0}, /* of FIFO queues; asking for them on a standard queue is allowed */
    {"MessageDeduplicationId", 0},
    {"MessageGroupId", 0},
};

static void want_system_attribute(struct decoder *d, struct slice name)
{
    for (size_t i = 0; i < sizeof(system_attribute_names) / sizeof(system_attribute_names[0]); i++) {
        if (slice_is(name, system_attribute_names[i].name)) {
            d->request->system_attributes |= system_attribute_names[i].bits;
            return;
        }
    }
    sqs_fail(d->failure, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.", SLICE_ARG(name));
}

static void want_name(struct sqs_request *r, struct slice name)
{
    if (slice_equal(name, SLICE("All")) || slice_equal(name, SLICE(".*")))
        r->all_attributes = true;
    r->names = memory_resize(r->names, (r->name_count + 1) * sizeof(*r->names));
    r->names[r->name_count++] = name;
}

static void decode_names(struct decoder *d, bool system)
{
    scan_array_begin(&d->json);
    while (scan_element(&d->json)) {
        struct slice name = decode_text(d);

        if (failed(d))
            return;
        if (system)
            want_system_attribute(d, name);
        else
            want_name(d->request, name);
        if (d->request->name_count > 1000)
            scan_reject(&d->json, "far too many names");
    }
}

static bool is_batch(enum sqs_action action)
{
    return action == SQS_ACTION_SEND_MESSAGE_BATCH || action == SQS_ACTION_DELETE_MESSAGE_BATCH ||
           action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY_BATCH;
}

static bool has_entry(enum sqs_action action)
{
    return action == SQS_ACTION_SEND_MESSAGE || action == SQS_ACTION_DELETE_MESSAGE || action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY;
}

static void decode_receive_member(struct decoder *d, struct slice key)
{
    struct sqs_request *r = d->request;

    if (slice_equal(key, SLICE("MaxNumberOfMessages")))
        r->max_messages = decode_int(d, "MaxNumberOfMessages", 1, SQS_BATCH_MAX);
    else if (slice_equal(key, SLICE("WaitTimeSeconds")))
        r->wait_s = decode_int(d, "WaitTimeSeconds", 0, SQS_WAIT_MAX_S);
    else if (slice_equal(key, SLICE("VisibilityTimeout")))
        r->visibility_s = decode_int(d, "VisibilityTimeout", 0, SQS_VISIBILITY_MAX_S);
    else if (slice_equal(key, SLICE("AttributeNames")) || slice_equal(key, SLICE("MessageSystemAttributeNames")))
        decode_names(d, true);
    else if (slice_equal(key, SLICE("MessageAttributeNames")))
        decode_names(d, false);
    else
        scan_skip(&d->json);
}

static void decode_member(struct decoder *d, struct slice key)
{
    struct sqs_request *r = d->request;
    enum sqs_action action = r->action;

    if (scan_peek(&d->json) == SCAN_NULL)
        scan_null(&d->json); /* as if it were not there, like AWS's JSON servers */
    else if (slice_equal(key, SLICE("QueueUrl")))
        decode_queue_url(d);
    else if (action == SQS_ACTION_RECEIVE_MESSAGE)
        decode_receive_member(d, key);
    else if (is_batch(action) && slice_equal(key, SLICE("Entries")))
        decode_entries(d);
    else if (has_entry(action) && decode_entry_member(d, key, &r->entries[0]))
        return;
    else if (action == SQS_ACTION_GET_QUEUE_URL && slice_equal(key, SLICE("QueueName")))
        r->queue_name = decode_text(d);
    else if (action == SQS_ACTION_GET_QUEUE_ATTRIBUTES && slice_equal(key, SLICE("AttributeNames")))
        decode_names(d, false);
    else if (action == SQS_ACTION_LIST_QUEUES && slice_equal(key, SLICE("QueueNamePrefix")))
        r->prefix = decode_text(d);
    else if (action == SQS_ACTION_LIST_QUEUES && slice_equal(key, SLICE("MaxResults")))
        r->max_results = decode_int(d, "MaxResults", 1, 1000);
    else if (action == SQS_ACTION_LIST_QUEUES && slice_equal(key, SLICE("NextToken")))
        r->next_token = decode_text(d);
    else
        scan_skip(&d->json);
}

/* ---- checking ---- */

static void missing(struct sqs_failure *failure, const char *name)
{
    sqs_fail(failure, SQS_MISSING_PARAMETER, "The request must contain the parameter %s.", name);
}

static void check_send(struct sqs_entry *e)
{
    if (!slice_present(e->body))
        entry_fail(e, SQS_MISSING_PARAMETER, "The request must contain the parameter MessageBody.");
    else if (e->body.len == 0)
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "Message body must not be empty.");
    else if (!sqs_characters_valid(e->body))
        entry_fail(e, SQS_INVALID_MESSAGE_CONTENTS, "%s", errors[SQS_INVALID_MESSAGE_CONTENTS].text);
    e->bytes += e->body.len;
    if (e->bytes > SQS_MESSAGE_BYTES_MAX)
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE,
                   "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", SQS_MESSAGE_BYTES_MAX);
}

static void check_entry(enum sqs_action action, struct sqs_entry *e)
{
    if (action == SQS_ACTION_SEND_MESSAGE || action == SQS_ACTION_SEND_MESSAGE_BATCH) {
        check_send(e);
        return;
    }
    if (!slice_present(e->receipt_handle))
        entry_fail(e, SQS_MISSING_PARAMETER, "The request must contain the parameter ReceiptHandle.");
    if ((action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY || action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY_BATCH) && e->visibility_s < 0)
        entry_fail(e, SQS_MISSING_PARAMETER, "The request must contain the parameter VisibilityTimeout.");
}

static void check_batch_ids(const struct sqs_request *r, struct sqs_failure *failure)
{
    for (size_t i = 0; i < r->entry_count; i++) {
        if (!slice_present(r->entries[i].id)) {
            missing(failure, "Id");
            return;
        }
        if (!sqs_queue_name_valid(r->entries[i].id)) {
            sqs_fail(failure, SQS_INVALID_BATCH_ENTRY_ID, NULL);
            return;
        }
        for (size_t k = 0; k < i; k++) {
            if (slice_equal(r->entries[i].id, r->entries[k].id)) {
                sqs_fail(failure, SQS_BATCH_IDS_NOT_DISTINCT, "Id %.*s repeated.", SLICE_ARG(r->entries[i].id));
                return;
            }
        }
    }
}

static void check_batch(struct sqs_request *r, struct sqs_failure *failure)
{
    size_t bytes = 0;

    if (r->entry_count == 0) {
        sqs_fail(failure, SQS_EMPTY_BATCH_REQUEST, "There should be at least one %sRequestEntry in the request.", action_names[r->action]);
    } else if (r->entry_count > SQS_BATCH_MAX) {
        sqs_fail(failure, SQS_TOO_MANY_ENTRIES, "Maximum number of entries per request are 10. You have sent %zu.", r->entry_count);
    } else {
        check_batch_ids(r, failure);
        for (size_t i = 0; i < r->entry_count; i++)
            bytes += r->entries[i].bytes;
        if (failure->error == SQS_OK && bytes > SQS_MESSAGE_BYTES_MAX)
            sqs_fail(failure, SQS_BATCH_REQUEST_TOO_LONG, "Batch requests cannot be longer than %d bytes. You have sent %zu bytes.",
                     SQS_MESSAGE_BYTES_MAX, bytes);
    }
}

static void check_request(struct sqs_request *r, struct sqs_failure *failure)
{
    if (r->action != SQS_ACTION_LIST_QUEUES && !slice_present(r->queue_name)) {
        missing(failure, r->action == SQS_ACTION_GET_QUEUE_URL ? "QueueName" : "QueueUrl");
        return;
    }
    for (size_t i = 0; i < r->entry_count; i++)
        check_entry(r->action, &r->entries[i]);
    if (is_batch(r->action))
        check_batch(r, failure);
    else if (has_entry(r->action) && r->entries[0].error != SQS_OK)
        sqs_fail(failure, r->entries[0].error, "%s", r->entries[0].error_text);
}

static void request_reset(struct sqs_request *r, enum sqs_action action)
{
    struct sqs_request kept = *r;

    buffer_reset(&kept.arena);
    *r = (struct sqs_request){.action = action, .max_messages = 1, .wait_s = -1, .visibility_s = -1, .names = kept.names,
                              .entries = kept.entries, .attributes = kept.attributes, .attribute_cap = kept.attribute_cap, .arena = kept.arena};
}

bool sqs_request_decode(struct sqs_request *r, struct slice target, struct slice body, struct sqs_failure *failure)
{
    struct decoder d = {.request = r, .failure = failure};
    struct slice key;
    int action = 0;

    *failure = (struct sqs_failure){0};
    while (action < SQS_ACTION_COUNT && !slice_is(target, action_names[action]))
        action++;
    if (action == SQS_ACTION_COUNT) {
        sqs_fail(failure, SQS_UNKNOWN_OPERATION, "The operation %.*s is not known, or not built yet.", SLICE_ARG(target));
        return false;
    }
    request_reset(r, (enum sqs_action)action);
    buffer_reserve(&r->arena, body.len);
    if (has_entry(r->action))
        entry_new(r);
    scan_init(&d.json, body.len > 0 ? body : SLICE("{}"));
    scan_object_begin(&d.json);
    while (failure->error == SQS_OK && scan_member(&d.json, &key))
        decode_member(&d, key);
    if (failure->error == SQS_OK && !scan_end(&d.json))
        sqs_fail(failure, SQS_SERIALIZATION, "The request is malformed at byte %zu: %s.", scan_offset(&d.json), d.json.error);
    if (failure->error == SQS_OK)
        check_request(r, failure);
    return failure->error == SQS_OK;
}

void sqs_request_fini(struct sqs_request *r)
{
    free(r->names);
    free(r->entries);
    free(r->attributes);
    buffer_fini(&r->arena);
    *r = (struct sqs_request){0};
}

bool sqs_wants_attribute(const struct sqs_request *r, struct slice name)
{
    if (r->all_attributes)
        return true;
    for (size_t i = 0; i < r->name_count; i++) {
        struct slice wanted = r->names[i];

        if (slice_equal(wanted, name))
            return true;
        if (slice_ends_with(wanted, SLICE(".*")) && slice_starts_with(name, slice_from(wanted.ptr, wanted.len - 1)))
            return true;
    }
    return false;
}

/* ---- message attributes, stored and answered ---- */

void sqs_attributes_encode(struct buffer *out, const struct sqs_attribute *attributes, size_t count)
{
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        bool binary = is_kind(attributes[i].type, SLICE("Binary"));

        if (i > 0)
            buffer_append_byte(out, ',');
        json_append_string(out, attributes[i].name);
        buffer_append_text(out, ":{\"DataType\":");
        json_append_string(out, attributes[i].type);
        buffer_append_text(out, binary ? ",\"BinaryValue\":" : ",\"StringValue\":");
        if (binary) {
            buffer_append_byte(out, '"');
            base64_append(out, attributes[i].value);
            buffer_append_byte(out, '"');
        } else {
            json_append_string(out, attributes[i].value);
        }
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, '}');
}

int sqs_attributes_decode(struct slice text, struct sqs_attribute out[SQS_ATTRIBUTES_STORED_MAX], struct buffer *arena)
{
    struct scanner j;
    struct slice key;
    int count = 0;

    buffer_reset(arena);
    buffer_reserve(arena, text.len);
    scan_init(&j, text);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        size_t start = arena->len;

        if (count == SQS_ATTRIBUTES_STORED_MAX)
            return -1;
        json_unescape(arena, key);
        out[count] = (struct sqs_attribute){.name = slice_from(arena->ptr + start, arena->len - start)};
        decode_attribute_value(&j, &out[count], arena);
        count++;
    }
    return scan_end(&j) ? count : -1;
}

static int compare_attributes(const void *a, const void *b)
{
    return slice_compare(((const struct sqs_attribute *)a)->name, ((const struct sqs_attribute *)b)->name);
}

static void append_length(struct buffer *out, struct slice s)
{
    const char be[4] = {(char)(s.len >> 24), (char)(s.len >> 16), (char)(s.len >> 8), (char)s.len};

    buffer_append(out, slice_from(be, 4));
    buffer_append(out, s);
}

static void md5_hex(struct slice data, char hex[33])
{
    unsigned char digest[MD5_BYTES];

    md5(data, digest);
    hex_encode(digest, sizeof(digest), hex);
}

void sqs_attributes_md5(struct sqs_attribute *attributes, size_t count, char hex[33])
{
    struct buffer text = {0};

    qsort(attributes, count, sizeof(*attributes), compare_attributes);
    for (size_t i = 0; i < count; i++) {
        append_length(&text, attributes[i].name);
        append_length(&text, attributes[i].type);
        buffer_append_byte(&text, is_kind(attributes[i].type, SLICE("Binary")) ? 2 : 1);
        append_length(&text, attributes[i].value);
    }
    md5_hex(buffer_slice(&text), hex);
    buffer_fini(&text);
}

/* ---- answers ---- */

void sqs_answer_begin(struct sqs_answer *a, enum sqs_action action)
{
    a->action = action;
    a->error = SQS_OK;
    a->count = a->failed_count = 0;
    buffer_reset(&a->body);
    buffer_reset(&a->failed);
    buffer_append_byte(&a->body, '{');
}

static void append_text_member(struct buffer *out, const char *name, struct slice value)
{
    json_append_string(out, slice_text(name));
    buffer_append_byte(out, ':');
    json_append_string(out, value);
}

static void append_number_member(struct buffer *out, const char *name, int64_t value)
{
    if (out->ptr[out->len - 1] != '{')
        buffer_append_byte(out, ',');
    buffer_printf(out, "\"%s\":\"%lld\"", name, (long long)value);
}

static void append_optional_member(struct buffer *out, const char *name, struct slice value)
{
    if (!slice_present(value))
        return;
    if (out->ptr[out->len - 1] != '{')
        buffer_append_byte(out, ',');
    append_text_member(out, name, value);
}

static void append_message_system_attributes(struct buffer *out, const struct sqs_message *m)
{
    unsigned wanted = m->system_attributes;

    if (wanted == 0)
        return;
    buffer_append_text(out, ",\"Attributes\":{");
    if (wanted & SQS_SENDER_ID)
        append_optional_member(out, "SenderId", m->sender_id);
    if (wanted & SQS_SENT_TIMESTAMP)
        append_number_member(out, "SentTimestamp", m->sent_ms);
    if (wanted & SQS_RECEIVE_COUNT)
        append_number_member(out, "ApproximateReceiveCount", m->receive_count);
    if (wanted & SQS_FIRST_RECEIVE_TIMESTAMP)
        append_number_member(out, "ApproximateFirstReceiveTimestamp", m->first_receive_ms);
    if (wanted & SQS_DEAD_LETTER_SOURCE_ARN)
        append_optional_member(out, "DeadLetterQueueSourceArn", m->dead_letter_source_arn);
    if (wanted & SQS_TRACE_HEADER)
        append_optional_member(out, "AWSTraceHeader", m->trace_header);
    buffer_append_byte(out, '}');
}

void sqs_answer_message(struct sqs_answer *a, const struct sqs_message *m)
{
    struct buffer *out = &a->body;
    char hex[33];

    buffer_reserve(out, m->body.len + m->body.len / 4 + 512);
    buffer_append_text(out, a->count++ == 0 ? "\"Messages\":[{\"MessageId\":\"" : ",{\"MessageId\":\"");
    buffer_append_text(out, m->message_id);
    buffer_append_text(out, "\",\"ReceiptHandle\":\"");
    buffer_append(out, m->receipt_handle); /* base64: nothing to escape */
    md5_hex(m->body, hex);
    buffer_append_text(out, "\",\"MD5OfBody\":\"");
    buffer_append(out, slice_from(hex, 32));
    buffer_append_text(out, "\",\"Body\":");
    json_append_string(out, m->body);
    append_message_system_attributes(out, m);
    if (m->attribute_count > 0) {
        sqs_attributes_md5(m->attributes, m->attribute_count, hex);
        buffer_printf(out, ",\"MD5OfMessageAttributes\":\"%s\",\"MessageAttributes\":", hex);
        sqs_attributes_encode(out, m->attributes, m->attribute_count);
    }
    buffer_append_byte(out, '}');
}

/* Opens the next element of the Successful list of a batch. */
static void begin_successful(struct sqs_answer *a, struct slice id)
{
    buffer_append_text(&a->body, a->count++ == 0 ? "\"Successful\":[{" : ",{");
    append_text_member(&a->body, "Id", id);
}

void sqs_answer_sent(struct sqs_answer *a, struct slice id, const char *message_id, const char *body_md5, const char *attributes_md5)
{
    bool batch = slice_present(id);

    if (batch) {
        begin_successful(a, id);
        buffer_append_byte(&a->body, ',');
    }
    buffer_printf(&a->body, "\"MessageId\":\"%s\",\"MD5OfMessageBody\":\"%s\"", message_id, body_md5);
    if (attributes_md5)
        buffer_printf(&a->body, ",\"MD5OfMessageAttributes\":\"%s\"", attributes_md5);
    if (batch)
        buffer_append_byte(&a->body, '}');
}

void sqs_answer_done(struct sqs_answer *a, struct slice id)
{
    if (!slice_present(id))
        return;
    begin_successful(a, id);
    buffer_append_byte(&a->body, '}');
}

void sqs_answer_failed(struct sqs_answer *a, struct slice id, enum sqs_error error, const char *text)
{
    buffer_append_text(&a->failed, a->failed_count++ == 0 ? "\"Failed\":[{" : ",{");
    append_text_member(&a->failed, "Id", id);
    buffer_printf(&a->failed, ",\"SenderFault\":%s,\"Code\":\"%s\",\"Message\":", errors[error].status < 500 ? "true" : "false",
                  errors[error].query_code);
    json_append_string(&a->failed, slice_text(text));
    buffer_append_byte(&a->failed, '}');
}

void sqs_answer_queue_url(struct sqs_answer *a, struct slice url)
{
    if (a->action == SQS_ACTION_GET_QUEUE_URL) {
        append_text_member(&a->body, "QueueUrl", url);
        return;
    }
    buffer_append_text(&a->body, a->count++ == 0 ? "\"QueueUrls\":[" : ",");
    json_append_string(&a->body, url);
}

void sqs_answer_next_token(struct sqs_answer *a, struct slice token)
{
    if (a->failed.len > 0)
        buffer_append_byte(&a->failed, ',');
    append_text_member(&a->failed, "NextToken", token);
}

void sqs_answer_attribute(struct sqs_answer *a, const char *name, struct slice value)
{
    buffer_append_text(&a->body, a->count++ == 0 ? "\"Attributes\":{" : ",");
    append_text_member(&a->body, name, value);
}

void sqs_answer_end(struct sqs_answer *a)
{
    bool list = a->action == SQS_ACTION_RECEIVE_MESSAGE || a->action == SQS_ACTION_LIST_QUEUES || is_batch(a->action);

    if (a->count > 0 && list)
        buffer_append_byte(&a->body, ']');
    if (a->count > 0 && a->action == SQS_ACTION_GET_QUEUE_ATTRIBUTES)
        buffer_append_byte(&a->body, '}');
    if (a->failed.len > 0) {
        if (a->body.len > 1)
            buffer_append_byte(&a->body, ',');
        buffer_append(&a->body, buffer_slice(&a->failed));
        if (a->failed_count > 0)
            buffer_append_byte(&a->body, ']');
    }
    buffer_append_byte(&a->body, '}');
    if (a->action == SQS_ACTION_DELETE_MESSAGE || a->action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY)
        buffer_reset(&a->body); /* operations without output answer with no body */
}

void sqs_answer_error(struct sqs_answer *a, enum sqs_error error, const char *text)
{
    a->error = error;
    buffer_reset(&a->body);
    buffer_printf(&a->body, "{\"__type\":\"%s\",\"message\":", errors[error].type);
    json_append_string(&a->body, slice_text(text ? text : errors[error].text ? errors[error].text : errors[error].query_code));
    buffer_append_byte(&a->body, '}');
}

void sqs_answer_fini(struct sqs_answer *a)
{
    buffer_fini(&a->body);
    buffer_fini(&a->failed);
}
