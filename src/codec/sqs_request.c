/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sqs_request.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "codec/json.h"
#include "codec/sqs_members.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define LIST_MAX 1000 /* elements of a list, and entries of a batch that are read at all */

/* What clients sent may stand in it, cut anywhere: no bytes that an answer in JSON or XML cannot hold. */
static void make_writable(char *text)
{
    bool valid = utf8_valid(slice_text(text));

    for (; *text; text++)
        if ((unsigned char)*text < ' ' || (!valid && (unsigned char)*text > '~'))
            *text = '?';
}

void sqs_fail(struct sqs_failure *failure, enum sqs_error error, const char *format, ...)
{
    const char *text = sqs_error_text(error);
    va_list arguments;

    failure->error = error;
    if (format == NULL) {
        snprintf(failure->text, sizeof(failure->text), "%s", text ? text : sqs_error_query_code(error));
        return;
    }
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
    make_writable(failure->text);
}

/* ---- values ---- */

static const char twice[] = "two values of one name";

struct decoder {
    struct scanner json;
    struct sqs_request *request;
    struct sqs_failure *failure; /* failure->error set: stop */
    uint64_t seen;               /* members of the request that were met, by their place in the table */
    uint64_t given;              /* those of them that are not null */
};

static bool failed(struct decoder *d)
{
    return scan_failed(&d->json) || d->failure->error != SQS_OK;
}

/* The arena has room for the whole request, so decoded texts never move. */
static struct slice unescape(struct decoder *d, struct slice raw)
{
    struct buffer *arena = &d->request->arena;
    size_t start = arena->len;

    if (slice_index(raw, '\\') == raw.len)
        return raw;
    if (!json_unescape(arena, raw))
        scan_reject(&d->json, "a lone surrogate in a string");
    return slice_from(arena->ptr + start, arena->len - start);
}

static struct slice decode_text(struct decoder *d)
{
    return unescape(d, scan_string(&d->json));
}

