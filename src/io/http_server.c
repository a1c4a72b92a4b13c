/* SPDX-License-Identifier: Apache-2.0
 *
 * libmicrohttpd without threads: its epoll descriptor is one watch in our loop, and MHD_run does what is ready. A complete request is handed over, and
 * http_server_prepare lets the answers of a whole commit leave in one MHD_run. libmicrohttpd asks again for a response that is not there: a request that this
 * commit answers costs nothing more. One that is still open after it (a long poll, a call to elsewhere) has its connection suspended, which takes it out of
 * libmicrohttpd's epoll set; http_reply resumes it, which puts it back: two system calls.
 */
#include "io/http_server.h"

#include "base/clock.h"
#include "base/memory.h"
#include "io/http_framing.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HEADERS_MAX_BYTES (32 * 1024)
#define HEADERS_MAX 100
#define BACKLOG 1024
#define BODY_RESERVED_MAX (64 * 1024) /* a body's length is only a claim until it has come */

enum exchange_state {
    RECEIVING,  /* headers or body */
    HANDED_OVER, /* the handler has it; the connection is suspended when it is not answered in the same turn */
    ANSWERED,   /* the response is there, to be queued when MHD calls again */
    DEAD,       /* the client went away, or the server stops: the connection will be closed */
};

/* What a connection is waited for. libmicrohttpd's own time-out begins anew with every byte: a client that drips would hold a connection for ever. */
enum patience {
    FOR_A_REQUEST, /* its first line; a TLS greeting before that */
    FOR_THE_REST,  /* of the request */
    FOR_ITS_READING, /* of the answer */
    FOR_A_GOODBYE, /* after the answer: see look_for_end */
    PATIENCE_COUNT, /* for nothing: the handler has the request */
};

static const unsigned patience_factors[PATIENCE_COUNT] = {[FOR_A_REQUEST] = 2, [FOR_THE_REST] = 1, [FOR_ITS_READING] = 5}; /* of request_timeout_s */
#define GOODBYE_MS 100
#define RUNS_AT_ONCE 64     /* of MHD_run: all else waits for them. Over TLS one may take in a byte, or send 16 KiB of an answer */
#define GREETING_RUNS 2     /* that bring nothing, while somebody greets and no answer leaves (a part of one that does is told to nobody) */
#define GREETING_WAIT_MS 10

struct peer {
    struct http_server *server;
    int fd;
    enum patience patience;
    bool greets;    /* over TLS, and has not asked for anything yet */
    int64_t due_ms; /* monotonic */
    struct peer *next; /* of those with the same patience */
    struct peer *previous;
};

struct http_exchange {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct peer *peer;
    enum exchange_state state;
    bool begun;     /* MHD has called for it */
    uint64_t turn;  /* when it was handed over */
    bool suspended;
    const char *uri_at; /* where it was received */
    char *uri;      /* as sent */
    struct buffer body;
    size_t answer_bytes;
    struct header headers[HEADERS_MAX];
    size_t header_count;
    struct MHD_Response *response;
    int status;
    void *tag;
    struct watch watch; /* on the client, while unanswered */
    struct http_exchange *next; /* in server->open while HANDED_OVER */
    struct http_exchange *previous;
};

struct http_server {
    struct loop *loop;
    struct MHD_Daemon *daemon;
    struct watch watch;
    struct http_server_options options;
    struct http_handlers handlers;
    struct http_exchange *open; /* handed over, newest first */
    size_t open_count;
    size_t memory; /* bytes of bodies in hand, those of answers that have not left among them */
    struct patient {
        struct peer *first; /* due first: all have the same time */
        struct peer *last;
    } patient[PATIENCE_COUNT];
    int64_t now_ms; /* at the last look */
    uint64_t turn;  /* counts http_server_prepare: what was handed over in an earlier turn has been through a commit */
    size_t greeting; /* connections that do */
    uint64_t steps;  /* counts what MHD called us for */
    size_t answering; /* answers that have not left */
    bool must_run; /* MHD has something to do that no descriptor tells: connections were resumed, or a place became free */
    char *unix_path;
    uint16_t port;
    struct http_server_counts counts;
};

