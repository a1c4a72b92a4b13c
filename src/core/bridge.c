/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bridge.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/planted.h"
#include "core/backfill.h"
#include "core/dead_reader.h"
#include "core/gateway.h"
#include "core/subscriptions.h"
#include "store/questions.h"

#include <stdio.h>
#include <stdlib.h>

#define CALLS_MAX 16
#define PRUNE_REST_MS 60000  /* between sweeps over the pages */
#define BUDGET_CHECK_MS 1000
#define BUDGET_NEAR 90       /* percent: settled rows go early from here on */
#define SOURCE_SHIFT 48      /* a token: epoch, source, the source's own 48 bits */
#define EPOCH_SHIFT 56
/* A token to a queue's server: epoch, number of the pump or dead-letter reader (of the gateway: id of the queue), their own 32 bits. */
#define TARGET_SHIFT 32
#define NUMBER_MAX 0xffffff

struct bridge {
    struct database *db;
    const struct bridge_options *options;
    struct random random;
    struct intake intake;
    struct service service;
    struct feed {
        struct source *source;
        struct queue **queues; /* that it feeds */
        uint64_t id;           /* in tokens: stays while its place in the configuration changes */
        size_t calls;          /* on their way */
    } *feeds;                  /* one a configured source */
    size_t feed_count;
    size_t next_source;        /* whose call comes next: fair among sources */
    uint64_t last_feed_id;
    int64_t *unknown;          /* messages that were on their way when memory was thrown away: to be noted when there is room */
    size_t unknown_len;
    uint64_t last_number;      /* of a pump or dead-letter reader */
    uint64_t epoch;            /* grows when memory was thrown away: answers to older calls mean nothing */
    size_t calls;
    struct gateway gateway;
    struct target_call *outbox; /* made in this cycle, to be started after its commit */
    size_t outbox_len;
    size_t outbox_at;          /* what has been handed out */
    struct heap deadlines;     /* of long polls */
    struct exchange *answered; /* in order */
    struct exchange *answered_last;
    bool changed;              /* something was applied in this cycle */
    bool draining;
    bool room;
    bool within_budget;
    int64_t budget_due;
    int64_t prune_due;
    bool backfilling;          /* a queue is being given what the ledger has: there is more to do at once */
    int64_t step_due;          /* when something in the queues goes on by itself */
    int64_t prune_page;        /* where the sweep stands; 0: at its beginning */
    bool near_budget;
    struct bridge_counts counts;
};

#define STREAM_RETENTION_MS (24 * 3600 * INT64_C(1000)) /* of DynamoDB Streams */
#define DELETED_STAYS_MS 60000 /* as in core/service.c */

static void forget_stale(struct bridge *b);
static struct feed *find_feed(struct bridge *b, uint64_t id);
static void end_all_waiting(struct bridge *b, struct desk *desk);
static void abandon_forwarded(struct bridge *b, bool only_receives);
static void save(struct bridge *b);

/* ---- loading ---- */

static struct queue *find_queue(void *context, int64_t id)
{
    struct bridge *b = context;
    struct desk *desk = service_find_id(&b->service, id);

    return desk ? desk->queue : NULL;
}

struct loading {
    struct bridge *bridge;
    struct instant now;
};

/* Nothing of it is left to do, and its name is free. */
static bool gone(const struct queue_row *row, struct instant now)
{
    int64_t waiting = row->purge_to;

    for (int state = 0; state < MESSAGE_STATE_COUNT; state++)
        waiting += message_state_settled((enum message_state)state) ? 0 : row->counts[state];
    return row->deleted_at_ms != 0 && waiting == 0 && now.wall_ms - row->deleted_at_ms > DELETED_STAYS_MS;
}

/* Those who wait at a desk keep it; it gets the queue loaded again. */
static void load_queue(void *context, const struct queue_row *row)
{
    struct loading *loading = context;
    struct service *s = &loading->bridge->service;
    struct desk *old = service_find_id(s, row->id);
    struct desk *desk;

    if (row->id > s->highest_queue)
        s->highest_queue = row->id;
    if (gone(row, loading->now))
        return;
    desk = desk_new(row);
    desk->queue = queue_load(loading->bridge->db, row, loading->now);
    desk->queue->deleted = row->deleted_at_ms != 0;
    desk->queue->options.visibility_timeout_ms = 30000;
    queue_set_lookup(desk->queue, find_queue, loading->bridge);
    if (old) {
        desk_take_over(old, desk);
        return;
    }
    s->desks = memory_resize(s->desks, (s->desk_count + 1) * sizeof(*s->desks));
    s->desks[s->desk_count++] = desk;
}

static void send_again(void *context, int64_t id, uint64_t key_hash)
{
    (void)key_hash;
    pump_send(context, id);
}

/* An answer to a call of one that is gone must not be taken for one of its successor's. */
static uint64_t new_number(struct bridge *b)
{
    b->last_number = b->last_number % NUMBER_MAX + 1;
    return b->last_number;
}

static void load_pump(struct bridge *b, struct desk *desk, const struct pump_options *options, struct instant now)
{
    desk->pump_number = new_number(b);
    desk->pump = pump_new(b->db, desk->queue, options, &b->service.identity, &b->service.origins, random_next(&b->random), now);
    desk->queue->send = send_again;
    desk->queue->send_context = desk->pump;
}

static void load_dead_reader(struct bridge *b, struct desk *desk, const struct pump_options *options, struct instant now)
{
    if (options->dead_letter_name == NULL)
        return;
    desk->reader_number = new_number(b);
    desk->dead_reader = dead_reader_new(b->db, desk->queue, &b->service.identity, options->dead_letter_name, options->dead_letter_url,
                                        options->dead_letter_owner, random_next(&b->random), now);
}

static void load_remote(struct bridge *b, struct desk *desk, const struct pump_options *options, struct instant now)
{
    load_pump(b, desk, options, now);
    load_dead_reader(b, desk, options, now);
}

/* Is the attribute another one now? It takes `value`. */
static bool set_attribute(struct desk *desk, enum queue_attribute which, char *value)
{
    char **now = &desk->attributes.values[which];
    bool same = text_equal(*now, value);

    free(*now);
    *now = value;
    return !same;
}

/* Who starts the bridge without a dead-letter queue, or with another one than before or than a client has set, is told. */
static bool set_redrive_policy(struct desk *desk, char *policy, bool dies)
{
    const char *before = desk->attributes.values[QUEUE_REDRIVE_POLICY];

    if (before && policy == NULL)
        log_warning(dies ? "a queue has no dead-letter queue any more, as the configuration names none: what dies stays in the ledger"
                         : "a queue has no dead-letter queue any more, as the configuration names none: what fails comes again until it is deleted",
                    LOG_FIELDS(LOG_TEXT("queue", desk->queue->name), LOG_TEXT("before", before)));
    else if (before && !text_equal(before, policy))
        log_info("a queue's dead-letter queue, or how often a message is received first, is another one now",
                 LOG_FIELDS(LOG_TEXT("queue", desk->queue->name), LOG_TEXT("before", before), LOG_TEXT("now", policy)));
    return set_attribute(desk, QUEUE_REDRIVE_POLICY, policy);
}

