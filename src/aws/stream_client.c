/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/stream_client.h"

#include "aws/aws_call.h"
#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

#define CALL_TIMEOUT_MS 30000
#define ANSWER_MAX (64 * 1024 * 1024) /* a page is 1 MB on AWS; local servers have sent several (pitfall 30) */

struct stream_client {
    struct stream_client_options options;
    struct http_client *http;
    struct clock_skew skew;
    void (*answered)(void *context, const struct stream_answer *answer);
    void *context;
};

static void done(void *context, const struct http_answer *answer)
{
    struct stream_client *c = context;
    struct stream_answer out = {.token = answer->token, .status = answer->status, .body = answer->body, .failure = answer->failure,
                                .untrusted = answer->untrusted, .withheld = answer->withheld, .has_crc32 = answer->has_crc32, .crc32 = answer->crc32,
                                .server_ms = http_answer_date_ms(answer)};

    aws_call_learn(answer, &c->skew, clock_now().wall_ms);
    c->answered(c->context, &out);
}

struct stream_client *stream_client_new(struct loop *loop, const struct stream_client_options *options,
                                        void (*answered)(void *context, const struct stream_answer *answer), void *context, struct error *err)
{
    struct stream_client *c = memory_zeroed(1, sizeof(*c));

    c->options = *options;
    c->answered = answered;
    c->context = context;
    c->http = http_client_new(loop, done, c, err);
    if (c->http) {
        http_client_set_ca_bundle(c->http, options->ca_bundle);
        return c;
    }
    free(c);
    return NULL;
}

void stream_client_free(struct stream_client *c)
{
    if (c == NULL)
        return;
    http_client_free(c->http);
    free(c);
}

bool stream_client_idle(const struct stream_client *c)
{
    return http_client_idle(c->http);
}

void stream_client_start(struct stream_client *c, struct stream_call *call, int64_t now_wall_ms)
{
    bool dynamodb = slice_starts_with(slice_text(call->target), SLICE("DynamoDB_"));
    const struct endpoint *endpoint = dynamodb ? c->options.dynamodb : c->options.streams;
    struct aws_call aws = {.url = endpoint->url, .host = endpoint->host, .target = call->target,
                                 .service = aws_service_signing_name(AWS_DYNAMODB), .region = c->options.region,
                                 .body = buffer_slice(&call->body), .timeout_ms = CALL_TIMEOUT_MS, .answer_max = ANSWER_MAX, .token = call->token};

    aws_call_start_as(c->http, &aws, c->options.credentials, &c->skew, now_wall_ms);
    buffer_fini(&call->body);
}
