/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl says by callbacks which sockets it waits for and when it wants to be called again; both become watches of the loop (the time by a timerfd).
 */
#include "io/http_client.h"

#include "base/memory.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 10000
#define CONNECTIONS_PER_HOST 64
#define POOL_MAX 64

struct request {
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct buffer sent;
    struct buffer body;
    size_t answer_max;
    bool too_long;
    uint64_t token;
    struct http_answer answer;
    char failure[CURL_ERROR_SIZE];
    struct request *next; /* under way, or idle */
    struct request *previous;
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct watch timer;
    struct request *active;
    struct request *idle;
    size_t active_count;
    size_t idle_count;
    void (*done)(void *context, const struct http_answer *answer);
    void *context;
    const char *ca_bundle; /* AWS_CA_BUNDLE, or NULL */
};

/* ---- what libcurl tells us ---- */

static void collect(struct http_client *c);

static void socket_ready(struct watch *w, uint32_t events)
{
    struct http_client *c = w->context;
    int running;
    int mask = (events & (EPOLLIN | EPOLLRDHUP) ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

    curl_multi_socket_action(c->multi, w->fd, mask, &running); /* may unwatch and free w */
    collect(c);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
    struct http_client *c = context;
    struct watch *w = socket_context;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            loop_unwatch(c->loop, w);
            curl_multi_assign(c->multi, fd, NULL);
            free(w);
        }
        return 0;
    }
    if (w == NULL) {
        w = memory_zeroed(1, sizeof(*w));
        *w = (struct watch){.fd = fd, .ready = socket_ready, .context = c};
        curl_multi_assign(c->multi, fd, w);
    }
    loop_watch(c->loop, w, (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u));
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct http_client *c = context;
    struct itimerspec when = {0};

    (void)multi;
    if (timeout_ms >= 0) {
        when.it_value.tv_sec = timeout_ms / 1000;
        when.it_value.tv_nsec = timeout_ms == 0 ? 1 : timeout_ms % 1000 * 1000000; /* 0 would disarm it */
    }
    timerfd_settime(c->timer.fd, 0, &when, NULL);
    return 0;
}

static void timer_ready(struct watch *w, uint32_t events)
{
    struct http_client *c = w->context;
    uint64_t times;
    int running;

    (void)events;
    if (read(w->fd, &times, sizeof(times)) < 0 && errno != EAGAIN)
        panic("timerfd: %s", strerror(errno));
    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(c);
}

/* ---- requests ---- */

static size_t on_body(char *data, size_t one, size_t len, void *context)
{
    struct request *r = context;

    (void)one;
    if (r->body.len + len > r->answer_max) {
        r->too_long = true;
        return 0;
    }
    buffer_append(&r->body, slice_from(data, len));
    return len;
}

static size_t on_header(char *data, size_t one, size_t len, void *context)
{
    struct request *r = context;
    struct slice line = slice_from(data, len);
    size_t colon = slice_index(line, ':');
    struct slice value = slice_trim(slice_after(line, colon + 1));
    char text[64];

    (void)one;
    snprintf(text, sizeof(text), "%.*s", value.len > 60 ? 60 : (int)value.len, value.ptr);
    if (colon == 11 && strncasecmp(data, "x-amz-crc32", 11) == 0) {
        uint64_t crc;

        r->answer.has_crc32 = slice_to_u64(value, &crc) && crc <= UINT32_MAX;
        r->answer.crc32 = r->answer.has_crc32 ? (uint32_t)crc : 0;
    } else if (colon == 4 && strncasecmp(data, "Date", 4) == 0) {
        time_t at = curl_getdate(text, NULL);

        r->answer.server_date_ms = at > 0 ? (int64_t)at * 1000 : 0;
    }
    return len;
}

static void set_once(struct http_client *c, struct request *r)
{
    CURL *e = r->easy;

    curl_easy_setopt(e, CURLOPT_PRIVATE, r);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->failure);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 256L * 1024);
    if (c->ca_bundle)
        curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_bundle);
}

static struct request *request_take(struct http_client *c)
{
    struct request *r = c->idle;

    if (r) {
        c->idle = r->next;
        c->idle_count--;
    } else {
        r = memory_zeroed(1, sizeof(*r));
        r->client = c;
        r->easy = curl_easy_init();
        if (r->easy == NULL)
            panic("curl_easy_init failed");
        set_once(c, r);
    }
    r->previous = NULL;
    r->next = c->active;
    if (c->active)
        c->active->previous = r;
    c->active = r;
    c->active_count++;
    return r;
}

