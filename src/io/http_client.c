/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl says by callbacks which sockets it waits for and when it wants to be called again; both become watches of the loop (the time by a timerfd).
 */
#include "io/http_client.h"

#include "base/clock.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 10000
#define CONNECTIONS_PER_HOST 64
#define POOL_MAX 64
#define CA_CACHE_S 300L
/* Kept for reuse. Else libcurl keeps four for each call that is under way, and closes connections (and their TLS) when many answers come together. */
#define CONNECTIONS_KEPT 256

struct request {
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct buffer sent;
    struct buffer body;
    size_t answer_max;
    bool too_long;
    bool not_local; /* the address was none that local_only allows */
    bool secret;
    uint64_t token;
    struct http_answer answer;
    char failure[CURL_ERROR_SIZE];
    struct request *next; /* under way, or idle */
    struct request *previous;
};

/* A call that was not made, and why. */
struct withheld {
    struct withheld *next;
    uint64_t token;
    char *failure;
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct watch timer;
    int64_t wanted_ms; /* when libcurl wants to be called (monotonic); INT64_MAX: not */
    bool starting;     /* a request goes out at once */
    int64_t armed_ms;  /* when the timer goes off; INT64_MAX: it does not */
    struct watch bell; /* an eventfd: there are calls withheld */
    struct withheld *withheld;
    struct withheld **withheld_last;
    struct request *active;
    struct request *idle;
    size_t active_count;
    size_t idle_count;
    void (*done)(void *context, const struct http_answer *answer);
    void *context;
    char *ca_bundle; /* NULL: the system's */
    char *no_proxy;  /* NULL: the environment's alone */
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

/* libcurl changes its mind at every request, so the timer is set only when it has to go off earlier than it will: 4 % of the CPU of sending otherwise. */
static void arm(struct http_client *c)
{
    int64_t wait_ms = c->wanted_ms - clock_now().mono_ms;
    struct itimerspec when = {0};

    if (c->wanted_ms >= c->armed_ms)
        return;
    c->armed_ms = c->wanted_ms;
    if (wait_ms > 0) {
        when.it_value.tv_sec = wait_ms / 1000;
        when.it_value.tv_nsec = wait_ms % 1000 * 1000000;
    } else {
        when.it_value.tv_nsec = 1; /* 0 would disarm it */
    }
    timerfd_settime(c->timer.fd, 0, &when, NULL);
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct http_client *c = context;

    (void)multi;
    c->wanted_ms = timeout_ms < 0 ? INT64_MAX : clock_now().mono_ms + timeout_ms;
    if (!c->starting)
        arm(c);
    return 0;
}

/* A request that was added goes out at once, without a way through the timer. What is done by that already (a refused connection) is told later, by the
 * timer. */
static void start_now(struct http_client *c)
{
    int running = 0;

    c->starting = true;
    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    c->starting = false;
    if ((size_t)running < c->active_count)
        c->wanted_ms = 0;
    arm(c);
}

static void timer_ready(struct watch *w, uint32_t events)
{
    struct http_client *c = w->context;
    uint64_t times;
    int running;

    (void)events;
    if (read(w->fd, &times, sizeof(times)) < 0 && errno != EAGAIN)
        panic("timerfd: %s", strerror(errno));
    c->armed_ms = INT64_MAX;
    if (c->wanted_ms > clock_now().mono_ms) { /* it was put off meanwhile */
        arm(c);
        return;
    }
    c->wanted_ms = INT64_MAX;
    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(c);
}

/* ---- addresses ---- */

static bool v4_local(uint32_t address)
{
    return address >> 24 == 127 || address == 0xa9fea9fe || address == 0xa9feaa02 || address == 0xa9feaa17;
}

bool http_address_local(const struct sockaddr *address)
{
    static const struct in6_addr metadata[] = {
        {{{0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}}},
        {{{0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x23}}},
    };
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    uint32_t mapped;

    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof(v4));
        return v4_local(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(&v6, address, sizeof(v6));
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        memcpy(&mapped, &v6.sin6_addr.s6_addr[12], sizeof(mapped));
        return v4_local(ntohl(mapped));
    }
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) || memcmp(&v6.sin6_addr, &metadata[0], sizeof(metadata[0])) == 0 ||
           memcmp(&v6.sin6_addr, &metadata[1], sizeof(metadata[1])) == 0;
}

