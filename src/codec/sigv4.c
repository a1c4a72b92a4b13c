/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sigv4.h"

#include "base/memory.h"
#include "codec/digest.h"
#include "codec/form.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static void append_sha256_hex(struct buffer *out, struct slice data)
{
    unsigned char digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];

    sha256(data, digest);
    hex_encode(digest, sizeof(digest), hex);
    buffer_append_text(out, hex);
}

/* ---- the path: dot segments removed, then encoded once more than it was sent (every service but S3) ---- */

static void remove_last_segment(struct buffer *out, size_t start)
{
    while (out->len > start && out->ptr[out->len - 1] != '/')
        out->len--;
    if (out->len > start)
        out->len--;
}

static void append_path(struct buffer *out, struct slice path)
{
    size_t start = out->len;
    bool open_end = false; /* the path ends in '/'; a dot segment at the end leaves none, as in botocore */

    while (path.len > 0) {
        size_t n = slice_index(path, '/');
        struct slice segment = slice_from(path.ptr, n);

        open_end = n + 1 == path.len;
        path = slice_after(path, n + 1);
        if (slice_is(segment, ".."))
            remove_last_segment(out, start);
        else if (segment.len > 0 && !slice_is(segment, ".")) {
            buffer_append_byte(out, '/');
            percent_append(out, segment);
        }
    }
    if (open_end || out->len == start)
        buffer_append_byte(out, '/');
}

/* ---- the query: pairs sorted by name, then value, as they were sent ---- */

static int compare_headers(const void *a, const void *b)
{
    const struct header *left = a;
    const struct header *right = b;
    int order = slice_compare(left->name, right->name);

    return order ? order : slice_compare(left->value, right->value);
}

static void append_query(struct buffer *out, struct slice query)
{
    struct header *pairs = NULL;
    size_t count = 0;

    while (query.len > 0) {
        size_t n = slice_index(query, '&');
        struct slice pair = slice_from(query.ptr, n);
        size_t equals = slice_index(pair, '=');

        query = slice_after(query, n + 1);
        if (pair.len == 0)
            continue;
        pairs = memory_resize(pairs, (count + 1) * sizeof(*pairs));
        pairs[count++] = (struct header){slice_from(pair.ptr, equals), slice_after(pair, equals + 1)};
    }
    if (count > 0)
        qsort(pairs, count, sizeof(*pairs), compare_headers);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_byte(out, '&');
        buffer_append(out, pairs[i].name);
        buffer_append_byte(out, '=');
        buffer_append(out, pairs[i].value);
    }
    free(pairs);
}

/* ---- headers ---- */

bool sigv4_header_is(struct slice name, struct slice lower_name)
{
    if (name.len != lower_name.len)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (lower(name.ptr[i]) != lower_name.ptr[i])
            return false;
    return true;
}

/* Trimmed, and inner runs of blanks folded to one. */
static void append_folded(struct buffer *out, struct slice value)
{
    value = slice_trim(value);
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] != ' ' || value.ptr[i - 1] != ' ')
            buffer_append_byte(out, value.ptr[i]);
}

static void append_header(struct buffer *out, const struct sigv4_request *request, struct slice name)
{
    bool more = false;

    buffer_append(out, name);
    buffer_append_byte(out, ':');
    for (size_t i = 0; i < request->header_count; i++) {
        if (!sigv4_header_is(request->headers[i].name, name))
            continue;
        if (more)
            buffer_append_byte(out, ',');
        append_folded(out, request->headers[i].value);
        more = true;
    }
    buffer_append_byte(out, '\n');
}

void sigv4_canonical_request(struct buffer *out, const struct sigv4_request *request, struct slice signed_headers)
{
    struct slice rest = signed_headers;

    buffer_append(out, request->method);
    buffer_append_byte(out, '\n');
    if (request->path_as_sent)
        buffer_append(out, request->path.len > 0 ? request->path : SLICE("/"));
    else
        append_path(out, request->path);
    buffer_append_byte(out, '\n');
    append_query(out, request->query);
    buffer_append_byte(out, '\n');
    while (rest.len > 0) {
        size_t n = slice_index(rest, ';');

        append_header(out, request, slice_from(rest.ptr, n));
        rest = slice_after(rest, n + 1);
    }
    buffer_append_byte(out, '\n');
    buffer_append(out, signed_headers);
    buffer_append_byte(out, '\n');
    append_sha256_hex(out, request->body);
}

/* ---- string to sign, key, signature ---- */

void sigv4_string_to_sign(struct buffer *out, struct slice stamp, struct slice scope, struct slice canonical_request)
{
    buffer_append_text(out, ALGORITHM "\n");
    buffer_append(out, stamp);
    buffer_append_byte(out, '\n');
    buffer_append(out, scope);
    buffer_append_byte(out, '\n');
    append_sha256_hex(out, canonical_request);
}