/* What the configuration says of a queue stands over what clients have set. It is kept in the ledger, too: a queue that leaves the configuration keeps it. */
static void configure(struct bridge *b, struct desk *desk, const struct bridge_queue *o)
{
    struct queue *q = desk->queue;
    struct desk *target = o->dead_letter_queue ? service_find(&b->service, slice_text(o->dead_letter_queue)) : NULL;
    char *policy = NULL;
    char text[24];
    bool changed;

    desk->configured = true;
    desk->form = o->form;
    desk->visibility_ms = o->visibility_timeout_ms;
    desk->max_receive_count = o->max_receive_count;
    snprintf(text, sizeof(text), "%lld", (long long)o->visibility_timeout_ms / 1000);
    changed = set_attribute(desk, QUEUE_VISIBILITY_TIMEOUT, memory_strdup(text));
    if (target) {
        service_queue_arn(&b->service, target, &b->service.body);
        policy = redrive_policy_text(b->service.body.ptr, o->max_receive_count);
    }
    changed = set_redrive_policy(desk, policy, o->max_receive_count > 0) || changed;
    if (changed)
        desk_save(desk, b->db);
    q->options.filter = o->filter;
    q->options.form = o->form;
    q->options.hold_key = o->hold_key;
    if (q->remote != (o->remote != NULL)) { /* check_kinds has seen that it is empty */
        q->remote = o->remote != NULL;
        q->next_fresh = q->next_message;
        q->grouped = !q->remote && q->groups.strict;
        q->changed = true;
    }
}

static bool feeds(const struct bridge_source *source, const char *queue)
{
    for (size_t k = 0; k < source->queue_count; k++)
        if (strcmp(source->queues[k], queue) == 0)
            return true;
    return false;
}

static bool has_source(const struct bridge_options *options, const char *queue)
{
    for (size_t i = 0; i < options->source_count; i++)
        if (feeds(&options->sources[i], queue))
            return true;
    return false;
}

static bool have_one_source(const struct bridge_options *options, const char *queue, const char *other)
{
    for (size_t i = 0; i < options->source_count; i++)
        if (feeds(&options->sources[i], queue) && feeds(&options->sources[i], other))
            return true;
    return false;
}

/* Is it being given what `from` promised? Not while nothing feeds it: then nothing of it is passed over, and nothing waits for it. */
static bool is_filling(const struct bridge *b, const struct desk *desk)
{
    return desk->queue->backfill_at != 0 && desk->configured && has_source(b->options, desk->queue->name);
}

/* A queue of the configuration that is not there yet; or, when a client or an earlier configuration has made it, that no stream has fed yet. */
static void make_queue(struct bridge *b, const struct bridge_options *options, const struct bridge_queue *o, struct instant now)
{
    struct desk *desk = service_find(&b->service, slice_text(o->name));
    bool known = desk != NULL;

    if (!known)
        desk = service_make_queue(&b->service, SLICE(""), slice_text(o->name), now);
    if (o->from == FROM_NOW || !has_source(options, o->name) || (known && question_queue_fed(b->db, desk->queue->id)))
        return;
    if (known && desk->queue->backfill_at == 0)
        log_info("a queue that was there before is fed by a stream now, and begins as its option `from` says", LOG_FIELDS(LOG_TEXT("queue", o->name)));
    backfill_begin(desk->queue, b->db, o->from == FROM_STREAM ? now.wall_ms - STREAM_RETENTION_MS : 0);
}

static void load_queues(struct bridge *b, struct instant now)
{
    struct loading loading = {b, now};
    struct service *s = &b->service;

    for (size_t i = 0; i < s->desk_count; i++)
        s->desks[i]->stale = true;
    ledger_queues(b->db, load_queue, &loading);
    forget_stale(b);
    for (size_t i = 0; i < b->options->queue_count; i++)
        make_queue(b, b->options, &b->options->queues[i], now);
    for (size_t i = 0; i < b->options->queue_count; i++) {
        struct desk *desk = service_find(s, slice_text(b->options->queues[i].name));

        desk->place = i;
        configure(b, desk, &b->options->queues[i]);
    }
    for (size_t i = 0; i < s->desk_count; i++)
        service_apply_attributes(s->desks[i]);
    service_link(s);
    for (size_t i = 0; i < s->desk_count; i++) {
        struct desk *desk = s->desks[i];

        if (desk->configured && b->options->queues[desk->place].remote)
            load_remote(b, desk, b->options->queues[desk->place].remote, now);
        queue_start(desk->queue, b->db, now);
    }
    service_load_moves(s);
}

static struct reader_options find_queues(struct bridge *b, struct feed *feed, const struct bridge_source *o, int64_t discovery_ms)
{
    struct reader_options options = {.start_latest = o->start_latest, .stop_at_gap = o->stop_at_gap, .idle_poll_ms = o->idle_poll_ms,
                                     .discovery_ms = discovery_ms, .region = b->options->region, .queue_count = o->queue_count};

    feed->queues = memory_zeroed(o->queue_count + 1, sizeof(struct queue *));
    for (size_t i = 0; i < o->queue_count; i++)
        feed->queues[i] = service_find(&b->service, slice_text(o->queues[i]))->queue;
    options.queues = feed->queues;
    return options;
}

static void load_feed(struct bridge *b, struct feed *feed, const struct bridge_source *o, int64_t discovery_ms, struct instant now)
{
    struct reader_options options = find_queues(b, feed, o, discovery_ms);

    feed->source = source_new(b->db, &b->intake, o->name, &options, random_next(&b->random), now);
}

/* What options say of which stream feeds which queue. */
struct feeding {
    struct bridge *bridge;
    const struct bridge_options *options;
};

static enum fed is_fed(void *context, const char *source, int64_t queue)
{
    struct feeding *f = context;
    const struct desk *desk = service_find_id(&f->bridge->service, queue);

    if (desk && desk->queue->backfill_at != 0) /* its tally is the backfill's */
        return FED_OTHERWISE;
    for (size_t i = 0; desk && i < f->options->source_count; i++)
        for (size_t k = 0; strcmp(f->options->sources[i].name, source) == 0 && k < f->options->sources[i].queue_count; k++)
            if (desk->configured && strcmp(f->options->sources[i].queues[k], desk->queue->name) == 0)
                return FED;
    return NOT_FED;
}

static uint64_t free_feed_id(struct bridge *b, const struct feed *feeds, size_t count);

