/* SPDX-License-Identifier: Apache-2.0 */
#include "app/control.h"
#include "app/output.h"
#include "app/reading.h"
#include "core/audit.h"

#include <stdlib.h>

enum { WHOLE = 0, WITH_GAPS = 1, DOES_NOT_ADD_UP = 2 };

static int verdict(const struct audit *a)
{
    return a->difference_count > 0 ? DOES_NOT_ADD_UP : a->gaps > 0 ? WITH_GAPS : WHOLE;
}

/* ---- JSON ---- */

static json_t *line_json(const struct reading *r, const struct audit_line *line)
{
    const struct shard_name *shard = reading_shard(r, line->shard);
    json_t *out = json_pack("{s:s,s:s,s:s,s:I,s:I}", "stream", shard && shard->arn ? shard->arn : "", "shard", shard ? shard->shard_id : "?", "queue",
                            reading_queue(r, line->queue), "read", (json_int_t)line->read, "filtered", (json_int_t)line->filtered);

    json_object_set_new(out, "replayed", json_integer(line->replayed));
    for (int state = 1; state < MESSAGE_STATE_COUNT; state++)
        json_object_set_new(out, message_state_name((enum message_state)state), json_integer(line->counts[state]));
    return out;
}

static void add_gap(void *context, const struct gap_row *row)
{
    json_array_append_new(context, json_pack("{s:o,s:o,s:o,s:o,s:s,s:o,s:o}", "stream", json_slice(row->arn), "shard", json_slice(row->shard_id), "from",
                                             json_slice(row->from_sequence), "to", json_slice(row->to_sequence), "cause", gap_cause_text(row->cause),
                                             "found_at", json_moment(row->found_at_ms), "acknowledged_at", json_moment(row->acknowledged_at_ms)));
}

static json_t *document(const struct reading *r, const struct audit *a, const char *damage)
{
    static const char *const verdicts[] = {"whole", "gaps", "does not add up"};
    json_t *lines = json_array();
    json_t *gaps = json_array();
    json_t *differences = json_array();

    for (size_t i = 0; i < a->len; i++)
        json_array_append_new(lines, line_json(r, &a->lines[i]));
    ledger_gaps(r->db, add_gap, gaps);
    for (size_t i = 0; i < a->difference_count; i++)
        json_array_append_new(differences, json_string(a->differences[i]));
    if (damage)
        json_array_append_new(differences, json_string(damage));
    return json_pack("{s:s,s:b,s:I,s:o,s:o,s:o}", "verdict", verdicts[damage ? DOES_NOT_ADD_UP : verdict(a)], "empty", a->records == 0, "records_read",
                     (json_int_t)a->records, "shards", lines, "gaps", gaps, "differences", differences);
}

/* ---- for people ---- */

static int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void print_lines(json_t *lines)
{
    static const char *const leading[] = {"read", "replayed", "filtered"};
    const char *headings[TABLE_COLUMNS_MAX + 1] = {"SHARD", "QUEUE", ">READ +", ">REPLAYED =", ">FILTERED +"};
    struct state_columns states;
    struct table table = {.headings = headings};
    size_t i;
    json_t *line;

    state_columns_choose(&states, lines);
    for (i = 0; i < states.len; i++) {
        if (i + 1 < states.len)
            strcat(states.headings[i], " +");
        headings[5 + i] = states.headings[i];
    }
    headings[5 + states.len] = "STREAM";
    json_array_foreach(lines, i, line) {
        table_add_text(&table, text_of(line, "shard"));
        table_add_text(&table, text_of(line, "queue"));
        for (size_t k = 0; k < sizeof(leading) / sizeof(leading[0]); k++)
            table_add_number(&table, number(line, leading[k]));
        for (size_t k = 0; k < states.len; k++)
            table_add_number(&table, number(line, states.names[k]));
        table_add_stream(&table, text_of(line, "stream"));
    }
    if (json_array_size(lines) > 0)
        table_print(&table, stdout);
}

static void print_gap(json_t *gap)
{
    bool acknowledged = text_of(gap, "acknowledged_at")[0] != '\0';
    struct buffer stream = {0};

    append_stream(&stream, text_of(gap, "stream"));
    printf("%s%s%s %s\n    shard %s of %s\n    after sequence number %s, before %s; found at %s%s%s\n", style_on(acknowledged ? STYLE_DIM : STYLE_WARN),
           acknowledged ? "gap (seen)" : "gap", style_off(), text_of(gap, "cause"), text_of(gap, "shard"), stream.ptr ? stream.ptr : "",
           text_of(gap, "from")[0] ? text_of(gap, "from") : "(the beginning)", text_of(gap, "to")[0] ? text_of(gap, "to") : "(not known)",
           text_of(gap, "found_at"), acknowledged ? ", acknowledged at " : "", text_of(gap, "acknowledged_at"));
    buffer_fini(&stream);
}

