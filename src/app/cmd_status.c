/* SPDX-License-Identifier: Apache-2.0 */
#include "app/control.h"
#include "app/output.h"
#include "app/reading.h"
#include "base/clock.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define WATCH_MS 2000

/* ---- what the ledger knows ---- */

struct collecting {
    struct reading *reading;
    json_t *list;
    json_t *feeders; /* queue's id as text -> {ARN of a stream that feeds it: true} */
    int64_t now_ms;
};

static json_t *feeders_of(json_t *feeders, int64_t queue)
{
    char id[24];
    json_t *of;

    snprintf(id, sizeof(id), "%lld", (long long)queue);
    of = json_object_get(feeders, id);
    if (of == NULL) {
        of = json_object();
        json_object_set_new(feeders, id, of);
    }
    return of;
}

static void note_feeder(void *context, int64_t shard, int64_t queue)
{
    struct collecting *c = context;
    const struct shard_name *name = reading_shard(c->reading, shard);

    if (name && name->arn)
        json_object_set_new(feeders_of(c->feeders, queue), name->arn, json_true());
}

static json_t *names_in(json_t *object)
{
    json_t *list = json_array();
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
        json_array_append_new(list, json_string(name));
    return list;
}

static void add_queue(void *context, const struct queue_row *row)
{
    struct collecting *c = context;
    int64_t oldest = ledger_oldest_waiting_ms(c->reading->db, row->id, row->next_fresh);
    json_t *out;

    if (row->deleted_at_ms != 0)
        return;
    out = json_pack("{s:o}", "queue", json_slice(row->name));
    if (row->region.len > 0)
        json_object_set_new(out, "region", json_slice(row->region));
    for (int state = 1; state < MESSAGE_STATE_COUNT; state++)
        json_object_set_new(out, message_state_name((enum message_state)state), json_integer(row->counts[state]));
    json_object_set_new(out, "remote", json_boolean(row->remote));
    json_object_set_new(out, "possible_duplicates", json_integer(row->possible_duplicates));
    json_object_set_new(out, "streams", names_in(feeders_of(c->feeders, row->id)));
    json_object_set_new(out, "oldest_waiting_ms", oldest ? json_integer(c->now_ms - oldest) : json_null());
    json_array_append_new(c->list, out);
}

static void add_shard(void *context, const struct shard_row *row)
{
    struct collecting *c = context;
    const struct shard_name *name = reading_shard(c->reading, row->id);
    json_t *out = json_pack("{s:s,s:o,s:s,s:I,s:o,s:o}", "stream", name && name->arn ? name->arn : "", "shard", json_slice(row->shard_id), "state",
                            shard_state_name(row->state), "records_read", (json_int_t)row->records_read, "position", json_slice(row->position),
                            "last_read_at", json_moment(row->last_read_at_ms));

    if (row->last_read_at_ms)
        json_object_set_new(out, "unread_ms", json_integer(c->now_ms - row->last_read_at_ms));
    if (row->idle_since_ms)
        json_object_set_new(out, "lag_ms", json_integer(0));
    else if (row->last_record_at_ms)
        json_object_set_new(out, "lag_ms", json_integer(c->now_ms - row->last_record_at_ms));
    json_array_append_new(c->list, out);
}

static void add_stream(void *context, const struct stream_row *row)
{
    struct collecting *c = context;

    json_array_append_new(c->list, json_pack("{s:o,s:o,s:s}", "source", json_slice(row->source), "stream", json_slice(row->arn), "state",
                                             stream_state_name(row->state)));
}

static json_t *ledger_json(struct reading *r)
{
    struct collecting c = {.reading = r, .feeders = json_object(), .now_ms = clock_now().wall_ms};
    json_t *queues = c.list = json_array();
    json_t *streams;
    json_t *shards;
    struct stored_page first;

    question_fed(r->db, note_feeder, &c);
    ledger_queues(r->db, add_queue, &c);
    json_decref(c.feeders);
    streams = c.list = json_array();
    ledger_streams(r->db, add_stream, &c);
    shards = c.list = json_array();
    ledger_shards(r->db, add_shard, &c);
    return json_pack("{s:s,s:I,s:o,s:I,s:o,s:o,s:o}", "ledger", r->config.ledger, "bytes", (json_int_t)database_bytes_used(r->db), "history_begins_at",
                     question_first_page(r->db, &first) ? json_moment(first.stored_at_ms) : json_null(), "gaps_new",
                     (json_int_t)ledger_gaps_new(r->db), "streams", streams, "shards", shards, "queues", queues);
}

/* The one of a list whose members `first` and `second` are the same; NULL: there is none. */
static json_t *same_in(json_t *list, json_t *wanted, const char *first, const char *second)
{
    size_t i;
    json_t *one;

    json_array_foreach(list, i, one)
        if (strcmp(text_of(one, first), text_of(wanted, first)) == 0 && strcmp(text_of(one, second), text_of(wanted, second)) == 0)
            return one;
    return NULL;
}

