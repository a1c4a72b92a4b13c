/* SPDX-License-Identifier: Apache-2.0
 *
 * The actions are those that core/reader.c, core/source.c and core/pump.c make calls of; tests/e2e/test_policy.py holds them against each other.
 */
#include "app/command.h"
#include "app/destination.h"
#include "core/source.h"

#include <jansson.h>
#include <stdio.h>

/* ARNs of this account: 000000000000 stands for one that was not said. */
static const char *account_of(const struct config *config)
{
    return strcmp(config->account_id, "000000000000") == 0 ? "*" : config->account_id;
}

static json_t *statement(const char *name, json_t *actions, json_t *resources)
{
    return json_pack("{s:s,s:s,s:o,s:o}", "Sid", name, "Effect", "Allow", "Action", actions, "Resource", resources);
}

static void add_arn(json_t *list, const struct buffer *arn)
{
    json_t *text = json_stringn(arn->ptr, arn->len);
    json_t *known;
    size_t i;

    json_array_foreach(list, i, known)
        if (json_equal(known, text))
            break;
    if (i == json_array_size(list))
        json_array_append_new(list, text);
    else
        json_decref(text);
}

static void add_stream(const struct config *config, const char *region, const char *stream, json_t *tables, json_t *streams)
{
    struct buffer arn = {0};

    if (source_is_arn(stream)) {
        buffer_append_text(&arn, stream);
        add_arn(streams, &arn);
        buffer_fini(&arn);
        return;
    }
    buffer_printf(&arn, "arn:%s:dynamodb:%s:%s:table/%s", aws_partition(region), region, account_of(config), stream);
    add_arn(tables, &arn);
    buffer_append_text(&arn, "/stream/*");
    add_arn(streams, &arn);
    buffer_fini(&arn);
}

/* Queues by what is done with them. */
struct queue_lists {
    json_t *sent_to;
    json_t *consumed; /* by consumers who come through the endpoint */
    json_t *dead;     /* dead-letter queues that are read */
    json_t *objects;  /* where payloads that are too large go */
};

static void add_queue_arn(const struct config *config, const struct destination *to, const char *owner, const char *name, json_t *list)
{
    struct buffer arn = {0};

    buffer_printf(&arn, "arn:%s:sqs:%s:%s:%s", aws_partition(to->region), to->region, owner ? owner : account_of(config), name);
    add_arn(list, &arn);
    buffer_fini(&arn);
}

static void add_objects_arn(const struct destination *to, json_t *list)
{
    struct buffer arn = {0};

    buffer_printf(&arn, "arn:%s:s3:::%s/%s*", aws_partition(to->region), to->pump.s3_bucket, to->pump.s3_prefix ? to->pump.s3_prefix : "");
    add_arn(list, &arn);
    buffer_fini(&arn);
}

static bool add_queue(const struct config *config, const struct config_queue *queue, const char *region, const struct aws_profile *profile,
                      const struct queue_lists *lists, struct error *err)
{
    struct destination to;
    bool good = destination_find(&to, queue, region, profile, environment_lookup, err);

    if (good) {
        add_queue_arn(config, &to, to.owner, to.name, lists->sent_to);
        if (queue->gateway)
            add_queue_arn(config, &to, to.owner, to.name, lists->consumed);
        if (to.pump.s3_bucket)
            add_objects_arn(&to, lists->objects);
        if (to.dead.name)
            add_queue_arn(config, &to, to.dead.owner, to.dead.name, lists->dead);
    }
    destination_fini(&to);
    return good;
}

/* Is this used in that role? (NULL: in none) */
static bool used_in(const char *its_role, const char *role)
{
    return role ? its_role && strcmp(its_role, role) == 0 : its_role == NULL;
}

static void add_role(json_t *roles, const char *role_arn)
{
    struct buffer arn = {0};

    if (role_arn == NULL)
        return;
    buffer_append_text(&arn, role_arn);
    add_arn(roles, &arn);
    buffer_fini(&arn);
}