/* ---- connections, and how long they are waited for ---- */

static void peer_unlist(struct peer *p)
{
    struct patient *list = &p->server->patient[p->patience];

    if (p->patience == PATIENCE_COUNT)
        return;
    *(p->previous ? &p->previous->next : &list->first) = p->next;
    *(p->next ? &p->next->previous : &list->last) = p->previous;
    p->patience = PATIENCE_COUNT;
}

static void peer_wait(struct peer *p, enum patience patience)
{
    struct http_server *s = p->server;

    peer_unlist(p);
    p->patience = patience;
    if (patience == PATIENCE_COUNT)
        return;
    p->due_ms = s->now_ms + (patience == FOR_A_GOODBYE ? GOODBYE_MS : (int64_t)patience_factors[patience] * s->options.request_timeout_s * 1000);
    p->next = NULL;
    p->previous = s->patient[patience].last;
    *(p->previous ? &p->previous->next : &s->patient[patience].first) = p;
    s->patient[patience].last = p;
}

static void peer_greeted(struct peer *p)
{
    p->server->greeting -= p->greets;
    p->greets = false;
}

static void peer_noted(void *context, struct MHD_Connection *connection, void **tag, enum MHD_ConnectionNotificationCode why)
{
    struct http_server *s = context;
    struct peer *p = *tag;

    s->steps++;
    if (why == MHD_CONNECTION_NOTIFY_STARTED) {
        p = memory_zeroed(1, sizeof(*p));
        *p = (struct peer){.server = s, .patience = PATIENCE_COUNT, .greets = s->options.tls != NULL,
                           .fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd};
        peer_wait(p, FOR_A_REQUEST);
        s->greeting += p->greets;
        s->counts.connections_total++;
        *tag = p;
    } else if (p) {
        s->must_run = true; /* if there was no place for more, one can be accepted now */
        peer_greeted(p);
        peer_unlist(p);
        free(p);
        *tag = NULL;
    }
}

/* A client that ends its side right after its request: libmicrohttpd takes both for one event and never looks for the end. A shutdown of what nobody will send
 * any more is a second event; what came before it can still be read. */
static void look_for_end(struct peer *p)
{
    struct pollfd fd = {.fd = p->fd, .events = POLLRDHUP};

    peer_wait(p, FOR_A_REQUEST);
    if (poll(&fd, 1, 0) > 0 && (fd.revents & POLLRDHUP))
        shutdown(p->fd, SHUT_RD);
}

/* Cuts off who was waited for long enough: the socket's end wakes libmicrohttpd. Returns when the next one is due (ms from now; -1: never). */
static int64_t cut_off_late(struct http_server *s)
{
    int64_t least = -1;

    for (int i = 0; i < PATIENCE_COUNT; i++) {
        struct peer *p;

        while ((p = s->patient[i].first) != NULL && p->due_ms <= s->now_ms) {
            if (i == FOR_A_GOODBYE) {
                look_for_end(p);
                continue;
            }
            peer_unlist(p);
            shutdown(p->fd, SHUT_RDWR);
            s->counts.cut_off++;
        }
        if (p && (least < 0 || p->due_ms - s->now_ms < least))
            least = p->due_ms - s->now_ms;
    }
    return least;
}

/* ---- exchanges ---- */

static void *exchange_new(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct http_exchange *x = memory_zeroed(1, sizeof(*x));

    x->server = context;
    x->connection = connection;
    x->peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    x->uri_at = uri;
    x->uri = memory_strdup(uri);
    x->watch.fd = -1;
    x->server->steps++;
    peer_greeted(x->peer);
    peer_wait(x->peer, FOR_THE_REST);
    return x;
}

static void open_remove(struct http_exchange *x)
{
    struct http_server *s = x->server;

    if (x->previous)
        x->previous->next = x->next;
    else
        s->open = x->next;
    if (x->next)
        x->next->previous = x->previous;
    s->open_count--;
    loop_unwatch(s->loop, &x->watch);
}

static void open_add(struct http_exchange *x)
{
    struct http_server *s = x->server;

    x->next = s->open;
    x->previous = NULL;
    if (s->open)
        s->open->previous = x;
    s->open = x;
    s->open_count++;
}

