/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client: requests to AWS by libcurl's multi interface, driven by the loop; connections are kept and reused.
 *
 * TLS >= 1.2, peers verified, no redirects followed, no protocols but http and https, answers bounded in size. Nothing blocks
 * (names are resolved by libcurl's threaded resolver). The environment's proxies (HTTPS_PROXY, NO_PROXY) and AWS_CA_BUNDLE are honoured.
 */
#ifndef S2Q_IO_HTTP_CLIENT_H
#define S2Q_IO_HTTP_CLIENT_H

#include "base/buffer.h"
#include "base/error.h"
#include "io/loop.h"

struct http_client;

struct http_call {
    const char *url;
    const char *const *headers; /* "Name: value" texts, NULL-terminated; copied */
    struct slice body;          /* POSTed; copied */
    int64_t timeout_ms;         /* for the whole call */
    size_t answer_max;          /* bytes; a longer answer fails the call */
    uint64_t token;             /* given back */
};

struct http_answer {
    uint64_t token;
    int status;            /* 0: no answer; see `failure` */
    struct slice body;     /* borrowed until the callback returns */
    const char *failure;   /* status 0: libcurl's words ("Connection refused", ...), else NULL */
    bool unsent;           /* status 0: not one byte of the request left this machine */
    bool has_crc32;        /* the answer had an x-amz-crc32 header */
    uint32_t crc32;
    int64_t server_date_ms; /* from the Date header; 0: none */
};

/* `done` is called once per call, inside loop_wait, never inside http_client_start. */
struct http_client *http_client_new(struct loop *loop, void (*done)(void *context, const struct http_answer *answer), void *context,
                                    struct error *err);
/* Drops calls under way without calling `done`. */
void http_client_free(struct http_client *c);
void http_client_start(struct http_client *c, const struct http_call *call);
/* Calls under way. */
size_t http_client_active(const struct http_client *c);

#endif