/* role: what that role needs; NULL: what the credentials themselves need. */
static json_t *policy(const struct config *config, const char *role, const char *region, const struct aws_profile *profile, struct error *err)
{
    json_t *roles = json_array();
    json_t *statements = json_array();
    json_t *tables = json_array();
    json_t *streams = json_array();
    struct queue_lists queues = {json_array(), json_array(), json_array(), json_array()};
    bool good = true;

    for (size_t i = 0; i < config->pipeline_count; i++) {
        add_role(roles, role ? NULL : config->pipelines[i].role_arn);
        if (used_in(config->pipelines[i].role_arn, role))
            add_stream(config, region, config->pipelines[i].stream, tables, streams);
    }
    for (size_t i = 0; i < config->queue_count; i++)
        add_role(roles, role ? NULL : config->queues[i].role_arn);
    for (size_t i = 0; i < config->queue_count && good; i++)
        if (config->queues[i].target == CONFIG_TARGET_SQS && used_in(config->queues[i].role_arn, role))
            good = add_queue(config, &config->queues[i], region, profile, &queues, err);
    if (json_array_size(tables) > 0) {
        json_array_append_new(statements, statement("FindTheStreamsOfTables", json_pack("[s]", "dynamodb:DescribeTable"), json_incref(tables)));
        json_array_append_new(statements, statement("FindStreamsThatTablesHadMeanwhile", json_pack("[s]", "dynamodb:ListStreams"), json_pack("[s]", "*")));
    }
    if (json_array_size(streams) > 0)
        json_array_append_new(statements, statement("ReadStreams", json_pack("[s,s,s]", "dynamodb:DescribeStream", "dynamodb:GetShardIterator",
                                                                            "dynamodb:GetRecords"), json_incref(streams)));
    if (json_array_size(queues.sent_to) > 0)
        json_array_append_new(statements, statement("SendToQueues", json_pack("[s,s,s]", "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:SendMessage"),
                                                    json_incref(queues.sent_to)));
    if (json_array_size(queues.consumed) > 0)
        json_array_append_new(statements, statement("ConsumeThroughTheGateway", json_pack("[s,s,s]", "sqs:ReceiveMessage", "sqs:DeleteMessage",
                                                                                          "sqs:ChangeMessageVisibility"), json_incref(queues.consumed)));
    if (json_array_size(queues.objects) > 0)
        json_array_append_new(statements, statement("StoreLargePayloads", json_pack("[s]", "s3:PutObject"), json_incref(queues.objects)));
    if (json_array_size(queues.dead) > 0)
        json_array_append_new(statements, statement("ReadDeadLetterQueues", json_pack("[s,s,s]", "sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage"),
                                                    json_incref(queues.dead)));
    if (json_array_size(roles) > 0)
        json_array_append_new(statements, statement("UseRoles", json_pack("[s]", "sts:AssumeRole"), json_incref(roles)));
    json_decref(roles);
    json_decref(tables);
    json_decref(streams);
    json_decref(queues.sent_to);
    json_decref(queues.consumed);
    json_decref(queues.dead);
    json_decref(queues.objects);
    if (good)
        return json_pack("{s:s,s:o}", "Version", "2012-10-17", "Statement", statements);
    json_decref(statements);
    return NULL;
}

static bool has_role(const struct config *config, const char *role)
{
    for (size_t i = 0; i < config->pipeline_count; i++)
        if (used_in(config->pipelines[i].role_arn, role))
            return true;
    for (size_t i = 0; i < config->queue_count; i++)
        if (used_in(config->queues[i].role_arn, role))
            return true;
    return false;
}

static int print_policy(const struct invocation *in, const struct config *config)
{
    const char *role = invocation_flag(in, "of-role", 0);
    struct error err;
    struct aws_profile *profile = config_profile(config, &err);
    const char *region = config->region ? config->region : profile ? region_find(profile, environment_lookup) : NULL;
    json_t *document = NULL;

    if (profile && region == NULL)
        error_set(&err, ERROR_CONFIG, "no AWS region: set AWS_REGION, or say --region");
    else if (profile && role && !has_role(config, role))
        error_set(&err, ERROR_NOT_FOUND, "the configuration has no role \"%s\": role_arn and queue_role_arn name them", role);
    else if (profile)
        document = policy(config, role, region, profile, &err);
    aws_profile_free(profile);
    if (document == NULL)
        return invocation_fail(in, &err);
    json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(document);
    return 0;
}

static int run(struct invocation *in)
{
    struct config config;
    int status;

    if (!invocation_config(in, &config))
        return error_exit_status(ERROR_CONFIG);
    status = config.pipeline_count == 0 && config.queue_count == 0 ? invocation_usage(in, "nothing is configured: say --config FILE, or --stream and --queue")
                                                                   : print_policy(in, &config);
    config_fini(&config);
    return status;
}

static const struct command_flag flags[] = {
    {"of-role", "ARN", "what this role of the configuration needs, instead of the credentials themselves"},
    {NULL, NULL, NULL},
};

const struct command cmd_policy = {
    .name = "policy",
    .arguments = "",
    .summary = "print the least IAM policy that a configuration needs",
    .help = "Nothing is asked of AWS. An account that the configuration does not say is *: say account_id, or queues by ARN.\n\n"
            "  stream2sqs policy --config stream2sqs.yaml --account-id 123456789012",
    .flags = flags,
    .takes_options = true,
    .run = run,
};