static void request_free(struct request *r)
{
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(r->headers);
    buffer_fini(&r->sent);
    buffer_fini(&r->body);
    free(r);
}

static void request_release(struct http_client *c, struct request *r)
{
    if (r->previous)
        r->previous->next = r->next;
    else
        c->active = r->next;
    if (r->next)
        r->next->previous = r->previous;
    c->active_count--;
    curl_slist_free_all(r->headers); /* holds a signature */
    r->headers = NULL;
    if (c->idle_count >= POOL_MAX) {
        request_free(r);
        return;
    }
    r->next = c->idle;
    c->idle = r;
    c->idle_count++;
}

void http_client_start(struct http_client *c, const struct http_call *call)
{
    struct request *r = request_take(c);

    r->token = call->token;
    r->answer_max = call->answer_max;
    r->too_long = false;
    r->answer = (struct http_answer){.token = call->token};
    r->failure[0] = '\0';
    buffer_reset(&r->body);
    buffer_reset(&r->sent);
    buffer_append(&r->sent, call->body);
    r->headers = curl_slist_append(NULL, "Expect:"); /* no extra round trip */
    r->headers = curl_slist_append(r->headers, "Accept:");
    for (size_t i = 0; call->headers[i]; i++)
        r->headers = curl_slist_append(r->headers, call->headers[i]);
    curl_easy_setopt(r->easy, CURLOPT_URL, call->url);
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->sent.ptr ? r->sent.ptr : "");
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->sent.len);
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    if (curl_multi_add_handle(c->multi, r->easy) != CURLM_OK) /* sets a timer: nothing happens before the loop runs */
        panic("curl_multi_add_handle failed");
}

/* No connection, so no byte of the request. */
static bool never_left(CURL *easy, CURLcode result)
{
    long sent = 0;

    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
    return result != CURLE_OK && sent == 0;
}

static void finish(struct http_client *c, struct request *r, CURLcode result)
{
    long status = 0;

    curl_multi_remove_handle(c->multi, r->easy);
    if (result == CURLE_OK) {
        curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
        r->answer.status = (int)status;
        r->answer.body = buffer_slice(&r->body);
    } else {
        r->answer.has_crc32 = false;
        r->answer.unsent = never_left(r->easy, result);
        r->answer.failure = r->too_long ? "the answer is longer than expected" : r->failure[0] ? r->failure : curl_easy_strerror(result);
    }
    c->done(c->context, &r->answer);
    request_release(c, r);
}

static void collect(struct http_client *c)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
        struct request *r;
        CURLcode result = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        finish(c, r, result);
    }
}

/* ---- the client ---- */

struct http_client *http_client_new(struct loop *loop, void (*done)(void *context, const struct http_answer *answer), void *context,
                                    struct error *err)
{
    struct http_client *c = memory_zeroed(1, sizeof(*c));
    const char *bundle = getenv("AWS_CA_BUNDLE");

    c->loop = loop;
    c->done = done;
    c->context = context;
    c->ca_bundle = bundle && bundle[0] ? bundle : NULL;
    c->timer = (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), .ready = timer_ready, .context = c};
    if (c->timer.fd < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (c->multi = curl_multi_init()) == NULL) {
        error_set(err, ERROR_SYSTEM, "cannot start the HTTP client: %s", strerror(errno));
        if (c->timer.fd >= 0)
            close(c->timer.fd);
        free(c);
        return NULL;
    }
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS_PER_HOST);
    curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    loop_watch(loop, &c->timer, EPOLLIN);
    return c;
}

void http_client_free(struct http_client *c)
{
    struct request *r;

    if (c == NULL)
        return;
    while ((r = c->active) != NULL) {
        curl_multi_remove_handle(c->multi, r->easy);
        request_release(c, r);
    }
    while ((r = c->idle) != NULL) {
        c->idle = r->next;
        request_free(r);
    }
    curl_multi_cleanup(c->multi);
    loop_unwatch(c->loop, &c->timer);
    close(c->timer.fd);
    free(c);
    curl_global_cleanup();
}

size_t http_client_active(const struct http_client *c)
{
    return c->active_count;
}
