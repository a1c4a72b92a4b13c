/* SPDX-License-Identifier: Apache-2.0 */
#include "app/output.h"
#include "app/reading.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/record.h"

#include <stdlib.h>

/* Record ids that match, each once. */
struct search {
    const struct reading *reading;
    struct slice what;
    int64_t *found;
    size_t len;
    size_t beginning; /* messages whose ids begin with `what` */
};

static void note(struct search *s, int64_t record)
{
    for (size_t i = 0; i < s->len; i++)
        if (s->found[i] == record)
            return;
    s->found = memory_resize(s->found, (s->len + 1) * sizeof(*s->found));
    s->found[s->len++] = record;
}

static void by_message_id(struct search *s)
{
    struct message_row row;
    int64_t id;

    if (!message_id_decode(&s->reading->identity, s->what, &id) || !ledger_message_find(s->reading->db, id, &row))
        return;
    note(s, row.record);
    ledger_message_end(s->reading->db);
}

/* The first characters of a message id. Only when nothing else fits: each message's id has to be computed. */
static void by_prefix(struct search *s)
{
    struct message_row row;
    int64_t id;

    s->beginning = reading_message_by_prefix(s->reading, s->what, &id);
    if (s->beginning != 1 || !ledger_message_find(s->reading->db, id, &row))
        return;
    note(s, row.record);
    ledger_message_end(s->reading->db);
    fprintf(stderr, "stream2sqs trace: found by the beginning of a message id\n");
}

static void note_sequence(void *context, int64_t record)
{
    note(context, record);
}

static void by_sequence_number(struct search *s)
{
    for (size_t i = 0; i < s->reading->shard_count; i++)
        question_by_sequence(s->reading->db, s->reading->shards[i].id, s->what, note_sequence, s);
}

/* A page's filter says that it may hold the text: is it the event id, or a value of the key, of one of its records? */
static void look_at_record(void *context, const struct stored_record *record)
{
    struct search *s = context;
    json_t *members = reading_record(s->reading, record, false);
    const char *name;
    json_t *typed;

    if (slice_is(s->what, text_of(members, "event_id")))
        note(s, record->id);
    json_object_foreach(json_object_get(members, "keys"), name, typed) {
        const char *type;
        json_t *value;

        json_object_foreach(typed, type, value)
            if (json_is_string(value) && slice_equal(s->what, slice_from(json_string_value(value), json_string_length(value))))
                note(s, record->id);
    }
    json_decref(members);
}

static void look_at_page(void *context, int64_t page, int64_t record_count, struct slice bloom)
{
    struct search *s = context;

    if (bloom_may_hold(bloom, s->what))
        question_records(s->reading->db, page, page + record_count, look_at_record, s);
}