static void load(struct bridge *b, struct instant now)
{
    load_queues(b, now);
    intake_init(&b->intake, b->db);
    for (size_t i = 0; i < b->feed_count; i++) {
        b->feeds[i].id = free_feed_id(b, NULL, 0);
        load_feed(b, &b->feeds[i], &b->options->sources[i], b->options->discovery_ms, now);
    }
    if (b->options->source_count > 0 || b->options->queue_count > 0) /* a command on the ledger has no configuration */
        subscriptions_update(b->db, is_fed, &(struct feeding){b, b->options});
    b->calls = 0;
    b->epoch++;
}

static void unload(struct bridge *b)
{
    for (size_t i = 0; i < b->feed_count; i++) {
        source_free(b->feeds[i].source);
        free(b->feeds[i].queues);
        b->feeds[i] = (struct feed){0};
    }
    for (size_t i = 0; i < b->service.desk_count; i++) {
        pump_free(b->service.desks[i]->pump);
        b->service.desks[i]->pump = NULL;
        dead_reader_free(b->service.desks[i]->dead_reader);
        b->service.desks[i]->dead_reader = NULL;
        b->service.desks[i]->queue->send = NULL;
    }
    while (b->outbox_at < b->outbox_len)
        target_call_fini(&b->outbox[b->outbox_at++]);
    b->outbox_len = b->outbox_at = 0;
    intake_fini(&b->intake);
    gateway_fini(&b->gateway);
    service_fini(&b->service);
}

struct kinds {
    const struct bridge_options *options;
    struct error *err;
    bool good;
};

/* A queue's messages are here or on another server: what waits in one of the two places cannot be given in the other. */
static void check_kind(void *context, const struct queue_row *row)
{
    struct kinds *kinds = context;
    int64_t waiting = 0;

    for (int state = 0; state < MESSAGE_STATE_COUNT; state++)
        waiting += message_state_settled((enum message_state)state) ? 0 : row->counts[state];
    for (size_t i = 0; i < kinds->options->queue_count; i++) {
        const struct bridge_queue *o = &kinds->options->queues[i];

        if (slice_is(row->name, o->name) && row->deleted_at_ms == 0 && row->region.len == 0 && row->remote != (o->remote != NULL) && waiting > 0 && kinds->good)
            kinds->good = error_set(kinds->err, ERROR_CONFIG,
                                    "the queue \"%s\" was %s until now, and %lld of its messages are not settled: let them be consumed or drop them first, "
                                    "or give the new queue another name", o->name, row->remote ? "on another server" : "embedded", (long long)waiting);
    }
}

struct bridge *bridge_new(struct database *db, const struct bridge_options *options, struct instant now, struct error *err)
{
    struct bridge *b;
    struct kinds kinds = {options, err, true};
    enum database_outcome outcome;

    ledger_queues(db, check_kind, &kinds);
    if (!kinds.good)
        return NULL;
    b = memory_zeroed(1, sizeof(*b));
    b->db = db;
    b->options = options;
    b->random.state = options->seed;
    b->feeds = memory_zeroed(options->source_count + 1, sizeof(struct feed));
    b->feed_count = options->source_count;
    b->service = (struct service){.db = db, .intake = &b->intake, .origins = {.db = db}, .account_id = options->account_id, .region = options->region,
                                  .regions = options->regions, .aws_waits = options->aws_waits, .deduplicates = true};
    b->service.started = now;
    b->room = b->within_budget = true;
    b->prune_due = b->budget_due = now.mono_ms;
    database_begin(db);
    identity_init(&b->service.identity, db);
    b->gateway.service = &b->service;
    load(b, now);
    outcome = database_commit(db);
    if (outcome == DATABASE_OK)
        return b;
    error_set(err, outcome == DATABASE_FULL ? ERROR_LEDGER_FULL : ERROR_LEDGER_IO, "cannot start on the ledger: %s", database_failure(db));
    bridge_free(b);
    return NULL;
}

void bridge_free(struct bridge *b)
{
    if (b == NULL)
        return;
    unload(b);
    for (size_t i = 0; i < b->service.desk_count; i++)
        desk_free(b->service.desks[i]);
    free(b->service.desks);
    identity_fini(&b->service.identity);
    heap_fini(&b->deadlines);
    free(b->outbox);
    free(b->unknown);
    free(b->feeds);
    free(b);
}

/* ---- changing the configuration while it runs ---- */

static void stop_sending(struct desk *desk, struct instant now)
{
    if (desk->pump)
        pump_abandon(desk->pump, now);
    pump_free(desk->pump);
    dead_reader_free(desk->dead_reader);
    desk->pump = NULL;
    desk->dead_reader = NULL;
    desk->queue->send = NULL;
}

/* It is not in the configuration any more. */
static void release_desk(struct desk *desk, struct instant now)
{
    stop_sending(desk, now);
    desk->configured = false;
    desk->form = NULL;
    desk->queue->options.filter = NULL;
    desk->queue->options.form = NULL;
    desk->queue->options.hold_key = false;
}

/* One whose queue is the same goes on: its long poll is nearly always out. */
static void change_dead_reader(struct bridge *b, struct desk *desk, const struct pump_options *options, struct instant now)
{
    if (desk->dead_reader && options->dead_letter_name &&
        dead_reader_keep(desk->dead_reader, options->dead_letter_name, options->dead_letter_url, options->dead_letter_owner))
        return;
    dead_reader_free(desk->dead_reader); /* it has nothing to remember */
    desk->dead_reader = NULL;
    load_dead_reader(b, desk, options, now);
}

/* Is the message group made of something else than before? */
static bool grouping_changed(const struct message_form *before, const struct message_form *now)
{
    struct slice old = before ? before->group : SLICE_NONE;
    struct slice new = now ? now->group : SLICE_NONE;

    return slice_present(old) != slice_present(new) || !slice_equal(old, new);
}

static void change_queue(struct bridge *b, struct desk *desk, const struct bridge_queue *o, struct instant now)
{
    if (desk->pump && (!o->remote || pump_moved(desk->pump, o->remote) || grouping_changed(desk->form, o->form)))
        stop_sending(desk, now);
    configure(b, desk, o);
    if (!o->remote)
        return;
    change_dead_reader(b, desk, o->remote, now);
    if (desk->pump)
        pump_set_options(desk->pump, o->remote);
    else
        load_pump(b, desk, o->remote, now);
}

