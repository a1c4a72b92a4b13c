/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread owns the sockets, the core and the ledger (docs/decisions.md). daemon_cycle is the commit cycle of core/bridge.h:
 * wait, apply, commit, release. All else here makes and unmakes the parts.
 */
#include "app/daemon.h"

#include "app/access_keys.h"
#include "app/descriptors.h"
#include "app/destination.h"
#include "app/file_watch.h"
#include "app/filter_advice.h"
#include "app/notify.h"
#include "app/room.h"
#include "aws/ca_bundle.h"
#include "aws/stream_client.h"
#include "base/log.h"
#include "base/memory.h"
#include "serve/admin.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define ROOM_CHECK_MS 1000
#define LOOKS_AGAIN 2
#define REQUEST_BODY_MAX (7 * 1024 * 1024)      /* 1 MiB of message, every byte of it escaped, and its envelope */
#define REQUEST_MEMORY_MAX (128 * 1024 * 1024)
#define REQUEST_TIMEOUT_S 60                    /* long polls last 20 s, and their clients keep connections */
#define ADMIN_CONNECTIONS 64
#define METADATA_WAIT_MS 8000
#define STOP_GRACE_MS 100                       /* for the last answers to leave */
#define RECEIVES_WAIT_MS 2000                   /* at a stop: what a receive elsewhere brings that nobody takes is given back */
#define EXPIRY_WARNING_S (14 * INT64_C(86400))
#define TROUBLE_LOG_MS 60000                    /* the same trouble is said again after so long */

/* What follows from a configuration, and is made anew with it. */
struct setup {
    const struct config *config;
    struct config *owned;             /* the same, when a reload has read it; else NULL */
    struct bridge_options options;
    struct stream_client **clients;   /* one a pipeline: each has its credentials */
    struct destination *destinations; /* one a queue of the configuration; zeroed: embedded */
    struct filter **filters;          /* the same; NULL: every record */
    struct message_form *forms;       /* the same */
    struct trouble {
        char text[TROUBLE_TEXT];
        int64_t said_ms;
    } *troubles; /* one a source */
};

struct daemon {
    const struct config *config; /* as the process was started; what may change is in setup->config */
    struct loop *loop;
    struct database *db;
    struct keyring *keys;
    char *keys_path;
    struct file_watch keys_watch;
    struct file_watch certificate_watch;
    struct file_watch tls_key_watch;
    const char *region;
    struct setup *setup;              /* what follows from the configuration, and changes with it */
    struct stream_client **retired;   /* of the one before, as long as their calls are under way: a reader waits for each answer */
    size_t retired_count;
    const struct daemon_reload *reload;
    struct bridge *bridge;
    struct aws_profile *profile;
    struct credential_set *credentials;
    const char *ca_bundle;
    struct endpoint dynamodb;
    struct endpoint streams;
    struct sqs_client *sqs_client;
    struct tls_files *tls; /* NULL: plain HTTP */
    struct sqs_api *api;
    struct admin *admin;
    struct http_server *sqs_server;
    struct http_server *admin_server;
    struct http_server *control_server;
    struct watch signals;
    struct room room;
    struct notify notify;
    struct cycle_stats cycles;
    char *sqs_url;
    char *admin_url;
    char *addresses_path;
    int64_t room_due;
    int64_t stop_due; /* 0: not stopping */
    int64_t receives_due; /* until then a stop waits for receives that nobody waits for */
    bool reload_wanted;
    bool ledger_new; /* it was not there before this start */
};

/* ---- the loop ---- */

/* P7: the outcome of the commit is not known. What carries on from here could confirm what is lost, so nothing does: no handler, no close. */
static void die_at_once(const struct database *db)
{
    if (database_moved(db))
        log_error("the ledger was moved or deleted while it was in use: stopping at once. What was confirmed is in that file and in the -wal file where it "
                  "was: bring them together again before the next start", LOG_FIELDS(LOG_TEXT("ledger", database_path(db))));
    else
        log_error("a write of the ledger failed, its outcome is unknown: stopping at once. Nothing that was confirmed is lost. Check the disk, then start "
                  "again", LOG_FIELDS(LOG_TEXT("error", database_failure(db))));
    _exit(error_exit_status(ERROR_LEDGER_IO));
}

static void say_troubles(struct daemon *d, struct instant now)
{
    for (size_t i = 0; i < bridge_source_count(d->bridge); i++) {
        struct trouble *t = &d->setup->troubles[i];
        const char *text = source_trouble(bridge_source(d->bridge, i));
        bool changed = strcmp(text, t->text) != 0;

        if (!changed && (text[0] == '\0' || now.mono_ms - t->said_ms < TROUBLE_LOG_MS))
            continue;
        if (text[0])
            log_warning("a stream cannot be read; trying again", LOG_FIELDS(LOG_TEXT("stream", bridge_source_name(d->bridge, i)), LOG_TEXT("cause", text)));
        else
            log_info("a stream can be read now", LOG_FIELDS(LOG_TEXT("stream", bridge_source_name(d->bridge, i))));
        snprintf(t->text, sizeof(t->text), "%s", text);
        t->said_ms = now.mono_ms;
    }
}

