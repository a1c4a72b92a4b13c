/* SPDX-License-Identifier: Apache-2.0 */
#include "app/output.h"
#include "app/reading.h"

struct listing {
    const struct reading *reading;
    json_t *list;
    bool payload;
};

static void note_record(void *context, const struct stored_record *record)
{
    struct listing *l = context;

    json_array_append_new(l->list, reading_record(l->reading, record, l->payload));
}

static void note_state(void *context, int64_t queue, int64_t message, enum no_message why)
{
    struct listing *l = context;
    struct message_row row;
    const char *state = no_message_name(why);

    if (message && ledger_message_find(l->reading->db, message, &row)) {
        state = message_state_name(row.state);
        ledger_message_end(l->reading->db);
    }
    json_object_set_new(l->list, reading_queue(l->reading, queue), json_string(state));
}

static void add_states(const struct reading *r, json_t *record)
{
    int64_t id = json_integer_value(json_object_get(record, "record"));
    struct listing states = {.reading = r, .list = json_object()};
    struct stored_page page;

    if (question_page(r->db, id, &page)) {
        json_object_set_new(record, "read_at", json_moment(page.stored_at_ms));
        question_messages(r->db, page.id, id, note_state, &states);
    }
    json_object_set_new(record, "states", states.list);
}

static void print_table(json_t *list)
{
    static const char *const headings[] = {"READ AT", "EVENT", "KEY", "SEQUENCE NUMBER", "STATE", NULL};
    struct table table = {.headings = headings};
    size_t i;
    json_t *record;

    json_array_foreach(list, i, record) {
        struct buffer key = {0};
        struct buffer states = {0};
        const char *queue;
        json_t *state;

        append_key(&key, json_object_get(record, "keys"));
        json_object_foreach(json_object_get(record, "states"), queue, state)
            buffer_printf(&states, "%s%s: %s", states.len ? ", " : "", queue, json_string_value(state));
        table_add_text(&table, text_of(record, "read_at"));
        table_add_text(&table, text_of(record, "event_name")[0] ? text_of(record, "event_name") : "sent");
        table_add(&table, buffer_slice(&key));
        table_add_text(&table, text_of(record, "sequence_number"));
        table_add(&table, buffer_slice(&states));
        buffer_fini(&key);
        buffer_fini(&states);
    }
    table_print(&table, stdout);
}

static int run(struct invocation *in)
{
    struct reading r;
    struct listing l = {.reading = &r, .payload = invocation_flag(in, "payload", 0) != NULL};
    int64_t limit = 20;
    int status = 0;

    if (!invocation_number(in, "limit", 1, 1000000, &limit))
        return error_exit_status(ERROR_USAGE);
    if (!reading_open(&r, in, &status))
        return status;
    l.list = json_array();
    question_newest(r.db, INT64_MAX, limit, note_record, &l);
    for (size_t i = 0; i < json_array_size(l.list); i++)
        add_states(&r, json_array_get(l.list, i));
    if (in->json)
        print_json(json_pack("{s:O}", "records", l.list));
    else
        print_table(l.list);
    json_decref(l.list);
    reading_close(&r);
    return 0;
}

static const struct command_flag flags[] = {
    {"limit", "COUNT", "so many (default: 20)"},
    {"payload", NULL, "with --json: the records themselves, too"},
    {NULL, NULL, NULL},
};

const struct command cmd_records = {
    .name = "records",
    .arguments = "",
    .summary = "list the newest records, and where each of them stands",
    .help = "Lists the newest records first.\n\n  stream2sqs records --limit 50",
    .flags = flags,
    .run = run,
};