static int decode_int(struct decoder *d, const struct sqs_member *m)
{
    struct slice number = scan_number(&d->json);
    bool negative = number.len > 0 && number.ptr[0] == '-';
    uint64_t value = 0;

    if (failed(d))
        return m->least;
    if (!slice_to_u64(slice_after(number, negative), &value)) {
        scan_reject(&d->json, "an integer was expected");
        return m->least;
    }
    if ((negative && value > 0) || value < (uint64_t)m->least || value > (uint64_t)m->most) {
        sqs_fail(d->failure, SQS_INVALID_PARAMETER_VALUE, "Value %.*s for parameter %s is invalid. Reason: Must be between %d and %d, if provided.",
                 SLICE_ARG(number), m->name, m->least, m->most);
        return m->least;
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

static void add_text(struct decoder *d, struct sqs_texts *texts, struct slice text)
{
    if (texts->count >= LIST_MAX) {
        scan_reject(&d->json, "far too many elements in a list");
        return;
    }
    texts->list = memory_resize(texts->list, (texts->count + 1) * sizeof(*texts->list));
    texts->list[texts->count++] = text;
}

static void decode_texts(struct decoder *d, struct sqs_texts *texts)
{
    scan_array_begin(&d->json);
    while (scan_element(&d->json)) {
        struct slice text = decode_text(d);

        if (failed(d))
            return;
        if (d->request->action == SQS_ACTION_RECEIVE_MESSAGE && (slice_is(text, "All") || slice_is(text, ".*")))
            d->request->all_attributes = true;
        add_text(d, texts, text);
    }
}

static void decode_pairs(struct decoder *d, struct sqs_pairs *pairs)
{
    struct slice key;

    scan_object_begin(&d->json);
    while (scan_member(&d->json, &key)) {
        struct sqs_pair pair = {.name = unescape(d, key)};

        if (scan_peek(&d->json) == SCAN_NULL) {
            scan_null(&d->json);
            continue;
        }
        pair.value = decode_text(d);
        if (failed(d))
            return;
        if (pairs->count >= LIST_MAX) {
            scan_reject(&d->json, "far too many members in a map");
            return;
        }
        for (size_t i = 0; i < pairs->count; i++)
            if (slice_equal(pairs->list[i].name, pair.name))
                scan_reject(&d->json, twice);
        pairs->list = memory_resize(pairs->list, (pairs->count + 1) * sizeof(*pairs->list));
        pairs->list[pairs->count++] = pair;
    }
}

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
    {"SequenceNumber", SQS_SEQUENCE_NUMBER},
    {"MessageDeduplicationId", SQS_DEDUPLICATION_ID},
    {"MessageGroupId", SQS_GROUP_ID},
};

static void decode_system_names(struct decoder *d)
{
    scan_array_begin(&d->json);
    while (scan_element(&d->json)) {
        struct slice name = decode_text(d);
        size_t i = 0;

        if (failed(d))
            return;
        while (i < sizeof(system_attribute_names) / sizeof(system_attribute_names[0]) && !slice_is(name, system_attribute_names[i].name))
            i++;
        if (i == sizeof(system_attribute_names) / sizeof(system_attribute_names[0])) {
            sqs_fail(d->failure, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.", SLICE_ARG(name));
            return;
        }
        d->request->system_attributes |= system_attribute_names[i].bits;
    }
}

/* ---- message attributes ---- */

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
    make_writable(e->error_text);
}

static struct sqs_attribute *attribute_new(struct sqs_request *r)
{
    if (r->attribute_count == r->attribute_cap) {
        r->attribute_cap = r->attribute_cap ? r->attribute_cap * 2 : 16;
        r->attributes = memory_resize(r->attributes, r->attribute_cap * sizeof(*r->attributes));
    }
    r->attributes[r->attribute_count] = (struct sqs_attribute){0};
    return &r->attributes[r->attribute_count++];
}

/* Digits with a sign, a fraction and an exponent, each of them optional. */
static bool is_number(struct slice s)
{
    size_t at = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+');
    size_t digits = 0;

    for (; at < s.len && ((s.ptr[at] >= '0' && s.ptr[at] <= '9') || s.ptr[at] == '.'); at++)
        digits += s.ptr[at] != '.';
    if (digits == 0)
        return false;
    if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        at++;
        if (at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+'))
            at++;
        if (at == s.len)
            return false;
        while (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9')
            at++;
    }
    return at == s.len;
}

static bool reserved_name(struct slice name)
{
    return (name.len >= 4 && strncasecmp(name.ptr, "AWS.", 4) == 0) || (name.len >= 7 && strncasecmp(name.ptr, "Amazon.", 7) == 0);
}

static void check_attribute(struct sqs_entry *e, const struct sqs_attribute *a, bool of_binary)
{
    bool binary = sqs_attribute_is(a->type, SLICE("Binary"));

    if (!sqs_attribute_name_valid(a->name) || reserved_name(a->name))
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "Message (user) attribute name '%.*s' is invalid.", SLICE_ARG(a->name));
    else if (a->type.len > 256 || (!binary && !sqs_attribute_is(a->type, SLICE("String")) && !sqs_attribute_is(a->type, SLICE("Number"))))
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE,
                   "The type of message (user) attribute '%.*s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.",
                   SLICE_ARG(a->name));
    else if (a->value.len == 0)
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "The message (user) attribute '%.*s' must contain a non-empty value of type '%.*s'.",
                   SLICE_ARG(a->name), SLICE_ARG(a->type));
    else if (of_binary != binary)
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "The message attribute '%.*s' with type '%.*s' must use field '%s'.", SLICE_ARG(a->name), SLICE_ARG(a->type),
                   binary ? "Binary" : "String");
    else if (!binary && !sqs_characters_valid(a->value))
        entry_fail(e, SQS_INVALID_MESSAGE_CONTENTS, "%s", sqs_error_text(SQS_INVALID_MESSAGE_CONTENTS));
    else if (sqs_attribute_is(a->type, SLICE("Number")) && !is_number(a->value))
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "Can't cast the value of message (user) attribute '%.*s' to a number.", SLICE_ARG(a->name));
    e->bytes += a->name.len + a->type.len + a->value.len;
}

static void decode_attributes(struct decoder *d, struct sqs_entry *e)
{
    struct slice key;

    e->first_attribute = d->request->attribute_count;
    scan_object_begin(&d->json);
    while (scan_member(&d->json, &key)) {
        struct sqs_attribute *a = attribute_new(d->request);
        bool of_binary;

        a->name = unescape(d, key);
        of_binary = sqs_attribute_value_decode(&d->json, a, &d->request->arena);
        if (failed(d))
            return;
        check_attribute(e, a, of_binary);
        if (d->request->attribute_count - e->first_attribute > LIST_MAX)
            scan_reject(&d->json, "far too many message attributes");
    }
    e->attribute_count = d->request->attribute_count - e->first_attribute;
    if (e->attribute_count > SQS_ATTRIBUTES_MAX) {
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "Number of message attributes [%zu] exceeds the allowed maximum [10].", e->attribute_count);
        return;
    }
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

        sqs_attribute_value_decode(&d->json, &a, &d->request->arena);
        if (failed(d))
            return;
        if (!slice_equal(key, SLICE("AWSTraceHeader")))
            entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "Message system attribute name '%.*s' is invalid.", SLICE_ARG(key));
        else if (!slice_equal(a.type, SLICE("String")) || a.value.len == 0)
            entry_fail(e, SQS_INVALID_PARAMETER_VALUE, "The message system attribute 'AWSTraceHeader' must be a non-empty value of type 'String'.");
        else if (slice_present(e->trace_header))
            scan_reject(&d->json, twice);
        else
            e->trace_header = a.value;
    }
}

