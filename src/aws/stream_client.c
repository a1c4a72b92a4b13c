/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/stream_client.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "codec/sigv4.h"
#include "codec/stream_wire.h"

#include <stdlib.h>

#define CALL_TIMEOUT_MS 30000
#define ANSWER_MAX (64 * 1024 * 1024) /* a page is 1 MB on AWS; local servers have sent several (pitfall 30) */
#define SKEW_MAX_MS (24 * 3600 * INT64_C(1000))
#define SKEW_LEAST_MS 1000

struct stream_client {
    struct stream_client_options options;
    struct http_client *http;
    int64_t skew_ms; /* AWS's clock - ours */
    void (*answered)(void *context, const struct stream_answer *answer);
    void *context;
    struct buffer authorization;
};

static void learn_skew(struct stream_client *c, const struct http_answer *answer)
{
    int64_t skew_ms = answer->server_date_ms - clock_now().wall_ms;
    struct slice name;
    struct slice message;

    if (answer->server_date_ms == 0 || answer->status == 200 || !aws_error_decode(answer->body, &name, &message) ||
        verdict_judge(name, answer->status) != VERDICT_SKEWED)
        return;
    if (llabs(skew_ms) < SKEW_LEAST_MS || llabs(skew_ms) > SKEW_MAX_MS || llabs(skew_ms - c->skew_ms) < SKEW_LEAST_MS)
        return;
    c->skew_ms = skew_ms;
    log_warning("this machine's clock differs from AWS's: signing with theirs", LOG_FIELDS(LOG_INT("skew_ms", skew_ms)));
}

static void done(void *context, const struct http_answer *answer)
{
    struct stream_client *c = context;
    struct stream_answer out = {.token = answer->token, .status = answer->status, .body = answer->body, .failure = answer->failure,
                                .has_crc32 = answer->has_crc32, .crc32 = answer->crc32};

    learn_skew(c, answer);
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
    if (c->http)
        return c;
    free(c);
    return NULL;
}

void stream_client_free(struct stream_client *c)
{
    if (c == NULL)
        return;
    http_client_free(c->http);
    buffer_fini(&c->authorization);
    free(c);
}

/* The path of the endpoint's URL, for the canonical request. */
static struct slice path_of(const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = strchr(host ? host + 3 : url, '/');

    return path ? slice_text(path) : SLICE("/");
}

static void append_header(struct buffer *texts, size_t *offset, const char *name, struct slice value)
{
    *offset = texts->len;
    buffer_printf(texts, "%s: %.*s", name, SLICE_ARG(value));
    buffer_append_byte(texts, '\0');
}

void stream_client_start(struct stream_client *c, struct stream_call *call, int64_t now_wall_ms)
{
    bool dynamodb = slice_starts_with(slice_text(call->target), SLICE("DynamoDB_"));
    const struct endpoint *endpoint = dynamodb ? c->options.dynamodb : c->options.streams;
    const struct credentials *credentials = c->options.credentials;
    struct sigv4_keys keys = {slice_text(credentials->access_key_id), slice_text(credentials->secret), slice_text(credentials->session_token)};
    int64_t at_ms = now_wall_ms + c->skew_ms;
    struct buffer texts = {0};
    const char *headers[7] = {0};
    size_t offsets[6];
    size_t count = 4 + (credentials->session_token != NULL);
    char stamp[17];
    struct header signed_headers[] = {
        {SLICE("host"), slice_text(endpoint->host)},
        {SLICE("content-type"), SLICE("application/x-amz-json-1.0")},
        {SLICE("x-amz-target"), slice_text(call->target)},
        {SLICE("x-amz-date"), slice_from(stamp, 16)},
        {SLICE("x-amz-security-token"), slice_text(credentials->session_token)},
    };
    struct sigv4_request request = {.method = SLICE("POST"), .path = path_of(endpoint->url), .query = SLICE(""), .body = buffer_slice(&call->body),
                                    .headers = signed_headers, .header_count = count};
    struct http_call http = {.url = endpoint->url, .headers = headers, .body = request.body, .timeout_ms = CALL_TIMEOUT_MS, .answer_max = ANSWER_MAX,
                             .token = call->token};

    sigv4_stamp(at_ms, stamp);
    buffer_reset(&c->authorization);
    sigv4_sign(&c->authorization, &request, &keys, slice_text(c->options.region), slice_text(aws_service_signing_name(AWS_DYNAMODB)), at_ms);
    append_header(&texts, &offsets[0], "Host", signed_headers[0].value);
    append_header(&texts, &offsets[1], "Content-Type", signed_headers[1].value);
    append_header(&texts, &offsets[2], "X-Amz-Target", signed_headers[2].value);
    append_header(&texts, &offsets[3], "X-Amz-Date", signed_headers[3].value);
    append_header(&texts, &offsets[4], "Authorization", buffer_slice(&c->authorization));
    if (credentials->session_token)
        append_header(&texts, &offsets[5], "X-Amz-Security-Token", signed_headers[4].value);
    for (size_t i = 0; i < count + 1; i++)
        headers[i] = texts.ptr + offsets[i];
    http_client_start(c->http, &http);
    explicit_bzero(texts.ptr, texts.len);
    buffer_fini(&texts);
    buffer_fini(&call->body);
}
