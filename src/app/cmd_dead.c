/* SPDX-License-Identifier: Apache-2.0 */
#include "app/control.h"
#include "app/output.h"
#include "app/selection.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>
#include <time.h>

#define IDS_A_CALL 100
#define NEWER_MAX 8 /* newer records of a key that are looked at */

/* ---- choosing ---- */

struct dead {
    int64_t id;
    int64_t record;
    uint64_t key_hash;
    bool superseded;
    int64_t newer[NEWER_MAX]; /* the newest records of its key */
    size_t newer_count;
    json_t *json; /* {"message":…,"record":…} */
};

struct listing {
    const struct reading *reading;
    struct selection *selection;
    struct dead *list;
    size_t len;
};

static void note_dead(void *context, const struct message_row *row)
{
    struct listing *l = context;

    l->list = memory_resize(l->list, (l->len + 1) * sizeof(*l->list));
    l->list[l->len++] = (struct dead){.id = row->id, .record = row->record, .key_hash = row->shard ? row->key_hash : 0};
}

struct with_record {
    const struct reading *reading;
    struct selection *selection;
    int64_t died_at_ms;
    const char *code;
    json_t *out;
    bool payload;
    bool wanted;
};

static void take_record(void *context, const struct stored_record *record)
{
    struct with_record *w = context;
    const struct shard_name *shard = reading_shard(w->reading, record->shard);

    w->out = reading_record(w->reading, record, w->payload);
    w->wanted = w->selection == NULL ||
                selection_wants(w->selection, w->out, record->body, shard && shard->arn ? shard->arn : "", w->died_at_ms, w->code);
}

/* A dead message's last step is its death. */
static int64_t last_step_ms(struct slice history)
{
    enum step_kind kind;
    int64_t at_ms = 0;

    for (size_t i = 0; step_decode(history, i, &kind, &at_ms); i++)
        ;
    return at_ms;
}

/* A dead message with its record: {"message":…,"record":…}; NULL: there is none, or the selection does not want it. */
static json_t *dead_json(const struct reading *r, int64_t id, struct selection *selection, bool payload)
{
    struct with_record w = {.reading = r, .selection = selection, .payload = payload};
    struct message_row row;
    json_t *message;
    int64_t record;

    if (!ledger_message_find(r->db, id, &row))
        return NULL;
    record = row.record;
    w.died_at_ms = last_step_ms(row.history);
    ledger_message_end(r->db);
    message = reading_message(r, id);
    w.code = text_of(message, "code");
    question_record(r->db, record, take_record, &w);
    if (w.wanted)
        return json_pack("{s:o,s:o?}", "message", message, "record", w.out);
    json_decref(message);
    json_decref(w.out);
    return NULL;
}

static bool named(const struct invocation *in, json_t *one)
{
    const char *id;

    for (size_t i = 0; (id = invocation_flag(in, "id", i)) != NULL; i++)
        if (strcmp(id, text_of(json_object_get(one, "message"), "message_id")) == 0)
            return true;
    return invocation_flag(in, "id", 0) == NULL;
}

/* Takes out what is not wanted, and fills in the rest. */
static void choose(struct listing *l, const struct invocation *in, bool payload)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->len; i++) {
        struct dead *d = &l->list[i];

        d->json = dead_json(l->reading, d->id, l->selection, payload);
        if (d->json && !named(in, d->json)) {
            json_decref(d->json);
            d->json = NULL;
        }
        if (d->json)
            l->list[kept++] = *d;
    }
    l->len = kept;
}

static void listing_fini(struct listing *l)
{
    for (size_t i = 0; i < l->len; i++)
        json_decref(l->list[i].json);
    free(l->list);
}

/* ---- was a newer version of the item delivered meanwhile? ---- */

static void note_newer(void *context, int64_t record, uint64_t key_hash)
{
    struct listing *l = context;

    for (size_t i = 0; i < l->len; i++) {
        struct dead *d = &l->list[i];

        if (d->key_hash != key_hash || key_hash == 0 || record <= d->record)
            continue;
        d->newer[d->newer_count++ % NEWER_MAX] = record;
    }
}

struct delivered {
    struct database *db;
    int64_t queue;
    bool yes;
};

