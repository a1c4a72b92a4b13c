/* SPDX-License-Identifier: Apache-2.0 */
#include "core/message_form.h"

#include "base/hash.h"
#include "base/memory.h"
#include "codec/digest.h"
#include "codec/item.h"
#include "codec/stream_wire.h"
#include "core/record.h"

#include <stdio.h>
#include <stdlib.h>

#define GROUP_MAX 128 /* characters of a MessageGroupId */

/* ---- making ---- */

static const struct {
    const char *name;
    enum chosen_kind kind;
    const char *attribute; /* as the message has it */
} kinds[] = {
    {"stream", CHOSEN_STREAM, "stream2sqs.stream"},
    {"shard", CHOSEN_SHARD, "stream2sqs.shard"},
    {"sequence_number", CHOSEN_SEQUENCE_NUMBER, "stream2sqs.sequence_number"},
    {"event_id", CHOSEN_EVENT_ID, "stream2sqs.event_id"},
    {"event_name", CHOSEN_EVENT_NAME, "stream2sqs.event_name"},
    {"table", CHOSEN_TABLE, "stream2sqs.table"},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

const struct message_form message_form_default = {
    .body = BODY_LAMBDA,
    .chosen = {{CHOSEN_STREAM, {NULL, 0}}, {CHOSEN_SHARD, {NULL, 0}}, {CHOSEN_SEQUENCE_NUMBER, {NULL, 0}}, {CHOSEN_EVENT_ID, {NULL, 0}}},
    .chosen_count = 4,
};

static struct slice next_name(struct slice *list)
{
    size_t comma = slice_index(*list, ',');
    struct slice name = slice_trim(slice_from(list->ptr, comma));

    *list = slice_after(*list, comma + 1);
    return name;
}

/* docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html; and none of ours */
static bool attribute_name_free(struct slice name)
{
    return sqs_attribute_name_valid(name) && !slice_starts_with(name, SLICE("AWS.")) && !slice_starts_with(name, SLICE("Amazon.")) &&
           !slice_starts_with(name, SLICE("stream2sqs."));
}

static bool choose(struct message_form *f, struct slice name, struct error *err)
{
    struct chosen_attribute chosen = {.kind = CHOSEN_ITEM};
    size_t at = 0;

    while (at < KIND_COUNT && !slice_is(name, kinds[at].name))
        at++;
    if (at < KIND_COUNT)
        chosen.kind = kinds[at].kind;
    else if (!slice_starts_with(name, SLICE("item.")))
        return error_set(err, ERROR_CONFIG, "\"%.*s\" is no attribute: wanted stream, shard, sequence_number, event_id, event_name, table or item.NAME",
                         SLICE_ARG(name));
    chosen.name = chosen.kind == CHOSEN_ITEM ? slice_after(name, 5) : SLICE_NONE;
    if (chosen.kind == CHOSEN_ITEM && !attribute_name_free(chosen.name))
        return error_set(err, ERROR_CONFIG, "SQS takes no message attribute named \"%.*s\" (letters, digits, _ - and single dots, not beginning with AWS.)",
                         SLICE_ARG(chosen.name));
    if (f->chosen_count == CHOSEN_MAX)
        return error_set(err, ERROR_CONFIG, "more than %d attributes: SQS takes ten, and three are ours", CHOSEN_MAX);
    for (size_t i = 0; i < f->chosen_count; i++)
        if (f->chosen[i].kind == chosen.kind && slice_equal(f->chosen[i].name, chosen.name))
            return error_set(err, ERROR_CONFIG, "the attribute %.*s is named twice", SLICE_ARG(name));
    f->chosen[f->chosen_count++] = chosen;
    return true;
}

bool message_form_init(struct message_form *f, enum body_form body, const char *projection, const char *attributes, const char *group,
                       struct error *err)
{
    struct slice list;

    *f = (struct message_form){.body = body, .project = projection != NULL};
    f->texts[0] = memory_strdup(projection ? projection : "");
    f->texts[1] = memory_strdup(attributes ? attributes : "stream,shard,sequence_number,event_id");
    f->texts[2] = memory_strdup(group ? group : "key");
    for (list = slice_text(f->texts[0]); list.len > 0 && strcmp(f->texts[0], "keys") != 0;) {
        f->projected = memory_resize(f->projected, (f->projected_count + 1) * sizeof(*f->projected));
        f->projected[f->projected_count++] = next_name(&list);
    }
    for (list = slice_text(strcmp(f->texts[1], "none") == 0 ? "" : f->texts[1]); list.len > 0;)
        if (!choose(f, next_name(&list), err))
            return false;
    if (strcmp(f->texts[2], "key") == 0)
        return true;
    f->group = slice_after(slice_text(f->texts[2]), 5);
    if (!slice_starts_with(slice_text(f->texts[2]), SLICE("item.")) || f->group.len == 0)
        return error_set(err, ERROR_CONFIG, "message_group is \"%s\": wanted key, or item.NAME", f->texts[2]);
    return true;
}

void message_form_fini(struct message_form *f)
{
    free(f->projected);
    for (size_t i = 0; i < sizeof(f->texts) / sizeof(f->texts[0]); i++)
        free(f->texts[i]);
    *f = (struct message_form){0};
}

void composed_fini(struct composed *c)
{
    buffer_fini(&c->body);
    buffer_fini(&c->arena);
}

/* ---- bodies ---- */

struct writer {
    const struct message_form *form;
    struct scanner json;
    struct buffer *out;
    struct slice keys; /* the Keys object; absent: not met */
};

static struct slice find_in(struct slice object, const char *name)
{
    struct scanner j;
    struct slice key;

    if (!slice_present(object))
        return SLICE_NONE;
    scan_init(&j, object);
    if (scan_peek(&j) != SCAN_OBJECT)
        return SLICE_NONE;
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        struct slice value = scan_skip(&j);

        if (json_raw_equal(key, name))
            return value;
    }
    return SLICE_NONE;
}