static void change_queues(struct bridge *b, const struct bridge_options *options, struct instant now)
{
    struct service *s = &b->service;
    bool regroup = false;

    for (size_t i = 0; i < s->desk_count; i++)
        s->desks[i]->stale = s->desks[i]->configured;
    for (size_t i = 0; i < options->queue_count; i++)
        make_queue(b, options, &options->queues[i], now);
    for (size_t i = 0; i < options->queue_count; i++) {
        struct desk *desk = service_find(s, slice_text(options->queues[i].name));

        desk->stale = false;
        desk->place = i;
        regroup = regroup || grouping_changed(desk->form, options->queues[i].form);
        change_queue(b, desk, &options->queues[i], now);
    }
    for (size_t i = 0; i < s->desk_count; i++) {
        if (!s->desks[i]->stale)
            continue;
        regroup = regroup || grouping_changed(s->desks[i]->form, NULL);
        release_desk(s->desks[i], now);
    }
    for (size_t i = 0; i < s->desk_count && regroup; i++)
        queue_regroup(s->desks[i]->queue, b->db, now);
    for (size_t i = 0; i < s->desk_count; i++) {
        s->desks[i]->stale = false;
        service_apply_attributes(s->desks[i]);
    }
    service_link(s);
    for (size_t i = 0; i < s->desk_count; i++)
        queue_hold_changed(s->desks[i]->queue, b->db, now);
}

static struct feed *feed_named(struct bridge *b, const char *name)
{
    for (size_t i = 0; i < b->feed_count; i++)
        if (b->feeds[i].source && strcmp(b->options->sources[i].name, name) == 0)
            return &b->feeds[i];
    return NULL;
}

static bool feed_id_used(struct bridge *b, const struct feed *feeds, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (feeds[i].id == id)
            return true;
    return find_feed(b, id) != NULL;
}

/* An answer to a source that is gone must not be taken for one of its successor's: ids rise, and only then begin anew. */
static uint64_t free_feed_id(struct bridge *b, const struct feed *feeds, size_t count)
{
    do
        b->last_feed_id = (b->last_feed_id + 1) & 0xff;
    while (feed_id_used(b, feeds, count, b->last_feed_id));
    return b->last_feed_id;
}

static void change_sources(struct bridge *b, const struct bridge_options *options, struct instant now)
{
    struct feed *feeds = memory_zeroed(options->source_count + 1, sizeof(*feeds));

    for (size_t i = 0; i < options->source_count; i++) {
        struct feed *old = feed_named(b, options->sources[i].name);

        if (old) {
            struct reader_options reader;

            feeds[i] = *old;
            old->source = NULL;
            free(old->queues);
            old->queues = NULL;
            reader = find_queues(b, &feeds[i], &options->sources[i], options->discovery_ms);
            source_set_options(feeds[i].source, &reader);
        } else {
            feeds[i].id = free_feed_id(b, feeds, i);
            load_feed(b, &feeds[i], &options->sources[i], options->discovery_ms, now);
        }
    }
    for (size_t i = 0; i < b->feed_count; i++) {
        if (b->feeds[i].source)
            b->calls -= b->feeds[i].calls;
        source_free(b->feeds[i].source);
        free(b->feeds[i].queues);
    }
    free(b->feeds);
    b->feeds = feeds;
    b->feed_count = options->source_count;
    b->next_source = 0;
}

static void remember_unknown(void *context, int64_t id)
{
    struct bridge *b = context;

    b->unknown = memory_resize(b->unknown, (b->unknown_len + 1) * sizeof(*b->unknown));
    b->unknown[b->unknown_len++] = id;
}

/* Nothing of the open transaction has happened: memory is thrown away, and loaded from the ledger, by these options. */
static enum database_outcome load_again(struct bridge *b, const struct bridge_options *options, struct instant now)
{
    abandon_forwarded(b, false);
    for (size_t i = 0; i < b->service.desk_count; i++)
        if (b->service.desks[i]->pump)
            pump_each_on_its_way(b->service.desks[i]->pump, remember_unknown, b);
    unload(b);
    if (options != b->options) {
        free(b->feeds);
        b->feeds = memory_zeroed(options->source_count + 1, sizeof(struct feed));
        b->feed_count = options->source_count;
        b->next_source = 0;
        b->options = options;
    }
    database_begin(b->db);
    load(b, now);
    return database_commit(b->db);
}

bool bridge_reconfigure(struct bridge *b, const struct bridge_options *options, struct instant now, struct error *err)
{
    const struct bridge_options *before = b->options;
    struct kinds kinds = {options, err, true};
    enum database_outcome outcome;

    ledger_queues(b->db, check_kind, &kinds);
    if (!kinds.good)
        return false;
    database_begin(b->db);
    change_queues(b, options, now);
    change_sources(b, options, now);
    subscriptions_update(b->db, is_fed, &(struct feeding){b, options});
    b->options = options;
    save(b);
    outcome = database_commit(b->db);
    if (outcome == DATABASE_OK)
        return true;
    error_set(err, outcome == DATABASE_FULL ? ERROR_LEDGER_FULL : ERROR_LEDGER_IO, "the change could not be stored: %s", database_failure(b->db));
    if (outcome == DATABASE_FULL && load_again(b, PLANTED(RELOAD_NOT_UNDONE) ? options : before, now) == DATABASE_BROKEN)
        error_set(err, ERROR_LEDGER_IO, "the ledger's state is not known: %s", database_failure(b->db));
    return false;
}

/* ---- exchanges ---- */

static void answered_append(struct bridge *b, struct exchange *x)
{
    x->answered = true;
    x->next = NULL;
    x->previous = b->answered_last;
    if (b->answered_last)
        b->answered_last->next = x;
    else
        b->answered = x;
    b->answered_last = x;
}

static void wait_at(struct bridge *b, struct desk *desk, struct exchange *x, int64_t until_mono_ms)
{
    x->waiting_at = desk;
    x->next = NULL;
    x->previous = desk->last;
    if (desk->last)
        desk->last->next = x;
    else
        desk->first = x;
    desk->last = x;
    heap_set(&b->deadlines, &x->deadline, until_mono_ms);
}

static void stop_waiting(struct bridge *b, struct exchange *x)
{
    struct desk *desk = x->waiting_at;

    if (x->previous)
        x->previous->next = x->next;
    else
        desk->first = x->next;
    if (x->next)
        x->next->previous = x->previous;
    else
        desk->last = x->previous;
    heap_remove(&b->deadlines, &x->deadline);
    x->waiting_at = NULL;
}

static void outbox_append(struct bridge *b, uint64_t number, struct target_call call)
{
    call.token |= number << TARGET_SHIFT | b->epoch << EPOCH_SHIFT;
    b->outbox = memory_resize(b->outbox, (b->outbox_len + 1) * sizeof(*b->outbox));
    b->outbox[b->outbox_len++] = call;
}

/* A consumer of a queue on another server. False: it is not for the gateway. */
static bool forward(struct bridge *b, struct exchange *x)
{
    struct desk *desk = service_find_signed(&b->service, x->region, x->request.queue_name);
    struct target_call call;

    if (desk == NULL || desk->pump == NULL || !pump_options(desk->pump)->gateway || !gateway_forwards(x->request.action) || slice_present(x->guest_account))
        return false;
    if (x->request.action == SQS_ACTION_RECEIVE_MESSAGE && b->draining)
        service_answer_empty(x);
    else if (gateway_forward(&b->gateway, x, desk, pump_url(desk->pump), &call)) {
        x->forwarded = !(PLANTED(GATEWAY_UNCONFIRMED) && x->request.action == SQS_ACTION_DELETE_MESSAGE);
        outbox_append(b, (uint64_t)desk->queue->id, call);
    }
    if (!x->forwarded) {
        if (PLANTED(GATEWAY_UNCONFIRMED))
            gateway_forget(&b->gateway, x);
        answered_append(b, x);
    }
    return true;
}

