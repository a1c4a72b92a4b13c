/* SPDX-License-Identifier: Apache-2.0 */
#include "app/handover.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "codec/digest.h"
#include "codec/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX "S2Q_"

static struct slice slice_of(struct s2q_text t)
{
    return slice_from(t.ptr, t.len);
}

static bool is_binary(const struct s2q_attribute *a)
{
    return slice_starts_with(slice_of(a->type), SLICE("Binary"));
}

static bool is_json(struct slice text)
{
    struct scanner j;

    scan_init(&j, text);
    scan_skip(&j);
    return scan_end(&j);
}

/* ---- lines ---- */

static void append_string(struct buffer *out, struct slice s)
{
    if (utf8_valid(s))
        json_append_string(out, s);
    else
        buffer_append_text(out, "null"); /* AWS JSON cannot have brought it */
}

void handover_body(struct buffer *out, const struct s2q_message *m)
{
    struct slice body = slice_of(m->body);
    size_t from = out->len;

    if (is_json(body)) {
        buffer_append(out, slice_trim(body));
        for (size_t i = from; i < out->len; i++) /* raw, they stand between parts only: in a string they are escaped */
            if (out->ptr[i] == '\n' || out->ptr[i] == '\r')
                out->ptr[i] = ' ';
    } else {
        append_string(out, body);
    }
    buffer_append_byte(out, '\n');
}

static void append_attribute(struct buffer *out, const struct s2q_attribute *a)
{
    append_string(out, slice_of(a->name));
    buffer_append_text(out, is_binary(a) ? ":{\"binaryValue\":\"" : ":{\"stringValue\":");
    if (is_binary(a)) {
        base64_append(out, slice_of(a->value));
        buffer_append_byte(out, '"');
    } else {
        append_string(out, slice_of(a->value));
    }
    buffer_append_text(out, ",\"dataType\":");
    append_string(out, slice_of(a->type));
    buffer_append_byte(out, '}');
}

void handover_message(struct buffer *out, const struct s2q_message *m)
{
    buffer_append_text(out, "{\"messageId\":");
    append_string(out, slice_of(m->message_id));
    buffer_append_text(out, ",\"body\":");
    append_string(out, slice_of(m->body));
    buffer_printf(out, ",\"attributes\":{\"ApproximateReceiveCount\":\"%llu\"", (unsigned long long)m->receive_count);
    if (m->group_id.ptr) {
        buffer_append_text(out, ",\"MessageGroupId\":");
        append_string(out, slice_of(m->group_id));
    }
    buffer_append_text(out, "},\"messageAttributes\":{");
    for (size_t i = 0; i < m->attribute_count; i++) {
        buffer_append_text(out, i ? "," : "");
        append_attribute(out, &m->attributes[i]);
    }
    buffer_append_text(out, "}}\n");
}

/* ---- what a record says ---- */

/* A member of an object, raw; absent: there is none, or it is no object. `text` is valid JSON. */
static struct slice member(struct slice text, const char *name)
{
    struct scanner j;
    struct slice key;
    struct slice found = SLICE_NONE;

    scan_init(&j, text);
    if (!slice_present(text) || scan_peek(&j) != SCAN_OBJECT)
        return SLICE_NONE;
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        struct slice value = scan_skip(&j);

        if (json_raw_equal(key, name))
            found = value;
    }
    return found;
}

static struct slice first_element(struct slice text)
{
    struct scanner j;

    scan_init(&j, text);
    if (!slice_present(text) || scan_peek(&j) != SCAN_ARRAY)
        return SLICE_NONE;
    scan_array_begin(&j);
    return scan_element(&j) ? scan_skip(&j) : SLICE_NONE;
}

/* The record in a body, in any of our forms (docs/messages.md). */
static struct slice record_in(struct slice body)
{
    struct slice records;

    if (!is_json(body))
        return SLICE_NONE;
    records = member(body, "Records");
    return slice_present(records) ? first_element(records) : body;
}

/* ---- the environment ---- */

struct environment {
    char **lines;
    size_t count;
};

static void append_line(struct environment *e, char *line)
{
    e->lines = memory_resize(e->lines, (e->count + 2) * sizeof(*e->lines));
    e->lines[e->count++] = line;
    e->lines[e->count] = NULL;
}

static bool is_set(const struct environment *e, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < e->count; i++)
        if (strncmp(e->lines[i], name, len) == 0 && e->lines[i][len] == '=')
            return true;
    return false;
}

static void set(struct environment *e, const char *name, struct slice value)
{
    struct buffer line = {0};

    if (!slice_present(value) || value.len > HANDOVER_VALUE_MAX || (value.len > 0 && memchr(value.ptr, '\0', value.len)) || is_set(e, name))
        return;
    buffer_printf(&line, "%s=", name);
    buffer_append(&line, value);
    append_line(e, buffer_take(&line));
}

static void set_attribute(struct environment *e, const struct s2q_attribute *a)
{
    struct buffer name = {0};
    struct buffer value = {0};

    buffer_append_text(&name, PREFIX "ATTRIBUTE_");
    for (size_t i = 0; i < a->name.len; i++)
        buffer_append_byte(&name, isalnum((unsigned char)a->name.ptr[i]) ? a->name.ptr[i] : '_');
    if (is_binary(a))
        base64_append(&value, slice_of(a->value));
    set(e, name.ptr, is_binary(a) ? buffer_slice(&value) : slice_of(a->value));
    buffer_fini(&name);
    buffer_fini(&value);
}

static void set_record(struct environment *e, struct slice record)
{
    struct slice keys = member(member(record, "dynamodb"), "Keys");
    struct slice event_name = member(record, "eventName");

    set(e, PREFIX "KEYS", slice_present(keys) ? keys : member(record, "keys"));
    if (slice_starts_with(event_name, SLICE("\"")))
        set(e, PREFIX "EVENT_NAME", slice_from(event_name.ptr + 1, event_name.len - 2));
}

char **handover_environment(const struct s2q_message *m, const char *queue, char *const *base)
{
    struct environment e = {0};
    char count[24];

    for (; *base; base++)
        if (strncmp(*base, PREFIX, strlen(PREFIX)) != 0)
            append_line(&e, memory_strdup(*base));
    snprintf(count, sizeof(count), "%llu", (unsigned long long)m->receive_count);
    set(&e, PREFIX "QUEUE", slice_text(queue));
    set(&e, PREFIX "MESSAGE_ID", slice_of(m->message_id));
    set(&e, PREFIX "RECEIVE_COUNT", slice_text(count));
    set(&e, PREFIX "GROUP_ID", slice_of(m->group_id));
    set(&e, PREFIX "STREAM", slice_of(m->stream));
    set(&e, PREFIX "SHARD", slice_of(m->shard));
    set(&e, PREFIX "SEQUENCE_NUMBER", slice_of(m->sequence_number));
    set(&e, PREFIX "EVENT_ID", slice_of(m->event_id));
    set_record(&e, record_in(slice_of(m->body)));
    for (size_t i = 0; i < m->attribute_count; i++)
        set_attribute(&e, &m->attributes[i]);
    return e.lines;
}

void handover_environment_free(char **environment)
{
    for (char **line = environment; *line; line++)
        free(*line);
    free(environment);
}
