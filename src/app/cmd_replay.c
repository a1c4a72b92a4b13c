/* SPDX-License-Identifier: Apache-2.0 */
#include "app/control.h"
#include "app/output.h"
#include "app/selection.h"
#include "base/memory.h"

#include <stdlib.h>
#include <time.h>

#define IDS_A_CALL 500

struct choosing {
    const struct reading *reading;
    struct selection *selection;
    int64_t page;       /* that is looked at */
    int64_t read_at_ms; /* when it was */
    int64_t *records;
    size_t len;
    const char *queue;
    size_t unsettled; /* of these the queue's own message is not settled yet */
    bool skip_unsettled;
};

struct own_message {
    const struct choosing *choosing;
    bool unsettled;
};

static void look_at_message(void *context, int64_t queue, int64_t message, enum no_message why)
{
    struct own_message *own = context;
    const struct reading *r = own->choosing->reading;
    struct message_row row;

    (void)why;
    if (message == 0 || strcmp(reading_queue(r, queue), own->choosing->queue) != 0 || !ledger_message_find(r->db, message, &row))
        return;
    own->unsettled = own->unsettled || !message_state_settled(row.state);
    ledger_message_end(r->db);
}

/* It will come anyhow, so that a replay is a second time. */
static bool is_unsettled(const struct choosing *c, int64_t record)
{
    struct own_message own = {.choosing = c};

    question_messages(c->reading->db, c->page, record, look_at_message, &own);
    return own.unsettled;
}

static void choose_record(struct choosing *c, int64_t record)
{
    bool unsettled = is_unsettled(c, record);

    c->unsettled += unsettled;
    if (unsettled && c->skip_unsettled)
        return;
    c->records = memory_resize(c->records, (c->len + 1) * sizeof(*c->records));
    c->records[c->len++] = record;
}

static void look_at_record(void *context, const struct stored_record *record)
{
    struct choosing *c = context;
    const struct shard_name *shard = reading_shard(c->reading, record->shard);
    json_t *json;

    if (record->shard == 0) /* SendMessage */
        return;
    json = c->selection->key ? reading_record(c->reading, record, false) : NULL;
    if (selection_wants(c->selection, json, record->body, shard && shard->arn ? shard->arn : "", c->read_at_ms, ""))
        choose_record(c, record->id);
    json_decref(json);
}

/* Oldest first, so that the order per key stays. */
static void look_at_page(void *context, int64_t page, int64_t record_count, struct slice bloom)
{
    struct choosing *c = context;
    struct stored_page found;

    (void)bloom;
    if (!question_page(c->reading->db, page, &found) || found.stored_at_ms < c->selection->since_ms || found.stored_at_ms >= c->selection->before_ms)
        return;
    c->page = page;
    c->read_at_ms = found.stored_at_ms;
    question_records(c->reading->db, page, page + record_count, look_at_record, c);
}

/* dry_run: *replayed counts those that would be. */
static bool replay_some(const char *ledger, const char *queue, const int64_t *records, size_t count, bool dry_run, int64_t *replayed, struct error *err)
{
    json_t *ids = json_array();
    json_t *answer = NULL;
    json_t *request;
    bool good;

    for (size_t i = 0; i < count; i++)
        json_array_append_new(ids, json_integer(records[i]));
    request = json_pack("{s:s,s:o,s:b}", "queue", queue, "records", ids, "dry_run", dry_run);
    good = control_call(ledger, "replay", request, &answer, err);
    if (good)
        *replayed += json_integer_value(json_object_get(answer, "replayed"));
    json_decref(request);
    json_decref(answer);
    return good;
}

static bool replay_all(const char *ledger, const char *queue, const struct choosing *c, int64_t rate, bool dry_run, int64_t *replayed, struct error *err)
{
    size_t step = rate > 0 && rate < IDS_A_CALL ? (size_t)rate : IDS_A_CALL;

    for (size_t i = 0; i < c->len; i += step) {
        size_t count = c->len - i < step ? c->len - i : step;
        int64_t ns = rate > 0 ? (int64_t)count * 1000000000 / rate : 0;
        const struct timespec pause = {ns / 1000000000, ns % 1000000000};

        if (!replay_some(ledger, queue, c->records + i, count, dry_run, replayed, err))
            return false;
        if (ns > 0 && i + count < c->len)
            nanosleep(&pause, NULL);
    }
    return true;
}

