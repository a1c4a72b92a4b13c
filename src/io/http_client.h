/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client: requests to AWS by libcurl's multi interface, driven by the loop; connections are kept and reused.
 *
 * TLS >= 1.2, peers verified, no redirects followed, no protocols but http and https, answers bounded in size. Nothing blocks
 * (names are resolved by libcurl's threaded resolver).
 *
 * Proxies are those of the environment, read by libcurl: HTTPS_PROXY, https_proxy, ALL_PROXY, and NO_PROXY with names, addresses and CIDR blocks. Never
 * through a proxy: plain http (which is for this machine and for metadata addresses), loopback, and the metadata addresses.
 */
#ifndef S2Q_IO_HTTP_CLIENT_H
#define S2Q_IO_HTTP_CLIENT_H

#include "base/buffer.h"
#include "base/error.h"
#include "io/loop.h"

struct http_client;

struct http_call {
    const char *url;
    const char *method;         /* NULL: POST; also GET (no body) and PUT */
    const char *const *headers; /* "Name: value" texts, NULL-terminated; copied */
    struct slice body;          /* copied */
    int64_t timeout_ms;         /* for the whole call */
    int64_t connect_timeout_ms; /* 0: 10 s */
    bool local_only;            /* fails unless the address, once resolved, is loopback or a metadata address (http_address_local); no proxy */
    bool secret;                /* what is sent and what is answered is wiped from memory after `done` */
    size_t answer_max;          /* bytes; a longer answer fails the call */
    uint64_t token;             /* given back */
    void *tag;                  /* given back */
};

struct http_answer {
    uint64_t token;
    void *tag;
    int status;            /* 0: no answer; see `failure` */
    struct slice body;     /* borrowed until the callback returns */
    const char *failure;   /* status 0: libcurl's words ("Connection refused", ...), else NULL */
    bool unsent;           /* status 0: not one byte of the request left this machine */
    bool untrusted;        /* status 0: the server's certificate is not trusted, or not of this host; `failure` says what to look at */
    bool withheld;         /* status 0: http_client_withhold answered; `failure` has its words */
    bool has_crc32;        /* the answer had an x-amz-crc32 header */
    uint32_t crc32;
    char bucket_region[33]; /* S3's x-amz-bucket-region: letters, digits, hyphens; "": none */
    bool has_etag;          /* the answer had an ETag header */
    char date[40]; /* the Date header as it came; "": none. See http_answer_date_ms */
};

/* When the server answered, by its own clock (Unix milliseconds); 0: it did not say. */
int64_t http_answer_date_ms(const struct http_answer *answer);

/* `done` is called once per call, inside loop_wait, never inside http_client_start. */
struct http_client *http_client_new(struct loop *loop, void (*done)(void *context, const struct http_answer *answer), void *context,
                                    struct error *err);
/* Drops calls under way without calling `done`. */
void http_client_free(struct http_client *c);
void http_client_start(struct http_client *c, const struct http_call *call);
/* A call that is not made: `done` is told why (copied), inside loop_wait. */
void http_client_withhold(struct http_client *c, uint64_t token, const char *failure);
/* The CA certificates to trust instead of the system's; before the first call. NULL: the system's. Copied. */
void http_client_set_ca_bundle(struct http_client *c, const char *path);
/* Calls under way. */
size_t http_client_active(const struct http_client *c);
/* Has every call been answered, those withheld too? */
bool http_client_idle(const struct http_client *c);

/* Loopback, or an address at which AWS serves metadata and credentials to its own machines: 169.254.169.254 and fd00:ec2::254 (EC2), 169.254.170.2 (ECS),
 * 169.254.170.23 and fd00:ec2::23 (EKS). */
struct sockaddr;
bool http_address_local(const struct sockaddr *address);

#endif