/* Once a name is resolved, before the connection: so what was judged is what is connected to, whatever the name server says next. */
static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct request *r = context;

    (void)purpose;
    if (http_address_local(&address->addr))
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    r->not_local = true;
    return CURL_SOCKET_BAD;
}

#define NEVER_PROXIED "localhost,127.0.0.0/8,::1,169.254.169.254,169.254.170.2,169.254.170.23,fd00:ec2::254,fd00:ec2::23"

/* The environment's list and ours; "*" alone stands for every host, and means nothing in a longer list. */
static char *no_proxy_list(void)
{
    const char *given = getenv("no_proxy") ? getenv("no_proxy") : getenv("NO_PROXY");
    struct buffer list = {0};

    if (given && strcmp(given, "*") == 0)
        return memory_strdup(given);
    buffer_printf(&list, "%s%s" NEVER_PROXIED, given ? given : "", given && given[0] ? "," : "");
    return buffer_take(&list);
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

int64_t http_answer_date_ms(const struct http_answer *answer)
{
    time_t at = answer->date[0] ? curl_getdate(answer->date, NULL) : 0;

    return at > 0 ? (int64_t)at * 1000 : 0;
}

static bool is_region(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= 'a' && s.ptr[i] <= 'z') || (s.ptr[i] >= '0' && s.ptr[i] <= '9') || s.ptr[i] == '-'))
            return false;
    return true;
}

static size_t on_header(char *data, size_t one, size_t len, void *context)
{
    struct request *r = context;
    struct slice line = slice_from(data, len);
    size_t colon = slice_index(line, ':');
    struct slice value = slice_trim(slice_after(line, colon + 1));

    (void)one;
    if (colon == 11 && strncasecmp(data, "x-amz-crc32", 11) == 0) {
        uint64_t crc;

        r->answer.has_crc32 = slice_to_u64(value, &crc) && crc <= UINT32_MAX;
        r->answer.crc32 = r->answer.has_crc32 ? (uint32_t)crc : 0;
    } else if (colon == 19 && strncasecmp(data, "x-amz-bucket-region", 19) == 0) {
        if (value.len < sizeof(r->answer.bucket_region) && is_region(value))
            snprintf(r->answer.bucket_region, sizeof(r->answer.bucket_region), "%.*s", SLICE_ARG(value));
    } else if (colon == 4 && strncasecmp(data, "ETag", 4) == 0) {
        r->answer.has_etag = value.len > 0;
    } else if (colon == 4 && strncasecmp(data, "Date", 4) == 0) {
        if (value.len < sizeof(r->answer.date))
            snprintf(r->answer.date, sizeof(r->answer.date), "%.*s", SLICE_ARG(value));
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
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(e, CURLOPT_NOPROXY, c->no_proxy);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, r);
}

/* libcurl keeps the certificates that it has read only when they come from a file alone, without a directory beside it; the system's take 17 ms of CPU to read,
 * at each new connection otherwise. And who names a bundle means no others. A bundle may be replaced: it is read again after a while. */
static void set_trust(const struct http_client *c, CURL *e)
{
    const curl_version_info_data *built = curl_version_info(CURLVERSION_NOW);

    if (c->ca_bundle) {
        curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_bundle);
        curl_easy_setopt(e, CURLOPT_PROXY_CAINFO, c->ca_bundle);
    }
    if (c->ca_bundle || (built->cainfo && access(built->cainfo, R_OK) == 0)) {
        curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL);
    }
#if CURL_AT_LEAST_VERSION(7, 87, 0)
    curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
#endif
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
        set_trust(c, r->easy);
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