void bridge_apply(struct bridge *b, struct exchange *x, struct instant now)
{
    database_begin(b->db);
    b->changed = true;
    b->counts.events++;
    b->service.accepting = b->room && b->within_budget;
    x->waiting_at = NULL;
    x->answered = x->forwarded = false;
    x->deadline = (struct heap_node){0};
    if (forward(b, x))
        return;
    if (service_apply(&b->service, x, now)) {
        answered_append(b, x);
    } else if (b->draining) {
        service_answer_empty(x);
        answered_append(b, x);
    } else {
        wait_at(b, service_find_in(&b->service, x->region, x->request.queue_name), x, now.mono_ms + x->request.wait_s * INT64_C(1000));
    }
}

static void answered_remove(struct bridge *b, struct exchange *x)
{
    if (x->previous)
        x->previous->next = x->next;
    else
        b->answered = x->next;
    if (x->next)
        x->next->previous = x->previous;
    else
        b->answered_last = x->previous;
    x->answered = false;
}

void bridge_forget(struct bridge *b, struct exchange *x)
{
    if (x->waiting_at)
        stop_waiting(b, x);
    else if (x->answered)
        answered_remove(b, x);
    else if (x->forwarded)
        gateway_forget(&b->gateway, x);
}

struct exchange *bridge_next_reply(struct bridge *b)
{
    struct exchange *x = b->answered;

    if (x)
        answered_remove(b, x);
    return x;
}

/* Those who wait, in order of arrival, as far as there are messages. */
static void serve_waiting(struct bridge *b, struct desk *desk, struct instant now)
{
    if (desk->deleted_at_ms != 0)
        end_all_waiting(b, desk);
    queue_tick(desk->queue, now);
    while (desk->first && queue_has_visible(desk->queue)) {
        struct exchange *x = desk->first;

        database_begin(b->db);
        b->changed = true;
        if (!service_apply(&b->service, x, now))
            return; /* all that was visible went to the dead letters */
        stop_waiting(b, x);
        answered_append(b, x);
    }
}

static void end_waiting(struct bridge *b, struct exchange *x)
{
    stop_waiting(b, x);
    service_answer_empty(x);
    answered_append(b, x);
}

static void end_all_waiting(struct bridge *b, struct desk *desk)
{
    while (desk->first) {
        struct exchange *x = desk->first;

        stop_waiting(b, x);
        sqs_answer_error(&x->answer, SQS_QUEUE_DOES_NOT_EXIST, NULL);
        answered_append(b, x);
    }
}

/* Queues that were made in a cycle that was undone. */
static void forget_stale(struct bridge *b)
{
    struct service *s = &b->service;
    size_t kept = 0;

    for (size_t i = 0; i < s->desk_count; i++) {
        if (!s->desks[i]->stale) {
            s->desks[kept++] = s->desks[i];
            continue;
        }
        end_all_waiting(b, s->desks[i]);
        desk_free(s->desks[i]);
    }
    s->desk_count = kept;
}

static void end_long_polls(struct bridge *b, struct instant now)
{
    struct heap_node *first;

    while ((first = heap_first(&b->deadlines)) != NULL && (b->draining || first->due <= now.mono_ms))
        end_waiting(b, container_of(first, struct exchange, deadline));
}

/* ---- calls ---- */

static bool reading(const struct bridge *b)
{
    return b->room && b->within_budget && !b->draining;
}

bool bridge_next_call(struct bridge *b, struct stream_call *call, struct instant now)
{
    size_t most = b->options->calls_max > 0 ? b->options->calls_max : CALLS_MAX;

    if (!reading(b) || b->calls >= most)
        return false;
    for (size_t i = 0; i < b->feed_count; i++) {
        size_t at = (b->next_source + i) % b->feed_count;

        if (!source_next_call(b->feeds[at].source, call, now))
            continue;
        call->token |= b->feeds[at].id << SOURCE_SHIFT | b->epoch << EPOCH_SHIFT;
        call->source = at;
        b->next_source = at + 1;
        b->feeds[at].calls++;
        b->calls++;
        b->counts.calls++;
        return true;
    }
    return false;
}

static struct feed *find_feed(struct bridge *b, uint64_t id)
{
    for (size_t i = 0; i < b->feed_count; i++)
        if (b->feeds[i].id == id)
            return &b->feeds[i];
    return NULL;
}

void bridge_answer(struct bridge *b, const struct stream_answer *answer, struct instant now)
{
    struct stream_answer inner = *answer;
    struct feed *feed = find_feed(b, answer->token >> SOURCE_SHIFT & 0xff);
    int64_t before = b->intake.next_record;

    if (answer->token >> EPOCH_SHIFT != (b->epoch & 0xff) || feed == NULL)
        return;
    feed->calls--;
    b->calls--;
    inner.token &= (UINT64_C(1) << SOURCE_SHIFT) - 1;
    if (!reading(b)) /* there is no room for what it brings: as if it had not come */
        inner = (struct stream_answer){.token = inner.token, .failure = "reading rests: there is no room", .set_aside = true};
    b->counts.call_failures += inner.status != 200;
    b->counts.events++;
    b->changed = true;
    database_begin(b->db);
    source_answer(feed->source, &inner, now);
    b->counts.records += (uint64_t)(b->intake.next_record - before);
    b->counts.pages += b->intake.next_record > before;
}

size_t bridge_calls(const struct bridge *b)
{
    return b->calls;
}

/* ---- calls to queues' servers ---- */

static bool sending(const struct bridge *b)
{
    return b->room && !b->draining;
}

/* Within the transaction; what is made here starts after its commit. */
static void make_target_calls(struct bridge *b, struct desk *desk, struct instant now)
{
    struct target_call call;

    while (pump_next_call(desk->pump, &call, now)) {
        call.queue = desk->place;
        outbox_append(b, desk->pump_number, call);
    }
}

static void read_dead_letters(struct bridge *b, struct instant now)
{
    struct target_call call;

    for (size_t i = 0; i < b->service.desk_count && sending(b); i++) {
        struct desk *desk = b->service.desks[i];

        if (desk->dead_reader == NULL || !dead_reader_next_call(desk->dead_reader, &call, now))
            continue;
        call.queue = desk->place;
        outbox_append(b, desk->reader_number, call);
    }
}