static void print_verdict(json_t *audit, int status)
{
    struct buffer summary = {0};
    size_t gaps = json_array_size(json_object_get(audit, "gaps"));

    buffer_printf(&summary, "%lld records read; each of them is accounted for in every queue", (long long)number(audit, "records_read"));
    if (status == WHOLE && json_is_true(json_object_get(audit, "empty")))
        printf("%swhole%s, but empty: nothing was read into this ledger yet\n", style_on(STYLE_WARN), style_off());
    else if (status == WHOLE)
        printf("%swhole%s: %s; no gaps\n", style_on(STYLE_GOOD), style_off(), summary.ptr);
    else if (status == WITH_GAPS)
        printf("%s%zu gap%s%s: %s; but what is named above may never have been read\n", style_on(STYLE_WARN), gaps, gaps == 1 ? "" : "s", style_off(),
               summary.ptr);
    else
        printf("%sdoes not add up%s: the ledger was changed by something else, or stream2sqs has a bug: keep a copy of it\n", style_on(STYLE_BAD),
               style_off());
    buffer_fini(&summary);
}

static void print_people(json_t *audit, int status)
{
    size_t i;
    json_t *one;

    print_lines(json_object_get(audit, "shards"));
    json_array_foreach(json_object_get(audit, "gaps"), i, one)
        print_gap(one);
    json_array_foreach(json_object_get(audit, "differences"), i, one)
        printf("%sdifference%s %s\n", style_on(STYLE_BAD), style_off(), json_string_value(one));
    print_verdict(audit, status);
}

/* ---- the command ---- */

static int acknowledge(const struct invocation *in, const struct config *config)
{
    json_t *request = json_object();
    json_t *answer = NULL;
    struct error err;
    int status = 0;

    if (!control_call(config->ledger, "gaps/acknowledge", request, &answer, &err))
        status = invocation_fail(in, &err);
    else if (in->json)
        print_json(json_incref(answer));
    else
        printf("%lld new gaps acknowledged\n", (long long)json_integer_value(json_object_get(answer, "acknowledged")));
    json_decref(request);
    json_decref(answer);
    return status;
}

static int run_acknowledge(const struct invocation *in)
{
    struct config config;
    int status;

    if (!invocation_config(in, &config))
        return error_exit_status(ERROR_CONFIG);
    status = acknowledge(in, &config);
    config_fini(&config);
    return status;
}

static int run(struct invocation *in)
{
    struct error damage = {.text = ""};
    struct audit audit;
    struct reading r;
    json_t *out;
    int status = 0;
    bool sound;

    if (invocation_flag(in, "acknowledge", 0))
        return run_acknowledge(in);
    if (!reading_open(&r, in, &status))
        return status;
    sound = !invocation_flag(in, "deep", 0) || database_integrity(r.db, &damage);
    audit_run(&audit, r.db);
    if (sound && database_failure(r.db)[0]) {
        error_set(&damage, ERROR_LEDGER_IO, "the ledger cannot be read: %s", database_failure(r.db));
        sound = false;
    }
    status = sound ? verdict(&audit) : DOES_NOT_ADD_UP;
    out = document(&r, &audit, sound ? NULL : damage.text);
    if (in->json) {
        print_json(out);
    } else {
        print_people(out, status);
        json_decref(out);
    }
    audit_fini(&audit);
    reading_close(&r);
    return status;
}

static const struct command_flag flags[] = {
    {"acknowledge", NULL, "mark the new gaps as seen: the bridge is ready again, and shards that on_gap: stop holds go on"},
    {"deep", NULL, "check the whole file's structure, too (slow)"},
    {NULL, NULL, NULL},
};

const struct command cmd_audit = {
    .name = "audit",
    .arguments = "",
    .summary = "prove that nothing was lost, or name what may have been",
    .help = "Counts all rows of the ledger again: per shard and queue, records read = filtered + messages in every state.\n"
            "Names every gap: what the stream no longer had when it was to be read.\n"
            "Exit status: 0 whole, 1 adds up, with gaps, 2 does not add up.\n\n"
            "  stream2sqs audit",
    .flags = flags,
    .run = run,
};
