/* SPDX-License-Identifier: Apache-2.0
 *
 * http_server: HTTP/1.1 requests by libmicrohttpd, in the loop's own thread (no thread of its own: a hand-over costs as much as the request,
 * docs/decisions.md).
 *
 * A request is handed over once it is complete; it is answered at any later time by http_reply (a long poll waits without a thread or a
 * timer here). Between the two the connection is watched: when the client goes away, `gone` is called and the request is over.
 * Refused before the handler sees anything, and counted: a head that is not exactly what io/http_framing.h says (400), headers over 32 KiB or 100 (431), any
 * Transfer-Encoding (411: what chunks really hold cannot be checked here), methods but GET, HEAD and POST (405), a body over body_max (413), all bodies
 * together over memory_max (503). Connections beyond connections_max are accepted once others have ended; those beyond the cap of their address are closed.
 * Cut off: who has not sent a whole request request_timeout_s after its first line (that line: twice as long, from the connection's begin or the answer
 * before), or has not taken an answer five times as long after it was ready, however often a byte comes.
 */
#ifndef S2Q_IO_HTTP_SERVER_H
#define S2Q_IO_HTTP_SERVER_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/sigv4.h"
#include "io/loop.h"
#include "io/tls_files.h"

#include <sys/socket.h>

struct http_server;
struct http_exchange; /* one request and its answer; dies with http_reply, or after `gone` returned */

struct http_request {
    struct http_exchange *exchange;
    struct sigv4_request signed_part; /* method, path as sent, query as sent, body, all headers: borrowed until the exchange dies */
    const struct sockaddr *client_address;
};

struct http_handlers {
    /* Inside loop_wait. May call http_reply at once or later. */
    void (*request)(void *context, const struct http_request *request);
    /* The client went away before the answer: forget the exchange; it must not be answered any more. */
    void (*gone)(void *context, struct http_exchange *exchange);
    void *context;
};

struct http_server_options {
    const char *listen;      /* "127.0.0.1:9324", "[::1]:9324", port 0 for any free one; or "unix:/path" (0600, replaced if stale) */
    size_t body_max;         /* bytes */
    size_t memory_max;       /* bytes of all bodies of requests in hand, and of their answers until they have left */
    struct tls_files *tls;   /* what TLS shows (1.2 and later); NULL: plain HTTP. Borrowed */
    unsigned connections_max;
    unsigned connections_per_address_max; /* 0: no cap of its own */
    unsigned request_timeout_s; /* also how long an idle kept connection stays */
};

/* Listens; requests are taken in once the loop runs. handlers: NULL: they are not made yet, and come by http_server_serve before the loop runs. */
struct http_server *http_server_new(struct loop *loop, const struct http_server_options *options, const struct http_handlers *handlers,
                                    struct error *err);
/* May a listener be on this path? Unix sockets' paths are short. */
bool http_server_path_fits(const char *path, struct error *err);
void http_server_serve(struct http_server *s, const struct http_handlers *handlers);
/* To be called before each loop_wait: says how long that may wait at most (ms; -1: for ever), and begins to watch the clients of requests that are still
 * unanswered (most are answered in the round that they came in, and never need it). */
int64_t http_server_prepare(struct http_server *s);
/* Closes everything; exchanges still open die without `gone`. */
void http_server_free(struct http_server *s);
/* No new connections from now on; what is open is finished. Returns exchanges still unanswered. */
size_t http_server_drain(struct http_server *s);
/* The port in use (after port 0); 0 for a Unix socket. */
uint16_t http_server_port(const struct http_server *s);

/* Queues the answer; it leaves when the loop next runs. Header texts are copied. `body` is taken over (the buffer is empty afterwards). */
struct http_reply {
    int status;
    const char *content_type;
    const struct header *headers; /* further ones */
    size_t header_count;
};
void http_reply(struct http_exchange *exchange, const struct http_reply *reply, struct buffer *body);
/* For the caller's own bookkeeping. */
void http_exchange_set(struct http_exchange *exchange, void *tag);
void *http_exchange_get(const struct http_exchange *exchange);

struct http_server_counts {
    uint64_t requests;
    uint64_t refused;
    uint64_t cut_off;
    uint64_t connections_open;
    uint64_t connections_total;
};
struct http_server_counts http_server_counts(const struct http_server *s);

#endif