static bool in_object(struct slice object, struct slice raw_name)
{
    struct scanner j;
    struct slice key;

    if (!slice_present(object))
        return false;
    scan_init(&j, object);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (slice_equal(key, raw_name))
            return true;
        scan_skip(&j);
    }
    return false;
}

static bool projected(const struct writer *w, struct slice raw_name)
{
    for (size_t i = 0; i < w->form->projected_count; i++) {
        char *name = slice_dup(w->form->projected[i]);
        bool same = json_raw_equal(raw_name, name);

        free(name);
        if (same)
            return true;
    }
    return in_object(w->keys, raw_name);
}

static void begin_member(struct buffer *out, bool *first, const char *quoted_name)
{
    if (!*first)
        buffer_append_byte(out, ',');
    *first = false;
    buffer_append_text(out, quoted_name);
    buffer_append_byte(out, ':');
}

static void write_raw_member(struct buffer *out, bool *first, struct slice raw_name)
{
    buffer_append_text(out, *first ? "\"" : ",\"");
    *first = false;
    buffer_append(out, raw_name);
    buffer_append_text(out, "\":");
}

/* An image, with only what is asked for; plain, or as it is. */
static void write_image(struct writer *w, bool plain)
{
    struct slice name;
    bool first = true;

    buffer_append_byte(w->out, '{');
    scan_object_begin(&w->json);
    while (scan_member(&w->json, &name)) {
        if (w->form->project && !projected(w, name)) {
            scan_skip(&w->json);
            continue;
        }
        write_raw_member(w->out, &first, name);
        if (plain)
            item_value_append(&w->json, w->out);
        else
            buffer_append(w->out, scan_skip(&w->json));
    }
    buffer_append_byte(w->out, '}');
}

static bool is_image(struct slice name)
{
    return json_raw_equal(name, "NewImage") || json_raw_equal(name, "OldImage");
}

/* The record with smaller images; all else byte for byte. With "keys" the images go. */
static void write_projected_dynamodb(struct writer *w)
{
    struct slice name;
    bool first = true;

    buffer_append_byte(w->out, '{');
    scan_object_begin(&w->json);
    while (scan_member(&w->json, &name)) {
        if (is_image(name) && w->form->projected_count == 0) {
            scan_skip(&w->json);
            continue;
        }
        write_raw_member(w->out, &first, name);
        if (is_image(name))
            write_image(w, false);
        else
            buffer_append(w->out, scan_skip(&w->json));
    }
    buffer_append_byte(w->out, '}');
}

