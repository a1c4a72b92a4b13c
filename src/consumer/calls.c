/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/calls.h"

#include "base/log.h"
#include "codec/stream_wire.h"
#include "core/target.h"

#include <stdio.h>

#define WAIT_S 20
#define CALL_TIMEOUT_MS 15000
#define LONG_POLL_MS 1000 /* a receive that has not been answered for so long waits for messages */
#define CUT_MS 100        /* in this time a server learns that a receive was cut, and gives it nothing more */
#define ANSWER_MAX (16 * 1024 * 1024) /* ten messages of 1 MiB, escaped */
#define REFUSALS_MAX 3
#define SAY_AGAIN_MS 60000
#define EXPIRED_MAX 10 /* of credentials that have expired: fresh ones may be on their way */

static const char *action_of(enum call_kind kind)
{
    return kind == CALL_RECEIVE ? "ReceiveMessage" : kind == CALL_LOOKUP ? "GetQueueUrl" : batch_actions[kind];
}

static struct call *find_free(struct calls *c, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (!c->table[i].used)
            return &c->table[i];
    return NULL;
}

static void start(struct calls *c, struct call *call, enum call_kind kind, struct buffer *body, int64_t timeout_ms)
{
    char target[64];
    struct instant now = clock_now();
    struct aws_call aws = {.url = c->settings->endpoint.url, .host = c->settings->endpoint.host, .target = target,
                           .service = aws_service_signing_name(AWS_SQS), .region = c->settings->region, .body = buffer_slice(body),
                           .timeout_ms = timeout_ms, .answer_max = ANSWER_MAX, .token = (uint64_t)(call - c->table)};

    snprintf(target, sizeof(target), "AmazonSQS.%s", action_of(kind));
    call->used = true;
    call->kind = kind;
    call->started_ms = now.mono_ms;
    aws_call_start_as(kind >= CALL_RECEIVE ? c->receiving : c->settling, &aws, c->settings->provider, &c->skew, now.wall_ms);
    buffer_fini(body);
}

/* ---- what an answer means ---- */

/* Names that say that the signature is not what the server makes of it: a wrong secret, unless it was our clock, which is learned from the first. */
static bool is_signature(struct slice name)
{
    return slice_is(name, "InvalidSignatureException") || slice_is(name, "SignatureDoesNotMatch");
}

static bool is_expired(struct slice name)
{
    return slice_is(name, "ExpiredToken") || slice_is(name, "ExpiredTokenException");
}

struct failing {
    enum target_verdict verdict;
    int tolerance;     /* so many in a row mean that it cannot go on, if the verdict is not one that passes */
    struct slice name; /* the error's */
    char text[TROUBLE_TEXT];
};

static void judge_unanswered(const struct calls *c, const struct http_answer *a, struct failing *f)
{
    struct error err;

    snprintf(f->text, sizeof(f->text), "%s", a->failure ? a->failure : "no answer");
    if (a->untrusted && !c->trusted)
        f->verdict = TARGET_REFUSED;
    if (a->withheld && !credential_provider_wait(c->settings->provider, 0, &err) && err.code == ERROR_CREDENTIALS) {
        f->verdict = TARGET_DENIED;
        snprintf(f->text, sizeof(f->text), "%.*s", (int)sizeof(f->text) - 1, err.text);
    }
}

static void judge(const struct calls *c, const struct http_answer *a, struct failing *f)
{
    struct slice message;

    *f = (struct failing){.verdict = TARGET_RETRY, .tolerance = REFUSALS_MAX, .name = SLICE("")};
    if (a->status == 0) {
        judge_unanswered(c, a, f);
    } else if (a->status == 200) {
        snprintf(f->text, sizeof(f->text), "the answer is not what it should be");
    } else if (aws_error_decode(a->body, &f->name, &message)) {
        f->verdict = is_signature(f->name) || is_expired(f->name) ? TARGET_DENIED : target_judge(f->name, false);
        f->tolerance = is_expired(f->name) ? EXPIRED_MAX : REFUSALS_MAX;
        snprintf(f->text, sizeof(f->text), "%.*s: %.*s", SLICE_ARG(f->name), SLICE_ARG(message));
    } else {
        f->verdict = a->status == 401 || a->status == 403 ? TARGET_DENIED : TARGET_RETRY;
        snprintf(f->text, sizeof(f->text), "HTTP status %d, and no error of SQS's", a->status);
    }
}

