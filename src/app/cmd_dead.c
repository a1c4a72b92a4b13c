/* SPDX-License-Identifier: Apache-2.0 */
#include "app/control.h"
#include "app/output.h"
#include "app/reading.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>

/* ---- list and show ---- */

struct listing {
    const struct reading *reading;
    int64_t *ids;
    size_t len;
};

static void note_dead(void *context, const struct message_row *row)
{
    struct listing *l = context;

    l->ids = memory_resize(l->ids, (l->len + 1) * sizeof(*l->ids));
    l->ids[l->len++] = row->id;
}

struct with_record {
    const struct reading *reading;
    json_t *out;
    bool payload;
};

static void take_record(void *context, const struct stored_record *record)
{
    struct with_record *w = context;

    w->out = reading_record(w->reading, record, w->payload);
}

/* A dead message with its record: {"message":…,"record":…}. */
static json_t *dead_json(const struct reading *r, int64_t id, bool payload)
{
    struct with_record w = {r, NULL, payload};
    struct message_row row;
    int64_t record;

    if (!ledger_message_find(r->db, id, &row))
        return NULL;
    record = row.record;
    ledger_message_end(r->db);
    question_record(r->db, record, take_record, &w);
    return json_pack("{s:o,s:o?}", "message", reading_message(r, id), "record", w.out);
}

static const char *last_step(json_t *message, const char *what, const char *field)
{
    json_t *steps = json_object_get(message, "steps");

    for (size_t i = json_array_size(steps); i > 0; i--)
        if (strcmp(text_of(json_array_get(steps, i - 1), "what"), what) == 0)
            return text_of(json_array_get(steps, i - 1), field);
    return "";
}

static void print_list(json_t *list)
{
    static const char *const headings[] = {"DIED AT", "QUEUE", "EVENT", "KEY", ">RECEIVES", "WAITS IN", "MESSAGE ID", NULL};
    struct table table = {.headings = headings};
    size_t i;
    json_t *one;

    json_array_foreach(list, i, one) {
        json_t *message = json_object_get(one, "message");
        json_t *record = json_object_get(one, "record");
        struct buffer key = {0};

        append_key(&key, json_object_get(record, "keys"));
        table_add_text(&table, last_step(message, "dead", "at"));
        table_add_text(&table, text_of(message, "queue"));
        table_add_text(&table, text_of(record, "event_name")[0] ? text_of(record, "event_name") : "sent");
        table_add(&table, buffer_slice(&key));
        table_add_number(&table, json_integer_value(json_object_get(message, "receive_count")));
        table_add_text(&table, text_of(message, "dead_letter_queue")[0] ? text_of(message, "dead_letter_queue") : "-");
        table_add_text(&table, text_of(message, "message_id"));
        buffer_fini(&key);
    }
    table_print(&table, stdout);
}

static void collect(struct listing *l, const char *queue)
{
    const char *key;
    json_t *name;

    json_object_foreach(l->reading->queues, key, name)
        if (queue == NULL || strcmp(queue, json_string_value(name)) == 0)
            ledger_dead(l->reading->db, strtoll(key, NULL, 10), note_dead, l);
}

static int no_queue(const struct invocation *in, const char *queue)
{
    struct error err;

    error_set(&err, ERROR_NOT_FOUND, "there is no queue \"%s\" in this ledger", queue);
    return invocation_fail(in, &err);
}

static int list(const struct invocation *in)
{
    const char *queue = in->argument_count > 1 ? in->arguments[1] : NULL;
    struct reading r;
    struct listing l = {.reading = &r};
    json_t *found;
    int status;

    if (!reading_open(&r, in, &status))
        return status;
    if (queue && reading_queue_id(&r, queue) == 0) {
        reading_close(&r);
        return no_queue(in, queue);
    }
    collect(&l, queue);
    found = json_array();
    for (size_t i = 0; i < l.len; i++)
        json_array_append_new(found, dead_json(&r, l.ids[i], in->json));
    if (in->json)
        print_json(json_pack("{s:O}", "dead", found));
    else if (l.len == 0)
        puts("no message is dead");
    else
        print_list(found);
    json_decref(found);
    free(l.ids);
    reading_close(&r);
    return 0;
}

static void print_dead(json_t *one)
{
    json_t *message = json_object_get(one, "message");
    json_t *record = json_object_get(one, "record");
    struct buffer body = {0};
    size_t i;
    json_t *step;

    printf("%s%s%s is %s in %s after %lld receives%s%s\n", style_on(STYLE_BOLD), text_of(message, "message_id"), style_off(), text_of(message, "state"),
           text_of(message, "queue"), (long long)json_integer_value(json_object_get(message, "receive_count")),
           text_of(message, "dead_letter_queue")[0] ? "; it waits in " : "", text_of(message, "dead_letter_queue"));
    if (text_of(record, "sequence_number")[0])
        printf("sequence number %s, event %s, %s, %s\n", text_of(record, "sequence_number"), text_of(record, "event_id"), text_of(record, "shard"),
               text_of(record, "stream"));
    json_array_foreach(json_object_get(message, "steps"), i, step)
        printf("  %s  %-28s %s\n", text_of(step, "at"), text_of(step, "what"), text_of(step, "queue"));
    text_append_printable(&body, slice_text(text_of(record, "body")));
    printf("%s\n", body.ptr ? body.ptr : "");
    buffer_fini(&body);
}