static void take(json_t *stored, json_t *live, const char *name)
{
    if (json_object_get(live, name))
        json_object_set(stored, name, json_object_get(live, name));
}

/* What the daemon knows better: how far behind it is now (the ledger hears of idle shards every few minutes only), and what can be received now. */
static void take_live(json_t *status, json_t *daemon)
{
    json_t *stored;
    json_t *stream;
    size_t i;
    size_t k;

    json_array_foreach(json_object_get(status, "shards"), i, stored)
        json_array_foreach(json_object_get(daemon, "streams"), k, stream)
            if (strcmp(text_of(stream, "arn"), text_of(stored, "stream")) == 0)
                take(stored, same_in(json_object_get(stream, "shards"), stored, "shard", "shard"), "lag_ms");
    json_array_foreach(json_object_get(status, "queues"), i, stored) {
        json_t *live = same_in(json_object_get(daemon, "queues"), stored, "queue", "region");

        take(stored, live, "queued");
        take(stored, live, "in_flight");
    }
}

/* Nobody knows it while nobody reads. */
static void forget_lag(json_t *shards)
{
    json_t *shard;
    size_t i;

    json_array_foreach(shards, i, shard)
        json_object_del(shard, "lag_ms");
}

/* Null: no daemon runs. */
static json_t *daemon_json(const char *ledger)
{
    json_t *request = json_object();
    json_t *answer = NULL;
    struct error err;

    if (!control_call(ledger, "status", request, &answer, &err))
        answer = json_null();
    json_decref(request);
    return answer;
}

/* ---- for people ---- */

static void print_daemon(json_t *daemon)
{
    size_t i;
    json_t *reason;

    if (json_is_null(daemon)) {
        printf("%snot running%s: this is what the ledger knows\n", style_on(STYLE_WARN), style_off());
        return;
    }
    printf("%s%s%s  pid %lld, SQS %s, admin %s\n", style_on(json_is_true(json_object_get(daemon, "ready")) ? STYLE_GOOD : STYLE_BAD),
           json_is_true(json_object_get(daemon, "ready")) ? "ready" : "not ready", style_off(),
           (long long)json_integer_value(json_object_get(daemon, "pid")), text_of(daemon, "sqs"), text_of(daemon, "admin"));
    json_array_foreach(json_object_get(daemon, "reasons"), i, reason)
        printf("  %s\n", json_string_value(reason));
}

static void add_duration(struct table *table, json_t *ms)
{
    struct buffer text = {0};

    if (json_is_integer(ms))
        append_duration(&text, json_integer_value(ms));
    table_add_text(table, text.ptr ? text.ptr : "-");
    buffer_fini(&text);
}

/* Streams whose shards are not known yet, since an older one of the same table is read first. */
static void print_waiting(json_t *streams)
{
    size_t i;
    json_t *one;

    json_array_foreach(streams, i, one) {
        struct buffer name = {0};

        if (strcmp(text_of(one, "state"), "waiting") != 0)
            continue;
        append_stream(&name, text_of(one, "stream"));
        printf("%sstream %s waits%s: an older one of its table is read to its end first\n", style_on(STYLE_WARN), name.ptr, style_off());
        buffer_fini(&name);
    }
}

static void print_shards(json_t *shards, bool running)
{
    const char *headings[] = {"SHARD", "STATE", ">RECORDS READ", running ? ">LAG" : ">NOT READ FOR", "STREAM", NULL};
    struct table table = {.headings = headings};
    size_t finished = 0;
    size_t i;
    json_t *shard;

    json_array_foreach(shards, i, shard) {
        if (strcmp(text_of(shard, "state"), "finished") == 0) {
            finished++;
            continue;
        }
        table_add_text(&table, text_of(shard, "shard"));
        table_add_text(&table, text_of(shard, "state"));
        table_add_number(&table, json_integer_value(json_object_get(shard, "records_read")));
        add_duration(&table, json_object_get(shard, running ? "lag_ms" : "unread_ms"));
        table_add_stream(&table, text_of(shard, "stream"));
    }
    if (table.count > 0)
        table_print(&table, stdout);
    if (finished > 0)
        printf("(and %zu shard%s read to %s end)\n", finished, finished == 1 ? "" : "s", finished == 1 ? "its" : "their");
}