static void pump_all(struct bridge *b, struct instant now)
{
    for (size_t i = 0; i < b->service.desk_count; i++) {
        struct pump *pump = b->service.desks[i]->pump;

        if (pump == NULL)
            continue;
        if (sending(b) && pump_ready(pump, now)) {
            database_begin(b->db);
            make_target_calls(b, b->service.desks[i], now);
        }
        if (database_in_transaction(b->db))
            pump_save(pump);
    }
}

bool bridge_next_target_call(struct bridge *b, struct target_call *call)
{
    if (b->outbox_at == b->outbox_len) {
        b->outbox_at = b->outbox_len = 0;
        return false;
    }
    *call = b->outbox[b->outbox_at++];
    return true;
}

static void gateway_answered(struct bridge *b, struct desk *desk, const struct target_answer *answer, struct instant now)
{
    struct target_call next;
    bool follows;
    struct exchange *x = gateway_answer(&b->gateway, desk, answer, &next, &follows, now);

    if (x) {
        x->forwarded = false;
        answered_append(b, x);
    }
    if (follows)
        outbox_append(b, (uint64_t)desk->queue->id, next);
}

/* Those whose answers will not be waited for. */
static void abandon_forwarded(struct bridge *b, bool only_receives)
{
    struct exchange *x;

    while ((x = gateway_abandon(&b->gateway, only_receives)) != NULL) {
        x->forwarded = false;
        answered_append(b, x);
    }
}

static struct desk *desk_numbered(struct bridge *b, uint64_t number, bool reader)
{
    for (size_t i = 0; i < b->service.desk_count; i++) {
        struct desk *desk = b->service.desks[i];

        if (reader ? desk->dead_reader && desk->reader_number == number : desk->pump && desk->pump_number == number)
            return desk;
    }
    return NULL;
}

static bool are_one_queue(const struct pump *a, const struct pump *b)
{
    return pump_arn(b) && strcmp(pump_arn(a), pump_arn(b)) == 0 && text_equal(pump_options(a)->server, pump_options(b)->server);
}

/* A name, a URL and an ARN can be one queue, which nobody sees before the server tells its ARN. */
static void warn_of_twins(const struct bridge *b, const struct desk *desk)
{
    for (size_t i = 0; i < b->service.desk_count; i++) {
        const struct desk *other = b->service.desks[i];

        if (other == desk || other->pump == NULL || !are_one_queue(desk->pump, other->pump) ||
            !have_one_source(b->options, desk->queue->name, other->queue->name))
            continue;
        log_warning("two queues of a stream are one queue on their server: a record that both get comes twice",
                    LOG_FIELDS(LOG_TEXT("queue", desk->queue->name), LOG_TEXT("other", other->queue->name), LOG_TEXT("arn", pump_arn(desk->pump))));
    }
}

static void give_pump(struct bridge *b, struct desk *desk, const struct target_answer *answer, struct instant now)
{
    bool told = pump_arn(desk->pump) != NULL;

    pump_answer(desk->pump, answer, now);
    if (!told && pump_arn(desk->pump))
        warn_of_twins(b, desk);
}

void bridge_target_answer(struct bridge *b, const struct target_answer *answer, struct instant now)
{
    struct target_answer inner = *answer;
    uint64_t number = answer->token >> TARGET_SHIFT & NUMBER_MAX;
    bool of_reader;
    bool of_gateway;
    struct desk *desk;

    inner.token &= UINT32_MAX;
    of_reader = (inner.token & DEAD_READER_TOKEN) == DEAD_READER_TOKEN;
    of_gateway = !of_reader && (inner.token & GATEWAY_TOKEN);
    desk = of_gateway ? service_find_id(&b->service, (int64_t)number) : desk_numbered(b, number, of_reader);
    if (answer->token >> EPOCH_SHIFT != (b->epoch & 0xff) || desk == NULL)
        return;
    b->counts.events++;
    b->changed = true;
    database_begin(b->db);
    if (of_gateway)
        gateway_answered(b, desk, &inner, now); /* also when the queue has left the configuration meanwhile: a consumer waits for it */
    else if (of_reader)
        dead_reader_answer(desk->dead_reader, &inner, now);
    else
        give_pump(b, desk, &inner, now);
}

size_t bridge_sends(const struct bridge *b)
{
    size_t count = gateway_on_their_way(&b->gateway);

    for (size_t i = 0; i < b->service.desk_count; i++)
        if (b->service.desks[i]->pump)
            count += pump_on_their_way(b->service.desks[i]->pump);
    return count;
}

size_t bridge_lone_receives(const struct bridge *b)
{
    return gateway_lone_receives(&b->gateway);
}

/* ---- pruning and the budget ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void check_budget(struct bridge *b, struct instant now)
{
    int64_t used;
    bool within;

    if (b->options->budget_bytes == 0 || b->budget_due > now.mono_ms)
        return;
    b->budget_due = now.mono_ms + BUDGET_CHECK_MS;
    used = database_bytes_used(b->db);
    b->near_budget = used > b->options->budget_bytes / 100 * BUDGET_NEAR;
    within = used < b->options->budget_bytes && (b->within_budget || !b->near_budget);
    if (within != b->within_budget)
        log_write(within ? LOG_INFO : LOG_ERROR, within ? "reading goes on: the ledger is within its budget again"
                                                        : "reading rests: the ledger's budget is full of messages that nobody has settled",
                  LOG_FIELDS(LOG_INT("bytes_used", used), LOG_INT("budget_bytes", b->options->budget_bytes)));
    b->within_budget = within;
    if (b->near_budget && b->prune_due > now.mono_ms)
        b->prune_due = now.mono_ms;
}

/* What a late queue has still to be given is kept, settled elsewhere or not. */
static int64_t first_owed_record(const struct bridge *b)
{
    int64_t first = INT64_MAX;

    for (size_t i = 0; i < b->service.desk_count; i++) {
        const struct desk *desk = b->service.desks[i];

        if (is_filling(b, desk))
            first = earlier(first, desk->queue->backfill_at);
    }
    return first;
}

/* One page a cycle. */
static void prune(struct bridge *b, struct instant now)
{
    int64_t before_ms = b->near_budget ? LEDGER_EVER : now.wall_ms - b->options->keep_settled_ms;
    int64_t removed;

    if (b->prune_due > now.mono_ms)
        return;
    database_begin(b->db);
    b->prune_page = ledger_prune_page(b->db, b->prune_page, first_owed_record(b), before_ms, now.wall_ms, &removed);
    b->prune_due = now.mono_ms + (b->prune_page != 0 ? 0 : b->near_budget ? BUDGET_CHECK_MS : PRUNE_REST_MS);
    b->counts.pruned += (uint64_t)removed;
    if (removed > 0)
        b->changed = true;
}

