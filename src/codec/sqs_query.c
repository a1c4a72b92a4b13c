/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sqs_query.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "codec/form.h"
#include "codec/json.h"
#include "codec/sqs_members.h"

#include <stdio.h>
#include <stdlib.h>

#define PARAMETERS_MAX 4096
#define NAMESPACE "http://queue.amazonaws.com/doc/2012-11-05/"

/* ---- the form ---- */

/* The first segment of a name; *rest is what follows its dot, or empty. */
static struct slice first_segment(struct slice name, struct slice *rest)
{
    size_t at = slice_index(name, '.');

    *rest = slice_after(name, at + 1);
    return slice_from(name.ptr, at);
}

/* Numbers before texts, and by their value. */
static int compare_segments(struct slice a, struct slice b)
{
    uint64_t x;
    uint64_t y;
    bool a_is_number = slice_to_u64(a, &x);
    bool b_is_number = slice_to_u64(b, &y);

    if (a_is_number && b_is_number)
        return x < y ? -1 : x > y;
    if (a_is_number != b_is_number)
        return a_is_number ? -1 : 1;
    return slice_compare(a, b);
}

static int compare_names(const void *a, const void *b)
{
    struct slice left = ((const struct sqs_query_parameter *)a)->name;
    struct slice right = ((const struct sqs_query_parameter *)b)->name;

    while (left.len > 0 && right.len > 0) {
        int order = compare_segments(first_segment(left, &left), first_segment(right, &right));

        if (order != 0)
            return order;
    }
    return (left.len > 0) - (right.len > 0);
}

static bool parse(struct sqs_query *q, struct slice form, struct sqs_failure *failure)
{
    q->count = 0;
    buffer_reset(&q->texts);
    buffer_reserve(&q->texts, form.len); /* decoded texts never move */
    while (form.len > 0) {
        struct slice pair = slice_from(form.ptr, slice_index(form, '&'));
        size_t equals = slice_index(pair, '=');
        struct sqs_query_parameter p = {0};

        form = slice_after(form, pair.len + 1);
        if (pair.len == 0)
            continue;
        if (!percent_decode(&q->texts, slice_from(pair.ptr, equals), &p.name) || !percent_decode(&q->texts, slice_after(pair, equals + 1), &p.value) ||
            !utf8_valid(p.name) || !utf8_valid(p.value)) {
            sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE, "The request is no form of UTF-8 texts (application/x-www-form-urlencoded).");
            return false;
        }
        if (q->count == PARAMETERS_MAX) {
            sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE, "The request has more than %d parameters.", PARAMETERS_MAX);
            return false;
        }
        if (q->count == q->cap) {
            q->cap = q->cap ? q->cap * 2 : 32;
            q->parameters = memory_resize(q->parameters, q->cap * sizeof(*q->parameters));
        }
        q->parameters[q->count++] = p;
    }
    return true;
}

/* ---- to JSON ---- */

/* Parameters that stand together, their names without the part that is known already. */
struct range {
    struct sqs_query_parameter *first;
    size_t count;
};

/* The parameters at the front of `r` that share the first segment, which is cut off their names. */
static struct range take_group(struct range *r, struct slice *segment)
{
    struct range group = {r->first, 0};
    struct slice rest;

    *segment = first_segment(r->first[0].name, &rest);
    while (group.count < r->count && slice_equal(first_segment(r->first[group.count].name, &rest), *segment))
        r->first[group.count++].name = rest;
    r->first += group.count;
    r->count -= group.count;
    return group;
}

/* The value of the parameter of that name; absent: there is none. */
static struct slice value_of(const struct range *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (slice_is(r->first[i].name, name))
            return r->first[i].value;
    return SLICE_NONE;
}

static void append_comma(struct buffer *out)
{
    char last = out->ptr[out->len - 1];

    if (last != '{' && last != '[')
        buffer_append_byte(out, ',');
}

static void append_member(struct buffer *out, const char *name, struct slice value)
{
    if (!slice_present(value))
        return;
    append_comma(out);
    json_append_string(out, slice_text(name));
    buffer_append_byte(out, ':');
    json_append_string(out, value);
}

