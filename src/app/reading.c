/* SPDX-License-Identifier: Apache-2.0 */
#include "app/reading.h"

#include "app/output.h"
#include "base/memory.h"
#include "codec/stream_wire.h"

#include <stdlib.h>

/* ---- opening ---- */

static void note_queue(void *context, const struct queue_row *row)
{
    struct reading *r = context;
    char id[24];

    snprintf(id, sizeof(id), "%lld", (long long)row->id);
    json_object_set_new(r->queues, id, json_slice(row->name));
}

struct naming {
    struct reading *reading;
    int64_t *streams; /* of each shard */
};

static void note_shard(void *context, const struct shard_row *row)
{
    struct naming *naming = context;
    struct reading *r = naming->reading;

    r->shards = memory_resize(r->shards, (r->shard_count + 1) * sizeof(*r->shards));
    naming->streams = memory_resize(naming->streams, (r->shard_count + 1) * sizeof(*naming->streams));
    naming->streams[r->shard_count] = row->stream;
    r->shards[r->shard_count++] = (struct shard_name){row->id, slice_dup(row->shard_id), NULL};
}

static void note_stream(void *context, const struct stream_row *row)
{
    struct naming *naming = context;

    for (size_t i = 0; i < naming->reading->shard_count; i++)
        if (naming->streams[i] == row->id)
            naming->reading->shards[i].arn = slice_dup(row->arn);
}

static void load_names(struct reading *r)
{
    struct naming naming = {r, NULL};

    r->queues = json_object();
    ledger_queues(r->db, note_queue, r);
    ledger_shards(r->db, note_shard, &naming);
    ledger_streams(r->db, note_stream, &naming);
    free(naming.streams);
}

bool reading_open(struct reading *r, const struct invocation *in, int *status)
{
    const struct database_options options = {.read_only = true};
    struct error err;

    *r = (struct reading){0};
    if (!invocation_config(in, &r->config)) {
        *status = error_exit_status(ERROR_CONFIG);
        return false;
    }
    r->db = database_open(r->config.ledger, &options, &err);
    if (r->db == NULL) {
        *status = invocation_fail(in, &err);
        config_fini(&r->config);
        return false;
    }
    digest_init();
    database_read_begin(r->db);
    identity_init(&r->identity, r->db); /* `run` has made its keys: nothing is written */
    load_names(r);
    return true;
}

void reading_close(struct reading *r)
{
    database_read_end(r->db);
    database_close(r->db);
    identity_fini(&r->identity);
    for (size_t i = 0; i < r->shard_count; i++) {
        free(r->shards[i].shard_id);
        free(r->shards[i].arn);
    }
    free(r->shards);
    json_decref(r->queues);
    config_fini(&r->config);
    digest_fini();
}

/* ---- names ---- */

const char *reading_queue(const struct reading *r, int64_t id)
{
    char key[24];
    const char *name;

    snprintf(key, sizeof(key), "%lld", (long long)id);
    name = json_string_value(json_object_get(r->queues, key));
    return name ? name : "?";
}

int64_t reading_queue_id(const struct reading *r, const char *name)
{
    const char *key;
    json_t *value;

    json_object_foreach(r->queues, key, value)
        if (strcmp(json_string_value(value), name) == 0)
            return strtoll(key, NULL, 10);
    return 0;
}

/* They were loaded in the order of their ids; in a year a busy table has 100,000 of them. */
static int compare_shards(const void *a, const void *b)
{
    int64_t left = ((const struct shard_name *)a)->id;
    int64_t right = ((const struct shard_name *)b)->id;

    return left < right ? -1 : left > right;
}

const struct shard_name *reading_shard(const struct reading *r, int64_t id)
{
    const struct shard_name wanted = {.id = id};

    return r->shard_count > 0 ? bsearch(&wanted, r->shards, r->shard_count, sizeof(*r->shards), compare_shards) : NULL;
}

/* ---- JSON ---- */

json_t *json_moment(int64_t ms)
{
    struct buffer text = {0};
    json_t *value;

    if (ms == 0)
        return json_null();
    buffer_append_time(&text, ms);
    value = json_stringn(text.ptr, text.len);
    buffer_fini(&text);
    return value;
}

json_t *json_slice(struct slice s)
{
    json_t *value = slice_present(s) ? json_stringn(s.ptr, s.len) : json_null();

    return value ? value : json_string("(not UTF-8)");
}

json_t *json_lines(struct slice text)
{
    json_t *list = json_array();

    while (text.len > 0) {
        size_t n = slice_index(text, '\n');

        json_array_append_new(list, json_stringn(text.ptr, n));
        text = slice_after(text, n + 1);
    }
    return list;
}