static bool passes(enum target_verdict verdict)
{
    return verdict == TARGET_RETRY || verdict == TARGET_THROTTLED;
}

/* What is asked for next; NULL: both URLs are known. */
static struct buffer *url_wanted(struct calls *c, const char **name)
{
    const struct s2q_options *o = &c->settings->options;
    bool queue = c->queue_url.len == 0;

    *name = queue ? o->queue_name : o->dead_letter_queue_name;
    return queue ? &c->queue_url : *name && c->dead_letter_queue_url.len == 0 ? &c->dead_letter_queue_url : NULL;
}

/* For people: the queue that a call is about. */
static const char *queue_of(struct calls *c, enum call_kind kind)
{
    const char *name = NULL;

    if (kind == CALL_LOOKUP && url_wanted(c, &name))
        return name;
    return kind == CALL_SEND ? c->dead_letter_queue_url.ptr : c->queue_url.ptr;
}

static void give_in(struct calls *c, enum call_kind kind, const struct failing *f)
{
    if (c->failed)
        return;
    c->failed = true;
    c->status = f->verdict == TARGET_NOT_FOUND ? S2Q_NOT_FOUND : f->verdict == TARGET_DENIED ? S2Q_CREDENTIALS : S2Q_CONFIG;
    if (kind == CALL_LOOKUP) /* by a name, which says nothing of where */
        error_set(&c->failure, ERROR_USAGE, "%s of %s at %s: %s", action_of(kind), queue_of(c, kind), c->settings->endpoint.url, f->text);
    else
        error_set(&c->failure, ERROR_USAGE, "%s at %s: %s", action_of(kind), queue_of(c, kind), f->text);
}

/* Calls that failed side by side count once. */
static void count_failure(struct calls *c, enum call_kind kind, const struct call *call, const struct failing *f, int64_t now_ms)
{
    struct fortune *fortune = &c->fortunes[kind];

    fortune->failures++;
    if (!fortune->said || now_ms >= fortune->said_ms + SAY_AGAIN_MS) {
        log_warning(!passes(f->verdict) ? "a call is refused" : fortune->said ? "calls still fail; trying again" : "calls fail; trying again",
                    LOG_FIELDS(LOG_TEXT("action", action_of(kind)), LOG_TEXT("cause", f->text)));
        fortune->said_ms = now_ms;
    }
    fortune->said = true;
    if (passes(f->verdict)) {
        fortune->refusals = 0;
    } else if (fortune->refusals == 0 || call->started_ms >= fortune->refused_at_ms) {
        fortune->refusals++;
        fortune->refused_at_ms = now_ms;
    }
    if (fortune->refusals >= f->tolerance)
        give_in(c, kind, f);
}

static void count_success(struct calls *c, enum call_kind kind)
{
    c->trusted = true;
    if (c->fortunes[kind].said)
        log_info("calls are answered again", LOG_FIELDS(LOG_TEXT("action", action_of(kind))));
    c->fortunes[kind] = (struct fortune){0};
}

/* ---- answers ---- */

static size_t asked(const struct calls *c, size_t *under_way)
{
    size_t sum = 0;

    *under_way = 0;
    for (size_t i = 0; i < CALLS_RECEIVING; i++) {
        sum += c->table[i].used ? c->table[i].asked : 0;
        *under_way += c->table[i].used;
    }
    return sum;
}

/* Nothing is asked for a while. */
static void rest_after(struct calls *c, const struct call *call, const struct failing *f, int64_t now_ms)
{
    count_failure(c, call->kind, call, f, now_ms);
    c->receive_due_ms = now_ms + back_off_ms(&c->jobs->random, c->fortunes[call->kind].failures - 1);
}