static void look_at_message(void *context, int64_t queue, int64_t message, enum no_message why)
{
    struct delivered *d = context;
    struct message_row row;

    (void)why;
    if (queue != d->queue || message == 0 || !ledger_message_find(d->db, message, &row))
        return;
    d->yes = d->yes || row.state == MESSAGE_IN_FLIGHT || row.state == MESSAGE_DELETED || row.state == MESSAGE_SENT;
    ledger_message_end(d->db);
}

static void find_superseded(struct listing *l)
{
    int64_t oldest = INT64_MAX;

    for (size_t i = 0; i < l->len; i++)
        oldest = l->list[i].record < oldest ? l->list[i].record : oldest;
    if (l->len > 0)
        question_keys_after(l->reading->db, oldest, note_newer, l);
    for (size_t i = 0; i < l->len; i++) {
        struct dead *d = &l->list[i];
        struct delivered delivered = {.db = l->reading->db, .queue = QUEUE_OF_MESSAGE(d->id)};

        for (size_t k = 0; k < d->newer_count && k < NEWER_MAX; k++) {
            struct stored_page page;

            if (question_page(l->reading->db, d->newer[k], &page))
                question_messages(l->reading->db, page.id, d->newer[k], look_at_message, &delivered);
        }
        d->superseded = delivered.yes;
        json_object_set_new(d->json, "superseded", json_boolean(d->superseded));
    }
}

/* ---- list, export and show ---- */

static const char *last_step(json_t *message, const char *what, const char *field)
{
    json_t *steps = json_object_get(message, "steps");

    for (size_t i = json_array_size(steps); i > 0; i--)
        if (strcmp(text_of(json_array_get(steps, i - 1), "what"), what) == 0)
            return text_of(json_array_get(steps, i - 1), field);
    return "";
}

/* Of a queue on another server, as far as the configuration was given. */
static const char *waits_in(const struct reading *r, json_t *message)
{
    const char *name = text_of(message, "dead_letter_queue");

    for (size_t i = 0; !name[0] && text_of(message, "remote_message_id")[0] && i < r->config.queue_count; i++)
        if (strcmp(r->config.queues[i].name, text_of(message, "queue")) == 0 && r->config.queues[i].dead_letter_queue)
            name = r->config.queues[i].dead_letter_queue;
    return name[0] ? name : "-";
}