static double seconds_now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void commit(struct daemon *d)
{
    uint64_t before = bridge_counts(d->bridge)->commits;
    double began = seconds_now();
    enum database_outcome outcome = bridge_commit(d->bridge, clock_now());

    if (outcome == DATABASE_BROKEN)
        die_at_once(d->db);
    if (outcome == DATABASE_FULL)
        room_release(&d->room);
    if (bridge_counts(d->bridge)->commits > before)
        cycle_note(&d->cycles, seconds_now() - began);
    admin_release(d->admin, outcome == DATABASE_FULL);
}

static void release(struct daemon *d, struct instant now)
{
    struct stream_call call;
    struct target_call target_call;

    sqs_api_release(d->api);
    while (bridge_next_target_call(d->bridge, &target_call))
        sqs_client_start(d->sqs_client, &d->setup->destinations[target_call.queue].sqs, &target_call, now.wall_ms);
    while (bridge_next_call(d->bridge, &call, now))
        stream_client_start(d->setup->clients[call.source], &call, now.wall_ms);
}

static int64_t least_wait(int64_t a, int64_t b)
{
    return b < 0 || (a >= 0 && a < b) ? a : b;
}

static int64_t wait_ms(struct daemon *d, struct instant now)
{
    int64_t due = bridge_due(d->bridge);
    int64_t wait = ROOM_CHECK_MS;

    if (d->room_due < due)
        due = d->room_due;
    if (d->stop_due && d->stop_due < due)
        due = d->stop_due;
    if (d->stop_due && d->receives_due > now.mono_ms && d->receives_due < due)
        due = d->receives_due;
    wait = due <= now.mono_ms ? 0 : due - now.mono_ms;
    wait = least_wait(wait, http_server_prepare(d->sqs_server));
    wait = least_wait(wait, http_server_prepare(d->admin_server));
    return least_wait(wait, http_server_prepare(d->control_server));
}

static void follow_access_keys(struct daemon *d);
static void follow_certificate(struct daemon *d);

static void free_retired(struct daemon *d, bool all)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->retired_count; i++) {
        if (all || stream_client_idle(d->retired[i]))
            stream_client_free(d->retired[i]);
        else
            d->retired[kept++] = d->retired[i];
    }
    d->retired_count = kept;
}

static void look_after(struct daemon *d, struct instant now)
{
    if (d->room_due > now.mono_ms)
        return;
    d->room_due = now.mono_ms + ROOM_CHECK_MS;
    bridge_set_room(d->bridge, room_check(&d->room));
    say_troubles(d, now);
    if (database_moved(d->db))
        die_at_once(d->db);
    follow_access_keys(d);
    follow_certificate(d);
    free_retired(d, false);
    notify_watchdog(&d->notify);
}

static void reload(struct daemon *d);

/* What came while the first events were applied joins their commit, instead of waiting for it and then wanting one of its own: clients that one commit has
 * answered ask again at the same time, but the first of them wakes us. A few looks are enough, and none of them waits (docs/performance.md). */
static void collect(struct daemon *d)
{
    int more = loop_wait(d->loop, wait_ms(d, clock_now()));

    for (int look = 0; more > 0 && look < LOOKS_AGAIN; look++)
        more = loop_wait(d->loop, 0);
}

static void daemon_cycle(struct daemon *d)
{
    if (d->reload_wanted && d->stop_due == 0)
        reload(d);
    else if (d->reload_wanted)
        admin_reloaded(d->admin, 409, json_pack("{s:s}", "message", "the process is stopping: nothing was reloaded"));
    d->reload_wanted = false;
    collect(d);
    commit(d);
    look_after(d, clock_now());
    release(d, clock_now());
}

static bool finished(struct daemon *d, struct instant now)
{
    size_t open;

    if (d->stop_due == 0)
        return false;
    open = http_server_drain(d->sqs_server) + http_server_drain(d->admin_server) + http_server_drain(d->control_server);
    if (bridge_lone_receives(d->bridge) > 0 && now.mono_ms < d->receives_due)
        open++;
    if (open == 0 && bridge_sends(d->bridge) == 0 && d->stop_due > now.mono_ms + STOP_GRACE_MS)
        d->stop_due = now.mono_ms + STOP_GRACE_MS;
    return now.mono_ms >= d->stop_due;
}

