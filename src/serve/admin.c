/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/admin.h"

#include "base/log.h"
#include "base/memory.h"
#include "serve/operations.h"

#include <stdlib.h>
#include <unistd.h>

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* A control request whose answer waits: for the commit, or for the reload. */
struct pending {
    struct http_exchange *http;
    struct buffer body;
    struct pending *next;
};

struct admin {
    struct admin_view view;
    const char *sqs_url;
    const char *admin_url;
    struct pending *pending;
    struct pending *reloads;
    struct door {
        struct admin *admin;
        bool control;
    } doors[2];
};

static const double bucket_seconds[CYCLE_BUCKETS - 1] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1};

void cycle_note(struct cycle_stats *stats, double seconds)
{
    int i = 0;

    while (i < CYCLE_BUCKETS - 1 && seconds > bucket_seconds[i])
        i++;
    stats->counts[i]++;
    stats->commits++;
    stats->seconds += seconds;
}

struct admin *admin_new(const struct admin_view *view)
{
    struct admin *a = memory_zeroed(1, sizeof(*a));

    a->view = *view;
    a->doors[0] = (struct door){a, false};
    a->doors[1] = (struct door){a, true};
    return a;
}

void admin_set_urls(struct admin *a, const char *sqs_url, const char *admin_url)
{
    a->sqs_url = sqs_url;
    a->admin_url = admin_url;
}

/* The first of the list leaves it. */
static void pending_drop(struct pending **list)
{
    struct pending *p = *list;

    *list = p->next;
    buffer_fini(&p->body);
    free(p);
}

void admin_free(struct admin *a)
{
    if (a == NULL)
        return;
    while (a->pending)
        pending_drop(&a->pending);
    while (a->reloads)
        pending_drop(&a->reloads);
    free(a);
}

/* ---- answers ---- */

static void answer(struct http_exchange *http, int status, const char *type, struct buffer *body)
{
    /* payloads are strangers': nothing may be taken for a page */
    static const struct header headers[] = {{{"X-Content-Type-Options", 22}, {"nosniff", 7}}, {{"Cache-Control", 13}, {"no-store", 8}}};
    struct http_reply reply = {.status = status, .content_type = type, .headers = headers, .header_count = 2};

    http_reply(http, &reply, body);
}

static void answer_text(struct http_exchange *http, int status, const char *text)
{
    struct buffer body = {0};

    buffer_append_text(&body, text);
    answer(http, status, "text/plain; charset=utf-8", &body);
}

static void take_json(struct buffer *out, json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);

    buffer_append_text(out, text ? text : "{}");
    free(text);
    json_decref(document);
}

/* ---- metrics ---- */

static void metric(struct buffer *out, const char *name, const char *type, const char *help)
{
    buffer_printf(out, "# HELP stream2sqs_%s %s\n# TYPE stream2sqs_%s %s\n", name, help, name, type);
}

static void number(struct buffer *out, const char *name, const char *type, const char *help, double value)
{
    metric(out, name, type, help);
    buffer_printf(out, "stream2sqs_%s %.17g\n", name, value);
}

static void label(struct buffer *out, const char *name, struct slice value)
{
    buffer_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\\' || value.ptr[i] == '"')
            buffer_append_byte(out, '\\');
        if (value.ptr[i] == '\n')
            buffer_append_text(out, "\\n");
        else
            buffer_append_byte(out, value.ptr[i]);
    }
    buffer_append_byte(out, '"');
}

/* What a shard lags behind: 0 while it is idle; -1: nothing was read yet. */
static double lag_seconds(const struct shard_row *row, int64_t now_ms)
{
    if (row->idle_since_ms != 0)
        return 0;
    return row->last_record_at_ms == 0 ? -1 : (double)(now_ms - row->last_record_at_ms) / 1000;
}

struct shard_list {
    struct buffer *out;
    const char *source;
    int64_t now_ms;
};

static void shard_metric(void *context, const struct shard_row *row)
{
    struct shard_list *list = context;
    double lag = lag_seconds(row, list->now_ms);

    if (lag < 0)
        return;
    buffer_append_text(list->out, "stream2sqs_shard_lag_seconds{");
    label(list->out, "stream", slice_text(list->source));
    buffer_append_byte(list->out, ',');
    label(list->out, "shard", row->shard_id);
    buffer_printf(list->out, "} %.3f\n", lag);
}

