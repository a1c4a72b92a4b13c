/* SPDX-License-Identifier: Apache-2.0
 *
 * sigv4: AWS Signature Version 4: signing what we send, verifying what we receive.
 *
 * Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Pure: the time is passed in.
 * The stages (canonical request, string to sign, signature) are functions of their own, so that golden cases check each.
 */
#ifndef S2Q_CODEC_SIGV4_H
#define S2Q_CODEC_SIGV4_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"
#include "codec/access_key.h"
#include "codec/digest.h"

struct header {
    struct slice name;
    struct slice value;
};

struct sigv4_request {
    struct slice method;
    struct slice path;  /* as sent, percent-encoded; "" counts as "/" */
    struct slice query; /* as sent, without '?' */
    struct slice body;
    bool path_as_sent; /* S3: neither normalised nor encoded once more; else as every other service wants it */
    const struct header *headers;
    size_t header_count;
};

struct sigv4_keys {
    struct slice access_key_id;
    struct slice secret;
    struct slice session_token; /* absent: none */
};

/* Appends the canonical request; `signed_headers` is a ';'-joined lower-case list. Headers are trimmed, inner blanks folded. */
void sigv4_canonical_request(struct buffer *out, const struct sigv4_request *request, struct slice signed_headers);
/* Appends the string to sign. stamp: "20260131T123456Z"; scope: "20260131/eu-west-1/sqs/aws4_request". */
void sigv4_string_to_sign(struct buffer *out, struct slice stamp, struct slice scope, struct slice canonical_request);

/* The signing keys of one secret: deriving one costs four HMACs, more than all else of a small request's signature, so those of late are kept. Zeroed: none
 * yet. They belong to the secret, and go with it. */
#define SIGNING_KEYS_KEPT 4 /* who signs names one region; more than these only cost themselves the derivation */
struct signing_keys {
    struct signing_key {
        char *scope; /* "20260131/eu-west-1/sqs"; NULL: unused */
        struct hmac_key key;
    } kept[SIGNING_KEYS_KEPT];
    unsigned next; /* the slot to be used again first */
};
/* The key of a date ("20260131"), region and service, ready to sign with. Borrowed until the next call. */
const struct hmac_key *signing_keys_get(struct signing_keys *k, struct slice secret, struct slice date, struct slice region, struct slice service);
/* Wipes them; *k is empty afterwards. */
void signing_keys_fini(struct signing_keys *k);

/* Signs: appends to `out` the value of the Authorization header. The request's headers must already hold host and x-amz-date (and
 * x-amz-security-token when there is one); every header given is signed. now_ms decides the scope's date. `kept`: those of this secret. */
void sigv4_sign(struct buffer *out, const struct sigv4_request *request, const struct sigv4_keys *keys, struct slice region,
                struct slice service, int64_t now_ms, struct signing_keys *kept);
/* Writes "20260131T123456Z" and its NUL. */
void sigv4_stamp(int64_t now_ms, char out[17]);

/* The signing key of a date ("20260131"), region and service. The caller wipes it. */
void sigv4_derive_key(struct slice secret, struct slice date, struct slice region, struct slice service, unsigned char key[32]);
/* Is this the header of that (lower-case) name? */
bool sigv4_header_is(struct slice name, struct slice lower_name);

/* What a refused request is told; the texts and codes are AWS's. */
enum sigv4_refusal {
    SIGV4_OK,
    SIGV4_MISSING,        /* no Authorization: MissingAuthenticationToken, 403 */
    SIGV4_INCOMPLETE,     /* malformed: IncompleteSignature, 400 */
    SIGV4_UNKNOWN_KEY,    /* InvalidClientTokenId, 403 (JSON: UnrecognizedClientException) */
    SIGV4_MISMATCH,       /* SignatureDoesNotMatch, 403 (JSON: InvalidSignatureException); also a wrong time or scope */
};

/* Access keys that the endpoint accepts; owned by the caller through keyring_init and keyring_fini. Secrets are wiped on fini. */
struct keyring;
struct keyring *keyring_new(void);
void keyring_free(struct keyring *ring);
/* Copies both. A key id given twice: the later secret counts. */
void keyring_add(struct keyring *ring, struct slice id, struct slice secret);
/* The same, with limits that access_key_limits_valid has passed; they are copied. */
void keyring_add_limited(struct keyring *ring, struct slice id, struct slice secret, const struct access_key_limits *limits);
size_t keyring_count(const struct keyring *ring);
/* In the order in which they were added; NULL: there are not so many. */
const struct access_key *keyring_at(const struct keyring *ring, size_t at);
/* For whoever signs with it. Never to be shown. */
struct slice access_key_secret(const struct access_key *key);
/* The key of that id, derived for date, region and service, ready to sign with; for an id that is not in the ring, one of a random secret (so that it costs
 * the same), and *found is NULL. Borrowed until the next call. */
const struct hmac_key *keyring_derive(struct keyring *ring, struct slice id, struct slice date, struct slice region, struct slice service,
                                      const struct access_key **found);

/* Verifies in the order of promises.md: time window first (+-15 min), exactly one Authorization and one Host, host and x-amz-date
 * signed, no x-amz-* header unsigned, scope date = stamp's date, `service` and the terminator fixed, region one of `regions`' (absent region: any),
 * the real body's hash (an x-amz-content-sha256 header must be equal to it: UNSIGNED-PAYLOAD and STREAMING-* are refused), presigned
 * queries refused, signature compared in constant time, and an unknown key costs the same HMAC as a known one.
 * On refusal `text` gets AWS's words (it never holds a secret). On success *key is the key that signed it, else NULL.
 * Keeps derived signing keys by key, date and region inside the ring. */
enum sigv4_refusal sigv4_verify(struct keyring *ring, const struct sigv4_request *request, struct slice region, struct slice service,
                                int64_t now_ms, const struct access_key **key, struct buffer *text);

#endif