static void drop_body(struct http_exchange *x)
{
    x->server->memory -= x->body.len;
    buffer_fini(&x->body);
}

static void exchange_done(void *context, struct MHD_Connection *connection, void **tag, enum MHD_RequestTerminationCode why)
{
    struct http_exchange *x = *tag;

    (void)context;
    (void)connection;
    (void)why;
    if (x == NULL)
        return;
    if (x->state == HANDED_OVER) { /* its connection broke before it was suspended */
        open_remove(x);
        x->state = DEAD;
        x->server->handlers.gone(x->server->handlers.context, x);
    }
    x->server->answering -= x->state == ANSWERED;
    if (x->response)
        MHD_destroy_response(x->response);
    x->server->memory -= x->answer_bytes;
    peer_wait(x->peer, FOR_A_GOODBYE);
    drop_body(x);
    free(x->uri);
    free(x);
    *tag = NULL;
}

static void resume(struct http_exchange *x)
{
    if (x->suspended) {
        x->suspended = false;
        x->server->must_run = true;
        MHD_resume_connection(x->connection);
    }
}

/* The client of an unanswered request went away. */
static void client_gone(struct watch *w, uint32_t events)
{
    struct http_exchange *x = w->context;

    (void)events;
    open_remove(x);
    x->state = DEAD;
    x->server->handlers.gone(x->server->handlers.context, x);
    resume(x);
}

/* ---- receiving ---- */

static enum MHD_Result refuse(struct http_exchange *x, unsigned status, const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result;

    x->server->counts.refused++;
    x->server->answering++;
    x->state = ANSWERED;
    MHD_add_response_header(response, "Connection", "close");
    MHD_add_response_header(response, "Content-Type", "text/plain");
    if (status == 405)
        MHD_add_response_header(response, "Allow", "GET, HEAD, POST");
    if (status == 503)
        MHD_add_response_header(response, "Retry-After", "1");
    result = MHD_queue_response(x->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

struct head {
    struct http_exchange *exchange;
    struct http_framing framing;
    bool too_many;
};

static enum MHD_Result note_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct head *h = context;
    struct http_exchange *x = h->exchange;
    const struct header header = {slice_from(name, name_len), slice_from(value ? value : "", value_len)};

    (void)kind;
    if (x->header_count == HEADERS_MAX) {
        h->too_many = true;
        return MHD_NO;
    }
    x->headers[x->header_count++] = header;
    http_framing_header(&h->framing, header.name, header.value);
    return MHD_YES;
}

/* The headers are there. Refuses at once what would be refused anyway. */
static enum MHD_Result begin(struct http_exchange *x, const char *method, const char *version)
{
    struct http_server *s = x->server;
    struct head h = {.exchange = x};
    uint64_t length;

    x->begun = true;
    s->counts.requests++;
    http_framing_begin(&h.framing, slice_text(method), slice_text(x->uri), x->uri_at, slice_text(version));
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, note_header, &h);
    length = h.framing.length;
    if (h.too_many)
        return refuse(x, 431, "too many headers\n");
    if (!http_framing_end(&h.framing, MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size))
        return refuse(x, 400, "malformed: HTTP/1.1 with one Host and at most one Content-Length, lines that end with CR LF, and no other control characters\n");
    if (h.framing.encoded)
        return refuse(x, 411, "a body wants a Content-Length\n");
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "POST") != 0)
        return refuse(x, 405, "method not allowed\n");
    if (length > s->options.body_max)
        return refuse(x, 413, "the body is too large\n");
    if (s->memory + length > s->options.memory_max)
        return refuse(x, 503, "too many requests in hand: try again\n");
    buffer_reserve(&x->body, length < BODY_RESERVED_MAX ? (size_t)length : BODY_RESERVED_MAX);
    return MHD_YES;
}

static enum MHD_Result take_body(struct http_exchange *x, const char *data, size_t *len)
{
    struct http_server *s = x->server;