static void stream_metrics(struct admin *a, struct buffer *out, int64_t now_ms)
{
    struct bridge *b = a->view.bridge;

    metric(out, "shard_lag_seconds", "gauge", "Age of the newest record read of a shard; 0 while nothing new is there.");
    for (size_t i = 0; i < bridge_source_count(b); i++) {
        struct shard_list list = {out, bridge_source_name(b, i), now_ms};

        source_shards(bridge_source(b, i), shard_metric, &list);
    }
    metric(out, "stream_stuck", "gauge", "1 while something keeps a stream from being read.");
    for (size_t i = 0; i < bridge_source_count(b); i++) {
        buffer_append_text(out, "stream2sqs_stream_stuck{");
        label(out, "stream", slice_text(bridge_source_name(b, i)));
        buffer_printf(out, "} %d\n", source_trouble(bridge_source(b, i))[0] != '\0');
    }
}

static void queue_labels(struct buffer *out, const struct desk *desk)
{
    label(out, "queue", slice_text(desk->queue->name));
    if (desk->region[0] == '\0')
        return;
    buffer_append_byte(out, ',');
    label(out, "region", slice_text(desk->region));
}

/* A message whose visibility has ended is queued again for whoever looks, though its row says in flight until somebody receives it. */
static int64_t in_state(struct queue *q, enum message_state state)
{
    if (q->remote || (state != MESSAGE_QUEUED && state != MESSAGE_IN_FLIGHT))
        return q->counts[state];
    queue_tick(q, clock_now()); /* time-outs are noticed when somebody asks */
    return state == MESSAGE_QUEUED ? queue_visible(q) + queue_delayed(q) : queue_not_visible(q);
}

static void queue_metrics(struct admin *a, struct buffer *out, int64_t now_ms)
{
    static const enum message_state states[] = {MESSAGE_PENDING, MESSAGE_QUEUED, MESSAGE_IN_FLIGHT, MESSAGE_SENT, MESSAGE_DELETED,
                                                MESSAGE_DEAD, MESSAGE_PARKED, MESSAGE_HELD, MESSAGE_DROPPED, MESSAGE_EXPIRED, MESSAGE_PURGED};
    size_t count;
    struct desk *const *desks = bridge_desks(a->view.bridge, &count);

    metric(out, "messages", "gauge", "Messages by queue and state (sent, deleted, dropped, expired and purged: since the ledger began).");
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; desks[i]->deleted_at_ms == 0 && k < sizeof(states) / sizeof(states[0]); k++) {
            buffer_append_text(out, "stream2sqs_messages{");
            queue_labels(out, desks[i]);
            buffer_printf(out, ",state=\"%s\"} %lld\n", message_state_name(states[k]), (long long)in_state(desks[i]->queue, states[k]));
        }
    }
    metric(out, "oldest_message_age_seconds", "gauge", "Age of the oldest message that is not settled; dead, parked and held ones aside.");
    for (size_t i = 0; i < count; i++) {
        int64_t oldest = ledger_oldest_waiting_ms(a->view.db, desks[i]->queue->id, desks[i]->queue->next_fresh);

        if (desks[i]->deleted_at_ms != 0)
            continue;
        buffer_append_text(out, "stream2sqs_oldest_message_age_seconds{");
        queue_labels(out, desks[i]);
        buffer_printf(out, "} %.3f\n", oldest ? (double)(now_ms - oldest) / 1000 : 0.0);
    }
}

struct pump_metric {
    const char *name;
    const char *type;
    const char *help;
    int64_t (*value)(const struct desk *desk);
};

static int64_t pump_requests(const struct desk *desk)
{
    return (int64_t)pump_counts(desk->pump)->requests;
}

static int64_t pump_throttled(const struct desk *desk)
{
    return (int64_t)pump_counts(desk->pump)->throttled;
}

static int64_t pump_failed(const struct desk *desk)
{
    return (int64_t)pump_counts(desk->pump)->failed;
}

static int64_t pump_projected(const struct desk *desk)
{
    return (int64_t)pump_counts(desk->pump)->projected;
}

static int64_t pump_stored(const struct desk *desk)
{
    return (int64_t)pump_counts(desk->pump)->stored;
}

static int64_t pump_window(const struct desk *desk)
{
    return pump_counts(desk->pump)->window;
}

static int64_t pump_stuck(const struct desk *desk)
{
    return pump_trouble(desk->pump)[0] != '\0';
}

static int64_t possible_duplicates(const struct desk *desk)
{
    return desk->queue->possible_duplicates;
}