static bool append_integer(struct buffer *out, const struct sqs_member *m, struct slice value, struct sqs_failure *failure)
{
    bool negative = value.len > 0 && value.ptr[0] == '-';
    uint64_t number;

    if (!slice_to_u64(slice_after(value, negative), &number)) {
        sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE, "Value %.*s for parameter %s is invalid. Reason: Must be an integer.",
                 value.len > 40 ? 40 : (int)value.len, value.ptr, m->name);
        return false;
    }
    buffer_append_text(out, negative ? "-" : "");
    buffer_append_u64(out, number);
    return true;
}

/* X.N.Name and X.N.Value, or without ".N" for a single one. */
static void append_map(struct buffer *out, struct range group, const char *name, const char *value)
{
    buffer_append_byte(out, '{');
    while (group.count > 0) {
        struct range one = group;
        struct slice segment;
        uint64_t number;

        if (slice_to_u64(first_segment(group.first[0].name, &segment), &number))
            one = take_group(&group, &segment);
        else
            group.count = 0;
        if (!slice_present(value_of(&one, name)))
            continue;
        append_comma(out);
        json_append_string(out, value_of(&one, name));
        buffer_append_byte(out, ':');
        json_append_string(out, slice_present(value_of(&one, value)) ? value_of(&one, value) : SLICE(""));
    }
    buffer_append_byte(out, '}');
}

/* X.N.Name, X.N.Value.DataType, X.N.Value.StringValue or X.N.Value.BinaryValue. */
static void append_attributes(struct buffer *out, struct range group)
{
    buffer_append_byte(out, '{');
    while (group.count > 0) {
        struct slice segment;
        struct range one = take_group(&group, &segment);

        append_comma(out);
        json_append_string(out, slice_present(value_of(&one, "Name")) ? value_of(&one, "Name") : SLICE(""));
        buffer_append_text(out, ":{");
        append_member(out, "DataType", value_of(&one, "Value.DataType"));
        append_member(out, "StringValue", value_of(&one, "Value.StringValue"));
        append_member(out, "BinaryValue", value_of(&one, "Value.BinaryValue"));
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, '}');
}

static void append_texts(struct buffer *out, struct range group)
{
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < group.count; i++) {
        append_comma(out);
        json_append_string(out, group.first[i].value);
    }
    buffer_append_byte(out, ']');
}

static bool append_members(struct buffer *out, enum sqs_action action, bool entry, struct range all, struct sqs_failure *failure);

