/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/sqs_api.h"

#include "base/memory.h"
#include "codec/sqs_query.h"
#include "serve/sqs_access.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define JSON_TYPE "application/x-amz-json-1.0"
#define XML_TYPE "text/xml"
#define POOL_MAX 1024 /* idle calls kept for reuse */

/* A request in hand: what HTTP knows of it, and what the bridge does. */
struct call {
    struct exchange exchange;
    struct http_exchange *http;
    struct buffer base_url;
    struct buffer region;
    struct buffer sender; /* a copy, as keys may be revoked while this waits */
    struct sqs_query query; /* of the Query protocol: the request in JSON */
    bool is_query;
    struct call *next_idle;
};

struct sqs_api {
    struct bridge *bridge;
    struct keyring *keys;
    const char *account_id;
    bool secure;
    struct random random;
    struct call *idle;
    size_t idle_count;
    struct sqs_api_counts counts;
    struct buffer text;
    struct buffer xml; /* an answer of the Query protocol */
};

struct sqs_api *sqs_api_new(struct bridge *bridge, struct keyring *keys, const char *account_id)
{
    struct sqs_api *api = memory_zeroed(1, sizeof(*api));

    api->bridge = bridge;
    api->keys = keys;
    api->account_id = account_id;
    random_secret(&api->random.state, sizeof(api->random.state));
    return api;
}

void sqs_api_set_secure(struct sqs_api *api)
{
    api->secure = true;
}

void sqs_api_set_keys(struct sqs_api *api, struct keyring *keys)
{
    api->keys = keys;
}

/* ---- calls ---- */

static struct call *call_take(struct sqs_api *api, struct http_exchange *http)
{
    struct call *call = api->idle;

    if (call) {
        api->idle = call->next_idle;
        api->idle_count--;
    } else {
        call = memory_zeroed(1, sizeof(*call));
    }
    call->http = http;
    http_exchange_set(http, call);
    return call;
}

static void call_free(struct call *call)
{
    sqs_request_fini(&call->exchange.request);
    sqs_answer_fini(&call->exchange.answer);
    sqs_query_fini(&call->query);
    buffer_fini(&call->base_url);
    buffer_fini(&call->region);
    buffer_fini(&call->sender);
    free(call);
}

static void call_done(struct sqs_api *api, struct call *call)
{
    call->http = NULL;
    if (api->idle_count >= POOL_MAX || call->exchange.request.arena.cap > SQS_MESSAGE_BYTES_MAX) {
        call_free(call);
        return;
    }
    call->next_idle = api->idle;
    api->idle = call;
    api->idle_count++;
}

void sqs_api_free(struct sqs_api *api)
{
    struct call *call;

    if (api == NULL)
        return;
    while ((call = api->idle) != NULL) {
        api->idle = call->next_idle;
        call_free(call);
    }
    buffer_fini(&api->text);
    buffer_fini(&api->xml);
    free(api);
}

/* ---- answering ---- */

static void request_id(struct sqs_api *api, char out[37])
{
    uint64_t a = random_next(&api->random);
    uint64_t b = random_next(&api->random);

    snprintf(out, 37, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff,
             0x8000u | ((unsigned)(b >> 48) & 0x3fff), (unsigned long long)(b & 0xffffffffffff));
}

/* Who is answered, and in which protocol. action: SQS_ACTION_COUNT if it is not known. */
struct addressee {
    struct http_exchange *http;
    enum sqs_action action;
    bool is_query;
};

static void reply(struct sqs_api *api, struct addressee to, struct sqs_answer *answer)
{
    char id[37];
    char query_error[96];
    struct header headers[2] = {{SLICE("x-amzn-RequestId"), slice_from(id, 36)}, {SLICE("x-amzn-query-error"), SLICE_NONE}};
    struct http_reply out = {.status = sqs_error_status(answer->error), .content_type = to.is_query ? XML_TYPE : JSON_TYPE, .headers = headers,
                             .header_count = 1};

    request_id(api, id);
    api->counts.replies[to.action][answer->error]++;
    if (to.is_query) {
        buffer_reset(&api->xml);
        sqs_answer_to_xml(&api->xml, answer, to.action, slice_from(id, 36));
        http_reply(to.http, &out, &api->xml);
        return;
    }
    if (answer->error != SQS_OK) {
        snprintf(query_error, sizeof(query_error), "%s;%s", sqs_error_query_code(answer->error), out.status < 500 ? "Sender" : "Receiver");
        headers[1].value = slice_text(query_error);
        out.header_count = 2;
    }
    http_reply(to.http, &out, &answer->body);
}

