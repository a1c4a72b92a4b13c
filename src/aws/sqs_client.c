/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/sqs_client.h"

#include "aws/aws_call.h"
#include "base/clock.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (16 * 1024 * 1024) /* ten messages of 1 MiB, escaped */

struct sqs_client {
    struct http_client *http;
    struct clock_skew skew;
    void (*answered)(void *context, const struct target_answer *answer);
    void *context;
};

static void done(void *context, const struct http_answer *answer)
{
    struct sqs_client *c = context;
    struct target_answer out = {.token = answer->token, .status = answer->status, .body = answer->body, .failure = answer->failure,
                                .untrusted = answer->untrusted, .unsent = answer->unsent, .withheld = answer->withheld, .has_etag = answer->has_etag,
                                .bucket_region = answer->bucket_region};

    aws_call_learn(answer, &c->skew, clock_now().wall_ms);
    c->answered(c->context, &out);
}

struct sqs_client *sqs_client_new(struct loop *loop, const char *ca_bundle, void (*answered)(void *context, const struct target_answer *answer), void *context,
                                  struct error *err)
{
    struct sqs_client *c = memory_zeroed(1, sizeof(*c));

    c->answered = answered;
    c->context = context;
    c->http = http_client_new(loop, done, c, err);
    if (c->http) {
        http_client_set_ca_bundle(c->http, ca_bundle);
        return c;
    }
    free(c);
    return NULL;
}

void sqs_client_free(struct sqs_client *c)
{
    if (c == NULL)
        return;
    http_client_free(c->http);
    free(c);
}

static void put_object(struct sqs_client *c, const struct sqs_destination *to, struct target_call *call, int64_t now_wall_ms)
{
    struct buffer url = {0};
    struct aws_call aws = {.method = "PUT", .s3 = true, .host = to->bucket->host, .content_type = "application/json",
                           .service = aws_service_signing_name(AWS_S3), .region = to->s3_region, .body = buffer_slice(&call->body),
                           .timeout_ms = call->timeout_ms, .answer_max = ANSWER_MAX, .token = call->token};

    buffer_printf(&url, "%s%s", to->bucket->url, strchr(call->object + 1, '/')); /* the object is "/bucket/key", and the endpoint is the bucket's already */
    aws.url = url.ptr;
    aws_call_start_as(c->http, &aws, to->credentials, &c->skew, now_wall_ms);
    buffer_fini(&url);
    target_call_fini(call);
}

void sqs_client_start(struct sqs_client *c, const struct sqs_destination *to, struct target_call *call, int64_t now_wall_ms)
{
    char target[64];
    struct aws_call aws = {.url = to->endpoint->url, .host = to->endpoint->host, .target = target,
                                 .service = aws_service_signing_name(AWS_SQS), .region = to->region,
                                 .body = buffer_slice(&call->body), .timeout_ms = call->timeout_ms, .answer_max = ANSWER_MAX, .token = call->token};

    if (call->object) {
        put_object(c, to, call, now_wall_ms);
        return;
    }
    snprintf(target, sizeof(target), "AmazonSQS.%s", call->action);
    aws_call_start_as(c->http, &aws, to->credentials, &c->skew, now_wall_ms);
    target_call_fini(call);
}