void print_json(json_t *document)
{
    json_dumpf(document, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(document);
}

const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

/* ---- records ---- */

/* The members of a stream record that people look for. jansson would change numbers, so only texts are taken from it by scanning. */
static void add_members(json_t *out, struct slice body)
{
    struct stream_page page = {0};
    struct buffer text = {0};
    const char *error;

    buffer_append_text(&text, "{\"Records\":[");
    buffer_append(&text, body);
    buffer_append_text(&text, "]}");
    if (get_records_decode(&page, buffer_slice(&text), &error) && page.len == 1) {
        const struct stream_record *record = &page.records[0];

        json_object_set_new(out, "event_id", json_slice(record->event_id));
        json_object_set_new(out, "event_name", json_slice(record->event_name));
        if (slice_present(record->keys))
            json_object_set_new(out, "keys", json_loadb(record->keys.ptr, record->keys.len, 0, NULL));
        json_object_set_new(out, "created_at", json_moment(record->created_ms));
    }
    stream_page_fini(&page);
    buffer_fini(&text);
}

json_t *reading_record(const struct reading *r, const struct stored_record *record, bool payload)
{
    const struct shard_name *shard = reading_shard(r, record->shard);
    json_t *out = json_pack("{s:I}", "record", (json_int_t)record->id);

    if (shard) {
        json_object_set_new(out, "stream", json_string(shard->arn ? shard->arn : ""));
        json_object_set_new(out, "shard", json_string(shard->shard_id));
        json_object_set_new(out, "sequence_number", json_slice(record->sequence_number));
        add_members(out, record->body);
    } else {
        json_object_set_new(out, "sent_by", json_string("SendMessage"));
    }
    if (payload) {
        json_object_set_new(out, "body", json_slice(record->body)); /* text, so that no digit of it changes */
        if (slice_present(record->attributes))
            json_object_set_new(out, "attributes", json_loadb(record->attributes.ptr, record->attributes.len, 0, NULL));
    }
    return out;
}

void append_key(struct buffer *out, json_t *keys)
{
    const char *name;
    json_t *typed;
    bool more = false;

    json_object_foreach(keys, name, typed) {
        const char *type;
        json_t *value;

        json_object_foreach(typed, type, value) {
            if (more)
                buffer_append_text(out, " / ");
            buffer_append_text(out, json_is_string(value) ? json_string_value(value) : "?");
            more = true;
        }
    }
}

/* ---- messages ---- */

/* What follows a message's death, until it is sent back or settled, happened to its copies in dead-letter queues. */
static void add_steps(const struct reading *r, json_t *steps, struct slice history, const char *queue)
{
    const char *place = queue;
    enum step_kind kind;
    int64_t at_ms;

    for (size_t i = 0; step_decode(history, i, &kind, &at_ms); i++) {
        if (kind == STEP_IN_QUEUE) {
            place = reading_queue(r, at_ms);
            continue;
        }
        if (kind == STEP_REDRIVEN)
            place = queue;
        json_array_append_new(steps, json_pack("{s:o,s:s,s:s}", "at", json_moment(at_ms), "what", step_name(kind), "queue", place));
    }
}

/* Appends the steps of the copy in the dead-letter queue, and of its copies. */
static void add_copies(const struct reading *r, json_t *steps, int64_t copy)
{
    while (copy != 0) {
        struct message_row row;

        if (!ledger_message_find(r->db, copy, &row))
            return;
        add_steps(r, steps, row.history, reading_queue(r, QUEUE_OF_MESSAGE(copy)));
        copy = row.moved_to;
        ledger_message_end(r->db);
    }
}

static void add_fault(void *context, const struct fault_row *row)
{
    json_object_set_new(context, "code", json_slice(row->code));
    json_object_set_new(context, "cause", json_slice(row->text));
}

/* The usual reason: nothing failed but its consumers, and the ledger has no more to say of that. */
static void add_too_often(json_t *out, int64_t receives)
{
    char cause[80];

    snprintf(cause, sizeof(cause), "received %lld times, and not deleted", (long long)receives);
    json_object_set_new(out, "code", json_string("received_too_often"));
    json_object_set_new(out, "cause", json_string(cause));
}

static void add_remote_id(json_t *out, struct slice stored)
{
    struct buffer text = {0};

    if (!slice_present(stored) || stored.len == 0)
        return;
    remote_id_text(stored, &text);
    json_object_set_new(out, "remote_message_id", json_slice(buffer_slice(&text)));
    buffer_fini(&text);
}

static bool was_stored(struct slice history)
{
    enum step_kind kind;
    int64_t at_ms;
    bool stored = false;

    for (size_t i = 0; step_decode(history, i, &kind, &at_ms); i++)
        stored = kind == STEP_SENT_STORED || (stored && kind != STEP_SENT && kind != STEP_SENT_PROJECTED);
    return stored;
}

/* Its key is the message's id after the queue's s3_prefix (core/offload.h): both are the configuration's, not the ledger's. */
static void add_object(const struct reading *r, json_t *out, const char *queue, const char *message_id)
{
    struct buffer text = {0};

    for (size_t i = 0; i < r->config.queue_count && text.len == 0; i++) {
        const struct config_queue *q = &r->config.queues[i];

        if (strcmp(q->name, queue) == 0 && q->s3_bucket)
            buffer_printf(&text, "s3://%s/%s%s", q->s3_bucket, q->s3_prefix ? q->s3_prefix : "", message_id);
    }
    if (text.len == 0)
        buffer_printf(&text, "%s, after the queue's s3_prefix (--config tells it)", message_id);
    json_object_set_new(out, "payload_object", json_stringn(text.ptr, text.len));
    buffer_fini(&text);
}

json_t *reading_message(const struct reading *r, int64_t id)
{
    struct message_row row;
    char message_id[MESSAGE_ID_TEXT];
    json_t *steps;
    json_t *out;
    enum message_state state;
    int64_t receives;
    int64_t copy;

    if (!ledger_message_find(r->db, id, &row))
        return NULL;
    message_id_encode(&r->identity, id, message_id);
    steps = json_array();
    add_steps(r, steps, row.history, reading_queue(r, QUEUE_OF_MESSAGE(id)));
    out = json_pack("{s:s,s:s,s:s,s:I,s:o}", "message_id", message_id, "queue", reading_queue(r, QUEUE_OF_MESSAGE(id)), "state",
                    message_state_name(row.state), "receive_count", (json_int_t)row.receive_count, "visible_at", json_moment(row.due_at_ms));
    add_remote_id(out, row.remote_id);
    if (was_stored(row.history))
        add_object(r, out, reading_queue(r, QUEUE_OF_MESSAGE(id)), message_id);
    copy = row.moved_to;
    state = row.state;
    receives = row.receive_count;
    ledger_message_end(r->db);
    if (state == MESSAGE_DEAD || state == MESSAGE_PARKED || state == MESSAGE_DROPPED) /* else it was so once, and went back */
        ledger_fault(r->db, id, add_fault, out);
    if (state == MESSAGE_DEAD && json_object_get(out, "code") == NULL)
        add_too_often(out, receives);
    if (copy)
        json_object_set_new(out, "dead_letter_queue", json_string(reading_queue(r, QUEUE_OF_MESSAGE(copy))));
    add_copies(r, steps, copy);
    json_object_set_new(out, "steps", steps);
    return out;
}

#define PREFIX_LEAST 8 /* fewer are too often a key, or another message's */

/* Could a message id begin so? Asked first: for a key that no record has, nobody should wait for all messages to be looked at. */
static bool begins_id(struct slice prefix)
{
    if (prefix.len < PREFIX_LEAST || prefix.len >= MESSAGE_ID_TEXT)
        return false;
    for (size_t i = 0; i < prefix.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? prefix.ptr[i] != '-' : prefix.ptr[i] == '\0' || strchr("0123456789abcdef", prefix.ptr[i]) == NULL)
            return false;
    }
    return true;
}