static bool append_entries(struct buffer *out, enum sqs_action action, struct range group, struct sqs_failure *failure)
{
    bool good = true;

    buffer_append_byte(out, '[');
    while (good && group.count > 0) {
        struct slice number;

        append_comma(out);
        buffer_append_byte(out, '{');
        good = append_members(out, action, true, take_group(&group, &number), failure);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
    return good;
}

static bool append_value(struct buffer *out, enum sqs_action action, const struct sqs_member *m, struct range group, struct sqs_failure *failure)
{
    switch (m->kind) {
    case SQS_MEMBER_INT:
        return append_integer(out, m, group.first[0].value, failure);
    case SQS_MEMBER_TEXTS:
    case SQS_MEMBER_SYSTEM_NAMES:
        append_texts(out, group);
        return true;
    case SQS_MEMBER_PAIRS:
        append_map(out, group, "Name", "Value");
        return true;
    case SQS_MEMBER_TAGS:
        append_map(out, group, "Key", "Value");
        return true;
    case SQS_MEMBER_ATTRIBUTES:
    case SQS_MEMBER_SYSTEM_ATTRIBUTES:
        append_attributes(out, group);
        return true;
    case SQS_MEMBER_ENTRIES:
        return append_entries(out, action, group, failure);
    default:
        json_append_string(out, group.first[0].value);
        return true;
    }
}

static bool append_members(struct buffer *out, enum sqs_action action, bool entry, struct range all, struct sqs_failure *failure)
{
    bool good = true;

    while (good && all.count > 0) {
        struct slice name;
        struct range group = take_group(&all, &name);
        const struct sqs_member *m = sqs_member_find_query(action, entry, name);

        if (m == NULL || (m->kind == SQS_MEMBER_INT && group.first[0].value.len == 0))
            continue;
        append_comma(out);
        json_append_string(out, slice_text(m->name));
        buffer_append_byte(out, ':');
        good = append_value(out, action, m, group, failure);
    }
    return good;
}

/* A queue URL's path, "/000000000000/orders", stands for QueueUrl. */
static void append_path(struct sqs_query *q, struct slice path)
{
    const struct sqs_member *m = sqs_member_find(sqs_action_find(q->action), false, SLICE("QueueUrl"));

    for (size_t i = 0; i < q->count; i++)
        if (slice_is(q->parameters[i].name, "QueueUrl"))
            return;
    if (m == NULL || path.len <= 1 || !utf8_valid(path))
        return;
    append_member(&q->json, "QueueUrl", path);
}

bool sqs_query_to_json(struct sqs_query *q, struct slice form, struct slice path, struct sqs_failure *failure)
{
    struct range all;
    enum sqs_action action;

    *failure = (struct sqs_failure){0};
    buffer_reset(&q->json);
    q->action = SLICE("");
    if (!parse(q, form, failure))
        return false;
    all = (struct range){q->parameters, q->count};
    q->action = value_of(&all, "Action");
    if (!slice_present(q->action)) {
        sqs_fail(failure, SQS_MISSING_ACTION, NULL);
        return false;
    }
    action = sqs_action_find(q->action);
    if (action == SQS_ACTION_COUNT) {
        sqs_fail(failure, SQS_UNKNOWN_OPERATION, "The action %.*s is not valid for this endpoint.",
                 q->action.len > 80 ? 80 : (int)q->action.len, q->action.ptr);
        return false;
    }
    qsort(q->parameters, q->count, sizeof(*q->parameters), compare_names);
    buffer_append_byte(&q->json, '{');
    append_path(q, path);
    if (!append_members(&q->json, action, false, all, failure))
        return false;
    buffer_append_byte(&q->json, '}');
    return true;
}

void sqs_query_fini(struct sqs_query *q)
{
    buffer_fini(&q->json);
    buffer_fini(&q->texts);
    free(q->parameters);
    *q = (struct sqs_query){0};
}

/* ---- to XML ---- */

/* Lists and maps of answers are flattened: one element each. */
static const struct flattened {
    const char *member;
    const char *element; /* NULL: the operation's name and "ResultEntry" */
    const char *key;     /* of a map; NULL: it is a list */
} flattened[] = {
    {"Messages", "Message", NULL},
    {"QueueUrls", "QueueUrl", NULL},
    {"queueUrls", "QueueUrl", NULL},
    {"Successful", NULL, NULL},
    {"Failed", "BatchResultErrorEntry", NULL},
    {"Results", "ListMessageMoveTasksResultEntry", NULL},
    {"Attributes", "Attribute", "Name"},
    {"MessageAttributes", "MessageAttribute", "Name"},
    {"Tags", "Tag", "Key"},
};

struct writer {
    struct buffer *out;
    struct buffer text; /* scratch */
    const char *operation;
    struct scanner json;
};

static void append_escaped(struct buffer *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.ptr[i]) {
        case '&':
            buffer_append_text(out, "&amp;");
            break;
        case '<':
            buffer_append_text(out, "&lt;");
            break;
        case '>':
            buffer_append_text(out, "&gt;");
            break;
        case '"':
            buffer_append_text(out, "&quot;");
            break;
        case '\r': /* a parser would make a line feed of it (XML 1.0, 2.11) */
            buffer_append_text(out, "&#xD;");
            break;
        default:
            buffer_append_byte(out, s.ptr[i]);
        }
    }
}

static void append_json_text(struct writer *w, struct slice raw)
{
    buffer_reset(&w->text);
    json_unescape(&w->text, raw);
    append_escaped(w->out, buffer_slice(&w->text));
}

static void open_element(struct writer *w, const char *name)
{
    buffer_append_byte(w->out, '<');
    buffer_append_text(w->out, name);
    buffer_append_byte(w->out, '>');
}

static void close_element(struct writer *w, const char *name)
{
    buffer_append_text(w->out, "</");
    buffer_append_text(w->out, name);
    buffer_append_byte(w->out, '>');
}

static void write_members(struct writer *w);