static void wipe(struct request *r)
{
    if (r->sent.ptr)
        explicit_bzero(r->sent.ptr, r->sent.cap);
    if (r->body.ptr)
        explicit_bzero(r->body.ptr, r->body.cap);
    for (struct curl_slist *h = r->headers; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
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
    if (r->secret)
        wipe(r);
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

static bool has_header(const char *const *headers, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; headers[i]; i++)
        if (strncasecmp(headers[i], name, len) == 0 && headers[i][len] == ':')
            return true;
    return false;
}

static void set_method(struct request *r, const char *method)
{
    bool get = method && strcmp(method, "GET") == 0;

    curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, NULL);
    if (get) {
        curl_easy_setopt(r->easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->sent.ptr ? r->sent.ptr : "");
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->sent.len);
    curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, method); /* NULL: POST */
}

static void set_route(struct request *r, const struct http_call *call)
{
    bool direct = call->local_only || strncasecmp(call->url, "https://", 8) != 0;

    curl_easy_setopt(r->easy, CURLOPT_URL, call->url);
    curl_easy_setopt(r->easy, CURLOPT_PROXY, direct ? "" : NULL); /* NULL: the environment's */
    curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETFUNCTION, call->local_only ? on_open : NULL);
    curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, call->local_only ? 1L : 0L); /* a kept connection was judged by nobody */
    curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(call->connect_timeout_ms ? call->connect_timeout_ms : CONNECT_TIMEOUT_MS));
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
}

void http_client_start(struct http_client *c, const struct http_call *call)
{
    struct request *r = request_take(c);

    r->token = call->token;
    r->answer_max = call->answer_max;
    r->too_long = r->not_local = false;
    r->secret = call->secret;
    r->answer = (struct http_answer){.token = call->token, .tag = call->tag};
    r->failure[0] = '\0';
    buffer_reset(&r->body);
    buffer_reset(&r->sent);
    buffer_append(&r->sent, call->body);
    if (call->secret)
        buffer_reserve(&r->body, call->answer_max); /* growing would leave copies behind */
    r->headers = curl_slist_append(NULL, "Expect:"); /* no extra round trip */
    r->headers = curl_slist_append(r->headers, "Accept:");
    for (size_t i = 0; call->headers[i]; i++)
        r->headers = curl_slist_append(r->headers, call->headers[i]);
    if (!has_header(call->headers, "Content-Type"))
        r->headers = curl_slist_append(r->headers, "Content-Type:"); /* none, instead of libcurl's own */
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
    set_method(r, call->method);
    set_route(r, call);
    c->starting = true;
    if (curl_multi_add_handle(c->multi, r->easy) != CURLM_OK)
        panic("curl_multi_add_handle failed");
    start_now(c);
}

/* No connection, so no byte of the request. */
static bool never_left(CURL *easy, CURLcode result)
{
    long sent = 0;

    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
    return result != CURLE_OK && sent == 0;
}

/* What a server that wants TLS does with plain HTTP: it hangs up on the first request of a connection, or answers in TLS, which is not HTTP. */
static bool wants_tls(CURL *easy, CURLcode result)
{
    char *scheme = NULL;
    long connects = 0;

    curl_easy_getinfo(easy, CURLINFO_SCHEME, &scheme);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    return scheme && strcasecmp(scheme, "http") == 0 && connects > 0 &&
           (result == CURLE_GOT_NOTHING || result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_WEIRD_SERVER_REPLY);
}

/* What is likely wrong, where curl's own words do not say it; "": no more than they. */
static const char *hint_for(const struct request *r, CURLcode result)
{
    if (r->answer.untrusted && (strstr(r->failure, "issuer") || strstr(r->failure, "self"))) /* not: expired, or another host's */
        return " (AWS_CA_BUNDLE, or the profile's ca_bundle, names the CA certificates to trust)";
    if (result == CURLE_SSL_CONNECT_ERROR && (strstr(r->failure, "wrong version number") || strstr(r->failure, "SSL_ERROR_SYSCALL"))) /* or it hung up */
        return " (it does not answer in TLS: is its address http://?)";
    if (wants_tls(r->easy, result))
        return " (is its address https://?)";
    return "";
}

