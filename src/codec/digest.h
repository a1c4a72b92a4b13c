/* SPDX-License-Identifier: Apache-2.0
 *
 * digest: the hashes and encodings of AWS's protocols, by OpenSSL. Pure; contexts are made once per thread (digest_init) and reused, because
 * fetching an algorithm costs more than hashing a small message. Each thread that uses them calls digest_init; threads share nothing.
 */
#ifndef S2Q_CODEC_DIGEST_H
#define S2Q_CODEC_DIGEST_H

#include "base/buffer.h"
#include "base/slice.h"

#define SHA256_BYTES 32
#define MD5_BYTES 16
#define SHA1_BYTES 20

/* Fetches the algorithms and makes the contexts; safe to call again. Panics if OpenSSL lacks one of them. */
void digest_init(void);
/* Frees this thread's. */
void digest_fini(void);

void sha256(struct slice data, unsigned char out[SHA256_BYTES]);
/* An HMAC key whose inner and outer states are computed once, so that each use costs two short hashes. Owner calls hmac_key_fini. */
struct hmac_key {
    void *inner;
    void *outer;
};
void hmac_key_init(struct hmac_key *key, struct slice secret);
void hmac_key_fini(struct hmac_key *key);
void hmac_key_sign(const struct hmac_key *key, struct slice data, unsigned char out[SHA256_BYTES]);
/* One-time HMAC-SHA256. */
void hmac_sha256(struct slice secret, struct slice data, unsigned char out[SHA256_BYTES]);
void md5(struct slice data, unsigned char out[MD5_BYTES]);
/* For the names of files that other tools chose, never for security. */
void sha1(struct slice data, unsigned char out[SHA1_BYTES]);
/* CRC-32 of zlib and x-amz-crc32 (polynomial 0xEDB88320), fast enough for a MiB a page (slice-by-8 or zlib's). */
uint32_t crc32_of(struct slice data);

/* AES-128 of one block with a fixed key: a permutation of 128-bit numbers, used to turn row ids into message ids and back. */
struct block_key {
    void *encrypt;
    void *decrypt;
};
void block_key_init(struct block_key *key, const unsigned char secret[16]);
void block_key_fini(struct block_key *key);
void block_encrypt(const struct block_key *key, const unsigned char in[16], unsigned char out[16]);
void block_decrypt(const struct block_key *key, const unsigned char in[16], unsigned char out[16]);

/* Lower-case hex; out has 2 * bytes + 1. */
void hex_encode(const void *data, size_t bytes, char *out);
/* Standard base64 with padding (RFC 4648 section 4). */
void base64_append(struct buffer *out, struct slice data);
/* Strict: length, alphabet, padding, zero trailing bits; false and nothing appended otherwise. */
bool base64_decode(struct buffer *out, struct slice text);
/* Compares without telling by its time where they differ. */
bool equal_in_constant_time(struct slice a, struct slice b);

#endif