static void print_list(const struct listing *l)
{
    static const char *const headings[] = {"AT", "QUEUE", "STATE", "EVENT", "KEY", ">RECEIVES", "BECAUSE", "WAITS IN", "MESSAGE ID", NULL};
    struct table table = {.headings = headings};

    for (size_t i = 0; i < l->len; i++) {
        json_t *message = json_object_get(l->list[i].json, "message");
        json_t *record = json_object_get(l->list[i].json, "record");
        const char *state = text_of(message, "state");
        struct buffer key = {0};

        append_key(&key, json_object_get(record, "keys"));
        table_add_text(&table, last_step(message, state, "at"));
        table_add_text(&table, text_of(message, "queue"));
        table_add_text(&table, l->list[i].superseded ? "superseded" : state);
        table_add_text(&table, text_of(record, "event_name")[0] ? text_of(record, "event_name") : "sent");
        table_add(&table, buffer_slice(&key));
        if (text_of(message, "remote_message_id")[0] && json_integer_value(json_object_get(message, "receive_count")) == 0)
            table_add_text(&table, "-"); /* received elsewhere: nobody told how often */
        else
            table_add_number(&table, json_integer_value(json_object_get(message, "receive_count")));
        table_add_text(&table, text_of(message, "code"));
        table_add_text(&table, waits_in(l->reading, message));
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

/* One JSON document a line: each with its whole record. */
static void export_all(const struct listing *l)
{
    for (size_t i = 0; i < l->len; i++) {
        json_dumpf(l->list[i].json, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
}

static json_t *list_json(const struct listing *l)
{
    json_t *out = json_array();

    for (size_t i = 0; i < l->len; i++)
        json_array_append(out, l->list[i].json);
    return json_pack("{s:o}", "dead", out);
}

/* Opens the ledger, and finds what the flags choose. On failure *status is what to exit with; all was said. */
static bool find(const struct invocation *in, struct reading *r, struct selection *selection, struct listing *l, bool payload, int *status)
{
    const char *queue = in->argument_count > 1 ? in->arguments[1] : NULL;
    struct error err;

    *l = (struct listing){.reading = r, .selection = selection};
    if (!selection_init(selection, in, &err)) {
        selection_fini(selection);
        *status = invocation_fail(in, &err);
        return false;
    }
    if (!reading_open(r, in, status)) {
        selection_fini(selection);
        return false;
    }
    if (queue && reading_queue_id(r, queue) == 0) {
        *status = no_queue(in, queue);
        reading_close(r);
        selection_fini(selection);
        return false;
    }
    collect(l, queue);
    choose(l, in, payload);
    return true;
}

static void leave(struct reading *r, struct selection *selection, struct listing *l)
{
    listing_fini(l);
    reading_close(r);
    selection_fini(selection);
}

/* Nothing was chosen: is it because the queue is the one that dead letters go to? Then *err says where they died. */
static bool died_elsewhere(const struct reading *r, const char *queue, struct error *err)
{
    struct listing all = {.reading = r};
    const char *from = NULL;

    collect(&all, NULL);
    for (size_t i = 0; i < all.len && from == NULL; i++) {
        all.list[i].json = dead_json(r, all.list[i].id, NULL, false);
        if (all.list[i].json && strcmp(text_of(json_object_get(all.list[i].json, "message"), "dead_letter_queue"), queue) == 0)
            from = text_of(json_object_get(all.list[i].json, "message"), "queue");
    }
    if (from)
        error_set(err, ERROR_NOT_FOUND, "%s is where dead letters of %s wait: name the queue that they died in", queue, from);
    listing_fini(&all);
    return from != NULL;
}

static int list(const struct invocation *in, bool export)
{
    struct error err;
    struct reading r;
    struct selection selection;
    struct listing l;
    int status = 0;

    if (!find(in, &r, &selection, &l, in->json || export, &status))
        return status;
    if (export)
        export_all(&l);
    else if (in->json)
        print_json(list_json(&l));
    else if (l.len > 0)
        print_list(&l);
    else if (in->argument_count > 1 && died_elsewhere(&r, in->arguments[1], &err))
        puts(err.text);
    else
        puts("no message is dead");
    leave(&r, &selection, &l);
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
    if (text_of(record, "sequence_number")[0]) {
        append_stream(&body, text_of(record, "stream"));
        printf("sequence number %s, event %s, %s, %s\n", text_of(record, "sequence_number"), text_of(record, "event_id"), text_of(record, "shard"), body.ptr);
        buffer_reset(&body);
    }
    if (text_of(message, "cause")[0]) {
        text_append_printable(&body, slice_text(text_of(message, "cause")));
        printf("because %s: %s\n", text_of(message, "code"), body.ptr);
        buffer_reset(&body);
    }
    json_array_foreach(json_object_get(message, "steps"), i, step)
        printf("  %s  %-40s %s\n", text_of(step, "at"), text_of(step, "what"), text_of(step, "queue"));
    text_append_printable(&body, slice_text(text_of(record, "body")));
    printf("%s\n", body.ptr ? body.ptr : "");
    buffer_fini(&body);
}

/* Of all dead ones, those whose id begins so. */
static size_t dead_by_prefix(const struct reading *r, struct slice prefix, int64_t *id)
{
    struct listing all = {.reading = r};
    size_t count = 0;

    collect(&all, NULL);
    for (size_t i = 0; i < all.len; i++)
        if (reading_message_begins(r, all.list[i].id, prefix)) {
            *id = all.list[i].id;
            count++;
        }
    listing_fini(&all);
    return count;
}

static int show(const struct invocation *in)
{
    struct reading r;
    struct error err;
    json_t *one = NULL;
    struct slice given;
    size_t fitting = 1;
    int64_t id;
    int status = 0;

    if (in->argument_count != 2)
        return invocation_usage(in, "show wants one message id (`dead list` has them)");
    given = slice_text(in->arguments[1]);
    if (!reading_open(&r, in, &status))
        return status;
    if (!message_id_decode(&r.identity, given, &id))
        fitting = dead_by_prefix(&r, given, &id);
    if (fitting == 1)
        one = dead_json(&r, id, NULL, true);
    if (fitting > 1) {
        error_set(&err, ERROR_NOT_FOUND, "the ids of %zu dead messages begin with \"%s\": say more of it", fitting, in->arguments[1]);
        status = invocation_fail(in, &err);
    } else if (one == NULL) {
        error_set(&err, ERROR_NOT_FOUND, "this ledger has no message \"%s\", and no dead one whose id begins so (eight characters of it, at least)",
                  in->arguments[1]);
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

struct moving {
    const struct invocation *in;
    const char *ledger;
    const char *operation;
    int64_t rate; /* messages a second; 0: as fast as it goes */
    int64_t moved;
    json_t *not_dead;
};

static void pause_after(const struct moving *m, size_t count)
{
    int64_t ns = m->rate > 0 ? (int64_t)count * 1000000000 / m->rate : 0;
    const struct timespec pause = {ns / 1000000000, ns % 1000000000};

    if (ns > 0)
        nanosleep(&pause, NULL);
}

/* Some of the chosen, oldest first, so that the order per key stays. */
static bool move_some(struct moving *m, const struct listing *l, size_t first, size_t count, struct error *err)
{
    json_t *ids = json_array();
    json_t *answer = NULL;
    json_t *request;
    bool good;

    for (size_t i = first; i < first + count; i++)
        json_array_append(ids, json_object_get(json_object_get(l->list[i].json, "message"), "message_id"));
    request = json_pack("{s:s,s:o}", "queue", m->in->arguments[1], "ids", ids);
    good = control_call(m->ledger, m->operation, request, &answer, err);
    if (good) {
        m->moved += json_integer_value(json_object_get(answer, "moved"));
        json_array_extend(m->not_dead, json_object_get(answer, "not_dead"));
    }
    json_decref(request);
    json_decref(answer);
    return good;
}

static bool move_all(struct moving *m, const struct listing *l, struct error *err)
{
    size_t step = m->rate > 0 && m->rate < IDS_A_CALL ? (size_t)m->rate : IDS_A_CALL;

    for (size_t i = 0; i < l->len; i += step) {
        size_t count = l->len - i < step ? l->len - i : step;

        if (!move_some(m, l, i, count, err))
            return false;
        if (i + count < l->len)
            pause_after(m, count);
    }
    return true;
}

/* Those that were named and are not dead. */
static void note_missing(const struct moving *m, const struct listing *l)
{
    const char *id;

    for (size_t i = 0; (id = invocation_flag(m->in, "id", i)) != NULL; i++) {
        bool found = false;

        for (size_t k = 0; k < l->len; k++)
            found = found || strcmp(id, text_of(json_object_get(l->list[k].json, "message"), "message_id")) == 0;
        if (!found)
            json_array_append_new(m->not_dead, json_string(id));
    }
}

static int print_moved(const struct moving *m, const char *done, size_t superseded)
{
    size_t i;
    json_t *id;

    if (m->in->json) {
        json_t *out = json_pack("{s:I,s:O}", "moved", (json_int_t)m->moved, "not_dead", m->not_dead);

        if (superseded > 0)
            json_object_set_new(out, "superseded", json_integer((json_int_t)superseded));
        print_json(out);
    } else {
        printf("%s: %lld%s\n", done, (long long)m->moved,
               m->moved == 0 && json_array_size(m->not_dead) == 0 ? " (no dead message of this queue matches)" : "");
        json_array_foreach(m->not_dead, i, id)
            printf("%s is no whole id of a message that is dead in this queue\n", json_string_value(id));
    }
    return json_array_size(m->not_dead) > 0 ? error_exit_status(ERROR_NOT_FOUND) : 0;
}

/* How many are superseded; with --skip-superseded they are taken out. */
static size_t warn_of_superseded(const struct invocation *in, struct listing *l)
{
    bool skip = invocation_flag(in, "skip-superseded", 0) != NULL;
    size_t kept = 0;
    size_t count = 0;

    find_superseded(l);
    for (size_t i = 0; i < l->len; i++) {
        count += l->list[i].superseded;
        if (skip && l->list[i].superseded)
            json_decref(l->list[i].json);
        else
            l->list[kept++] = l->list[i];
    }
    l->len = kept;
    if (count > 0 && !in->json)
        fprintf(stderr, "stream2sqs dead: of %zu, a newer version of the same item was delivered meanwhile%s\n", count,
                skip ? ": skipped" : " (--skip-superseded leaves them)");
    return count;
}

static int move(const struct invocation *in, const char *operation, const char *done)
{
    bool redrive = strcmp(operation, "dead/redrive") == 0;
    struct reading r;
    struct selection selection;
    struct listing l;
    struct moving m = {.in = in, .operation = operation};
    struct error err;
    size_t superseded;
    char *ledger;
    int status = 0;

    if (!invocation_number(in, "rate", 1, 1000000, &m.rate))
        return error_exit_status(ERROR_USAGE);
    if (!find(in, &r, &selection, &l, false, &status))
        return status;
    if (l.len == 0 && died_elsewhere(&r, in->arguments[1], &err)) {
        leave(&r, &selection, &l);
        return invocation_fail(in, &err);
    }
    superseded = redrive ? warn_of_superseded(in, &l) : 0;
    if (invocation_flag(in, "dry-run", 0)) {
        if (in->json)
            print_json(list_json(&l));
        else if (l.len > 0)
            print_list(&l);
        if (!in->json)
            printf("would be %s: %zu (nothing was changed)\n", done, l.len);
        leave(&r, &selection, &l);
        return 0;
    }
    ledger = memory_strdup(r.config.ledger);
    reading_close(&r); /* the change is made by the daemon, or by the only connection that writes */
    m.ledger = ledger;
    m.not_dead = json_array();
    note_missing(&m, &l);
    status = move_all(&m, &l, &err) ? print_moved(&m, done, superseded) : invocation_fail(in, &err);
    json_decref(m.not_dead);
    listing_fini(&l);
    selection_fini(&selection);
    free(ledger);
    return status;
}

static bool chosen(const struct invocation *in)
{
    static const char *const flags[] = {"id", "all", "key", "code", "since", "before", "filter"};

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (invocation_flag(in, flags[i], 0))
            return true;
    return false;
}

static int run(struct invocation *in)
{
    const char *verb = in->argument_count > 0 ? in->arguments[0] : "list";

    if (strcmp(verb, "list") == 0)
        return list(in, false);
    if (strcmp(verb, "export") == 0)
        return list(in, true);
    if (strcmp(verb, "show") == 0)
        return show(in);
    if ((strcmp(verb, "redrive") == 0 || strcmp(verb, "drop") == 0) && (in->argument_count != 2 || !chosen(in)))
        return invocation_usage(in, "name the queue that the messages died in, and --id MESSAGE-ID (may be repeated), --all, --key, --code, --since "
                                    "or --filter");
    if (strcmp(verb, "redrive") == 0)
        return move(in, "dead/redrive", "sent back to their queue");
    if (strcmp(verb, "drop") == 0 && invocation_flag(in, "all", 0) && !invocation_flag(in, "yes", 0))
        return invocation_usage(in, "dropping all dead messages gives them up for good: say --yes if that is wanted");
    if (strcmp(verb, "drop") == 0)
        return move(in, "dead/drop", "dropped");
    return invocation_usage(in, "wanted list, show, export, redrive or drop");
}

static const struct command_flag flags[] = {
    {"id", "MESSAGE-ID", "this message (may be repeated)"},
    SELECTION_FLAGS("died"),
    {"code", "CODE", "those that died for this reason, such as InvalidMessageContents"},
    {"dry-run", NULL, "show what would be moved, and change nothing"},
    {"rate", "COUNT", "so many a second at most"},
    {"skip-superseded", NULL, "with redrive: leave those of whose item a newer version was delivered meanwhile"},
    {"yes", NULL, "with drop --all: yes, give them all up"},
    {NULL, NULL, NULL},
};

const struct command cmd_dead = {
    .name = "dead",
    .arguments = "list [QUEUE] | show MESSAGE-ID | export [QUEUE] | redrive QUEUE | drop QUEUE",
    .summary = "messages that were received too often, or cannot be sent: list, show, export, send back, give up",
    .help = "A dead message keeps its full payload. `redrive` puts it back into the queue that it died in, with a receive count of 0; `drop` gives it up.\n"
            "Both take it out of its dead-letter queue. `export` prints one JSON document a line, with the whole record.\n\n"
            "  stream2sqs dead list\n"
            "  stream2sqs dead redrive orders-events --since 2h --dry-run\n"
            "  stream2sqs dead redrive orders-events --all --skip-superseded --rate 50",
    .flags = flags,
    .run = run,
};
