/* SPDX-License-Identifier: Apache-2.0 */
#include "app/reach.h"

#include "app/destination.h"
#include "aws/ca_bundle.h"
#include "aws/sqs_client.h"
#include "aws/stream_client.h"
#include "base/clock.h"
#include "base/memory.h"
#include "codec/digest.h"
#include "codec/sqs_client_wire.h"
#include "codec/stream_wire.h"
#include "core/source.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define CREDENTIALS_WAIT_MS 70000 /* a credential_process has a minute */
#define ROLE_WAIT_MS 15000

/* One question to AWS, and what came back. */
struct question {
    bool answered;
    bool by_arn;
    const char *stream;
    const char *where;
    const struct stream_client_options *options;
    char **view; /* filled with the stream's StreamViewType */
    struct buffer *problems;
};

static void note_view(struct question *q, struct slice answer)
{
    json_t *whole = json_loadb(answer.ptr, answer.len, 0, NULL);
    json_t *of = q->by_arn ? json_object_get(whole, "StreamDescription") : json_object_get(json_object_get(whole, "Table"), "StreamSpecification");
    const char *view = json_string_value(json_object_get(of, "StreamViewType"));

    *q->view = view ? memory_strdup(view) : NULL;
    json_decref(whole);
}

static void judge(struct question *q, const struct stream_answer *answer)
{
    struct stream_description description = {0};
    enum verdict verdict;
    char trouble[TROUBLE_TEXT];
    const char *error;
    struct slice arn;

    if (stream_answer_failed(answer, &verdict, trouble)) {
        if (verdict == VERDICT_NOT_FOUND)
            snprintf(trouble, sizeof(trouble), "there is no %s \"%s\" in this account in %s (asked at %s)", q->by_arn ? "stream" : "table", q->stream,
                     q->options->region, q->by_arn ? q->options->streams->url : q->options->dynamodb->url);
        buffer_printf(q->problems, "%s: %s\n", q->where, trouble);
    } else if (q->by_arn && !describe_stream_decode(&description, answer->body, &error)) {
        buffer_printf(q->problems, "%s: the endpoint's answer is malformed: %s\n", q->where, error);
    } else if (!q->by_arn && !describe_table_decode(answer->body, &arn, &error)) {
        buffer_printf(q->problems, "%s: the endpoint's answer is malformed: %s\n", q->where, error);
    } else if (!q->by_arn && !slice_present(arn)) {
        buffer_printf(q->problems, "%s: the table \"%s\" has no stream: enable one (aws dynamodb update-table --table-name %s "
                      "--stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES)\n", q->where, q->stream, q->stream);
    } else {
        note_view(q, answer->body);
    }
    stream_description_fini(&description);
}

static void answered(void *context, const struct stream_answer *answer)
{
    struct question **q = context;

    (*q)->answered = true;
    judge(*q, answer);
}

static void ask(struct loop *loop, struct stream_client *client, struct question *q)
{
    struct stream_call call = {.target = q->by_arn ? TARGET_DESCRIBE_STREAM : TARGET_DESCRIBE_TABLE};

    if (q->by_arn)
        describe_stream_encode(&call.body, slice_text(q->stream), SLICE_NONE);
    else
        describe_table_encode(&call.body, slice_text(q->stream));
    stream_client_start(client, &call, clock_now().wall_ms);
    while (!q->answered)
        loop_wait(loop, -1);
}

/* *provider becomes the role's, if there is one. False: the role cannot be had, and that was said. */
static bool in_role(struct credential_set *set, const char *role_arn, const char *external_id, const char *where, struct credential_provider **provider,
                    struct buffer *problems)
{
    struct error err;

    if (role_arn == NULL)
        return true;
    *provider = credential_set_role(set, role_arn, external_id);
    if (credential_provider_wait(*provider, ROLE_WAIT_MS, &err))
        return true;
    buffer_printf(problems, "%s: %s\n", where, err.text);
    return false;
}