bool reading_message_begins(const struct reading *r, int64_t id, struct slice prefix)
{
    char text[MESSAGE_ID_TEXT];

    if (!begins_id(prefix))
        return false;
    message_id_encode(&r->identity, id, text);
    return slice_starts_with(slice_text(text), prefix);
}

struct beginning {
    const struct reading *reading;
    struct slice prefix;
    int64_t id;
    size_t count;
};

static void look_at_id(void *context, int64_t id)
{
    struct beginning *b = context;

    if (!reading_message_begins(b->reading, id, b->prefix))
        return;
    b->id = id;
    b->count++;
}

size_t reading_message_by_prefix(const struct reading *r, struct slice prefix, int64_t *id)
{
    struct beginning b = {.reading = r, .prefix = prefix};

    if (begins_id(prefix))
        question_message_ids(r->db, look_at_id, &b);
    *id = b.id;
    return b.count;
}

/* ---- columns ---- */

static bool has_any(json_t *lines, const char *name)
{
    size_t i;
    json_t *line;

    json_array_foreach(lines, i, line)
        if (json_integer_value(json_object_get(line, name)) != 0)
            return true;
    return false;
}

void state_columns_choose(struct state_columns *columns, json_t *lines)
{
    static const bool usual[MESSAGE_STATE_COUNT] = {[MESSAGE_QUEUED] = true, [MESSAGE_IN_FLIGHT] = true, [MESSAGE_DELETED] = true, [MESSAGE_DEAD] = true};

    *columns = (struct state_columns){0};
    for (int state = 1; state < MESSAGE_STATE_COUNT; state++) {
        const char *name = message_state_name((enum message_state)state);
        char *heading = columns->headings[columns->len];

        if (!usual[state] && !has_any(lines, name))
            continue;
        *heading++ = '>';
        for (size_t i = 0; name[i]; i++)
            *heading++ = name[i] == '_' ? ' ' : (char)(name[i] - 'a' + 'A');
        columns->names[columns->len++] = name;
    }
}

const char *no_message_name(enum no_message why)
{
    static const char *const names[] = {[NO_MESSAGE_PRUNED] = "pruned", [NO_MESSAGE_FILTERED] = "filtered", [NO_MESSAGE_EITHER] = "filtered or pruned"};

    return names[why];
}