static int compare_ids(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* ---- one record's life ---- */

struct life {
    const struct reading *reading;
    json_t *messages;
    json_t *record;
    bool payload;
};

static void take_record(void *context, const struct stored_record *record)
{
    struct life *life = context;

    life->record = reading_record(life->reading, record, life->payload);
}

static void take_message(void *context, int64_t queue, int64_t message, enum no_message why)
{
    struct life *life = context;
    json_t *one = message ? reading_message(life->reading, message) : NULL;

    if (one == NULL)
        one = json_pack("{s:s,s:s}", "queue", reading_queue(life->reading, queue), "state", no_message_name(why));
    json_array_append_new(life->messages, one);
}

static json_t *life_of(const struct reading *r, int64_t id, bool payload)
{
    struct life life = {.reading = r, .messages = json_array(), .payload = payload};
    struct stored_page page;

    question_record(r->db, id, take_record, &life);
    if (life.record == NULL) {
        json_decref(life.messages);
        return NULL;
    }
    if (question_page(r->db, id, &page)) {
        json_object_set_new(life.record, "read_at", json_moment(page.stored_at_ms));
        question_messages(r->db, page.id, id, take_message, &life);
    }
    json_object_set_new(life.record, "messages", life.messages);
    return life.record;
}

/* ---- for people ---- */

static void print_line(const char *at, const char *what, const char *detail)
{
    struct buffer text = {0};

    text_append_printable(&text, slice_text(detail));
    printf("  %-24s  %-40s %s\n", at, what, text.ptr ? text.ptr : "");
    buffer_fini(&text);
}

/* A time-out writes nothing: the row of a message that can be received again says in flight, and since when it is not. */
static bool is_past(const char *moment)
{
    struct buffer now = {0};
    bool past;

    buffer_append_time(&now, clock_now().wall_ms);
    past = strcmp(moment, now.ptr) < 0; /* both of one form */
    buffer_fini(&now);
    return past;
}

static void print_message(json_t *message)
{
    struct buffer now = {0};
    size_t i;
    json_t *step;

    json_array_foreach(json_object_get(message, "steps"), i, step) {
        print_line(text_of(step, "at"), text_of(step, "what"), text_of(step, "queue"));
    }
    buffer_printf(&now, "%s: %s%s%s", text_of(message, "queue"), style_on(STYLE_BOLD), text_of(message, "state"), style_off());
    if (strcmp(text_of(message, "state"), "in_flight") == 0)
        buffer_printf(&now, ", visible again %s %s", is_past(text_of(message, "visible_at")) ? "since" : "at", text_of(message, "visible_at"));
    if (text_of(message, "dead_letter_queue")[0])
        buffer_printf(&now, ", waits in %s", text_of(message, "dead_letter_queue"));
    if (text_of(message, "message_id")[0])
        buffer_printf(&now, "  (message %s)", text_of(message, "message_id"));
    if (text_of(message, "remote_message_id")[0])
        buffer_printf(&now, ", there %s", text_of(message, "remote_message_id"));
    printf("  %-24s  %s\n", "now", now.ptr);
    if (text_of(message, "payload_object")[0])
        print_line("", "its payload is the object", text_of(message, "payload_object"));
    if (text_of(message, "cause")[0]) {
        buffer_reset(&now);
        buffer_printf(&now, "%s: %s", text_of(message, "code"), text_of(message, "cause"));
        print_line("", "because", now.ptr);
    }
    buffer_fini(&now);
}

static void print_life(json_t *life)
{
    struct buffer head = {0};
    struct buffer read = {0};
    struct buffer shown = {0};
    size_t i;
    json_t *message;

    append_key(&head, json_object_get(life, "keys"));
    text_append_printable(&shown, buffer_slice(&head));
    printf("%s%s %s%s", style_on(STYLE_BOLD), text_of(life, "event_name")[0] ? text_of(life, "event_name") : "message", shown.ptr ? shown.ptr : "",
           style_off());
    if (text_of(life, "sequence_number")[0]) {
        printf("  sequence number %s, event %s\n", text_of(life, "sequence_number"), text_of(life, "event_id"));
        buffer_printf(&read, "%s, ", text_of(life, "shard"));
        append_stream(&read, text_of(life, "stream"));
        print_line(text_of(life, "read_at"), "read", read.ptr);
    } else {
        printf("sent by SendMessage\n");
    }
    json_array_foreach(json_object_get(life, "messages"), i, message)
        print_message(message);
    if (text_of(life, "body")[0]) {
        buffer_reset(&shown);
        text_append_printable(&shown, slice_text(text_of(life, "body")));
        printf("  %s\n", shown.ptr);
    }
    buffer_fini(&head);
    buffer_fini(&read);
    buffer_fini(&shown);
}

/* ---- the command ---- */

static int not_found(const struct invocation *in, const struct search *s)
{
    struct stored_page first;
    struct buffer since = {0};
    struct error err;

    if (question_first_page(s->reading->db, &first))
        append_moment(&since, first.stored_at_ms);
    if (s->beginning > 1)
        error_set(&err, ERROR_NOT_FOUND, "the ids of %zu messages begin with \"%.*s\": say more of it", s->beginning, SLICE_ARG(s->what));
    else
        error_set(&err, ERROR_NOT_FOUND, "no record has \"%.*s\" as message id, sequence number, event id or a value of its key (%s%s)", SLICE_ARG(s->what),
              since.ptr ? "the ledger's records begin at " : "the ledger has no records", since.ptr ? since.ptr : "");
    buffer_fini(&since);
    return invocation_fail(in, &err);
}

static void print_all(const struct invocation *in, const struct reading *r, struct search *s, size_t limit)
{
    size_t first = s->len > limit ? s->len - limit : 0;
    bool payload = invocation_flag(in, "payload", 0) != NULL;
    json_t *list = json_array();

    qsort(s->found, s->len, sizeof(*s->found), compare_ids);
    for (size_t i = first; i < s->len; i++) {
        json_t *life = life_of(r, s->found[i], payload);

        if (life)
            json_array_append_new(list, life);
    }
    if (in->json) {
        print_json(json_pack("{s:o,s:I}", "records", list, "more", (json_int_t)first));
        return;
    }
    if (first > 0)
        printf("%zu earlier records of it are not shown: --limit %zu\n\n", first, s->len);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i > 0)
            putchar('\n');
        print_life(json_array_get(list, i));
    }
    json_decref(list);
}

static int run(struct invocation *in)
{
    struct search s = {0};
    struct reading r;
    int64_t limit = 20;
    int status = 0;

    if (in->argument_count != 1)
        return invocation_usage(in, "name one record: by its item's key, sequence number, event id or message id");
    if (!invocation_number(in, "limit", 1, 100000, &limit))
        return error_exit_status(ERROR_USAGE);
    if (!reading_open(&r, in, &status))
        return status;
    s.reading = &r;
    s.what = slice_text(in->arguments[0]);
    by_message_id(&s);
    by_sequence_number(&s);
    question_blooms(r.db, look_at_page, &s);
    if (s.len == 0)
        by_prefix(&s);
    if (s.len == 0)
        status = not_found(in, &s);
    else
        print_all(in, &r, &s, (size_t)limit);
    free(s.found);
    reading_close(&r);
    return status;
}

static const struct command_flag flags[] = {
    {"limit", "COUNT", "the newest so many records (default: 20)"},
    {"payload", NULL, "show the record itself, too"},
    {NULL, NULL, NULL},
};

const struct command cmd_trace = {
    .name = "trace",
    .arguments = "KEY|SEQUENCE-NUMBER|EVENT-ID|MESSAGE-ID",
    .summary = "tell a record's life: read, enqueued, received, deleted, dead, with times",
    .help = "Finds records by a value of their item's key, by sequence number, event id or message id (its first eight characters do),\n"
            "and tells their lives in order.\n\n"
            "  stream2sqs trace order-1042",
    .flags = flags,
    .run = run,
};