void sigv4_stamp(int64_t now_ms, char out[17])
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm = {0};

    gmtime_r(&seconds, &tm);
    if (strftime(out, 17, "%Y%m%dT%H%M%SZ", &tm) != 16)
        memcpy(out, "19700101T000000Z", 17);
}

void sigv4_derive_key(struct slice secret, struct slice date, struct slice region, struct slice service, unsigned char key[SHA256_BYTES])
{
    struct buffer first = {0};

    buffer_append_text(&first, "AWS4");
    buffer_append(&first, secret);
    hmac_sha256(buffer_slice(&first), date, key);
    explicit_bzero(first.ptr, first.cap);
    buffer_fini(&first);
    hmac_sha256(slice_from((const char *)key, SHA256_BYTES), region, key);
    hmac_sha256(slice_from((const char *)key, SHA256_BYTES), service, key);
    hmac_sha256(slice_from((const char *)key, SHA256_BYTES), SLICE("aws4_request"), key);
}

void signing_keys_fini(struct signing_keys *k)
{
    for (int i = 0; i < SIGNING_KEYS_KEPT; i++) {
        if (k->kept[i].scope)
            hmac_key_fini(&k->kept[i].key);
        free(k->kept[i].scope);
    }
    *k = (struct signing_keys){0};
}

const struct hmac_key *signing_keys_get(struct signing_keys *k, struct slice secret, struct slice date, struct slice region, struct slice service)
{
    unsigned char key[SHA256_BYTES];
    struct buffer scope = {0};
    struct signing_key *s = NULL;

    buffer_printf(&scope, "%.*s/%.*s/%.*s", SLICE_ARG(date), SLICE_ARG(region), SLICE_ARG(service));
    for (int i = 0; i < SIGNING_KEYS_KEPT && s == NULL; i++)
        if (text_equal(k->kept[i].scope, scope.ptr))
            s = &k->kept[i];
    if (s) {
        buffer_fini(&scope);
        return &s->key;
    }
    s = &k->kept[k->next++ % SIGNING_KEYS_KEPT];
    if (s->scope)
        hmac_key_fini(&s->key);
    free(s->scope);
    s->scope = buffer_take(&scope);
    sigv4_derive_key(secret, date, region, service, key);
    hmac_key_init(&s->key, slice_from((const char *)key, sizeof(key)));
    explicit_bzero(key, sizeof(key));
    return &s->key;
}

/* All headers' names, lower-case, sorted, each once, joined by ';'. */
static void append_signed_headers(struct buffer *out, const struct sigv4_request *request)
{
    struct buffer names = {0};
    struct header *sorted = memory_zeroed(request->header_count, sizeof(*sorted));
    size_t total = 0;

    for (size_t i = 0; i < request->header_count; i++)
        total += request->headers[i].name.len;
    buffer_reserve(&names, total); /* so that the slices stay where they are */
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice name = request->headers[i].name;
        size_t start = names.len;

        for (size_t k = 0; k < name.len; k++)
            buffer_append_byte(&names, lower(name.ptr[k]));
        sorted[i].name = slice_from(names.ptr + start, name.len);
    }
    qsort(sorted, request->header_count, sizeof(*sorted), compare_headers);
    for (size_t i = 0; i < request->header_count; i++) {
        if (i > 0 && slice_equal(sorted[i].name, sorted[i - 1].name))
            continue;
        if (i > 0)
            buffer_append_byte(out, ';');
        buffer_append(out, sorted[i].name);
    }
    free(sorted);
    buffer_fini(&names);
}

void sigv4_sign(struct buffer *out, const struct sigv4_request *request, const struct sigv4_keys *keys, struct slice region,
                struct slice service, int64_t now_ms, struct signing_keys *kept)
{
    struct buffer headers = {0};
    struct buffer canonical = {0};
    struct buffer scope = {0};
    struct buffer to_sign = {0};
    unsigned char signature[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    char stamp[17];

    sigv4_stamp(now_ms, stamp);
    buffer_printf(&scope, "%.8s/%.*s/%.*s/aws4_request", stamp, SLICE_ARG(region), SLICE_ARG(service));
    append_signed_headers(&headers, request);
    sigv4_canonical_request(&canonical, request, buffer_slice(&headers));
    sigv4_string_to_sign(&to_sign, slice_text(stamp), buffer_slice(&scope), buffer_slice(&canonical));
    hmac_key_sign(signing_keys_get(kept, keys->secret, slice_from(stamp, 8), region, service), buffer_slice(&to_sign), signature);
    hex_encode(signature, sizeof(signature), hex);
    buffer_printf(out, ALGORITHM " Credential=%.*s/%s, SignedHeaders=%s, Signature=%s", SLICE_ARG(keys->access_key_id), scope.ptr, headers.ptr, hex);
    buffer_fini(&headers);
    buffer_fini(&canonical);
    buffer_fini(&scope);
    buffer_fini(&to_sign);
}