static void write_lambda(struct writer *w, struct slice record, struct slice arn)
{
    struct slice name;
    bool first = true;

    if (!w->form->project) {
        record_lambda_body(w->out, record, arn);
        scan_skip(&w->json);
        return;
    }
    buffer_append_byte(w->out, '{');
    scan_object_begin(&w->json);
    while (scan_member(&w->json, &name)) {
        write_raw_member(w->out, &first, name);
        if (json_raw_equal(name, "dynamodb") && scan_peek(&w->json) == SCAN_OBJECT)
            write_projected_dynamodb(w);
        else
            buffer_append(w->out, scan_skip(&w->json));
    }
    begin_member(w->out, &first, "\"eventSourceARN\"");
    json_append_string(w->out, arn);
    buffer_append_byte(w->out, '}');
}

/* From DynamoDB's names to those of plain records; images are converted. */
static const struct {
    const char *from;
    const char *to;
    bool item;
} dynamodb_names[] = {
    {"SequenceNumber", "\"sequenceNumber\"", false}, {"ApproximateCreationDateTime", "\"approximateCreationDateTime\"", false},
    {"StreamViewType", "\"streamViewType\"", false}, {"Keys", "\"keys\"", true}, {"NewImage", "\"newImage\"", true}, {"OldImage", "\"oldImage\"", true},
};

static void write_plain_dynamodb(struct writer *w, bool *first)
{
    struct slice name;

    scan_object_begin(&w->json);
    while (scan_member(&w->json, &name)) {
        size_t at = 0;

        while (at < sizeof(dynamodb_names) / sizeof(dynamodb_names[0]) && !json_raw_equal(name, dynamodb_names[at].from))
            at++;
        if (at == sizeof(dynamodb_names) / sizeof(dynamodb_names[0]) || (is_image(name) && w->form->project && w->form->projected_count == 0)) {
            scan_skip(&w->json);
            continue;
        }
        begin_member(w->out, first, dynamodb_names[at].to);
        if (!dynamodb_names[at].item)
            buffer_append(w->out, scan_skip(&w->json));
        else
            write_image(w, true);
    }
}

static void write_unmarshalled(struct writer *w, struct slice arn)
{
    static const char *const kept[] = {"eventID", "eventName", "eventSource", "awsRegion", "userIdentity"};
    struct slice name;
    bool first = true;

    buffer_append_byte(w->out, '{');
    scan_object_begin(&w->json);
    while (scan_member(&w->json, &name)) {
        size_t at = 0;

        if (json_raw_equal(name, "dynamodb") && scan_peek(&w->json) == SCAN_OBJECT) {
            write_plain_dynamodb(w, &first);
            continue;
        }
        while (at < sizeof(kept) / sizeof(kept[0]) && !json_raw_equal(name, kept[at]))
            at++;
        if (at == sizeof(kept) / sizeof(kept[0])) {
            scan_skip(&w->json);
            continue;
        }
        write_raw_member(w->out, &first, name);
        buffer_append(w->out, scan_skip(&w->json));
    }
    begin_member(w->out, &first, "\"eventSourceARN\"");
    json_append_string(w->out, arn);
    buffer_append_byte(w->out, '}');
}

bool message_form_body(const struct message_form *f, struct slice record, const struct origin *origin, struct buffer *out, struct error *err)
{
    struct writer w = {.form = f, .out = out};
    struct slice arn = slice_text(origin->arn);

    if (f->body == BODY_LAMBDA && !f->project) { /* what most queues want: nothing is looked into */
        record_lambda_body(out, record, arn);
        return true;
    }
    scan_init(&w.json, record);
    if (f->project)
        w.keys = find_in(find_in(record, "dynamodb"), "Keys");
    if (f->body == BODY_BATCH)
        buffer_append_text(out, "{\"Records\":[");
    if (f->body == BODY_UNMARSHALLED)
        write_unmarshalled(&w, arn);
    else
        write_lambda(&w, record, arn);
    if (f->body == BODY_BATCH)
        buffer_append_text(out, "]}");
    if (scan_end(&w.json))
        return true;
    return error_set(err, ERROR_INPUT, "the record cannot be brought into this form: %s, at byte %zu of it",
                     w.json.error ? w.json.error : "something follows it", scan_offset(&w.json));
}