static void write_value(struct writer *w)
{
    switch (scan_peek(&w->json)) {
    case SCAN_STRING:
        append_json_text(w, scan_string(&w->json));
        break;
    case SCAN_OBJECT:
        write_members(w);
        break;
    default:
        buffer_append(w->out, scan_skip(&w->json)); /* numbers, true and false are written alike */
    }
}

static void write_list(struct writer *w, const char *element)
{
    scan_array_begin(&w->json);
    while (scan_element(&w->json)) {
        open_element(w, element);
        write_value(w);
        close_element(w, element);
    }
}

static void write_map(struct writer *w, const struct flattened *f)
{
    struct slice key;

    scan_object_begin(&w->json);
    while (scan_member(&w->json, &key)) {
        open_element(w, f->element);
        open_element(w, f->key);
        append_json_text(w, key);
        close_element(w, f->key);
        open_element(w, "Value");
        write_value(w);
        close_element(w, "Value");
        close_element(w, f->element);
    }
}

static const struct flattened *find_flattened(const char *member)
{
    for (size_t i = 0; i < sizeof(flattened) / sizeof(flattened[0]); i++)
        if (strcmp(member, flattened[i].member) == 0)
            return &flattened[i];
    return NULL;
}

static bool name_of_member(struct slice key)
{
    for (size_t i = 0; i < key.len; i++)
        if (!((key.ptr[i] >= 'A' && key.ptr[i] <= 'Z') || (key.ptr[i] >= 'a' && key.ptr[i] <= 'z') || (i > 0 && key.ptr[i] >= '0' && key.ptr[i] <= '9')))
            return false;
    return key.len > 0 && key.len < 64;
}

static void write_members(struct writer *w)
{
    struct slice key;

    scan_object_begin(&w->json);
    while (scan_member(&w->json, &key)) {
        char name[64];
        char entry[64];
        const struct flattened *f;

        if (!name_of_member(key)) { /* another server's, passed on */
            scan_skip(&w->json);
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", SLICE_ARG(key));
        f = find_flattened(name);
        if (f == NULL) {
            open_element(w, name);
            write_value(w);
            close_element(w, name);
        } else if (f->key) {
            write_map(w, f);
        } else {
            snprintf(entry, sizeof(entry), "%sResultEntry", w->operation);
            write_list(w, f->element ? f->element : entry);
        }
    }
}

static void write_error(struct writer *w, const struct sqs_answer *a, struct slice request_id)
{
    struct slice key;

    buffer_printf(w->out, "<ErrorResponse xmlns=\"" NAMESPACE "\"><Error><Type>%s</Type><Code>%s</Code><Message>",
                  sqs_error_status(a->error) < 500 ? "Sender" : "Receiver", sqs_error_query_code(a->error));
    scan_object_begin(&w->json);
    while (scan_member(&w->json, &key)) {
        if (slice_is(key, "message"))
            append_json_text(w, scan_string(&w->json));
        else
            scan_skip(&w->json);
    }
    buffer_printf(w->out, "</Message><Detail/></Error><RequestId>%.*s</RequestId></ErrorResponse>", SLICE_ARG(request_id));
}

void sqs_answer_to_xml(struct buffer *out, const struct sqs_answer *a, enum sqs_action action, struct slice request_id)
{
    struct writer w = {.out = out, .operation = action < SQS_ACTION_COUNT ? sqs_action_name(action) : ""};

    buffer_append_text(out, "<?xml version=\"1.0\"?>");
    scan_init(&w.json, a->body.len > 0 ? buffer_slice(&a->body) : SLICE("{}"));
    if (a->error != SQS_OK) {
        write_error(&w, a, request_id);
        buffer_fini(&w.text);
        return;
    }
    buffer_reserve(out, a->body.len + a->body.len / 4 + 512);
    buffer_printf(out, "<%sResponse xmlns=\"" NAMESPACE "\">", w.operation);
    if (sqs_action_has_output(action)) {
        buffer_printf(out, "<%sResult>", w.operation);
        write_members(&w);
        buffer_printf(out, "</%sResult>", w.operation);
    }
    buffer_printf(out, "<ResponseMetadata><RequestId>%.*s</RequestId></ResponseMetadata></%sResponse>", SLICE_ARG(request_id), w.operation);
    buffer_fini(&w.text);
}