static int show(const struct invocation *in)
{
    struct reading r;
    struct error err;
    json_t *one = NULL;
    int64_t id;
    int status = 0;

    if (in->argument_count != 2)
        return invocation_usage(in, "show wants one message id (`dead list` has them)");
    if (!reading_open(&r, in, &status))
        return status;
    if (message_id_decode(&r.identity, slice_text(in->arguments[1]), &id))
        one = dead_json(&r, id, true);
    if (one == NULL) {
        error_set(&err, ERROR_NOT_FOUND, "this ledger has no message \"%s\"", in->arguments[1]);
        status = invocation_fail(in, &err);
    } else if (in->json) {
        print_json(one);
    } else {
        print_dead(one);
        json_decref(one);
    }
    reading_close(&r);
    return status;
}

/* ---- redrive and drop ---- */

static json_t *request_of(const struct invocation *in)
{
    json_t *ids = json_array();
    const char *id;

    for (size_t i = 0; (id = invocation_flag(in, "id", i)) != NULL; i++)
        json_array_append_new(ids, json_string(id));
    return json_pack("{s:s,s:o,s:b}", "queue", in->arguments[1], "ids", ids, "all", invocation_flag(in, "all", 0) != NULL);
}

static int print_moved(const struct invocation *in, json_t *answer, const char *done)
{
    json_t *not_dead = json_object_get(answer, "not_dead");
    size_t i;
    json_t *id;

    if (in->json) {
        print_json(json_incref(answer));
        return json_array_size(not_dead) > 0 ? error_exit_status(ERROR_NOT_FOUND) : 0;
    }
    printf("%s: %lld\n", done, (long long)json_integer_value(json_object_get(answer, "moved")));
    json_array_foreach(not_dead, i, id)
        printf("%s is not dead in this queue\n", json_string_value(id));
    return json_array_size(not_dead) > 0 ? error_exit_status(ERROR_NOT_FOUND) : 0;
}

static int move(const struct invocation *in, const char *operation, const char *done)
{
    struct config config;
    struct error err;
    json_t *request;
    json_t *answer = NULL;
    int status;

    if (in->argument_count != 2 || (!invocation_flag(in, "id", 0) && !invocation_flag(in, "all", 0)))
        return invocation_usage(in, "name the queue that the messages died in, and --id MESSAGE-ID (may be repeated) or --all");
    if (!invocation_config(in, &config))
        return error_exit_status(ERROR_CONFIG);
    request = request_of(in);
    status = control_call(config.ledger, operation, request, &answer, &err) ? print_moved(in, answer, done) : invocation_fail(in, &err);
    json_decref(request);
    json_decref(answer);
    config_fini(&config);
    return status;
}

static int run(struct invocation *in)
{
    const char *verb = in->argument_count > 0 ? in->arguments[0] : "list";

    if (strcmp(verb, "list") == 0)
        return list(in);
    if (strcmp(verb, "show") == 0)
        return show(in);
    if (strcmp(verb, "redrive") == 0)
        return move(in, "dead/redrive", "sent back to their queue");
    if (strcmp(verb, "drop") == 0 && invocation_flag(in, "all", 0) && !invocation_flag(in, "yes", 0))
        return invocation_usage(in, "dropping all dead messages gives them up for good: say --yes if that is wanted");
    if (strcmp(verb, "drop") == 0)
        return move(in, "dead/drop", "dropped");
    return invocation_usage(in, "wanted list, show, redrive or drop");
}

static const struct command_flag flags[] = {
    {"id", "MESSAGE-ID", "this message (may be repeated)"},
    {"all", NULL, "all dead messages of the queue"},
    {"yes", NULL, "with drop --all: yes, give them all up"},
    {NULL, NULL, NULL},
};

const struct command cmd_dead = {
    .name = "dead",
    .arguments = "list [QUEUE] | show MESSAGE-ID | redrive QUEUE | drop QUEUE",
    .summary = "messages that were received too often: list, show, send back, give up",
    .help = "A dead message keeps its full payload. `redrive` puts it back into the queue that it died in, with a receive count of 0; `drop` gives it up.\n"
            "Both take it out of its dead-letter queue.\n\n"
            "  stream2sqs dead list\n"
            "  stream2sqs dead redrive orders-events --all",
    .flags = flags,
    .run = run,
};