static bool ask_all(const struct config *config, struct loop *loop, struct credential_set *credentials, const struct stream_client_options *common,
                    struct reached *reached, struct buffer *problems, struct error *err)
{
    for (size_t i = 0; i < config->pipeline_count; i++) {
        const struct config_pipeline *p = &config->pipelines[i];
        struct question q = {.by_arn = source_is_arn(p->stream), .stream = p->stream, .where = p->where, .options = common, .view = &reached->views[i],
                             .problems = problems};
        struct question *current = &q;
        struct stream_client_options options = *common;
        struct stream_client *client;

        if (!in_role(credentials, p->role_arn, p->external_id, p->where, &options.credentials, problems))
            continue;
        client = stream_client_new(loop, &options, answered, &current, err);
        if (client == NULL)
            return false;
        ask(loop, client, &q);
        stream_client_free(client);
    }
    return true;
}

/* ---- queues on other servers ---- */

struct queue_question {
    bool answered;
    const char *action;
    const char *of;
    const struct config_queue *queue;
    struct buffer url;
    struct buffer arn;
    struct buffer *problems;
};

static void queue_answered(void *context, const struct target_answer *answer)
{
    struct queue_question *q = *(struct queue_question **)context;
    enum target_verdict verdict;
    char trouble[TROUBLE_TEXT];

    q->answered = true;
    if (target_answer_failed(answer, &verdict, trouble))
        buffer_printf(q->problems, "%s: the queue \"%s\": sqs:%s%s: %s\n", q->queue->where, q->queue->name, q->action, q->of, trouble);
    else if (strcmp(q->action, "GetQueueUrl") == 0 && !sqs_queue_url_decode(answer->body, &q->url))
        buffer_printf(q->problems, "%s: the queue \"%s\": the answer to GetQueueUrl is malformed\n", q->queue->where, q->queue->name);
    else if (strcmp(q->action, "GetQueueAttributes") == 0)
        buffer_append(&q->arn, sqs_queue_attribute_find(answer->body, "QueueArn"));
}

/* of: "", or what the question is about beside the queue itself. Takes the body. */
static void ask_queue(struct loop *loop, struct sqs_client *client, const struct destination *to, struct queue_question *q, const char *action, const char *of,
                      struct buffer body)
{
    struct target_call call = {.action = action, .body = body, .timeout_ms = 10000};

    q->action = action;
    q->of = of;
    q->answered = false;
    sqs_client_start(client, &to->sqs, &call, clock_now().wall_ms);
    while (!q->answered)
        loop_wait(loop, -1);
}

static void ask_url(struct loop *loop, struct sqs_client *client, const struct destination *to, struct queue_question *q, const char *name, const char *owner,
                    const char *of)
{
    struct buffer body = {0};

    buffer_reset(&q->url);
    sqs_get_queue_url(&body, slice_text(name), slice_text(owner));
    ask_queue(loop, client, to, q, "GetQueueUrl", of, body);
}

/* Is the queue there, and may it be looked at? Whether it may be sent to is seen by sending only. Returns what it is there; NULL: that is not told. */
static char *reach_queue(struct loop *loop, struct sqs_client *client, const struct destination *to, struct queue_question *q)
{
    struct buffer body = {0};

    if (to->url)
        buffer_append_text(&q->url, to->url);
    else
        ask_url(loop, client, to, q, to->name, to->owner, "");
    if (q->url.len > 0) {
        sqs_get_queue_attributes(&body, buffer_slice(&q->url));
        ask_queue(loop, client, to, q, "GetQueueAttributes", "", body);
    }
    if (to->dead.name && to->dead.url == NULL)
        ask_url(loop, client, to, q, to->dead.name, to->dead.owner, " (of its dead-letter queue)");
    buffer_fini(&q->url);
    if (q->arn.len == 0) {
        buffer_fini(&q->arn);
        return NULL;
    }
    buffer_printf(&q->arn, " at %s", to->server);
    return buffer_take(&q->arn);
}