/* ---- entries ---- */

static struct sqs_entry *entry_new(struct sqs_request *r)
{
    struct sqs_entry *e;

    r->entries = memory_resize(r->entries, (r->entry_count + 1) * sizeof(*r->entries));
    e = &r->entries[r->entry_count++];
    *e = (struct sqs_entry){.delay_s = -1, .visibility_s = -1};
    return e;
}

static void decode_value(struct decoder *d, const struct sqs_member *m, struct sqs_entry *e);

/* Which of two values counts others may see differently. */
static bool is_second(struct decoder *d, uint64_t *seen, const struct sqs_member *m)
{
    uint64_t bit = UINT64_C(1) << sqs_member_place(m);
    bool second = (*seen & bit) != 0;

    *seen |= bit;
    if (second)
        scan_reject(&d->json, twice);
    return second;
}

static void decode_entry(struct decoder *d, struct sqs_entry *e)
{
    struct slice key;
    uint64_t seen = 0;

    scan_object_begin(&d->json);
    while (scan_member(&d->json, &key)) {
        const struct sqs_member *m = sqs_member_find(d->request->action, true, key);

        if (m && is_second(d, &seen, m))
            return;
        if (m == NULL || scan_peek(&d->json) == SCAN_NULL) {
            scan_skip(&d->json);
            continue;
        }
        decode_value(d, m, e);
        if (d->failure->error != SQS_OK) { /* a value out of range spoils its entry, not the batch */
            entry_fail(e, d->failure->error, "%.180s", d->failure->text);
            *d->failure = (struct sqs_failure){0};
        }
    }
}

static void decode_entries(struct decoder *d)
{
    scan_array_begin(&d->json);
    while (scan_element(&d->json)) {
        if (d->request->entry_count >= LIST_MAX)
            scan_reject(&d->json, "far too many entries");
        else
            decode_entry(d, entry_new(d->request));
    }
}

/* e: of the entry that the member stands in; NULL: of the request. */
static void decode_value(struct decoder *d, const struct sqs_member *m, struct sqs_entry *e)
{
    char *field = (e ? (char *)e : (char *)d->request) + m->offset;

    switch (m->kind) {
    case SQS_MEMBER_QUEUE_URL:
        decode_queue_url(d);
        break;
    case SQS_MEMBER_TEXT:
        *(struct slice *)(void *)field = decode_text(d);
        break;
    case SQS_MEMBER_INT:
        *(int *)(void *)field = decode_int(d, m);
        break;
    case SQS_MEMBER_TEXTS:
        decode_texts(d, (struct sqs_texts *)(void *)field);
        break;
    case SQS_MEMBER_SYSTEM_NAMES:
        decode_system_names(d);
        break;
    case SQS_MEMBER_PAIRS:
    case SQS_MEMBER_TAGS:
        decode_pairs(d, (struct sqs_pairs *)(void *)field);
        break;
    case SQS_MEMBER_ENTRIES:
        decode_entries(d);
        break;
    case SQS_MEMBER_ATTRIBUTES:
        decode_attributes(d, e);
        break;
    case SQS_MEMBER_SYSTEM_ATTRIBUTES:
        decode_system_attributes(d, e);
        break;
    }
}

static void decode_member(struct decoder *d, struct slice key)
{
    struct sqs_request *r = d->request;
    const struct sqs_member *m = sqs_member_find(r->action, false, key);

    if (m && is_second(d, &d->seen, m))
        return;
    if (m == NULL || scan_peek(&d->json) == SCAN_NULL) { /* null: as if it were not there, like AWS's JSON servers */
        scan_skip(&d->json);
        return;
    }
    d->given |= UINT64_C(1) << sqs_member_place(m);
    decode_value(d, m, m->of_entry ? &r->entries[0] : NULL);
}

/* ---- checking ---- */

static bool is_send(enum sqs_action action)
{
    return action == SQS_ACTION_SEND_MESSAGE || action == SQS_ACTION_SEND_MESSAGE_BATCH;
}

static bool has_entry(enum sqs_action action)
{
    return action == SQS_ACTION_SEND_MESSAGE || action == SQS_ACTION_DELETE_MESSAGE || action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY;
}

static void missing(struct sqs_failure *failure, const char *name)
{
    sqs_fail(failure, SQS_MISSING_PARAMETER, "The request must contain the parameter %s.", name);
}