static void signal_ready(struct watch *w, uint32_t events)
{
    struct daemon *d = w->context;
    struct signalfd_siginfo info;

    (void)events;
    if (read(w->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP) {
        d->reload_wanted = true; /* between two cycles */
        return;
    }
    if (d->stop_due) {
        log_warning("told to stop a second time: not waiting for open requests", NULL);
        d->stop_due = 1;
        return;
    }
    log_info("stopping: open requests are answered, no new ones are taken", LOG_FIELDS(LOG_INT("signal", info.ssi_signo)));
    notify_stopping(&d->notify);
    d->stop_due = clock_now().mono_ms + d->setup->config->stop_timeout_ms + 1;
    d->receives_due = clock_now().mono_ms + RECEIVES_WAIT_MS;
    bridge_drain(d->bridge);
}

/* ---- making the parts ---- */

static void keep_secrets(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static bool watch_signals(struct daemon *d, struct error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || (d->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return error_set(err, ERROR_SYSTEM, "signalfd: %s", strerror(errno));
    d->signals.ready = signal_ready;
    d->signals.context = d;
    loop_watch(d->loop, &d->signals, EPOLLIN);
    return true;
}

static bool open_ledger(struct daemon *d, struct error *err)
{
    const struct database_options options = {.create = true, .cache_bytes = d->config->cache_bytes, .purpose = "stream2sqs run"};

    d->ledger_new = access(d->config->ledger, F_OK) != 0;
    d->db = database_open(d->config->ledger, &options, err);
    return d->db != NULL;
}

/* Keys that were added or revoked: the file is read again, into a ring that serves only when all else of a reload is good. NULL: *err. */
static struct keyring *access_keys_again(struct daemon *d, struct error *err)
{
    struct keyring *fresh = keyring_new();

    if (access_keys_read(fresh, d->keys_path, err))
        return fresh;
    keyring_free(fresh);
    return NULL;
}

static void access_keys_take(struct daemon *d, struct keyring **fresh)
{
    sqs_api_set_keys(d->api, *fresh);
    keyring_free(d->keys);
    d->keys = *fresh;
    *fresh = NULL;
}

/* A key that is revoked must not wait for a signal. */
static void follow_access_keys(struct daemon *d)
{
    struct keyring *fresh;
    struct error err;

    if (!file_watch_changed(&d->keys_watch, d->keys_path))
        return;
    fresh = access_keys_again(d, &err);
    if (fresh == NULL) {
        log_error("the changed file of access keys is not taken: those from before it still hold", LOG_FIELDS(LOG_TEXT("problem", err.text)));
        return;
    }
    log_info("access keys were read again", LOG_FIELDS(LOG_TEXT("file", d->keys_path), LOG_INT("keys", (int64_t)keyring_count(fresh))));
    access_keys_take(d, &fresh);
}

/* Of a role, or the credentials that there are; NULL: nothing needs any. */
static struct credential_provider *provider_of(struct daemon *d, const char *role_arn, const char *external_id)
{
    if (d->credentials == NULL)
        return NULL;
    return role_arn ? credential_set_role(d->credentials, role_arn, external_id) : credential_set_default(d->credentials);
}

static bool find_destinations(struct daemon *d, struct setup *setup, struct error *err)
{
    const struct config *c = setup->config;

    setup->destinations = memory_zeroed(c->queue_count + 1, sizeof(*setup->destinations));
    for (size_t i = 0; i < c->queue_count; i++) {
        if (c->queues[i].target != CONFIG_TARGET_SQS)
            continue;
        if (!destination_find(&setup->destinations[i], &c->queues[i], d->region, d->profile, environment_lookup, err))
            return false;
        endpoint_warn_if_exposed(&setup->destinations[i].endpoint);
        endpoint_warn_if_exposed(&setup->destinations[i].bucket);
        setup->destinations[i].sqs.credentials = provider_of(d, c->queues[i].role_arn, c->queues[i].external_id);
    }
    return true;
}

/* A source that is configured may be slow or down: the streams wait for it, and say so. With none at all there is nothing to start for, unless this is an
 * EC2 instance with a role: that is asked first. */
static bool find_credentials(struct daemon *d, struct error *err)
{
    struct credential_options options = {.loop = d->loop, .profile = d->profile, .region = d->region, .lookup = environment_lookup,
                                         .clock = clock_now};
    struct credential_provider *provider;

    random_secret(&options.seed, sizeof(options.seed));
    d->credentials = credential_set_new(&options, err);
    if (d->credentials == NULL)
        return false;
    provider = credential_set_default(d->credentials);
    return !credential_provider_by_default(provider) || credential_provider_wait(provider, METADATA_WAIT_MS, err);
}

static bool find_aws(struct daemon *d, struct error *err)
{
    const char *region;

    d->profile = config_profile(d->config, err);
    if (d->profile == NULL)
        return false;
    region = d->config->region ? d->config->region : region_find(d->profile, environment_lookup);
    if (region == NULL && (d->config->pipeline_count > 0 || config_needs_sqs(d->config)))
        return error_set(err, ERROR_CONFIG, "no AWS region: set AWS_REGION, or say --region (for a local server any will do)");
    d->region = region ? region : "us-east-1";
    if (d->config->pipeline_count == 0 && !config_needs_sqs(d->config))
        return true;
    if (!ca_bundle_find(&d->ca_bundle, d->profile, environment_lookup, err) || !find_credentials(d, err) ||
        !endpoint_find(&d->dynamodb, AWS_DYNAMODB, region, d->profile, environment_lookup, err) ||
        !endpoint_find(&d->streams, AWS_DYNAMODB_STREAMS, region, d->profile, environment_lookup, err))
        return false;
    if (d->config->pipeline_count > 0) {
        endpoint_warn_if_exposed(&d->streams);
        if (strcmp(d->streams.url, d->dynamodb.url) != 0)
            endpoint_warn_if_exposed(&d->dynamodb);
    }
    return true;
}

static bool load_keys(struct daemon *d, struct error *err)
{
    bool made = false;

    d->keys_path = config_access_keys_path(d->config);
    d->keys = keyring_new();
    file_watch_init(&d->keys_watch, d->keys_path);
    if (d->config->access_keys_file)
        return access_keys_read(d->keys, d->keys_path, err);
    if (!access_keys_read_or_make(d->keys, d->keys_path, d->config->ledger, &made, err))
        return false;
    if (made)
        file_watch_init(&d->keys_watch, d->keys_path); /* what we wrote ourselves is no news */
    log_info(made ? "an access key for the endpoint was made" : "the endpoint's access key is in a file", LOG_FIELDS(LOG_TEXT("file", d->keys_path)));
    return true;
}

static void make_form(struct setup *setup, size_t at)
{
    const struct config_queue *q = &setup->config->queues[at];

    if (!message_form_init(&setup->forms[at], (enum body_form)q->body, q->project, q->attributes, q->message_group, NULL))
        panic("a message's form passed the configuration's check, but cannot be made");
    if (q->target != CONFIG_TARGET_SQS)
        return;
    setup->destinations[at].pump.form = &setup->forms[at];
    setup->destinations[at].pump.project_oversize = q->oversize == CONFIG_OVERSIZE_PROJECT;
}

/* A filter that can let nothing pass loses nothing, but its queue stays empty, and nobody hears of it. */
static void look_at_filter(const struct config_queue *q)
{
    struct buffer advice = {0};

    filter_advice(q->filter, NULL, "it", &advice);
    for (struct slice rest = buffer_slice(&advice); rest.len > 0; rest = slice_after(rest, slice_index(rest, '\n') + 1))
        log_warning("a filter wants what no record has",
                    LOG_FIELDS(LOG_TEXT("queue", q->name), LOG_SLICE("filter", slice_from(rest.ptr, slice_index(rest, '\n')))));
    buffer_fini(&advice);
}

static void fill_queues(struct setup *setup, struct bridge_queue *queues)
{
    const struct config *c = setup->config;

    for (size_t i = 0; i < c->queue_count; i++) {
        const struct config_queue *q = &c->queues[i];
        bool remote = q->target == CONFIG_TARGET_SQS;

        make_form(setup, i);
        if (q->filter)
            look_at_filter(q);
        setup->filters[i] = q->filter ? filter_new(slice_text(q->filter), NULL) : NULL; /* the configuration's check has compiled it before */
        queues[i] = (struct bridge_queue){.name = q->name, .visibility_timeout_ms = q->visibility_timeout_ms, .max_receive_count = q->max_receive_count,
                                          .dead_letter_queue = remote ? NULL : q->dead_letter_queue, .filter = setup->filters[i], .form = &setup->forms[i],
                                          .from = (enum bridge_from)q->from, .hold_key = q->on_dead == CONFIG_DEAD_HOLD_KEY,
                                          .remote = remote ? &setup->destinations[i].pump : NULL};
    }
}

static void fill_options(struct daemon *d, struct setup *setup)
{
    const struct config *c = setup->config;
    struct bridge_options *o = &setup->options;
    struct bridge_queue *queues = memory_zeroed(c->queue_count + 1, sizeof(*queues));
    struct bridge_source *sources = memory_zeroed(c->pipeline_count + 1, sizeof(*sources));

    setup->filters = memory_zeroed(c->queue_count + 1, sizeof(*setup->filters));
    setup->forms = memory_zeroed(c->queue_count + 1, sizeof(*setup->forms));
    setup->troubles = memory_zeroed(c->pipeline_count + 1, sizeof(*setup->troubles));
    fill_queues(setup, queues);
    for (size_t i = 0; i < c->pipeline_count; i++)
        sources[i] = (struct bridge_source){.name = c->pipelines[i].stream, .start_latest = c->pipelines[i].start == CONFIG_START_LATEST,
                                            .stop_at_gap = c->pipelines[i].on_gap == CONFIG_GAP_STOP, .idle_poll_ms = c->pipelines[i].idle_poll_ms,
                                            .queues = c->pipelines[i].queues, .queue_count = c->pipelines[i].queue_count};
    *o = (struct bridge_options){.account_id = d->config->account_id, .region = d->region, .regions = d->config->regions, .aws_waits = d->config->aws_waits,
                                 .queues = queues, .queue_count = c->queue_count, .sources = sources, .source_count = c->pipeline_count,
                                 .discovery_ms = c->discovery_interval_ms, .keep_settled_ms = c->keep_settled_ms,
                                 .budget_bytes = c->ledger_budget_bytes ? c->ledger_budget_bytes : room_total(&d->room) / 2};
    random_secret(&o->seed, sizeof(o->seed));
}

static void stream_answered(void *context, const struct stream_answer *answer)
{
    struct daemon *d = context;

    bridge_answer(d->bridge, answer, clock_now());
}

static void target_answered(void *context, const struct target_answer *answer)
{
    struct daemon *d = context;

    bridge_target_answer(d->bridge, answer, clock_now());
}

static bool make_clients(struct daemon *d, struct setup *setup, struct error *err)
{
    const struct config *c = setup->config;
    struct stream_client_options client = {.region = d->region, .dynamodb = &d->dynamodb, .streams = &d->streams, .ca_bundle = d->ca_bundle};

    setup->clients = memory_zeroed(c->pipeline_count + 1, sizeof(*setup->clients));
    for (size_t i = 0; i < c->pipeline_count; i++) {
        client.credentials = provider_of(d, c->pipelines[i].role_arn, c->pipelines[i].external_id);
        setup->clients[i] = stream_client_new(d->loop, &client, stream_answered, d, err);
        if (setup->clients[i] == NULL)
            return false;
    }
    return true;
}

static void setup_free(struct setup *setup)
{
    if (setup == NULL)
        return;
    for (size_t i = 0; i < setup->config->pipeline_count && setup->clients; i++)
        stream_client_free(setup->clients[i]);
    free(setup->clients);
    for (size_t i = 0; i < setup->config->queue_count && setup->destinations; i++)
        destination_fini(&setup->destinations[i]);
    free(setup->destinations);
    for (size_t i = 0; i < setup->config->queue_count && setup->filters; i++)
        filter_free(setup->filters[i]);
    free(setup->filters);
    for (size_t i = 0; i < setup->config->queue_count && setup->forms; i++)
        message_form_fini(&setup->forms[i]);
    free(setup->forms);
    free((void *)(uintptr_t)setup->options.queues);
    free((void *)(uintptr_t)setup->options.sources);
    free(setup->troubles);
    if (setup->owned) {
        config_fini(setup->owned);
        free(setup->owned);
    }
    free(setup);
}

/* NULL: *err. */
static struct setup *setup_new(struct daemon *d, const struct config *config, struct error *err)
{
    struct setup *setup = memory_zeroed(1, sizeof(*setup));

    setup->config = config;
    if (find_destinations(d, setup, err)) {
        fill_options(d, setup);
        if (make_clients(d, setup, err))
            return setup;
    }
    setup_free(setup);
    return NULL;
}

static bool make_core(struct daemon *d, struct error *err)
{
    d->bridge = bridge_new(d->db, &d->setup->options, clock_now(), err);
    if (d->bridge == NULL)
        return false;
    d->sqs_client = sqs_client_new(d->loop, d->ca_bundle, target_answered, d, err);
    return d->sqs_client != NULL;
}

/* ---- reloading ---- */

/* What is said of it; NULL: it is good for long. */
static const char *say_expiry(const struct daemon *d)
{
    int64_t left_s = tls_files_expire_s(d->tls) - clock_now().wall_ms / 1000;
    const char *said = left_s < 0 ? "the endpoint's certificate has expired" : "the endpoint's certificate expires soon";

    if (left_s >= EXPIRY_WARNING_S)
        return NULL;
    log_warning(said, LOG_FIELDS(LOG_TEXT("file", d->config->tls_certificate), LOG_INT("days_left", left_s / 86400)));
    return said;
}

/* A certificate is replaced long before it expires, by something that does not know of us. The two files come one after the other: with the first alone they do
 * not fit together yet. */
static void follow_certificate(struct daemon *d)
{
    struct error err;
    bool certificate;
    bool key;

    if (d->tls == NULL)
        return;
    certificate = file_watch_changed(&d->certificate_watch, d->config->tls_certificate);
    key = file_watch_changed(&d->tls_key_watch, d->config->tls_key);
    if (!certificate && !key)
        return;
    if (!tls_files_read(d->tls, &err)) {
        log_warning("a changed certificate or its key is not taken: the one from before it is still shown", LOG_FIELDS(LOG_TEXT("problem", err.text)));
    } else if (tls_files_take(d->tls)) {
        log_info("the endpoint's certificate was read again", LOG_FIELDS(LOG_TEXT("file", d->config->tls_certificate)));
        say_expiry(d);
    }
}

/* Streams that are still read keep the client that their calls are on. */
static void keep_clients(struct setup *old, struct setup *next)
{
    for (size_t i = 0; i < next->config->pipeline_count; i++) {
        for (size_t k = 0; k < old->config->pipeline_count; k++) {
            struct stream_client *client = next->clients[i];

            if (old->clients[k] == NULL || !config_same_reader(&old->config->pipelines[k], &next->config->pipelines[i]))
                continue;
            next->clients[i] = old->clients[k];
            old->clients[k] = client;
            break;
        }
    }
}

static void retire_clients(struct daemon *d, struct setup *old)
{
    for (size_t i = 0; i < old->config->pipeline_count; i++) {
        if (old->clients[i] == NULL || stream_client_idle(old->clients[i]))
            continue;
        d->retired = memory_resize(d->retired, (d->retired_count + 1) * sizeof(*d->retired));
        d->retired[d->retired_count++] = old->clients[i];
        old->clients[i] = NULL;
    }
}

static bool take_setup(struct daemon *d, struct setup *next, struct error *err)
{
    struct setup *old = d->setup;

    if (!bridge_reconfigure(d->bridge, &next->options, clock_now(), err)) {
        if (err->code == ERROR_LEDGER_IO)
            die_at_once(d->db);
        if (err->code == ERROR_LEDGER_FULL)
            room_release(&d->room);
        return false;
    }
    keep_clients(old, next);
    retire_clients(d, old);
    d->setup = next;
    setup_free(old);
    return true;
}

static void say_reloaded(const struct daemon *d, struct buffer *changes, const char *restart, const char *certificate)
{
    const struct config *c = d->setup->config;
    int64_t keys = (int64_t)keyring_count(d->keys);

    if (changes->len == 0)
        buffer_append_text(changes, "nothing changed");
    log_info("the configuration was reloaded", LOG_FIELDS(LOG_TEXT("changes", changes->ptr), LOG_INT("pipelines", (int64_t)c->pipeline_count),
                                                          LOG_INT("queues", (int64_t)c->queue_count), LOG_INT("access_keys", keys)));
    if (restart)
        log_warning("these options have changed, and want a restart", LOG_FIELDS(LOG_TEXT("options", restart)));
    admin_reloaded(d->admin, 200, json_pack("{s:s,s:I,s:I,s:I,s:s*,s:s*}", "changes", changes->ptr, "pipelines", (json_int_t)c->pipeline_count, "queues",
                                            (json_int_t)c->queue_count, "access_keys", (json_int_t)keys, "restart", restart, "certificate", certificate));
}

/* problems: a line each. */
static void say_not_reloaded(const struct daemon *d, const char *problems, bool full)
{
    struct buffer all = {0};

    for (struct slice rest = slice_text(problems); rest.len > 0;) {
        struct slice line = slice_from(rest.ptr, slice_index(rest, '\n'));

        rest = slice_after(rest, line.len + 1);
        if (line.len == 0)
            continue;
        log_error("the new configuration was refused: the old one stays", LOG_FIELDS(LOG_SLICE("problem", line)));
        buffer_append_text(&all, all.len > 0 ? "; " : "the new configuration was refused: the old one stays: ");
        text_append_printable(&all, line); /* JSON wants UTF-8 */
    }
    admin_reloaded(d->admin, full ? 503 : 422, json_pack("{s:s?}", "message", all.ptr));
    buffer_fini(&all);
}

/* SIGHUP, or `stream2sqs reload`: the file is read again, with the same flags and environment. */
static void reload(struct daemon *d)
{
    struct config *config = memory_zeroed(1, sizeof(*config));
    struct buffer problems = {0};
    struct buffer fixed = {0};
    struct buffer changes = {0};
    struct setup *next = NULL;
    struct keyring *keys = NULL;
    struct error err = {0};
    bool good;

    notify_reloading(&d->notify);
    good = d->reload->load(d->reload->context, config, &problems);
    if (good) {
        config_fixed_differences(d->config, config, &fixed);
        config_changes(d->setup->config, config, &changes);
        if (d->credentials == NULL && (config->pipeline_count > 0 || config_needs_sqs(config)))
            good = error_set(&err, ERROR_CONFIG, "the process was started without a stream or queue on AWS: it has no credentials, start it again");
    }
    next = good ? setup_new(d, config, &err) : NULL;
    keys = next ? access_keys_again(d, &err) : NULL;
    good = keys && (d->tls == NULL || tls_files_read(d->tls, &err)) && take_setup(d, next, &err);
    if (good) {
        access_keys_take(d, &keys);
        if (d->tls && tls_files_take(d->tls))
            buffer_printf(&changes, "%scertificate changed", changes.len > 0 ? ", " : "");
        next->owned = config;
        say_reloaded(d, &changes, fixed.len > 0 ? fixed.ptr : NULL, d->tls ? say_expiry(d) : NULL);
    } else {
        say_not_reloaded(d, problems.len > 0 ? problems.ptr : err.text, err.code == ERROR_LEDGER_FULL);
        keyring_free(keys);
        setup_free(next);
        config_fini(config);
        free(config);
    }
    buffer_fini(&problems);
    buffer_fini(&fixed);
    buffer_fini(&changes);
    notify_ready(&d->notify);
}

/* "http://127.0.0.1:9324", with the port that was free when port 0 was asked for. */
static char *url_of(const char *scheme, const char *listen_at, const struct http_server *server)
{
    struct buffer url = {0};

    buffer_printf(&url, "%s://%.*s:%u", scheme, (int)(strrchr(listen_at, ':') - listen_at), listen_at, http_server_port(server));
    return buffer_take(&url);
}

/* Those of operators; handlers as of http_server_new. */
static struct http_server *make_server(struct daemon *d, const char *listen_at, size_t body_max, const struct http_handlers *handlers, struct error *err)
{
    const struct http_server_options options = {.listen = listen_at, .body_max = body_max, .memory_max = REQUEST_MEMORY_MAX,
                                                .connections_max = ADMIN_CONNECTIONS, .request_timeout_s = REQUEST_TIMEOUT_S};

    return http_server_new(d->loop, &options, handlers, err);
}

/* Beyond loopback no address may have all connections, unless that is said; on loopback all come from one. */
static struct http_server *make_sqs_server(struct daemon *d, struct error *err)
{
    const struct config *c = d->config;
    int64_t connections = descriptors_for_connections(c->max_connections);
    int64_t per_address = c->max_connections_per_address ? c->max_connections_per_address : config_loopback(c->listen) ? 0 : (connections + 1) / 2;
    const struct http_server_options options = {.listen = c->listen, .tls = d->tls, .body_max = REQUEST_BODY_MAX, .memory_max = REQUEST_MEMORY_MAX,
                                                .connections_max = (unsigned)connections, .connections_per_address_max = (unsigned)per_address,
                                                .request_timeout_s = REQUEST_TIMEOUT_S};

    return http_server_new(d->loop, &options, NULL, err);
}

/* Takes the addresses; who connects waits until there is something that answers (make_servers). */
static bool bind_addresses(struct daemon *d, struct error *err)
{
    const struct config *c = d->config;

    if (c->tls_certificate) {
        file_watch_init(&d->certificate_watch, c->tls_certificate);
        file_watch_init(&d->tls_key_watch, c->tls_key);
        d->tls = tls_files_new(c->tls_certificate, c->tls_key, err);
        if (d->tls == NULL)
            return false;
        say_expiry(d);
    }
    d->sqs_server = make_sqs_server(d, err);
    if (d->sqs_server == NULL)
        return error_prefix(err, "the SQS endpoint");
    d->sqs_url = url_of(d->tls ? "https" : "http", c->listen, d->sqs_server);
    d->admin_server = make_server(d, c->admin, 1024, NULL, err);
    if (d->admin_server == NULL)
        return error_prefix(err, "the admin address");
    d->admin_url = url_of("http", c->admin, d->admin_server);
    return true;
}

static void reload_asked(void *context)
{
    struct daemon *d = context;

    d->reload_wanted = true; /* between two cycles, as at SIGHUP */
}

static bool make_servers(struct daemon *d, struct error *err)
{
    struct http_handlers handlers;
    char *path = config_control_path(d->config->ledger);
    struct buffer control = {0};

    d->api = sqs_api_new(d->bridge, d->keys, d->config->account_id);
    if (d->tls)
        sqs_api_set_secure(d->api);
    handlers = sqs_api_handlers(d->api);
    http_server_serve(d->sqs_server, &handlers);
    d->admin = admin_new(&(struct admin_view){.bridge = d->bridge, .db = d->db, .api = d->api, .sqs_server = d->sqs_server, .cycles = &d->cycles,
                                              .reload = reload_asked, .context = d});
    admin_set_urls(d->admin, d->sqs_url, d->admin_url);
    handlers = admin_handlers(d->admin, false);
    http_server_serve(d->admin_server, &handlers);
    handlers = admin_handlers(d->admin, true);
    buffer_printf(&control, "unix:%s", path);
    free(path);
    d->control_server = make_server(d, control.ptr, REQUEST_BODY_MAX, &handlers, err);
    buffer_fini(&control);
    return d->control_server != NULL || error_prefix(err, "the control socket");
}

/* Links stay as they are: a renewal may lead them elsewhere. The caller frees it. */
static char *absolute(const char *path)
{
    char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    struct buffer out = {0};

    buffer_printf(&out, "%s%s%s", here ? here : "", here ? "/" : "", path);
    free(here);
    return buffer_take(&out);
}

/* For scripts that asked for port 0: written whole, then given its name. */
static bool write_addresses(struct daemon *d, struct error *err)
{
    json_t *document = json_pack("{s:i,s:s,s:s}", "pid", (int)getpid(), "sqs", d->sqs_url, "admin", d->admin_url);
    char *certificate = d->config->tls_certificate ? absolute(d->config->tls_certificate) : NULL;
    struct buffer temporary = {0};
    bool written;

    d->addresses_path = config_addresses_path(d->config);
    buffer_printf(&temporary, "%s.new", d->addresses_path);
    if (certificate)
        json_object_set_new(document, "tls_certificate", json_string(certificate));
    written = json_dump_file(document, temporary.ptr, JSON_COMPACT) == 0 && rename(temporary.ptr, d->addresses_path) == 0;
    buffer_fini(&temporary);
    json_decref(document);
    free(certificate);
    return written || error_set(err, ERROR_SYSTEM, "cannot write %s: %s", d->addresses_path, strerror(errno));
}

static bool control_fits(const struct config *config, struct error *err)
{
    char *path = config_control_path(config->ledger);
    bool fits = http_server_path_fits(path, err);

    free(path);
    return fits;
}

/* What can be refused comes before what makes a file, so that a start that fails leaves neither a new ledger nor new keys. But a ledger that is there is
 * opened first: who starts a second process is to hear of the first one, not of its port. */
static bool make_files(struct daemon *d, struct error *err)
{
    bool makes_ledger = access(d->config->ledger, F_OK) != 0;
    bool makes_keys = d->config->access_keys_file == NULL; /* the configuration's check has seen that nobody else reaches us, then */

    return (makes_ledger || open_ledger(d, err)) && (makes_keys || load_keys(d, err)) && bind_addresses(d, err) && (!makes_ledger || open_ledger(d, err)) &&
           (!makes_keys || load_keys(d, err));
}

static bool make(struct daemon *d, struct error *err)
{
    keep_secrets();
    d->loop = loop_new(err);
    room_init(&d->room, d->config->ledger, d->config->disk_reserve_bytes);
    return d->loop && watch_signals(d, err) && control_fits(d->config, err) && find_aws(d, err) && (d->setup = setup_new(d, d->config, err)) != NULL &&
           make_files(d, err) && make_core(d, err) && make_servers(d, err) && write_addresses(d, err);
}

/* In the reverse order; whatever is not there is passed over. */
static void unmake(struct daemon *d)
{
    if (d->addresses_path)
        unlink(d->addresses_path);
    http_server_free(d->control_server);
    http_server_free(d->admin_server);
    http_server_free(d->sqs_server);
    tls_files_free(d->tls);
    sqs_client_free(d->sqs_client);
    admin_free(d->admin);
    bridge_free(d->bridge);
    free_retired(d, true);
    free(d->retired);
    setup_free(d->setup);
    sqs_api_free(d->api);
    keyring_free(d->keys);
    credential_set_free(d->credentials);
    endpoint_fini(&d->dynamodb);
    endpoint_fini(&d->streams);
    aws_profile_free(d->profile);
    if (d->room.directory)
        room_fini(&d->room);
    database_close(d->db);
    if (d->signals.fd > 0)
        close(d->signals.fd);
    loop_free(d->loop);
    free(d->keys_path);
    free(d->sqs_url);
    free(d->admin_url);
    free(d->addresses_path);
}

/* With the ledger's whole path: a relative one is of the directory of the start, and another directory's ledger begins at the beginning. */
static void say_ready(const struct daemon *d)
{
    char *whole = realpath(d->config->ledger, NULL);
    const char *ledger = whole ? whole : d->config->ledger;

    if (d->ledger_new)
        log_info("a new ledger was made", LOG_FIELDS(LOG_TEXT("ledger", ledger)));
    log_info("ready", LOG_FIELDS(LOG_TEXT("sqs", d->sqs_url), LOG_TEXT("admin", d->admin_url), LOG_TEXT("ledger", ledger), LOG_TEXT("version", S2Q_VERSION)));
    free(whole);
}

bool daemon_run(const struct config *config, const struct daemon_reload *reload, struct error *err)
{
    struct daemon d = {.config = config, .reload = reload};
    bool good;

    digest_init();
    notify_init(&d.notify);
    good = make(&d, err);
    if (good) {
        say_ready(&d);
        notify_ready(&d.notify);
        release(&d, clock_now());
        while (!finished(&d, clock_now()))
            daemon_cycle(&d);
        log_info("stopped", NULL);
    }
    unmake(&d);
    digest_fini();
    return good;
}