/* "orders, customers": the tables' names; a table that was made again, with another stream, is one. */
static void add_feeders(struct table *table, json_t *streams)
{
    json_t *tables = json_object();
    struct buffer text = {0};
    const char *name;
    size_t i;
    json_t *one;

    json_array_foreach(streams, i, one) {
        struct buffer stream = {0};

        append_stream(&stream, json_string_value(one));
        stream.ptr[strcspn(stream.ptr, "/")] = '\0';
        json_object_set_new(tables, stream.ptr, json_true());
        buffer_fini(&stream);
    }
    json_object_foreach(tables, name, one)
        buffer_printf(&text, "%s%s", text.len > 0 ? ", " : "", name);
    table_add_text(table, text.len > 0 ? text.ptr : "-");
    buffer_fini(&text);
    json_decref(tables);
}

static void print_queues(json_t *queues)
{
    const char *headings[TABLE_COLUMNS_MAX + 1] = {"QUEUE"};
    struct state_columns states;
    struct table table = {.headings = headings};
    bool remote = false;
    size_t i;
    json_t *queue;

    state_columns_choose(&states, queues);
    for (i = 0; i < states.len; i++)
        headings[1 + i] = states.headings[i];
    headings[1 + states.len] = ">OLDEST WAITING";
    headings[2 + states.len] = "FED BY";
    json_array_foreach(queues, i, queue) {
        table_add_text(&table, text_of(queue, "queue"));
        for (size_t k = 0; k < states.len; k++)
            table_add_number(&table, json_integer_value(json_object_get(queue, states.names[k])));
        add_duration(&table, json_object_get(queue, "oldest_waiting_ms"));
        add_feeders(&table, json_object_get(queue, "streams"));
        remote = remote || json_is_true(json_object_get(queue, "remote"));
    }
    if (table.count > 0)
        table_print(&table, stdout);
    if (remote)
        printf("(SENT: the other server has it; what its consumers did with it is not known here, unless they come through this endpoint)\n");
}

static void print_people(json_t *status)
{
    struct buffer bytes = {0};

    print_daemon(json_object_get(status, "daemon"));
    append_bytes(&bytes, json_integer_value(json_object_get(status, "bytes")));
    printf("ledger %s: %s, records since %s, %lld new gap%s\n\n", text_of(status, "ledger"), bytes.ptr,
           text_of(status, "history_begins_at")[0] ? text_of(status, "history_begins_at") : "(none yet)",
           (long long)json_integer_value(json_object_get(status, "gaps_new")), json_integer_value(json_object_get(status, "gaps_new")) == 1 ? "" : "s");
    print_waiting(json_object_get(status, "streams"));
    if (json_array_size(json_object_get(status, "shards")) > 0) {
        print_shards(json_object_get(status, "shards"), !json_is_null(json_object_get(status, "daemon")));
        putchar('\n');
    }
    print_queues(json_object_get(status, "queues"));
    buffer_fini(&bytes);
}

/* ---- the command ---- */

static int once(const struct invocation *in)
{
    struct reading r;
    json_t *status;
    int exit_status = 0;
    bool ready;

    if (!reading_open(&r, in, &exit_status))
        return exit_status;
    status = ledger_json(&r);
    json_object_set_new(status, "daemon", daemon_json(r.config.ledger));
    if (json_is_null(json_object_get(status, "daemon")))
        forget_lag(json_object_get(status, "shards"));
    else
        take_live(status, json_object_get(status, "daemon"));
    ready = json_is_true(json_object_get(json_object_get(status, "daemon"), "ready"));
    if (in->json) {
        print_json(status);
    } else {
        print_people(status);
        json_decref(status);
    }
    fflush(stdout);
    reading_close(&r);
    return invocation_flag(in, "probe", 0) && !ready ? error_exit_status(ERROR_UNAVAILABLE) : 0;
}

/* Again every two seconds, until a signal or the end of standard input's terminal. */
static int watch(const struct invocation *in)
{
    struct pollfd signals = {.events = POLLIN};
    bool terminal = isatty(STDOUT_FILENO) && !in->json;
    sigset_t set;
    int status;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals.fd = signalfd(-1, &set, SFD_CLOEXEC);
    do {
        if (terminal)
            fputs("\033[H\033[2J", stdout);
        status = once(in);
    } while (status == 0 && poll(&signals, 1, WATCH_MS) == 0);
    if (signals.fd >= 0)
        close(signals.fd);
    return status;
}

static int run(struct invocation *in)
{
    return invocation_flag(in, "watch", 0) ? watch(in) : once(in);
}

static const struct command_flag flags[] = {
    {"probe", NULL, "exit status 69 unless a process runs on the ledger and is ready, for health checks of containers"},
    {"watch", NULL, "again every two seconds, until interrupted"},
    {NULL, NULL, NULL},
};

const struct command cmd_status = {
    .name = "status",
    .arguments = "",
    .summary = "shards and how far behind they are, queues and what waits in them",
    .help = "Shows what the ledger knows, and what a running daemon adds: whether it is ready, and if not, why.\n\n  stream2sqs status --watch",
    .flags = flags,
    .run = run,
};