/* 1 to 128 letters, digits and punctuation: group ids, deduplication ids, attempt ids. */
static bool id_valid(struct slice id)
{
    if (id.len < 1 || id.len > SQS_GROUP_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~')
            return false;
    return true;
}

static void check_id(struct sqs_entry *e, struct slice id, const char *name)
{
    if (slice_present(id) && !id_valid(id))
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE,
                   "Value %.*s for parameter %s is invalid. Reason: %s can only include alphanumeric and punctuation characters. 1 to 128 in length.",
                   id.len > 20 ? 20 : (int)id.len, id.ptr, name, name);
}

static void check_send(struct sqs_entry *e)
{
    if (!slice_present(e->body) || e->body.len == 0)
        entry_fail(e, SQS_MISSING_PARAMETER, "The request must contain the parameter MessageBody.");
    else if (!sqs_characters_valid(e->body))
        entry_fail(e, SQS_INVALID_MESSAGE_CONTENTS, "%s", sqs_error_text(SQS_INVALID_MESSAGE_CONTENTS));
    check_id(e, e->group_id, "MessageGroupId");
    check_id(e, e->deduplication_id, "MessageDeduplicationId");
    e->bytes += e->body.len;
    if (e->bytes > SQS_MESSAGE_BYTES_MAX)
        entry_fail(e, SQS_INVALID_PARAMETER_VALUE,
                   "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", SQS_MESSAGE_BYTES_MAX);
}

static void check_entry(enum sqs_action action, struct sqs_entry *e)
{
    if (is_send(action)) {
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
        sqs_fail(failure, SQS_EMPTY_BATCH_REQUEST, "There should be at least one %sRequestEntry in the request.", sqs_action_name(r->action));
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

static void check_request(struct sqs_request *r, uint64_t given, struct sqs_failure *failure)
{
    const struct sqs_member *lacking = sqs_member_lacking(r->action, given);

    if (lacking && lacking->kind == SQS_MEMBER_ENTRIES) {
        check_batch(r, failure);
        return;
    }
    if (lacking) {
        missing(failure, lacking->name);
        return;
    }
    if (slice_present(r->attempt_id) && !id_valid(r->attempt_id)) {
        sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE, "Value for parameter ReceiveRequestAttemptId is invalid. Reason: ReceiveRequestAttemptId can only "
                                                       "include alphanumeric and punctuation characters. 1 to 128 in length.");
        return;
    }
    for (size_t i = 0; i < r->entry_count; i++)
        check_entry(r->action, &r->entries[i]);
    if (sqs_action_is_batch(r->action))
        check_batch(r, failure);
    else if (has_entry(r->action) && r->entries[0].error != SQS_OK)
        sqs_fail(failure, r->entries[0].error, "%s", r->entries[0].error_text);
}

/* ---- the request ---- */

/* Keeps the memory of what was decoded before. */
static void request_reset(struct sqs_request *r, enum sqs_action action)
{
    struct sqs_request kept = *r;

    buffer_reset(&kept.arena);
    *r = (struct sqs_request){.action = action, .max_messages = 1, .wait_s = -1, .visibility_s = -1, .names.list = kept.names.list,
                              .account_ids.list = kept.account_ids.list, .queue_attributes.list = kept.queue_attributes.list, .tags.list = kept.tags.list,
                              .entries = kept.entries, .attributes = kept.attributes, .attribute_cap = kept.attribute_cap, .arena = kept.arena};
}

bool sqs_request_decode(struct sqs_request *r, struct slice target, struct slice body, struct sqs_failure *failure)
{
    struct decoder d = {.request = r, .failure = failure};
    enum sqs_action action = sqs_action_find(target);
    struct slice key;

    *failure = (struct sqs_failure){0};
    if (action == SQS_ACTION_COUNT) {
        sqs_fail(failure, SQS_UNKNOWN_OPERATION, "The action %.*s is not valid for this endpoint.", target.len > 80 ? 80 : (int)target.len, target.ptr);
        return false;
    }
    request_reset(r, action);
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
        check_request(r, d.given, failure);
    return failure->error == SQS_OK;
}

void sqs_request_fini(struct sqs_request *r)
{
    free(r->names.list);
    free(r->account_ids.list);
    free(r->queue_attributes.list);
    free(r->tags.list);
    free(r->entries);
    free(r->attributes);
    buffer_fini(&r->arena);
    *r = (struct sqs_request){0};
}

bool sqs_wants_attribute(const struct sqs_request *r, struct slice name)
{
    if (r->all_attributes)
        return true;
    for (size_t i = 0; i < r->names.count; i++) {
        struct slice wanted = r->names.list[i];

        if (slice_equal(wanted, name))
            return true;
        if (slice_ends_with(wanted, SLICE(".*")) && slice_starts_with(name, slice_from(wanted.ptr, wanted.len - 1)))
            return true;
    }
    return false;
}