/* What goes on by itself in queues. */
static void step_service(struct bridge *b, struct instant now)
{
    if (!b->room && b->step_due > now.mono_ms)
        return;
    b->step_due = service_step(&b->service, now);
    if (!b->room && b->step_due < now.mono_ms + BUDGET_CHECK_MS)
        b->step_due = now.mono_ms + BUDGET_CHECK_MS; /* a full disk: not at every turn */
    if (database_in_transaction(b->db))
        b->changed = true;
}

/* A queue that was added later, and has been given nothing of the shard yet. */
struct subscribing {
    struct bridge *bridge;
    const struct queue *queue;
    int64_t shard;
    int64_t stream;
    int64_t records_read;
    bool fed; /* the shard's stream feeds the queue */
};

static void note_shard(void *context, const struct shard_row *row)
{
    struct subscribing *s = context;

    if (row->id != s->shard)
        return;
    s->stream = row->stream;
    s->records_read = row->records_read;
}

static void note_stream(void *context, const struct stream_row *row)
{
    struct subscribing *s = context;

    for (size_t i = 0; i < s->bridge->options->source_count && row->id == s->stream; i++) {
        const struct bridge_source *source = &s->bridge->options->sources[i];

        for (size_t k = 0; k < source->queue_count && slice_is(row->source, source->name); k++)
            s->fed = s->fed || s->bridge->feeds[i].queues[k] == s->queue;
    }
}

static bool shard_feeds(void *context, int64_t shard, const struct queue *q)
{
    struct subscribing s = {.bridge = context, .queue = q, .shard = shard};

    ledger_shards(s.bridge->db, note_shard, &s);
    ledger_streams(s.bridge->db, note_stream, &s);
    return s.fed;
}

/* Queues that were added later get what the ledger has. */
static void fill_queues(struct bridge *b, struct instant now)
{
    const struct backfill backfill = {b->db, &b->intake, shard_feeds, b};
    bool up_to_date = false;

    b->backfilling = false;
    for (size_t i = 0; i < b->service.desk_count && b->room && !b->draining; i++) { /* also beyond the budget: pruning waits for it */
        struct desk *desk = b->service.desks[i];

        if (!is_filling(b, desk))
            continue;
        database_begin(b->db);
        b->changed = true;
        if (backfill_step(&backfill, desk->queue, now))
            b->backfilling = true;
        else
            up_to_date = true;
    }
    if (up_to_date)
        subscriptions_update(b->db, is_fed, &(struct feeding){b, b->options});
}

/* ---- the end of a cycle ---- */

static void save(struct bridge *b)
{
    intake_close(&b->intake);
    for (size_t i = 0; i < b->service.desk_count; i++)
        queue_save(b->service.desks[i]->queue, b->db);
}

/* There was no room: nothing of this cycle has happened. */
static enum database_outcome undo(struct bridge *b, struct instant now)
{
    enum database_outcome outcome;

    log_error("no room for a commit: reading rests, its requests are answered 503", LOG_FIELDS(LOG_TEXT("error", database_failure(b->db))));
    b->counts.full++;
    b->room = false;
    outcome = load_again(b, b->options, now);
    for (struct exchange *x = b->answered; x; x = x->next)
        sqs_answer_error(&x->answer, SQS_SERVICE_UNAVAILABLE, NULL);
    return outcome == DATABASE_BROKEN ? DATABASE_BROKEN : DATABASE_FULL;
}

/* A message that was settled meanwhile, or whose queue is sent to no more, is left as it is. */
static void note_unknown(struct bridge *b, struct instant now)
{
    if (b->unknown_len == 0 || !b->room)
        return;
    database_begin(b->db);
    b->changed = true;
    for (size_t i = 0; i < b->unknown_len; i++) {
        struct desk *desk = service_find_id(&b->service, QUEUE_OF_MESSAGE(b->unknown[i]));

        if (desk && desk->pump)
            pump_note_unknown(desk->pump, b->unknown[i], now);
    }
}

enum database_outcome bridge_commit(struct bridge *b, struct instant now)
{
    enum database_outcome outcome;

    note_unknown(b, now);
    for (size_t i = 0; i < b->service.desk_count; i++)
        if (b->service.desks[i]->first)
            serve_waiting(b, b->service.desks[i], now);
    end_long_polls(b, now);
    check_budget(b, now);
    step_service(b, now);
    fill_queues(b, now);
    prune(b, now);
    read_dead_letters(b, now);
    pump_all(b, now);
    if (!database_in_transaction(b->db))
        return DATABASE_OK;
    save(b);
    outcome = database_commit(b->db);
    b->counts.commits += b->changed;
    b->changed = false;
    if (outcome == DATABASE_FULL)
        return undo(b, now);
    if (b->room)
        b->unknown_len = 0;
    return outcome == DATABASE_OK ? database_checkpoint(b->db) : outcome;
}

int64_t bridge_due(const struct bridge *b)
{
    struct heap_node *first = heap_first(&b->deadlines);
    int64_t due = first ? first->due : INT64_MAX;

    due = earlier(due, b->backfilling && b->room && !b->draining ? 0 : b->prune_due);
    due = earlier(due, b->step_due);
    if (b->options->budget_bytes > 0)
        due = earlier(due, b->budget_due);
    for (size_t i = 0; i < b->service.desk_count; i++) {
        const struct desk *desk = b->service.desks[i];

        if (desk->first) /* a grouped queue that has more to look through goes on at once */
            due = earlier(due, desk->queue->grouped && queue_has_visible(desk->queue) ? 0 : queue_due(desk->queue));
    }
    for (size_t i = 0; i < b->service.desk_count && sending(b); i++)
        if (b->service.desks[i]->pump)
            due = earlier(due, pump_due(b->service.desks[i]->pump));
    for (size_t i = 0; i < b->service.desk_count && sending(b); i++)
        if (b->service.desks[i]->dead_reader)
            due = earlier(due, dead_reader_due(b->service.desks[i]->dead_reader));
    for (size_t i = 0; i < b->feed_count && reading(b); i++)
        due = earlier(due, source_due(b->feeds[i].source));
    return due;
}

void bridge_set_room(struct bridge *b, bool room)
{
    b->room = room;
}

void bridge_drain(struct bridge *b)
{
    b->draining = true;
    abandon_forwarded(b, true);
}

/* ---- what an operator asks for ---- */

struct dead_list {
    int64_t *ids;
    size_t len;
};

static void note_dead(void *context, const struct message_row *row)
{
    struct dead_list *list = context;

    list->ids = memory_resize(list->ids, (list->len + 1) * sizeof(*list->ids));
    list->ids[list->len++] = row->id;
}

static void move_one(struct bridge *b, struct desk *desk, int64_t id, struct bridge_move *move, struct instant now)
{
    struct queue *q = desk->queue;
    struct desk *heir = service_heir(&b->service, desk);

    if (move->drop)
        move->moved += queue_drop_dead(q, b->db, id, now);
    else if (heir == desk)
        move->moved += queue_redrive(q, b->db, id, now);
    else if (heir && !heir->queue->remote)
        move->moved += queue_redrive_to(q, b->db, id, heir->queue, now);
    else
        move->homeless++;
}