    if (x->state != RECEIVING) { /* refused already: read and thrown away */
        *len = 0;
        return MHD_YES;
    }
    if (x->body.len + *len > s->options.body_max || s->memory + *len > s->options.memory_max) {
        s->counts.refused++;
        return MHD_NO; /* others' bodies came faster: no answer is possible in the middle of this one */
    }
    buffer_append(&x->body, slice_from(data, *len));
    s->memory += *len;
    *len = 0;
    return MHD_YES;
}

static enum MHD_Result hand_over(struct http_exchange *x, const char *method)
{
    struct http_server *s = x->server;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct slice uri = slice_text(x->uri);
    size_t mark = slice_index(uri, '?');
    struct http_request request = {
        .exchange = x,
        .signed_part = {.method = slice_text(method), .path = slice_from(uri.ptr, mark), .query = slice_after(uri, mark + 1),
                        .body = buffer_slice(&x->body), .headers = x->headers, .header_count = x->header_count},
        .client_address = info ? info->client_addr : NULL,
    };

    x->state = HANDED_OVER;
    x->turn = s->turn;
    peer_wait(x->peer, PATIENCE_COUNT);
    open_add(x);
    s->handlers.request(s->handlers.context, &request);
    if (x->state == ANSWERED)
        return MHD_queue_response(x->connection, (unsigned)x->status, x->response);
    s->must_run = true;
    return MHD_YES;
}

/* libmicrohttpd asks for the response to a request that the handler has. */
static enum MHD_Result still_open(struct http_exchange *x)
{
    if (x->turn != x->server->turn) {
        x->suspended = true;
        MHD_suspend_connection(x->connection);
    }
    return MHD_YES;
}

static enum MHD_Result access_handler(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                      const char *data, size_t *len, void **tag)
{
    struct http_exchange *x = *tag;
    struct http_server *s = context;

    (void)connection;
    (void)url;
    s->steps++;
    if (x == NULL || x->server->handlers.request == NULL) /* a start that failed closes the door on who knocked meanwhile */
        return MHD_NO;
    if (!x->begun)
        return begin(x, method, version);
    if (*len > 0)
        return take_body(x, data, len);
    switch (x->state) {
    case RECEIVING:
        return hand_over(x, method);
    case ANSWERED:
        return x->response ? MHD_queue_response(x->connection, (unsigned)x->status, x->response) : MHD_YES;
    case HANDED_OVER:
        return still_open(x);
    default:
        return MHD_NO;
    }
}

/* ---- replies ---- */

static void add_header(struct MHD_Response *response, struct slice name, struct slice value)
{
    char texts[2][256];

    snprintf(texts[0], sizeof(texts[0]), "%.*s", SLICE_ARG(name));
    snprintf(texts[1], sizeof(texts[1]), "%.*s", SLICE_ARG(value));
    if (MHD_add_response_header(response, texts[0], texts[1]) != MHD_YES)
        panic("a header of ours is malformed: %s", texts[0]);
}

void http_reply(struct http_exchange *x, const struct http_reply *reply, struct buffer *body)
{
    if (x->state != HANDED_OVER)
        panic("an exchange was answered twice, or after its client went away");
    if (body->len > 0)
        x->response = MHD_create_response_from_buffer_with_free_callback(body->len, body->ptr, free);
    else
        x->response = MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    if (x->response == NULL)
        panic("out of memory for a response");
    x->answer_bytes = body->len;
    x->server->memory += body->len;
    if (body->len == 0)
        buffer_fini(body);
    *body = (struct buffer){0};
    if (reply->content_type)
        MHD_add_response_header(x->response, "Content-Type", reply->content_type);
    for (size_t i = 0; i < reply->header_count; i++)
        add_header(x->response, reply->headers[i].name, reply->headers[i].value);
    x->status = reply->status;
    open_remove(x);
    x->server->answering++;
    x->state = ANSWERED;
    peer_wait(x->peer, FOR_ITS_READING);
    resume(x);
}

void http_exchange_set(struct http_exchange *x, void *tag)
{
    x->tag = tag;
}

void *http_exchange_get(const struct http_exchange *x)
{
    return x->tag;
}

/* ---- listening ---- */

static bool address_error(struct error *err, const char *listen_at, int code)
{
    if (code == EADDRINUSE)
        return error_set(err, ERROR_UNAVAILABLE, "%s is in use by another program: stop that one, or listen elsewhere", listen_at);
    return error_set(err, ERROR_SYSTEM, "cannot listen on %s: %s", listen_at, strerror(code));
}