static void received(struct calls *c, const struct call *call, const struct http_answer *answer, int64_t now_ms)
{
    struct sqs_received messages[SQS_RECEIVED_MAX];
    int count = answer->status == 200 ? sqs_receive_decode(answer->body, messages) : -1;
    size_t under_way;
    struct failing f;

    if (count < 0) {
        judge(c, answer, &f);
        rest_after(c, call, &f, now_ms);
        c->receives_most = 1;
        return;
    }
    count_success(c, CALL_RECEIVE);
    if (count == SQS_RECEIVED_MAX && c->receives_most < CALLS_RECEIVING)
        c->receives_most++;
    else if (count == 0)
        c->receives_most = 1;
    jobs_add(c->jobs, messages, (size_t)count, call->started_ms, now_ms);
    c->empty |= count == 0 && call->alone && c->jobs->count == 0 && c->settings->options.stop_when_empty_s > 0 && asked(c, &under_way) == 0;
}

static void looked_up(struct calls *c, const struct call *call, const struct http_answer *answer, int64_t now_ms)
{
    const char *name;
    struct buffer *url = url_wanted(c, &name);
    struct failing f;

    if (answer->status == 200 && sqs_queue_url_decode(answer->body, url) && url->len > 0) {
        count_success(c, CALL_LOOKUP);
        return;
    }
    buffer_reset(url);
    judge(c, answer, &f);
    rest_after(c, call, &f, now_ms);
}

/* The one entry of a SendMessageBatch may be what makes it too long, or what is refused: then not the calls fail, but this message. */
static bool blames_the_message(enum call_kind kind, const struct failing *f)
{
    return kind == CALL_SEND && (f->verdict == TARGET_REFUSED || f->verdict == TARGET_TOO_LONG);
}

static void settled(struct calls *c, const struct call *call, const struct http_answer *answer, int64_t now_ms)
{
    enum call_kind kind = (enum call_kind)call->batch.kind;
    struct sqs_entry_result results[JOBS_BATCH] = {0};
    struct failing f = {.verdict = TARGET_RETRY};

    if (answer->status == 200 && sqs_batch_result_decode(answer->body, results, call->batch.count)) {
        count_success(c, kind);
    } else {
        judge(c, answer, &f);
        if (blames_the_message(kind, &f))
            results[0] = (struct sqs_entry_result){.state = SQS_ENTRY_FAILED, .senders_fault = true, .code = f.name};
        else
            count_failure(c, kind, call, &f, now_ms);
    }
    jobs_settle(c->jobs, &call->batch, results, !passes(f.verdict), now_ms);
}

static void answered(void *context, const struct http_answer *answer)
{
    struct calls *c = context;
    struct call *call = &c->table[answer->token];
    struct instant now = clock_now();

    aws_call_learn(answer, &c->skew, now.wall_ms);
    call->used = false;
    if (call->kind == CALL_RECEIVE)
        received(c, call, answer, now.mono_ms);
    else if (call->kind == CALL_LOOKUP)
        looked_up(c, call, answer, now.mono_ms);
    else
        settled(c, call, answer, now.mono_ms);
}

/* ---- starting ---- */

static size_t room_to_receive(const struct calls *c)
{
    size_t under_way;
    size_t sum = asked(c, &under_way);

    return !c->closing && under_way < c->receives_most ? jobs_room(c->jobs, sum) : 0;
}

/* One at a time, while nothing else can be done. */
static void start_lookup(struct calls *c, const char *name)
{
    struct call *call = find_free(c, 0, CALLS_RECEIVING);
    struct buffer body = {0};

    call->asked = 1;
    sqs_get_queue_url(&body, slice_text(name), SLICE_NONE);
    start(c, call, CALL_LOOKUP, &body, CALL_TIMEOUT_MS);
}

static void start_receives(struct calls *c, int64_t now_ms)
{
    const struct s2q_options *o = &c->settings->options;
    int wait_s = o->stop_when_empty_s > 0 ? (int)o->stop_when_empty_s : WAIT_S;
    const char *name;
    size_t room;

    if (now_ms >= c->receive_due_ms && room_to_receive(c) > 0 && url_wanted(c, &name)) {
        start_lookup(c, name);
        return;
    }
    while (now_ms >= c->receive_due_ms && (room = room_to_receive(c)) > 0) {
        struct call *call = find_free(c, 0, CALLS_RECEIVING);
        struct buffer body = {0};

        call->asked = room;
        call->alone = c->jobs->count == 0;
        sqs_receive_request(&body, buffer_slice(&c->queue_url), (int)room, wait_s, c->settings->jobs.visibility_s);
        start(c, call, CALL_RECEIVE, &body, CALL_TIMEOUT_MS + wait_s * INT64_C(1000));
    }
}