static void refuse(struct sqs_api *api, struct addressee to, enum sqs_error error, const char *text)
{
    struct sqs_answer answer = {0};

    sqs_answer_error(&answer, error, text);
    reply(api, to, &answer);
    sqs_answer_fini(&answer);
}

void sqs_api_release(struct sqs_api *api)
{
    struct exchange *x;

    while ((x = bridge_next_reply(api->bridge)) != NULL) {
        struct call *call = container_of(x, struct call, exchange);

        reply(api, (struct addressee){call->http, x->request.action, call->is_query}, &x->answer);
        call_done(api, call);
    }
}

/* ---- asking ---- */

static struct slice find_header(const struct sigv4_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (r->headers[i].name.len == strlen(name) && strncasecmp(r->headers[i].name.ptr, name, r->headers[i].name.len) == 0)
            return r->headers[i].value;
    return SLICE_NONE;
}

/* The one gate. The key that signed the request; NULL: none that we know, and it was refused. */
static const struct access_key *admitted(struct sqs_api *api, const struct http_request *request, struct addressee to, int64_t now_ms)
{
    static const enum sqs_error errors[] = {
        [SIGV4_MISSING] = SQS_MISSING_AUTHENTICATION,
        [SIGV4_INCOMPLETE] = SQS_INCOMPLETE_SIGNATURE,
        [SIGV4_UNKNOWN_KEY] = SQS_UNKNOWN_KEY,
        [SIGV4_MISMATCH] = SQS_SIGNATURE_MISMATCH,
    };
    const struct access_key *key;
    enum sigv4_refusal refusal;

    buffer_reset(&api->text);
    refusal = sigv4_verify(api->keys, &request->signed_part, SLICE_NONE, SLICE("sqs"), now_ms, &key, &api->text);
    if (refusal == SIGV4_OK)
        return key;
    refuse(api, to, errors[refusal], api->text.len > 0 ? api->text.ptr : NULL);
    return NULL;
}

/* The region that a request was signed for. The gate has checked the header: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/sqs/aws4_request, ... */
static void note_region(struct call *call, struct slice authorization)
{
    struct slice rest = authorization;

    for (int slashes = 0; slashes < 2; slashes++)
        rest = slice_after(rest, slice_index(rest, '/') + 1);
    buffer_reset(&call->region);
    buffer_append(&call->region, slice_from(rest.ptr, slice_index(rest, '/')));
    call->exchange.region = buffer_slice(&call->region);
}

/* How the client reached us, so that the queue URLs that it gets work for it. The gate has checked that there is one Host. */
static void note_base_url(const struct sqs_api *api, struct call *call, struct slice host)
{
    buffer_reset(&call->base_url);
    buffer_append_text(&call->base_url, api->secure ? "https://" : "http://");
    buffer_append(&call->base_url, host);
    call->exchange.base_url = buffer_slice(&call->base_url);
}

/* Whose the key is. A key without limits sends as the account, as its root user does; one with limits as itself, as an IAM user does; guests as their
 * account, and they are judged by queues' policies (core/service_policy.c). */
static void note_sender(const struct sqs_api *api, struct call *call, const struct access_key *key)
{
    struct slice account = access_key_account(key);
    bool guest = slice_present(account) && !slice_is(account, api->account_id);

    call->exchange.guest_account = call->exchange.sender = SLICE_NONE;
    buffer_reset(&call->sender);
    if (guest)
        buffer_append(&call->sender, account);
    else if (access_key_limited(key))
        buffer_append(&call->sender, access_key_id(key));
    if (call->sender.len > 0)
        call->exchange.sender = buffer_slice(&call->sender);
    if (guest)
        call->exchange.guest_account = buffer_slice(&call->sender);
}