/* Takes away what a process that is gone left behind; false: somebody answers there. */
static bool clear_stale(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answered = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

    if (fd >= 0)
        close(fd);
    if (!answered)
        unlink(address->sun_path);
    return !answered;
}

bool http_server_path_fits(const char *path, struct error *err)
{
    const size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    return strlen(path) <= most ||
           error_set(err, ERROR_CONFIG, "the path %s is too long for a Unix socket (%zu characters at most): use a shorter one for the ledger", path, most);
}

static int listen_unix(struct http_server *s, const char *path, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t old;
    int fd;
    int rc;

    if (!http_server_path_fits(path, err))
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !clear_stale(&address)) {
        address_error(err, path, fd < 0 ? errno : EADDRINUSE);
        goto fail;
    }
    old = umask(077);
    rc = bind(fd, (struct sockaddr *)&address, sizeof(address));
    umask(old);
    if (rc != 0 || listen(fd, BACKLOG) != 0) {
        address_error(err, path, errno);
        goto fail;
    }
    s->unix_path = memory_strdup(path);
    return fd;
fail:
    if (fd >= 0)
        close(fd);
    return -1;
}

/* "host:port" or "[address]:port" */
static bool split_address(const char *listen_at, char host[256], char port[8])
{
    const char *colon = strrchr(listen_at, ':');
    size_t len = colon ? (size_t)(colon - listen_at) : 0;

    if (colon == NULL || len == 0 || len > 255 || strlen(colon + 1) == 0 || strlen(colon + 1) > 5)
        return false;
    if (listen_at[0] == '[' && listen_at[len - 1] == ']')
        snprintf(host, 256, "%.*s", (int)len - 2, listen_at + 1);
    else
        snprintf(host, 256, "%.*s", (int)len, listen_at);
    snprintf(port, 8, "%s", colon + 1);
    return true;
}

static int listen_tcp(struct http_server *s, const char *listen_at, struct error *err)
{
    static const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof(bound);
    char host[256];
    char port[8];
    int yes = 1;
    int fd = -1;
    int rc;

    if (!split_address(listen_at, host, port)) {
        error_set(err, ERROR_CONFIG, "\"%s\" is no address to listen on: give host:port, such as 127.0.0.1:9324", listen_at);
        return -1;
    }
    rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0) {
        error_set(err, ERROR_CONFIG, "cannot listen on %s: %s", listen_at, gai_strerror(rc));
        return -1;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 ||
        listen(fd, BACKLOG) != 0 || getsockname(fd, (struct sockaddr *)&bound, &bound_len) != 0) {
        address_error(err, listen_at, errno);
        if (fd >= 0)
            close(fd);
        fd = -1;
    } else {
        s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port : ((struct sockaddr_in *)&bound)->sin_port);
    }
    freeaddrinfo(found);
    return fd;
}

/* ---- the server ---- */

static void ready(struct watch *w, uint32_t events)
{
    struct http_server *s = w->context;

    (void)events;
    s->now_ms = clock_now().mono_ms;
    MHD_run(s->daemon);
}