static int say(const struct invocation *in, const struct choosing *c, int64_t replayed, bool dry_run)
{
    struct error err;

    if (in->json)
        print_json(json_pack("{s:I,s:I,s:I,s:b}", "chosen", (json_int_t)c->len, "replayed", (json_int_t)(dry_run ? 0 : replayed), "unsettled",
                             (json_int_t)c->unsettled, "dry_run", dry_run));
    else if (dry_run && (replayed > 0 || c->len == 0))
        printf("would be replayed: %lld of %zu (nothing was changed)\n", (long long)replayed, c->len);
    else if (replayed > 0 || c->len == 0)
        printf("replayed: %lld of %zu%s\n", (long long)replayed, c->len,
               c->len == 0 ? " (no record of this queue matches: `stream2sqs trace KEY` says what the ledger has)" : "");
    if (c->unsettled > 0 && !in->json)
        fprintf(stderr, "stream2sqs replay: of %zu, the queue's own message is not settled yet%s\n", c->unsettled,
                c->skip_unsettled ? ": skipped" : ", so that they come twice (--skip-unsettled leaves them)");
    if (replayed > 0 || c->len == 0)
        return 0;
    error_set(&err, ERROR_NOT_FOUND, "none of the %zu records %s: their stream does not feed the queue \"%s\"", c->len,
              dry_run ? "would be replayed" : "was replayed", c->queue);
    return in->json ? error_exit_status(err.code) : invocation_fail(in, &err);
}

static int replay(const struct invocation *in, struct selection *selection)
{
    const char *queue = in->arguments[0];
    bool dry_run = invocation_flag(in, "dry-run", 0) != NULL;
    struct reading r;
    struct choosing c = {.reading = &r, .selection = selection, .queue = queue, .skip_unsettled = invocation_flag(in, "skip-unsettled", 0) != NULL};
    struct error err;
    int64_t replayed = 0;
    int64_t rate = 0;
    char *ledger;
    int status = 0;

    if (!invocation_number(in, "rate", 1, 1000000, &rate))
        return error_exit_status(ERROR_USAGE);
    if (!reading_open(&r, in, &status))
        return status;
    if (reading_queue_id(&r, queue) == 0) {
        error_set(&err, ERROR_NOT_FOUND, "there is no queue \"%s\" in this ledger", queue);
        reading_close(&r);
        return invocation_fail(in, &err);
    }
    question_blooms(r.db, look_at_page, &c);
    ledger = memory_strdup(r.config.ledger);
    reading_close(&r);
    status = replay_all(ledger, queue, &c, dry_run ? 0 : rate, dry_run, &replayed, &err) ? say(in, &c, replayed, dry_run) : invocation_fail(in, &err);
    free(c.records);
    free(ledger);
    return status;
}

static int run(struct invocation *in)
{
    struct selection selection;
    struct error err;
    int status;

    if (!selection_init(&selection, in, &err))
        status = invocation_fail(in, &err);
    else if (in->argument_count != 1 || !selection_given(&selection))
        status = invocation_usage(in, "name the queue, and which records: --key, --since, --before, --filter, or --all");
    else
        status = replay(in, &selection);
    selection_fini(&selection);
    return status;
}

static const struct command_flag flags[] = {
    SELECTION_FLAGS("read"),
    {"dry-run", NULL, "say how many it would be, and change nothing"},
    {"rate", "COUNT", "so many a second at most"},
    {"skip-unsettled", NULL, "leave those that the queue has not settled yet: they come anyhow"},
    {NULL, NULL, NULL},
};

const struct command cmd_replay = {
    .name = "replay",
    .arguments = "QUEUE",
    .summary = "give records that the ledger has to a queue again",
    .help = "Each becomes a new message, which says so in the attribute stream2sqs.replayed. Records outlive the stream's 24 hours: the ledger keeps them for\n"
            "keep_settled after they are settled. The order per key stays.\n\n"
            "  stream2sqs replay orders-events --key o7 --dry-run\n"
            "  stream2sqs replay orders-events --since 2026-01-31T12:00:00Z --before 2026-01-31T13:00:00Z --rate 100",
    .flags = flags,
    .run = run,
};