static bool ask_queues(const struct config *config, struct loop *loop, struct credential_set *credentials, const struct stream_client_options *options,
                       const struct aws_profile *profile, struct reached *reached, struct buffer *problems, struct error *err)
{
    struct queue_question *current = NULL;
    struct sqs_client *client = sqs_client_new(loop, options->ca_bundle, queue_answered, &current, err);

    if (client == NULL)
        return false;
    for (size_t i = 0; i < config->queue_count; i++) {
        struct queue_question q = {.queue = &config->queues[i], .problems = problems};
        struct destination to;
        struct error wrong;

        if (config->queues[i].target != CONFIG_TARGET_SQS)
            continue;
        current = &q;
        if (!destination_find(&to, &config->queues[i], options->region, profile, environment_lookup, &wrong)) {
            buffer_printf(problems, "%s\n", wrong.text);
        } else {
            to.sqs.credentials = options->credentials;
            if (in_role(credentials, config->queues[i].role_arn, config->queues[i].external_id, config->queues[i].where, &to.sqs.credentials, problems))
                reached->places[i] = reach_queue(loop, client, &to, &q);
        }
        destination_fini(&to);
    }
    sqs_client_free(client);
    return true;
}

/* ---- all of it ---- */

static struct credential_set *find_credentials(struct loop *loop, const struct aws_profile *profile, const char *region, struct error *err)
{
    struct credential_options options = {.loop = loop, .profile = profile, .region = region, .lookup = environment_lookup, .clock = clock_now};
    struct credential_set *set = credential_set_new(&options, err);

    if (set && credential_provider_wait(credential_set_default(set), CREDENTIALS_WAIT_MS, err))
        return set;
    credential_set_free(set);
    return NULL;
}

static bool ask_with_credentials(const struct config *config, const struct aws_profile *profile, struct reached *reached, struct buffer *problems,
                                 struct error *err)
{
    const char *region = config->region ? config->region : region_find(profile, environment_lookup);
    struct credential_set *credentials = NULL;
    struct endpoint dynamodb = {0};
    struct endpoint streams = {0};
    struct stream_client_options options = {.region = region, .dynamodb = &dynamodb, .streams = &streams};
    struct loop *loop = loop_new(err);
    bool good = false;

    if (loop && region == NULL)
        error_set(err, ERROR_CONFIG, "no AWS region: set AWS_REGION, or say --region (for a local server any will do)");
    else if (loop && ca_bundle_find(&options.ca_bundle, profile, environment_lookup, err) &&
             (credentials = find_credentials(loop, profile, region, err)) != NULL &&
             endpoint_find(&dynamodb, AWS_DYNAMODB, region, profile, environment_lookup, err) &&
             endpoint_find(&streams, AWS_DYNAMODB_STREAMS, region, profile, environment_lookup, err)) {
        options.credentials = credential_set_default(credentials);
        good = ask_all(config, loop, credentials, &options, reached, problems, err) &&
               ask_queues(config, loop, credentials, &options, profile, reached, problems, err);
    }
    credential_set_free(credentials);
    loop_free(loop);
    endpoint_fini(&dynamodb);
    endpoint_fini(&streams);
    return good;
}

bool reach(const struct config *config, struct reached *reached, struct buffer *problems)
{
    struct aws_profile *profile;
    struct error err;

    reached->places = memory_zeroed(config->queue_count + 1, sizeof(*reached->places));
    reached->views = memory_zeroed(config->pipeline_count + 1, sizeof(*reached->views));
    if (config->pipeline_count == 0 && !config_needs_sqs(config))
        return true;
    digest_init();
    profile = config_profile(config, &err);
    if (profile == NULL || !ask_with_credentials(config, profile, reached, problems, &err))
        buffer_printf(problems, "aws: %s\n", err.text);
    aws_profile_free(profile);
    digest_fini();
    return problems->len == 0;
}

void reached_fini(struct reached *r, const struct config *config)
{
    for (size_t i = 0; r->places && i < config->queue_count; i++)
        free(r->places[i]);
    for (size_t i = 0; r->views && i < config->pipeline_count; i++)
        free(r->views[i]);
    free(r->places);
    free(r->views);
    *r = (struct reached){0};
}