struct http_server *http_server_new(struct loop *loop, const struct http_server_options *options, const struct http_handlers *handlers,
                                    struct error *err)
{
    struct http_server *s = memory_zeroed(1, sizeof(*s));
    bool on_unix = strncmp(options->listen, "unix:", 5) == 0;
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem secure[] = {{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t) "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
                                      {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_files_callback()},
                                      {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem *tls = plain;
    int fd;

    s->loop = loop;
    s->options = *options;
    if (handlers)
        s->handlers = *handlers;
    fd = on_unix ? listen_unix(s, options->listen + 5, err) : listen_tcp(s, options->listen, err);
    if (fd < 0) {
        free(s);
        return NULL;
    }
    if (options->tls)
        tls = secure;
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (options->tls ? MHD_USE_TLS : 0u), 0, NULL, NULL, access_handler, s,
                                 MHD_OPTION_LISTEN_SOCKET, fd,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX_BYTES,
                                 MHD_OPTION_CONNECTION_LIMIT, options->connections_max,
                                 MHD_OPTION_PER_IP_CONNECTION_LIMIT, on_unix ? 0 : options->connections_per_address_max,
                                 MHD_OPTION_CONNECTION_TIMEOUT, options->request_timeout_s,
                                 MHD_OPTION_STRICT_FOR_CLIENT, 1,
                                 MHD_OPTION_URI_LOG_CALLBACK, exchange_new, s,
                                 MHD_OPTION_NOTIFY_COMPLETED, exchange_done, s,
                                 MHD_OPTION_NOTIFY_CONNECTION, peer_noted, s,
                                 MHD_OPTION_ARRAY, tls,
                                 MHD_OPTION_END);
    if (s->daemon == NULL) {
        error_set(err, ERROR_SYSTEM, "cannot start the HTTP server on %s: %s", options->listen, strerror(errno));
        close(fd);
        http_server_free(s);
        return NULL;
    }
    s->watch = (struct watch){.fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, .ready = ready, .context = s};
    loop_watch(loop, &s->watch, EPOLLIN);
    return s;
}

void http_server_serve(struct http_server *s, const struct http_handlers *handlers)
{
    s->handlers = *handlers;
}

/* Begins to watch the clients of requests that a commit has not answered. */
static void watch_open(struct http_server *s)
{
    for (struct http_exchange *x = s->open; x && !x->watch.watched; x = x->next) { /* newest first: those behind are watched already */
        if (!x->suspended)
            continue;
        x->watch = (struct watch){.fd = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
                                  .ready = client_gone, .context = x};
        loop_watch(s->loop, &x->watch, EPOLLRDHUP);
    }
}

/* libmicrohttpd takes a connection whose TLS greeting has begun for one that can be read, until the greeting is over, though nothing has come: who begins one
 * and stops must not keep us from all others. What does come wakes the loop. */
static bool runs_in_vain(struct http_server *s, uint64_t before, int *vain)
{
    *vain = s->steps == before ? *vain + 1 : 0;
    return s->greeting > 0 && *vain >= (s->answering > 0 ? RUNS_AT_ONCE : GREETING_RUNS);
}

int64_t http_server_prepare(struct http_server *s)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    int64_t late_ms;
    int vain = 0;

    s->now_ms = clock_now().mono_ms;
    s->turn++;
    late_ms = cut_off_late(s);
    if (s->must_run) {
        s->must_run = false;
        MHD_run(s->daemon);
    }
    watch_open(s);
    for (int runs = 0; MHD_get_timeout(s->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0; runs++) {
        uint64_t before = s->steps;

        if (runs == RUNS_AT_ONCE)
            return 0;
        MHD_run(s->daemon); /* something is ready that its edge-triggered epoll will not tell of again */
        if (s->open && !s->open->watch.watched)
            return 0; /* requests came: they are to be committed first */
        if (runs_in_vain(s, before, &vain)) {
            timeout_ms = GREETING_WAIT_MS;
            break;
        }
    }
    if (s->must_run)
        return 0;
    if (timeout_ms > 0 && timeout_ms < 60000 && (late_ms < 0 || (int64_t)timeout_ms < late_ms))
        return (int64_t)timeout_ms;
    return late_ms;
}

size_t http_server_drain(struct http_server *s)
{
    int fd = MHD_quiesce_daemon(s->daemon);

    if (fd >= 0)
        close(fd);
    return s->open_count;
}

void http_server_free(struct http_server *s)
{
    if (s == NULL)
        return;
    if (s->daemon) {
        loop_unwatch(s->loop, &s->watch);
        while (s->open) {
            struct http_exchange *x = s->open;

            open_remove(x);
            x->state = DEAD;
            resume(x);
        }
        MHD_run(s->daemon); /* suspended connections must be resumed before the daemon is stopped */
        MHD_stop_daemon(s->daemon);
    }
    if (s->unix_path)
        unlink(s->unix_path);
    free(s->unix_path);
    free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

struct http_server_counts http_server_counts(const struct http_server *s)
{
    struct http_server_counts counts = s->counts;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

    counts.connections_open = info ? info->num_connections : 0;
    return counts;
}