/* Of queues on other servers. */
static void target_metrics(struct admin *a, struct buffer *out)
{
    static const struct pump_metric metrics[] = {
        {"target_requests_total", "counter", "SendMessageBatch requests by queue.", pump_requests},
        {"target_throttled_total", "counter", "Requests and entries that the other server throttled.", pump_throttled},
        {"target_failed_entries_total", "counter", "Entries of batches that the other server did not take.", pump_failed},
        {"target_projected_total", "counter", "Messages that were too large, and were sent with their key alone.", pump_projected},
        {"target_stored_total", "counter", "Payloads that were too large, and were stored in S3.", pump_stored},
        {"target_window", "gauge", "Requests that may be on their way at the same time.", pump_window},
        {"target_stuck", "gauge", "1 while something keeps messages from being sent.", pump_stuck},
        {"possible_duplicates_total", "counter", "Messages sent again because no answer had come (since the ledger began).", possible_duplicates},
    };
    size_t count;
    struct desk *const *desks = bridge_desks(a->view.bridge, &count);

    for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++) {
        metric(out, metrics[m].name, metrics[m].type, metrics[m].help);
        for (size_t i = 0; i < count; i++) {
            if (desks[i]->pump == NULL)
                continue;
            buffer_printf(out, "stream2sqs_%s{", metrics[m].name);
            label(out, "queue", slice_text(desks[i]->queue->name));
            buffer_printf(out, "} %lld\n", (long long)metrics[m].value(desks[i]));
        }
    }
}

static void request_metrics(struct admin *a, struct buffer *out)
{
    const struct sqs_api_counts *counts = sqs_api_counts(a->view.api);
    struct http_server_counts http = http_server_counts(a->view.sqs_server);

    metric(out, "requests_total", "counter", "Requests to the SQS endpoint by operation, counted when they come.");
    for (int i = 0; i < SQS_ACTION_COUNT; i++)
        buffer_printf(out, "stream2sqs_requests_total{operation=\"%s\"} %llu\n", sqs_action_name((enum sqs_action)i), (unsigned long long)counts->requests[i]);
    metric(out, "replies_total", "counter", "Answers of the SQS endpoint by operation and error code (OK: none), counted when they leave.");
    for (int i = 0; i <= SQS_ACTION_COUNT; i++)
        for (int k = 0; k < SQS_ERROR_COUNT; k++)
            if (counts->replies[i][k] > 0)
                buffer_printf(out, "stream2sqs_replies_total{operation=\"%s\",code=\"%s\"} %llu\n",
                              i == SQS_ACTION_COUNT ? "refused" : sqs_action_name((enum sqs_action)i),
                              k == SQS_OK ? "OK" : sqs_error_query_code((enum sqs_error)k), (unsigned long long)counts->replies[i][k]);
    number(out, "http_refused_total", "counter", "Requests refused before they were looked into (framing, size, memory).", (double)http.refused);
    number(out, "http_cut_off_total", "counter", "Connections ended because a request did not come, or an answer was not taken, in time.",
           (double)http.cut_off);
    number(out, "http_connections", "gauge", "Open connections to the SQS endpoint.", (double)http.connections_open);
}

static void cycle_metrics(const struct cycle_stats *c, struct buffer *out)
{
    uint64_t sum = 0;

    metric(out, "commit_seconds", "histogram", "Time of a commit with its sync.");
    for (int i = 0; i < CYCLE_BUCKETS - 1; i++) {
        sum += c->counts[i];
        buffer_printf(out, "stream2sqs_commit_seconds_bucket{le=\"%g\"} %llu\n", bucket_seconds[i], (unsigned long long)sum);
    }
    buffer_printf(out, "stream2sqs_commit_seconds_bucket{le=\"+Inf\"} %llu\nstream2sqs_commit_seconds_sum %.6f\nstream2sqs_commit_seconds_count %llu\n",
                  (unsigned long long)c->commits, c->seconds, (unsigned long long)c->commits);
}