static bool is_json(struct slice content_type)
{
    return slice_present(content_type) && slice_starts_with(content_type, SLICE("application/x-amz-json"));
}

/* The Query protocol: a form in the body, or in the query string of a GET. */
static bool decode_query(struct call *call, const struct sigv4_request *r, struct sqs_failure *failure)
{
    struct sqs_query *q = &call->query;

    return sqs_query_to_json(q, slice_is(r->method, "POST") ? r->body : r->query, r->path, failure) &&
           sqs_request_decode(&call->exchange.request, q->action, buffer_slice(&q->json), failure);
}

static void handle_request(void *context, const struct http_request *request)
{
    static const struct slice prefix = {"AmazonSQS.", 10};
    struct sqs_api *api = context;
    const struct sigv4_request *r = &request->signed_part;
    struct instant now = clock_now();
    struct slice target = find_header(r, "x-amz-target");
    struct addressee to = {request->exchange, SQS_ACTION_COUNT, !slice_present(target) && !is_json(find_header(r, "content-type"))};
    const struct access_key *key = admitted(api, request, to, now.wall_ms);
    struct sqs_failure failure;
    struct call *call;

    if (key == NULL)
        return;
    if (!to.is_query && (!slice_is(r->method, "POST") || !slice_present(target) || !slice_starts_with(target, prefix))) {
        refuse(api, to, SQS_UNKNOWN_OPERATION, "AWS JSON is spoken by POST, with X-Amz-Target: AmazonSQS.<operation>.");
        return;
    }
    call = call_take(api, request->exchange);
    call->is_query = to.is_query;
    note_region(call, find_header(r, "authorization"));
    note_sender(api, call, key);
    if (!(to.is_query ? decode_query(call, r, &failure)
                      : sqs_request_decode(&call->exchange.request, slice_after(target, prefix.len), r->body, &failure)) ||
        !sqs_access_allows(key, &call->exchange.request, call->exchange.region, api->account_id, &failure)) {
        if (failure.error != SQS_UNKNOWN_OPERATION && failure.error != SQS_MISSING_ACTION)
            to.action = sqs_action_find(to.is_query ? call->query.action : slice_after(target, prefix.len));
        refuse(api, to, failure.error, failure.text[0] ? failure.text : NULL);
        call_done(api, call);
        return;
    }
    api->counts.requests[call->exchange.request.action]++;
    note_base_url(api, call, find_header(r, "host"));
    bridge_apply(api->bridge, &call->exchange, now);
}

void sqs_api_operator(struct sqs_api *api, const struct http_request *request, struct slice action, const char *base_url)
{
    struct call *call = call_take(api, request->exchange);
    struct sqs_failure failure;

    call->is_query = false;
    call->exchange.region = SLICE("");
    call->exchange.guest_account = call->exchange.sender = SLICE_NONE;
    buffer_reset(&call->base_url);
    buffer_append_text(&call->base_url, base_url ? base_url : "");
    call->exchange.base_url = buffer_slice(&call->base_url);
    if (!sqs_request_decode(&call->exchange.request, action, request->signed_part.body, &failure)) {
        refuse(api, (struct addressee){request->exchange, SQS_ACTION_COUNT, false}, failure.error, failure.text[0] ? failure.text : NULL);
        call_done(api, call);
        return;
    }
    api->counts.requests[call->exchange.request.action]++;
    bridge_apply(api->bridge, &call->exchange, clock_now());
}

static void handle_gone(void *context, struct http_exchange *http)
{
    struct sqs_api *api = context;
    struct call *call = http_exchange_get(http);

    if (call == NULL)
        return;
    bridge_forget(api->bridge, &call->exchange);
    call_done(api, call);
}

struct http_handlers sqs_api_handlers(struct sqs_api *api)
{
    return (struct http_handlers){.request = handle_request, .gone = handle_gone, .context = api};
}

const struct sqs_api_counts *sqs_api_counts(const struct sqs_api *api)
{
    return &api->counts;
}
