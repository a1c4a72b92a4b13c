/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/aws_call.h"

#include "base/log.h"
#include "codec/sigv4.h"
#include "codec/stream_wire.h"
#include "core/stream_call.h"

#include <stdlib.h>

#define SKEW_MAX_MS (24 * 3600 * INT64_C(1000))
#define SKEW_LEAST_MS 1000

void clock_skew_learn(struct clock_skew *skew, const struct http_answer *answer, int64_t now_wall_ms)
{
    int64_t ms = answer->server_date_ms - now_wall_ms;
    struct slice name;
    struct slice message;

    if (answer->server_date_ms == 0 || answer->status == 200 || !aws_error_decode(answer->body, &name, &message) ||
        verdict_judge(name, answer->status) != VERDICT_SKEWED)
        return;
    if (llabs(ms) < SKEW_LEAST_MS || llabs(ms) > SKEW_MAX_MS || llabs(ms - skew->ms) < SKEW_LEAST_MS)
        return;
    skew->ms = ms;
    log_warning("this machine's clock differs from AWS's: signing with theirs", LOG_FIELDS(LOG_INT("skew_ms", ms)));
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
    buffer_append_text(texts, name);
    buffer_append_text(texts, ": ");
    buffer_append(texts, value);
    buffer_append_byte(texts, '\0');
}

void aws_call_start(struct http_client *http, const struct aws_call *call, const struct clock_skew *skew, int64_t now_wall_ms)
{
    const struct credentials *credentials = call->credentials;
    struct sigv4_keys keys = {slice_text(credentials->access_key_id), slice_text(credentials->secret), slice_text(credentials->session_token)};
    int64_t at_ms = now_wall_ms + skew->ms;
    struct buffer texts = {0};
    struct buffer authorization = {0};
    const char *headers[7] = {0};
    size_t offsets[6];
    size_t count = 4 + (credentials->session_token != NULL);
    char stamp[17];
    struct header signed_headers[] = {
        {SLICE("host"), slice_text(call->host)},
        {SLICE("content-type"), SLICE("application/x-amz-json-1.0")},
        {SLICE("x-amz-target"), slice_text(call->target)},
        {SLICE("x-amz-date"), slice_from(stamp, 16)},
        {SLICE("x-amz-security-token"), slice_text(credentials->session_token)},
    };
    struct sigv4_request request = {.method = SLICE("POST"), .path = path_of(call->url), .query = SLICE(""), .body = call->body,
                                    .headers = signed_headers, .header_count = count};
    struct http_call http_call = {.url = call->url, .headers = headers, .body = call->body, .timeout_ms = call->timeout_ms,
                                  .answer_max = call->answer_max, .token = call->token};

    sigv4_stamp(at_ms, stamp);
    sigv4_sign(&authorization, &request, &keys, slice_text(call->region), slice_text(call->service), at_ms);
    append_header(&texts, &offsets[0], "Host", signed_headers[0].value);
    append_header(&texts, &offsets[1], "Content-Type", signed_headers[1].value);
    append_header(&texts, &offsets[2], "X-Amz-Target", signed_headers[2].value);
    append_header(&texts, &offsets[3], "X-Amz-Date", signed_headers[3].value);
    append_header(&texts, &offsets[4], "Authorization", buffer_slice(&authorization));
    if (credentials->session_token)
        append_header(&texts, &offsets[5], "X-Amz-Security-Token", signed_headers[4].value);
    for (size_t i = 0; i < count + 1; i++)
        headers[i] = texts.ptr + offsets[i];
    http_client_start(http, &http_call);
    explicit_bzero(texts.ptr, texts.len);
    buffer_fini(&texts);
    buffer_fini(&authorization);
}