/* ---- attributes ---- */

void composed_add(struct composed *c, struct slice name, struct slice type, struct slice value)
{
    if (slice_present(value) && value.len > 0 && c->attribute_count < SQS_ATTRIBUTES_MAX)
        c->attributes[c->attribute_count++] = (struct sqs_attribute){name, type, value};
}

/* The typed value of a top-level attribute: of the new image, the old one, or the key. */
static struct slice item_attribute(struct slice record, struct slice name)
{
    static const char *const places[] = {"NewImage", "OldImage", "Keys"};
    struct slice dynamodb = find_in(record, "dynamodb");
    char *text = slice_dup(name);
    struct slice found = SLICE_NONE;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !slice_present(found); i++)
        found = find_in(find_in(dynamodb, places[i]), text);
    free(text);
    return found;
}

/* Decodes S, N, B or BOOL; the text lands in the arena, which does not move (room was made for the whole record). False: another type, or malformed. */
static bool decode_value(struct slice typed, struct buffer *arena, struct slice *type, struct slice *value)
{
    struct scanner j;
    struct slice name;
    size_t start = arena->len;

    scan_init(&j, typed);
    scan_object_begin(&j);
    if (!scan_member(&j, &name))
        return false;
    *type = slice_is(name, "N") ? SLICE("Number") : slice_is(name, "B") ? SLICE("Binary") : SLICE("String");
    if (slice_is(name, "BOOL"))
        buffer_append_text(arena, scan_bool(&j) ? "true" : "false");
    else if (!slice_is(name, "S") && !slice_is(name, "N") && !slice_is(name, "B"))
        return false;
    else if (slice_is(name, "B") ? !base64_decode(arena, scan_string(&j)) : !json_unescape(arena, scan_string(&j)))
        return false;
    *value = slice_from(arena->ptr + start, arena->len - start);
    return !scan_failed(&j);
}

static void add_item_attribute(struct composed *c, struct slice record, struct slice name)
{
    struct slice typed = item_attribute(record, name);
    struct slice type;
    struct slice value;

    if (!slice_present(typed) || !decode_value(typed, &c->arena, &type, &value))
        return;
    if (slice_is(type, "Binary") || sqs_characters_valid(value))
        composed_add(c, name, type, value);
}

/* "orders" of arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-31T00:00:00.000 */
static struct slice table_of(const char *arn)
{
    const char *start = strstr(arn, ":table/");
    struct slice rest = start ? slice_text(start + 7) : SLICE_NONE;

    return slice_present(rest) ? slice_from(rest.ptr, slice_index(rest, '/')) : rest;
}

static struct slice raw_member(struct slice record, const char *name)
{
    struct slice value = find_in(record, name);

    return value.len >= 2 && value.ptr[0] == '"' ? slice_from(value.ptr + 1, value.len - 2) : SLICE_NONE;
}

void message_form_attributes(const struct message_form *f, struct slice record, struct slice sequence_number, const struct origin *origin,
                             struct composed *c)
{
    buffer_reset(&c->arena);
    buffer_reserve(&c->arena, record.len);
    for (size_t i = 0; i < f->chosen_count; i++) {
        const struct chosen_attribute *chosen = &f->chosen[i];
        struct slice value = SLICE_NONE;

        switch (chosen->kind) {
        case CHOSEN_STREAM:
            value = slice_text(origin->arn);
            break;
        case CHOSEN_SHARD:
            value = slice_text(origin->shard_id);
            break;
        case CHOSEN_SEQUENCE_NUMBER:
            value = sequence_number;
            break;
        case CHOSEN_EVENT_ID:
            value = record_event_id(record);
            break;
        case CHOSEN_EVENT_NAME:
            value = raw_member(record, "eventName");
            break;
        case CHOSEN_TABLE:
            value = table_of(origin->arn);
            break;
        case CHOSEN_ITEM:
            add_item_attribute(c, record, chosen->name);
            continue;
        }
        composed_add(c, slice_text(kinds[chosen->kind].attribute), SLICE("String"), value);
    }
}