/* When the last receive that is under way is a long poll for certain; 0: there is none. */
static int64_t long_polls_ms(const struct calls *c)
{
    int64_t last_ms = 0;

    for (size_t i = 0; i < CALLS_RECEIVING; i++)
        if (c->table[i].used && c->table[i].started_ms + LONG_POLL_MS > last_ms)
            last_ms = c->table[i].started_ms + LONG_POLL_MS;
    return last_ms;
}

static void cut_long_polls(struct calls *c)
{
    http_client_free(c->receiving);
    c->receiving = NULL;
    for (size_t i = 0; i < CALLS_RECEIVING; i++)
        c->table[i].used = false;
}

/* What is made visible again must not be given to one of our own receives that is about to be cut: nobody would read it, and it would stay hidden. So nothing
 * is, until all receives are answered, or were cut a moment ago. */
static void wind_down_receives(struct calls *c, int64_t now_ms)
{
    int64_t last_ms = long_polls_ms(c);

    if (last_ms > 0)
        c->jobs->release_ms = (last_ms > now_ms ? last_ms : now_ms) + CUT_MS;
    else if (c->receiving)
        c->jobs->release_ms = 0;
    if (c->receiving && last_ms <= now_ms)
        cut_long_polls(c);
}

void calls_start(struct calls *c, int64_t now_ms)
{
    struct call *call;

    if (c->closing)
        wind_down_receives(c, now_ms);
    while ((call = find_free(c, CALLS_RECEIVING, CALLS_MAX)) != NULL && jobs_batch(c->jobs, now_ms, &call->batch)) {
        struct buffer body = {0};

        jobs_batch_write(c->jobs, &call->batch, buffer_slice(&c->queue_url), buffer_slice(&c->dead_letter_queue_url), &body);
        start(c, call, (enum call_kind)call->batch.kind, &body, CALL_TIMEOUT_MS);
    }
    start_receives(c, now_ms);
}

int64_t calls_due(const struct calls *c, int64_t now_ms)
{
    bool full = find_free((struct calls *)(uintptr_t)c, CALLS_RECEIVING, CALLS_MAX) == NULL;
    int64_t due_ms = full ? INT64_MAX : jobs_due(c->jobs);

    if (c->receive_due_ms > now_ms && c->receive_due_ms < due_ms && room_to_receive(c) > 0)
        due_ms = c->receive_due_ms;
    if (c->closing && c->receiving && long_polls_ms(c) < due_ms)
        due_ms = long_polls_ms(c);
    return due_ms;
}

/* ---- the whole ---- */

bool calls_init(struct calls *c, const struct settings *settings, struct jobs *jobs, struct loop *loop, struct error *err)
{
    *c = (struct calls){.settings = settings, .jobs = jobs, .receives_most = 1};
    buffer_append(&c->queue_url, slice_text(settings->options.queue_url));
    buffer_append(&c->dead_letter_queue_url, slice_text(settings->options.dead_letter_queue_url));
    c->receiving = http_client_new(loop, answered, c, err);
    c->settling = c->receiving ? http_client_new(loop, answered, c, err) : NULL;
    if (c->settling == NULL)
        return false;
    http_client_set_ca_bundle(c->receiving, settings->ca_bundle);
    http_client_set_ca_bundle(c->settling, settings->ca_bundle);
    endpoint_warn_if_exposed(&settings->endpoint);
    return true;
}

void calls_stop_receiving(struct calls *c)
{
    c->closing = true;
}

bool calls_idle(const struct calls *c)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        if (c->table[i].used)
            return false;
    return true;
}

void calls_fini(struct calls *c)
{
    http_client_free(c->receiving);
    http_client_free(c->settling);
    buffer_fini(&c->queue_url);
    buffer_fini(&c->dead_letter_queue_url);
}
