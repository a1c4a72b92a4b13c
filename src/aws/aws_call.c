/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/aws_call.h"

#include "base/log.h"
#include "codec/sigv4.h"
#include "codec/stream_wire.h"
#include "core/stream_call.h"

#include <stdlib.h>

#define SKEW_MAX_MS (24 * 3600 * INT64_C(1000))
#define SKEW_LEAST_MS 1000

void clock_skew_learn_error(struct clock_skew *skew, struct slice error_name, const struct http_answer *answer, int64_t now_wall_ms)
{
    int64_t server_ms = http_answer_date_ms(answer);
    int64_t ms = server_ms - now_wall_ms;

    if (server_ms == 0 || verdict_judge(error_name, answer->status) != VERDICT_SKEWED)
        return;
    if (llabs(ms) < SKEW_LEAST_MS || llabs(ms) > SKEW_MAX_MS || llabs(ms - skew->ms) < SKEW_LEAST_MS)
        return;
    skew->ms = ms;
    log_warning("this machine's clock differs from AWS's: signing with theirs", LOG_FIELDS(LOG_INT("skew_ms", ms)));
}

/* Names that say that the keys themselves are of no use (any more): docs.aws.amazon.com/general/latest/gr/CommonErrors.html */
static bool refuses_keys(struct slice error_name)
{
    static const char *const names[] = {"ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_is(error_name, names[i]))
            return true;
    return false;
}

void aws_call_learn(const struct http_answer *answer, struct clock_skew *skew, int64_t now_wall_ms)
{
    struct slice name;
    struct slice message;

    if (answer->status == 0 || answer->status == 200 || !aws_error_decode(answer->body, &name, &message))
        return;
    clock_skew_learn_error(skew, name, answer, now_wall_ms);
    if (answer->tag && refuses_keys(name))
        credential_provider_refused(answer->tag);
}

/* The path of the endpoint's URL, for the canonical request. */
static struct slice path_of(const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = strchr(host ? host + 3 : url, '/');

    return path ? slice_text(path) : SLICE("/");
}

#define HEADERS_MAX 7

struct headers {
    struct header signed_part[HEADERS_MAX];
    size_t count;
};

static void add(struct headers *h, const char *name, struct slice value)
{
    if (slice_present(value))
        h->signed_part[h->count++] = (struct header){slice_text(name), value};
}

static void append_line(struct buffer *texts, size_t *offset, struct slice name, struct slice value)
{
    *offset = texts->len;
    buffer_append(texts, name);
    buffer_append_text(texts, ": ");
    buffer_append(texts, value);
    buffer_append_byte(texts, '\0');
}

/* The headers as texts, and off it goes. */
static void start(struct http_client *http, const struct aws_call *call, const struct headers *h, struct slice authorization)
{
    struct buffer texts = {0};
    size_t offsets[HEADERS_MAX + 1];
    const char *lines[HEADERS_MAX + 2] = {0};
    const struct http_call http_call = {.url = call->url, .method = call->method, .headers = lines, .body = call->body, .timeout_ms = call->timeout_ms,
                                        .answer_max = call->answer_max, .secret = call->secret, .token = call->token, .tag = call->tag};

    for (size_t i = 0; i < h->count; i++)
        append_line(&texts, &offsets[i], h->signed_part[i].name, h->signed_part[i].value);
    append_line(&texts, &offsets[h->count], SLICE("Authorization"), authorization);
    for (size_t i = 0; i <= h->count; i++)
        lines[i] = texts.ptr + offsets[i];
    http_client_start(http, &http_call);
    explicit_bzero(texts.ptr, texts.cap);
    buffer_fini(&texts);
}

static void hash_payload(struct slice body, char hex[2 * SHA256_BYTES + 1])
{
    unsigned char digest[SHA256_BYTES];

    sha256(body, digest);
    hex_encode(digest, sizeof(digest), hex);
}

void aws_call_start(struct http_client *http, const struct aws_call *call, const struct clock_skew *skew, int64_t now_wall_ms)
{
    const struct credentials *credentials = call->credentials;
    struct sigv4_keys keys = {slice_text(credentials->access_key_id), slice_text(credentials->secret), slice_text(credentials->session_token)};
    int64_t at_ms = now_wall_ms + skew->ms;
    struct buffer authorization = {0};
    struct headers h = {.count = 0};
    char stamp[17];
    char payload[2 * SHA256_BYTES + 1];
    struct sigv4_request request = {.method = slice_text(call->method ? call->method : "POST"), .path = path_of(call->url), .query = SLICE(""),
                                    .body = call->body, .path_as_sent = call->s3};

    sigv4_stamp(at_ms, stamp);
    add(&h, "Host", slice_text(call->host));
    add(&h, "Content-Type", slice_text(call->content_type ? call->content_type : "application/x-amz-json-1.0"));
    add(&h, "X-Amz-Target", slice_text(call->target));
    add(&h, "X-Amz-Date", slice_from(stamp, 16));
    if (call->s3) {
        hash_payload(call->body, payload);
        add(&h, "X-Amz-Content-Sha256", slice_text(payload));
    }
    add(&h, "X-Amz-Security-Token", slice_text(credentials->session_token));
    request.headers = h.signed_part;
    request.header_count = h.count;
    sigv4_sign(&authorization, &request, &keys, slice_text(call->region), slice_text(call->service), at_ms, credentials->signing);
    start(http, call, &h, buffer_slice(&authorization));
    buffer_fini(&authorization);
}

void aws_call_start_as(struct http_client *http, struct aws_call *call, struct credential_provider *provider, const struct clock_skew *skew,
                       int64_t now_wall_ms)
{
    const char *why;

    call->credentials = credential_provider_get(provider, &why);
    call->tag = provider;
    if (call->credentials)
        aws_call_start(http, call, skew, now_wall_ms);
    else
        http_client_withhold(http, call->token, why);
}