/* ---- FIFO groups ---- */

/* Alphanumerics and punctuation: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html. The slash parts a key of two
 * attributes, the prefix marks a hash: so no two keys share a clear id. */
static bool clear_id(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '/')
            return false;
    return s.len > 0 && !slice_starts_with(s, SLICE("sha256:"));
}

static void hashed_group(struct composed *c, const struct slice *parts, int count)
{
    unsigned char digest[SHA256_BYTES];
    struct buffer text = {0};

    for (int i = 0; i < count; i++) {
        buffer_printf(&text, "%zu:", parts[i].len);
        buffer_append(&text, parts[i]);
    }
    sha256(buffer_slice(&text), digest);
    memcpy(c->group, "sha256:", 7);
    hex_encode(digest, sizeof(digest), c->group + 7);
    buffer_fini(&text);
}

static void group_of(struct composed *c, const struct slice *parts, int count)
{
    size_t bytes = (size_t)count;
    bool clear = true;

    for (int i = 0; i < count; i++) {
        clear = clear && clear_id(parts[i]);
        bytes += parts[i].len;
    }
    if (!clear || bytes > GROUP_MAX) {
        hashed_group(c, parts, count);
        return;
    }
    snprintf(c->group, sizeof(c->group), "%.*s%s%.*s", SLICE_ARG(parts[0]), count > 1 ? "/" : "", count > 1 ? (int)parts[1].len : 0,
             count > 1 ? parts[1].ptr : "");
}

void message_form_group(const struct message_form *f, struct slice record, struct composed *c)
{
    struct key_attribute keys[2];
    struct slice parts[2];
    struct slice type;
    struct slice typed = slice_present(f->group) ? item_attribute(record, f->group) : SLICE_NONE;
    struct buffer arena = {0};
    int count;
    int first;

    buffer_reserve(&arena, record.len);
    if (slice_present(typed) && decode_value(typed, &arena, &type, &parts[0])) {
        group_of(c, parts, 1);
        buffer_fini(&arena);
        return;
    }
    typed = find_in(find_in(record, "dynamodb"), "Keys");
    count = slice_present(typed) ? keys_decode(typed, keys, &arena) : 0;
    first = count == 2 && slice_compare(keys[0].name, keys[1].name) > 0; /* in the order of their names, whatever that of the record */
    for (int i = 0; i < count; i++)
        parts[i] = keys[i == 0 ? first : !first].value;
    if (count > 0)
        group_of(c, parts, count);
    else
        hashed_group(c, &record, 1); /* a record without a key: a group of its own */
    buffer_fini(&arena);
}

uint64_t message_form_group_hash(const struct message_form *f, struct slice record, uint64_t key_hash, struct composed *c)
{
    if (!slice_present(f->group))
        return key_hash;
    message_form_group(f, record, c);
    return hash_bytes(slice_text(c->group));
}

void message_form_deduplication_id(const struct origin *origin, const struct message_row *row, char hex[2 * SHA256_BYTES + 1])
{
    unsigned char digest[SHA256_BYTES];
    struct buffer text = {0};
    int64_t redriven_ms = history_redriven_ms(row->history);

    buffer_printf(&text, "%s|%s|%.*s|%lld", origin->arn, origin->shard_id, SLICE_ARG(row->sequence_number), (long long)row->sub_sequence);
    if (history_replayed(row->history))
        buffer_printf(&text, "|replay %lld", (long long)row->id);
    if (redriven_ms > 0)
        buffer_printf(&text, "|redrive %lld", (long long)redriven_ms);
    sha256(buffer_slice(&text), digest);
    hex_encode(digest, sizeof(digest), hex);
    buffer_fini(&text);
}