/* Also one that is deleted, and one that was so before another one got its name: dead letters of them may be left. */
static bool is_called(const struct desk *desk, struct slice queue_name)
{
    return desk->region[0] == '\0' && slice_is(queue_name, desk->queue->name);
}

bool bridge_move_dead(struct bridge *b, struct slice queue_name, struct bridge_move *move, struct instant now)
{
    bool found = false;

    for (size_t i = 0; i < b->service.desk_count; i++) {
        struct desk *desk = b->service.desks[i];
        struct dead_list list = {0};

        if (!is_called(desk, queue_name))
            continue;
        database_begin(b->db);
        b->changed = found = true;
        ledger_dead(b->db, desk->queue->id, note_dead, &list);
        for (size_t k = 0; k < list.len; k++)
            move_one(b, desk, list.ids[k], move, now);
        free(list.ids);
    }
    return found;
}

bool bridge_move_dead_one(struct bridge *b, struct slice queue_name, struct slice message_id, struct bridge_move *move, struct instant now)
{
    int64_t id;
    struct desk *desk = message_id_decode(&b->service.identity, message_id, &id) ? service_find_id(&b->service, QUEUE_OF_MESSAGE(id)) : NULL;

    if (desk == NULL || !is_called(desk, queue_name))
        return service_find(&b->service, queue_name) != NULL;
    database_begin(b->db);
    b->changed = true;
    move_one(b, desk, id, move, now);
    return true;
}

static void note_record_shard(void *context, const struct stored_record *record)
{
    *(int64_t *)context = record->shard;
}

/* From now on it gets what the shard reads; what was read before is replayed, or is not. False: its stream does not feed the queue. */
static bool subscribe(struct bridge *b, const struct queue *q, int64_t shard)
{
    struct subscribing s = {.bridge = b, .queue = q, .shard = shard};

    ledger_shards(b->db, note_shard, &s);
    ledger_streams(b->db, note_stream, &s);
    if (s.fed && q->backfill_at != 0)
        ledger_tally_backfill(b->db, shard, q->id, 0, 0); /* it is being given what was read before, and that counts by itself */
    else if (s.fed)
        ledger_subscribe(b->db, shard, q->id, s.records_read);
    return s.fed;
}

/* A stream's record that the ledger still has. */
static bool find_record(struct bridge *b, int64_t record, int64_t *shard, struct stored_page *page)
{
    *shard = 0;
    return question_record(b->db, record, note_record_shard, shard) && *shard != 0 && question_page(b->db, record, page);
}

static bool replay_one(struct bridge *b, struct queue *q, int64_t record, struct instant now)
{
    struct stored_page page;
    int64_t first_message = q->next_message;
    int64_t shard;

    if (!find_record(b, record, &shard, &page))
        return false;
    if (ledger_tally_replayed(b->db, shard, q->id, 1) != 1 && (!subscribe(b, q, shard) || ledger_tally_replayed(b->db, shard, q->id, 1) != 1))
        return false;
    queue_replay(q, b->db, record, now);
    ledger_delivery_insert(b->db, page.id, q->id, first_message, 1, 0);
    return true;
}

static bool may_replay(struct bridge *b, const struct queue *q, int64_t record)
{
    struct stored_page page;
    int64_t shard;

    return find_record(b, record, &shard, &page) && (ledger_tally_replayed(b->db, shard, q->id, 0) == 1 || shard_feeds(b, shard, q));
}

bool bridge_replayable(struct bridge *b, struct slice queue_name, const int64_t *records, size_t count, int64_t *replayable)
{
    struct desk *desk = service_find(&b->service, queue_name);

    *replayable = 0;
    if (desk == NULL)
        return false;
    database_begin(b->db);
    for (size_t i = 0; i < count; i++)
        *replayable += may_replay(b, desk->queue, records[i]);
    return true;
}

bool bridge_replay(struct bridge *b, struct slice queue_name, const int64_t *records, size_t count, int64_t *replayed, struct instant now)
{
    struct desk *desk = service_find(&b->service, queue_name);

    *replayed = 0;
    if (desk == NULL)
        return false;
    database_begin(b->db);
    b->changed = true;
    for (size_t i = 0; i < count; i++)
        *replayed += replay_one(b, desk->queue, records[i], now);
    return true;
}

int bridge_acknowledge_gaps(struct bridge *b, struct instant now)
{
    int count;

    database_begin(b->db);
    b->changed = true;
    count = ledger_gaps_acknowledge(b->db, now.wall_ms);
    for (size_t i = 0; i < b->feed_count; i++)
        source_resume(b->feeds[i].source, now);
    return count;
}

/* ---- seen from outside ---- */

const struct bridge_counts *bridge_counts(const struct bridge *b)
{
    struct bridge *mutable = (struct bridge *)(uintptr_t)b;

    mutable->counts.service = b->service.counts;
    return &b->counts;
}

struct desk *const *bridge_desks(const struct bridge *b, size_t *count)
{
    *count = b->service.desk_count;
    return b->service.desks;
}

size_t bridge_source_count(const struct bridge *b)
{
    return b->feed_count;
}

struct source *bridge_source(const struct bridge *b, size_t index)
{
    return b->feeds[index].source;
}

const char *bridge_source_name(const struct bridge *b, size_t index)
{
    return b->options->sources[index].name;
}

void bridge_reasons(struct bridge *b, struct buffer *out)
{
    int64_t gaps = ledger_gaps_new(b->db);

    if (!b->room)
        buffer_append_text(out, "reading rests: the disk has no room\n");
    if (!b->within_budget)
        buffer_append_text(out, "reading rests: the ledger's budget is full of messages that nobody has settled\n");
    if (gaps > 0)
        buffer_printf(out, "%lld new gap%s: see `stream2sqs audit`, then `stream2sqs audit --acknowledge`\n", (long long)gaps, gaps == 1 ? "" : "s");
    for (size_t i = 0; i < b->feed_count; i++)
        if (source_trouble(b->feeds[i].source)[0])
            buffer_printf(out, "%s: %s\n", b->options->sources[i].name, source_trouble(b->feeds[i].source));
    for (size_t i = 0; i < b->service.desk_count; i++)
        if (b->service.desks[i]->pump && pump_trouble(b->service.desks[i]->pump)[0])
            buffer_printf(out, "%s: %s\n", b->service.desks[i]->queue->name, pump_trouble(b->service.desks[i]->pump));
    for (size_t i = 0; i < b->service.desk_count; i++)
        if (b->service.desks[i]->dead_reader && dead_reader_trouble(b->service.desks[i]->dead_reader)[0])
            buffer_printf(out, "%s's dead-letter queue: %s\n", b->service.desks[i]->queue->name, dead_reader_trouble(b->service.desks[i]->dead_reader));
}