static void counter_metrics(struct admin *a, struct buffer *out)
{
    const struct bridge_counts *c = bridge_counts(a->view.bridge);

    number(out, "records_read_total", "counter", "Stream records stored.", (double)c->records);
    number(out, "pages_read_total", "counter", "Pages of GetRecords that held new records.", (double)c->pages);
    number(out, "stream_calls_total", "counter", "Calls to DynamoDB and DynamoDB Streams.", (double)c->calls);
    number(out, "stream_call_failures_total", "counter", "Calls that gave no success.", (double)c->call_failures);
    number(out, "messages_sent_total", "counter", "Messages taken by SendMessage and SendMessageBatch.", (double)c->service.sent);
    number(out, "messages_received_total", "counter", "Messages handed to consumers.", (double)c->service.received);
    number(out, "messages_deleted_total", "counter", "Entries of delete requests that were accepted.", (double)c->service.deleted);
    number(out, "events_total", "counter", "Requests and stream answers applied (divided by commits: the size of a cycle).", (double)c->events);
    number(out, "commits_total", "counter", "Commits with something in them.", (double)c->commits);
    number(out, "commits_without_room_total", "counter", "Commits that were undone because there was no room.", (double)c->full);
    number(out, "pruned_records_total", "counter", "Settled records removed.", (double)c->pruned);
    number(out, "gaps_new", "gauge", "Gaps that no operator has acknowledged.", (double)ledger_gaps_new(a->view.db));
    number(out, "ledger_bytes", "gauge", "Bytes in use in the ledger.", (double)database_bytes_used(a->view.db));
    number(out, "log_errors_total", "counter", "Error lines logged.", (double)log_count(LOG_ERROR));
    number(out, "log_warnings_total", "counter", "Warning lines logged.", (double)log_count(LOG_WARNING));
}

static void answer_metrics(struct admin *a, struct http_exchange *http)
{
    struct buffer out = {0};
    struct buffer reasons = {0};
    int64_t now_ms = clock_now().wall_ms;

    bridge_reasons(a->view.bridge, &reasons);
    metric(&out, "build_info", "gauge", "The version that runs.");
    buffer_append_text(&out, "stream2sqs_build_info{version=\"" S2Q_VERSION "\"} 1\n");
    number(&out, "ready", "gauge", "1: ready (see /readyz).", reasons.len == 0);
    counter_metrics(a, &out);
    cycle_metrics(a->view.cycles, &out);
    request_metrics(a, &out);
    stream_metrics(a, &out, now_ms);
    queue_metrics(a, &out, now_ms);
    target_metrics(a, &out);
    buffer_fini(&reasons);
    answer(http, 200, METRICS_TYPE, &out);
}

static void answer_ready(struct admin *a, struct http_exchange *http)
{
    struct buffer reasons = {0};
    bool is_ready;

    bridge_reasons(a->view.bridge, &reasons);
    is_ready = reasons.len == 0;
    if (is_ready)
        buffer_append_text(&reasons, "ready\n");
    answer(http, is_ready ? 200 : 503, "text/plain; charset=utf-8", &reasons);
}

/* ---- control ---- */

static json_t *reason_list(struct admin *a)
{
    json_t *list = json_array();
    struct buffer reasons = {0};
    struct slice rest;

    bridge_reasons(a->view.bridge, &reasons);
    rest = buffer_slice(&reasons);
    while (rest.len > 0) {
        size_t n = slice_index(rest, '\n');

        json_array_append_new(list, json_stringn(rest.ptr, n));
        rest = slice_after(rest, n + 1);
    }
    buffer_fini(&reasons);
    return list;
}

struct shard_json {
    json_t *list;
    int64_t now_ms;
};

static void shard_status(void *context, const struct shard_row *row)
{
    struct shard_json *shards = context;
    double lag = lag_seconds(row, shards->now_ms);
    json_t *one = json_pack("{s:o,s:s}", "shard", json_stringn(row->shard_id.ptr, row->shard_id.len), "state", shard_state_name(row->state));

    if (lag >= 0)
        json_object_set_new(one, "lag_ms", json_integer((json_int_t)(lag * 1000)));
    json_array_append_new(shards->list, one);
}

static json_t *queue_list(struct admin *a)
{
    json_t *list = json_array();
    size_t count;
    struct desk *const *desks = bridge_desks(a->view.bridge, &count);

    for (size_t i = 0; i < count; i++)
        if (desks[i]->deleted_at_ms == 0 && !desks[i]->queue->remote)
            json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I}", "queue", desks[i]->queue->name, "region", desks[i]->region, "queued",
                                                  (json_int_t)in_state(desks[i]->queue, MESSAGE_QUEUED), "in_flight",
                                                  (json_int_t)in_state(desks[i]->queue, MESSAGE_IN_FLIGHT)));
    return list;
}

