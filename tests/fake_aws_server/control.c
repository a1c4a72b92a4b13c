/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_aws_server/control.h"

#include "codec/json.h"

#include <jansson.h>
#include <stdlib.h>

/* One command: what it names is found already; `error` is set to say what is wrong. */
struct control {
    struct fake_aws *fake;
    json_t *in;
    struct fake_stream *stream;
    struct fake_shard *shard;
    const char *table;
    struct buffer *out;
    const char *error;
};

static const char *text_of(const struct control *c, const char *name)
{
    return json_string_value(json_object_get(c->in, name));
}

static int64_t number_of(const struct control *c, const char *name, int64_t usual)
{
    json_t *value = json_object_get(c->in, name);

    return json_is_integer(value) ? json_integer_value(value) : usual;
}

static size_t size_of(const struct control *c, const char *name, int64_t usual)
{
    int64_t value = number_of(c, name, usual);

    return value < 0 ? 0 : (size_t)value;
}

static void say_stream(struct control *c, const struct fake_stream *stream)
{
    buffer_printf(c->out, "{\"stream\":\"%s\"}", fake_stream_arn(stream));
}

static void say_shard(struct control *c, const struct fake_shard *shard)
{
    buffer_printf(c->out, "{\"shard\":\"%s\"}", fake_shard_id(shard));
}

static void table_add(struct control *c)
{
    fake_table_add(c->fake, c->table);
}

static void stream_add(struct control *c)
{
    say_stream(c, fake_stream_add(c->fake, c->table));
}

static void table_recreate(struct control *c)
{
    say_stream(c, fake_table_recreate(c->fake, c->table));
}

static void stream_disable(struct control *c)
{
    fake_stream_turn_off(c->stream);
}

static void stream_delete(struct control *c)
{
    fake_stream_delete(c->stream);
}

static void stream_prepare(struct control *c)
{
    if (size_of(c, "bytes", 1000) > 500000)
        c->error = "bytes: at most 500000";
    else
        fake_stream_prepare(c->stream, size_of(c, "shards", 1), size_of(c, "records", 1000), size_of(c, "bytes", 1000));
}

static void shard_add(struct control *c)
{
    say_shard(c, fake_shard_new(c->stream, text_of(c, "parent")));
}

static void shard_split(struct control *c)
{
    struct fake_shard *first = fake_shard_split_into(c->shard, size_of(c, "children", 2));

    if (first)
        say_shard(c, first);
}

static void shard_close(struct control *c)
{
    fake_shard_close(c->shard);
}

static void shard_trim(struct control *c)
{
    buffer_printf(c->out, "{\"trimmed\":%zu}", fake_shard_trim_oldest(c->shard, size_of(c, "records", INT64_MAX)));
}

static void shard_delete(struct control *c)
{
    fake_shard_delete(c->shard);
}

static void record_put(struct control *c)
{
    struct fake_put put = {.key = text_of(c, "key"), .event = (enum fake_event)size_of(c, "event", FAKE_INSERT),
                           .pad_bytes = size_of(c, "pad_bytes", 0), .created_ms = number_of(c, "created_ms", 0)};
    const char *sequence = "";

    if (put.event > FAKE_TTL_REMOVE)
        c->error = "event: 0 to 3";
    for (size_t i = 0; i < size_of(c, "count", 1) && c->error == NULL; i++)
        sequence = fake_record_put(c->shard, &put);
    buffer_printf(c->out, "{\"sequence\":\"%s\"}", sequence);
}

static void time_advance(struct control *c)
{
    fake_time_advance(c->fake, number_of(c, "ms", 0));
}

static void fault_next(struct control *c)
{
    const char *operation = text_of(c, "operation");
    enum fake_fault fault = fake_fault_named(text_of(c, "fault") ? text_of(c, "fault") : "");

    if (fault == FAULT_NONE)
        c->error = "fault: no such fault";
    else if (operation && !fake_fault_fits(fault, fake_operation_named(operation)))
        c->error = "fault: it does not fit that operation";
    else if (!operation)
        fake_fault_next(c->fake, FAKE_ANY_OPERATION, c->shard, fault, (unsigned)size_of(c, "count", 1));
    else
        fake_fault_next(c->fake, fake_operation_named(operation), c->shard, fault, (unsigned)size_of(c, "count", 1));
}

static void fault_rate(struct control *c)
{
    enum fake_fault fault = fake_fault_named(text_of(c, "fault") ? text_of(c, "fault") : "");

    if (fault == FAULT_NONE)
        c->error = "fault: no such fault";
    else
        fake_fault_rate(c->fake, fault, (unsigned)size_of(c, "per_10000", 0));
}

static void faults_off(struct control *c)
{
    fake_faults_off(c->fake);
}

static void options(struct control *c)
{
    struct fake_options *o = fake_service_options(c->fake);

    o->page_shards = size_of(c, "page_shards", (int64_t)o->page_shards);
    o->page_streams = size_of(c, "page_streams", (int64_t)o->page_streams);
    o->page_records = size_of(c, "page_records", (int64_t)o->page_records);
    o->page_bytes = size_of(c, "page_bytes", (int64_t)o->page_bytes);
    o->iterator_life_ms = number_of(c, "iterator_life_ms", o->iterator_life_ms);
    o->retention_ms = number_of(c, "retention_ms", o->retention_ms);
    o->reads_per_second = (int)number_of(c, "reads_per_second", o->reads_per_second);
    o->describes_per_second = (int)number_of(c, "describes_per_second", o->describes_per_second);
    o->skew_ms = number_of(c, "skew_ms", o->skew_ms);
    o->slow_ms = number_of(c, "slow_ms", o->slow_ms);
    o->plain_records = number_of(c, "plain_records", o->plain_records) != 0;
    o->odd_times = number_of(c, "odd_times", o->odd_times) != 0;
}

