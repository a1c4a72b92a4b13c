/* SPDX-License-Identifier: Apache-2.0 */
#include "app/output.h"
#include "app/reading.h"
#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

#define LOOK_AT_ONCE 1000

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

/* ---- of one queue ---- */

/* The newest messages of a queue that are in a state; the oldest of them is written over when there are more. */
struct looking {
    enum message_state state; /* 0: any */
    int64_t now_ms;
    int64_t *ids;
    size_t most;
    size_t found;
    int64_t last; /* that was looked at */
};

/* A time-out writes nothing: the row of a message that can be received again still says in flight. */
static enum message_state state_now(enum message_state state, int64_t due_at_ms, int64_t now_ms)
{
    return state == MESSAGE_IN_FLIGHT && due_at_ms <= now_ms ? MESSAGE_QUEUED : state;
}

static void look(void *context, const struct message_glance *glance)
{
    struct looking *l = context;

    l->last = glance->id;
    if (l->state == 0 || state_now(glance->state, glance->due_at_ms, l->now_ms) == l->state)
        l->ids[l->found++ % l->most] = glance->id;
}

static void add_message(struct listing *l, int64_t id, int64_t now_ms)
{
    struct message_row row;
    const char *state;
    int64_t record;

    if (!ledger_message_find(l->reading->db, id, &row))
        return;
    record = row.record;
    state = message_state_name(state_now(row.state, row.due_at_ms, now_ms));
    ledger_message_end(l->reading->db);
    if (question_record(l->reading->db, record, note_record, l)) {
        json_t *one = json_array_get(l->list, json_array_size(l->list) - 1);
        struct stored_page page;

        if (question_page(l->reading->db, record, &page))
            json_object_set_new(one, "read_at", json_moment(page.stored_at_ms));
        json_object_set_new(one, "states", json_pack("{s:s}", reading_queue(l->reading, QUEUE_OF_MESSAGE(id)), state));
    }
}

static void list_of_queue(struct listing *list, int64_t queue, enum message_state state, int64_t limit)
{
    struct looking l = {.state = state, .now_ms = clock_now().wall_ms, .most = (size_t)limit, .last = QUEUE_FIRST_MESSAGE(queue) - 1};
    int64_t before;

    l.ids = memory_zeroed(l.most, sizeof(*l.ids));
    do {
        before = l.last;
        ledger_glance(list->reading->db, before + 1, QUEUE_END_MESSAGE(queue), LOOK_AT_ONCE, look, &l);
    } while (l.last != before);
    for (size_t i = 0; i < l.most && i < l.found; i++)
        add_message(list, l.ids[(l.found - 1 - i) % l.most], l.now_ms);
    free(l.ids);
}

/* 0: none of that name. */
static enum message_state state_named(const char *name)
{
    for (int state = 1; state < MESSAGE_STATE_COUNT; state++)
        if (strcmp(message_state_name((enum message_state)state), name) == 0)
            return (enum message_state)state;
    return (enum message_state)0;
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
    const char *queue = invocation_flag(in, "queue", 0);
    const char *state = invocation_flag(in, "state", 0);
    int64_t limit = 20;
    int64_t id;
    int status = 0;

    if (!invocation_number(in, "limit", 1, 1000000, &limit))
        return error_exit_status(ERROR_USAGE);
    if (state && queue == NULL)
        return invocation_usage(in, "--state wants --queue: a record can be in another state in each queue");
    if (state && state_named(state) == 0)
        return invocation_usage(in, "--state is one of those that docs/states.md names: queued, in_flight, deleted, dead, pending, sent, parked, held, ...");
    if (!reading_open(&r, in, &status))
        return status;
    id = queue ? reading_queue_id(&r, queue) : 0;
    if (queue && id == 0) {
        struct error err;

        error_set(&err, ERROR_NOT_FOUND, "there is no queue \"%s\" in this ledger", queue);
        reading_close(&r);
        return invocation_fail(in, &err);
    }
    l.list = json_array();
    if (queue) {
        list_of_queue(&l, id, state ? state_named(state) : (enum message_state)0, limit);
    } else {
        question_newest(r.db, INT64_MAX, limit, note_record, &l);
        for (size_t i = 0; i < json_array_size(l.list); i++)
            add_states(&r, json_array_get(l.list, i));
    }
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
    {"queue", "NAME", "those that came to this queue"},
    {"state", "STATE", "with --queue: those that are queued (or in_flight, dead, deleted, sent, ...) there"},
    {"payload", NULL, "with --json: the records themselves, too"},
    {NULL, NULL, NULL},
};

const struct command cmd_records = {
    .name = "records",
    .arguments = "",
    .summary = "list the newest records, and where each of them stands",
    .help = "Lists the newest records first.\n\n  stream2sqs records --limit 50\n  stream2sqs records --queue orders-events --state queued",
    .flags = flags,
    .run = run,
};