static const char *words_for(struct request *r, CURLcode result)
{
    size_t said = strlen(r->failure);
    const char *hint = hint_for(r, result);

    if (r->too_long)
        return "the answer is longer than expected";
    if (r->not_local)
        return "the address is neither loopback nor one at which AWS serves credentials";
    if (hint[0])
        snprintf(r->failure + said, sizeof(r->failure) - said, "%s%s", said ? "" : curl_easy_strerror(result), hint);
    return r->failure[0] ? r->failure : curl_easy_strerror(result);
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
        r->answer.untrusted = result == CURLE_PEER_FAILED_VERIFICATION;
        r->answer.failure = words_for(r, result);
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

/* ---- calls that are not made ---- */

void http_client_withhold(struct http_client *c, uint64_t token, const char *failure)
{
    struct withheld *w = memory_zeroed(1, sizeof(*w));

    *w = (struct withheld){.token = token, .failure = memory_strdup(failure)};
    *c->withheld_last = w;
    c->withheld_last = &w->next;
    if (eventfd_write(c->bell.fd, 1) != 0)
        panic("eventfd: %s", strerror(errno));
}

static void bell_rings(struct watch *bell, uint32_t events)
{
    struct http_client *c = bell->context;
    struct withheld *list = c->withheld;
    eventfd_t count;

    (void)events;
    eventfd_read(bell->fd, &count);
    c->withheld = NULL; /* what `done` withholds rings again */
    c->withheld_last = &c->withheld;
    while (list) {
        struct withheld *w = list;
        const struct http_answer answer = {.token = w->token, .failure = w->failure, .unsent = true, .withheld = true};

        list = w->next;
        c->done(c->context, &answer);
        free(w->failure);
        free(w);
    }
}

static void forget_withheld(struct http_client *c)
{
    struct withheld *w;

    while ((w = c->withheld) != NULL) {
        c->withheld = w->next;
        free(w->failure);
        free(w);
    }
}

/* ---- the client ---- */

static bool make_parts(struct http_client *c)
{
    c->wanted_ms = c->armed_ms = INT64_MAX;
    c->timer = (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), .ready = timer_ready, .context = c};
    c->bell = (struct watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = bell_rings, .context = c};
    return c->timer.fd >= 0 && c->bell.fd >= 0 && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && (c->multi = curl_multi_init()) != NULL;
}

static void close_parts(struct http_client *c)
{
    if (c->timer.fd >= 0)
        close(c->timer.fd);
    if (c->bell.fd >= 0)
        close(c->bell.fd);
    free(c->ca_bundle);
    free(c->no_proxy);
    free(c);
}

struct http_client *http_client_new(struct loop *loop, void (*done)(void *context, const struct http_answer *answer), void *context,
                                    struct error *err)
{
    struct http_client *c = memory_zeroed(1, sizeof(*c));

    c->loop = loop;
    c->done = done;
    c->context = context;
    c->withheld_last = &c->withheld;
    c->no_proxy = no_proxy_list();
    if (!make_parts(c)) {
        error_set(err, ERROR_SYSTEM, "cannot start the HTTP client: %s", strerror(errno));
        close_parts(c);
        return NULL;
    }
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS_PER_HOST);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    loop_watch(loop, &c->timer, EPOLLIN);
    loop_watch(loop, &c->bell, EPOLLIN);
    return c;
}

void http_client_set_ca_bundle(struct http_client *c, const char *path)
{
    free(c->ca_bundle);
    c->ca_bundle = memory_strdup(path);
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
    loop_unwatch(c->loop, &c->bell);
    forget_withheld(c);
    close_parts(c);
    curl_global_cleanup();
}

bool http_client_idle(const struct http_client *c)
{
    return c->active_count == 0 && c->withheld == NULL;
}

size_t http_client_active(const struct http_client *c)
{
    return c->active_count;
}