static void append_shard_truth(struct buffer *out, const struct fake_shard *shard)
{
    size_t count;
    const struct fake_record *records = fake_shard_records(shard, &count);

    buffer_printf(out, "{\"shard\":\"%s\",\"open\":%s,\"records\":[", fake_shard_id(shard), fake_shard_is_open(shard) ? "true" : "false");
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "%s{\"sequence\":\"%s\",\"event_id\":\"%s\",\"returned\":%u,\"trimmed\":%s,\"visible\":%s,\"key\":", i ? "," : "",
                      records[i].sequence, records[i].event_id, records[i].returned, records[i].trimmed ? "true" : "false",
                      records[i].visible ? "true" : "false");
        json_append_string(out, slice_text(records[i].key));
        buffer_append_text(out, ",\"body\":");
        json_append_string(out, records[i].body);
        buffer_append_byte(out, '}');
    }
    buffer_append_text(out, "]}");
}

static void truth(struct control *c)
{
    struct fake_stream *stream;
    struct fake_shard *shard;

    buffer_append_text(c->out, "{\"streams\":[");
    for (size_t i = 0; (stream = fake_stream_at(c->fake, i)) != NULL; i++) {
        buffer_printf(c->out, "%s{\"stream\":\"%s\",\"shards\":[", i ? "," : "", fake_stream_arn(stream));
        for (size_t k = 0; (shard = fake_shard_at(stream, k)) != NULL; k++) {
            buffer_append_text(c->out, k ? "," : "");
            append_shard_truth(c->out, shard);
        }
        buffer_append_text(c->out, "]}");
    }
    buffer_append_text(c->out, "]}");
}

enum needs { NEEDS_NOTHING, NEEDS_TABLE, NEEDS_STREAM, NEEDS_LIVE_STREAM, NEEDS_SHARD, NEEDS_OPEN_SHARD };

static const struct {
    const char *name;
    enum needs needs;
    void (*run)(struct control *c);
} commands[] = {
    {"table_add", NEEDS_TABLE, table_add},
    {"stream_add", NEEDS_TABLE, stream_add},
    {"table_recreate", NEEDS_TABLE, table_recreate},
    {"stream_disable", NEEDS_STREAM, stream_disable},
    {"stream_delete", NEEDS_STREAM, stream_delete},
    {"stream_prepare", NEEDS_LIVE_STREAM, stream_prepare},
    {"shard_add", NEEDS_LIVE_STREAM, shard_add},
    {"shard_split", NEEDS_OPEN_SHARD, shard_split},
    {"shard_close", NEEDS_OPEN_SHARD, shard_close},
    {"shard_trim", NEEDS_SHARD, shard_trim},
    {"shard_delete", NEEDS_SHARD, shard_delete},
    {"record_put", NEEDS_OPEN_SHARD, record_put},
    {"time_advance", NEEDS_NOTHING, time_advance},
    {"fault_next", NEEDS_NOTHING, fault_next},
    {"fault_rate", NEEDS_NOTHING, fault_rate},
    {"faults_off", NEEDS_NOTHING, faults_off},
    {"options", NEEDS_NOTHING, options},
    {"truth", NEEDS_NOTHING, truth},
};

/* Finds what "table", "stream" (an ARN) and "shard" (an id, in that stream) name. */
static void resolve(struct control *c, enum needs needs)
{
    const char *shard = text_of(c, "shard");

    c->table = text_of(c, "table");
    c->stream = fake_stream_find(c->fake, slice_text(text_of(c, "stream")));
    c->shard = c->stream && shard ? fake_shard_find(c->stream, shard) : NULL;
    if (needs == NEEDS_TABLE && c->table == NULL)
        c->error = "table: not given";
    else if ((needs == NEEDS_STREAM || needs == NEEDS_LIVE_STREAM) && c->stream == NULL)
        c->error = "stream: no such ARN";
    else if (needs == NEEDS_LIVE_STREAM && fake_stream_is_off(c->stream))
        c->error = "stream: it is disabled";
    else if ((needs == NEEDS_SHARD || needs == NEEDS_OPEN_SHARD || shard) && c->shard == NULL)
        c->error = "shard: no such id in that stream";
    else if (needs == NEEDS_OPEN_SHARD && !fake_shard_is_open(c->shard))
        c->error = "shard: it is closed";
}

static void dispatch(struct control *c, const char *command)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, command) != 0)
            continue;
        resolve(c, commands[i].needs);
        if (c->error == NULL)
            commands[i].run(c);
        return;
    }
    c->error = "no such command";
}

bool control_run(struct fake_aws *fake, const char *command, struct slice body, struct buffer *out)
{
    struct control c = {.fake = fake, .out = out};

    c.in = body.len > 0 ? json_loadb(body.ptr, body.len, 0, NULL) : json_object();
    if (json_is_object(c.in))
        dispatch(&c, command);
    else
        c.error = "the body is not a JSON object";
    if (c.error) {
        buffer_reset(out);
        buffer_printf(out, "{\"error\":\"%s\"}", c.error);
    } else if (out->len == 0) {
        buffer_append_text(out, "{}");
    }
    json_decref(c.in);
    return c.error == NULL;
}