static void status(struct admin *a, struct buffer *out)
{
    struct bridge *b = a->view.bridge;
    json_t *streams = json_array();
    json_t *reasons = reason_list(a);

    for (size_t i = 0; i < bridge_source_count(b); i++) {
        struct source *s = bridge_source(b, i);
        struct shard_json shards = {json_array(), clock_now().wall_ms};

        source_shards(s, shard_status, &shards);
        json_array_append_new(streams, json_pack("{s:s,s:s?,s:s,s:o}", "source", bridge_source_name(b, i), "arn", source_arn(s), "trouble",
                                                 source_trouble(s), "shards", shards.list));
    }
    take_json(out, json_pack("{s:i,s:s,s:s,s:s,s:b,s:o,s:o,s:o}", "pid", (int)getpid(), "version", S2Q_VERSION, "sqs", a->sqs_url, "admin",
                             a->admin_url, "ready", json_array_size(reasons) == 0, "reasons", reasons, "streams", streams, "queues",
                             queue_list(a)));
}

static void pending_add(struct pending **list, struct http_exchange *http, struct buffer *body)
{
    struct pending *p = memory_zeroed(1, sizeof(*p));

    *p = (struct pending){.http = http, .body = *body, .next = *list};
    *list = p;
}

static void control(struct admin *a, const struct http_request *request)
{
    struct slice operation = slice_after(request->signed_part.path, strlen("/control/"));
    struct slice body = request->signed_part.body;
    json_t *document;
    const char *wrong = "the request is no JSON";
    json_t *result = NULL;
    struct buffer out = {0};

    if (slice_starts_with(operation, SLICE("sqs/"))) {
        sqs_api_operator(a->view.api, request, slice_after(operation, strlen("sqs/")), a->sqs_url);
        return;
    }
    if (slice_is(operation, "reload")) {
        pending_add(&a->reloads, request->exchange, &out);
        a->view.reload(a->view.context);
        return;
    }
    document = body.len > 0 ? json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL) : json_object();
    if (slice_is(operation, "status")) {
        status(a, &out);
        answer(request->exchange, 200, "application/json", &out);
        json_decref(document);
        return;
    }
    if (document)
        wrong = operation_apply(a->view.bridge, operation, document, clock_now(), &result);
    json_decref(document);
    if (wrong) {
        answer_text(request->exchange, 400, wrong);
        return;
    }
    take_json(&out, result);
    pending_add(&a->pending, request->exchange, &out);
}

void admin_release(struct admin *a, bool full)
{
    for (struct pending *p; (p = a->pending) != NULL; pending_drop(&a->pending)) {
        if (full)
            answer_text(p->http, 503, "there is no room for it on the disk: nothing was done");
        else
            answer(p->http, 200, "application/json", &p->body);
    }
}

void admin_reloaded(struct admin *a, int status, json_t *outcome)
{
    for (struct pending *p; (p = a->reloads) != NULL; pending_drop(&a->reloads)) {
        take_json(&p->body, json_incref(outcome));
        answer(p->http, status, "application/json", &p->body);
    }
    json_decref(outcome);
}

/* ---- requests ---- */

static void handle_request(void *context, const struct http_request *request)
{
    const struct door *door = context;
    struct slice path = request->signed_part.path;
    struct slice method = request->signed_part.method;

    if (door->control && slice_starts_with(path, SLICE("/control/")) && slice_is(method, "POST"))
        control(door->admin, request);
    else if (slice_is(method, "POST"))
        answer_text(request->exchange, 405, "GET it\n");
    else if (slice_is(path, "/metrics"))
        answer_metrics(door->admin, request->exchange);
    else if (slice_is(path, "/healthz"))
        answer_text(request->exchange, 200, "alive\n");
    else if (slice_is(path, "/readyz"))
        answer_ready(door->admin, request->exchange);
    else
        answer_text(request->exchange, slice_is(path, "/") ? 200 : 404, "stream2sqs " S2Q_VERSION ": /metrics /healthz /readyz\n");
}

static bool forget(struct pending **list, const struct http_exchange *http)
{
    while (*list && (*list)->http != http)
        list = &(*list)->next;
    if (*list == NULL)
        return false;
    pending_drop(list);
    return true;
}

static void handle_gone(void *context, struct http_exchange *http)
{
    const struct door *door = context;
    struct http_handlers sqs = sqs_api_handlers(door->admin->view.api);

    if (http_exchange_get(http)) {
        sqs.gone(sqs.context, http);
        return;
    }
    if (!forget(&door->admin->pending, http))
        forget(&door->admin->reloads, http);
}

struct http_handlers admin_handlers(struct admin *a, bool for_control)
{
    return (struct http_handlers){.request = handle_request, .gone = handle_gone, .context = &a->doors[for_control]};
}
