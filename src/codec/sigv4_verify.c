/* SPDX-License-Identifier: Apache-2.0
 *
 * Verification of SigV4 signatures. The order matters: what is cheap and tells nothing comes first, the comparison last.
 * Texts: those that AWS's services answer.
 */
#include "codec/sigv4.h"

#include "base/planted.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

#define WINDOW_MS (15 * 60 * INT64_C(1000))
#define REGION_MAX 32
#define SIGNED_HEADERS_MAX 100 /* as io/http_server takes */

/* A request's Authorization, cut into its parts. */
struct authorization {
    struct slice key_id;
    struct slice date;
    struct slice region;
    struct slice service;
    struct slice terminator;
    struct slice signed_headers;
    struct slice signature;
};

struct verification {
    const struct sigv4_request *request;
    struct buffer *text;
    enum sigv4_refusal refusal;
    struct authorization authorization;
    struct slice stamp; /* x-amz-date */
};

static bool refuse(struct verification *v, enum sigv4_refusal refusal, const char *text)
{
    v->refusal = refusal;
    buffer_reset(v->text);
    buffer_append_text(v->text, text);
    return false;
}

/* The header's value if there is exactly one; *count: how many there are. */
static struct slice find_header(const struct sigv4_request *r, struct slice lower_name, int *count)
{
    struct slice value = SLICE_NONE;

    *count = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        if (!sigv4_header_is(r->headers[i].name, lower_name))
            continue;
        value = r->headers[i].value;
        (*count)++;
    }
    return *count == 1 ? value : SLICE_NONE;
}

/* ---- the Authorization header ---- */

static struct slice next_part(struct slice *rest, char separator)
{
    size_t n = slice_index(*rest, separator);
    struct slice part = slice_from(rest->ptr, n);

    *rest = slice_after(*rest, n + 1);
    return part;
}

static bool cut_credential(struct authorization *a, struct slice value)
{
    a->key_id = next_part(&value, '/');
    a->date = next_part(&value, '/');
    a->region = next_part(&value, '/');
    a->service = next_part(&value, '/');
    a->terminator = value;
    return a->key_id.len > 0 && a->key_id.len <= 128 && a->date.len == 8 && a->terminator.len > 0 && slice_index(value, '/') == value.len;
}

/* In order, each once, as SigV4 wants them, and no more than a request may have: each is a walk through the headers and a copy of what it names, so that
 * a name given thousands of times would make a small request a large one, for anybody. */
static bool signed_headers_valid(struct slice names)
{
    struct slice last = SLICE("");

    for (size_t count = 0; names.len > 0; count++) {
        struct slice name = next_part(&names, ';');

        if (count == SIGNED_HEADERS_MAX || slice_compare(last, name) >= 0)
            return false;
        last = name;
    }
    return true;
}

static bool cut_authorization(struct verification *v, struct slice value)
{
    static const struct slice algorithm = {"AWS4-HMAC-SHA256 ", 17};
    struct authorization *a = &v->authorization;
    struct slice credential = SLICE_NONE;

    if (!slice_starts_with(value, algorithm))
        return refuse(v, SIGV4_INCOMPLETE, "Unsupported AWS 'algorithm': only AWS4-HMAC-SHA256 in an Authorization header is accepted.");
    value = slice_after(value, algorithm.len);
    while (value.len > 0) {
        struct slice part = slice_trim(next_part(&value, ','));
        struct slice name = next_part(&part, '=');
        struct slice *field = slice_is(name, "Credential")      ? &credential
                              : slice_is(name, "SignedHeaders") ? &a->signed_headers
                              : slice_is(name, "Signature")     ? &a->signature
                                                                : NULL;

        if (field == NULL || slice_present(*field))
            return refuse(v, SIGV4_INCOMPLETE, "Authorization header has an unknown or repeated parameter.");
        *field = part;
    }
    if (!slice_present(credential) || !cut_credential(a, credential))
        return refuse(v, SIGV4_INCOMPLETE, "Authorization header requires 'Credential' parameter (key id, date, region, service, aws4_request).");
    if (a->signature.len != 64)
        return refuse(v, SIGV4_INCOMPLETE, "Authorization header requires 'Signature' parameter (64 hexadecimal digits).");
    if (a->signed_headers.len == 0)
        return refuse(v, SIGV4_INCOMPLETE, "Authorization header requires 'SignedHeaders' parameter.");
    if (!signed_headers_valid(a->signed_headers))
        return refuse(v, SIGV4_INCOMPLETE, "Authorization header's 'SignedHeaders' must be in order, each once, 100 at most.");
    return true;
}

static bool find_authorization(struct verification *v)
{
    int count;
    struct slice value = find_header(v->request, SLICE("authorization"), &count);

    if (count == 0)
        return refuse(v, SIGV4_MISSING, "Request is missing Authentication Token");
    if (count > 1)
        return refuse(v, SIGV4_INCOMPLETE, "There is more than one Authorization header.");
    return cut_authorization(v, value);
}

/* ---- time ---- */

static int digits(struct slice s, size_t at, size_t count)
{
    int value = 0;

    for (size_t i = at; i < at + count; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return -1;
        value = value * 10 + (s.ptr[i] - '0');
    }
    return value;
}

/* "20260131T123456Z"; false: not that. */
static bool parse_stamp(struct slice s, int64_t *at_ms)
{
    struct tm tm = {0};
    struct tm again;
    time_t at;

    if (s.len != 16 || s.ptr[8] != 'T' || s.ptr[15] != 'Z')
        return false;
    tm.tm_year = digits(s, 0, 4) - 1900;
    tm.tm_mon = digits(s, 4, 2) - 1;
    tm.tm_mday = digits(s, 6, 2);
    tm.tm_hour = digits(s, 9, 2);
    tm.tm_min = digits(s, 11, 2);
    tm.tm_sec = digits(s, 13, 2);
    again = tm;
    at = timegm(&again);
    *at_ms = (int64_t)at * 1000;
    return again.tm_year == tm.tm_year && again.tm_mon == tm.tm_mon && again.tm_mday == tm.tm_mday && again.tm_hour == tm.tm_hour &&
           again.tm_min == tm.tm_min && again.tm_sec == tm.tm_sec;
}

static bool check_time(struct verification *v, int64_t now_ms)
{
    int64_t at_ms;
    int64_t limit_ms;
    char now[17];
    char limit[17];
    int count;

    v->stamp = find_header(v->request, SLICE("x-amz-date"), &count);
    if (!slice_present(v->stamp) || !parse_stamp(v->stamp, &at_ms))
        return refuse(v, SIGV4_INCOMPLETE, "Authorization header requires existence of one 'X-Amz-Date' header in the form YYYYMMDD'T'HHMMSS'Z'.");
    limit_ms = at_ms < now_ms ? now_ms - WINDOW_MS : now_ms + WINDOW_MS;
    if (at_ms < now_ms ? at_ms >= limit_ms : at_ms <= limit_ms)
        return true;
    sigv4_stamp(now_ms, now);
    sigv4_stamp(limit_ms, limit);
    refuse(v, SIGV4_MISMATCH, "");
    if (at_ms < now_ms)
        buffer_printf(v->text, "Signature expired: %.*s is now earlier than %s (%s - 15 min.)", SLICE_ARG(v->stamp), limit, now);
    else
        buffer_printf(v->text, "Signature not yet current: %.*s is still later than %s (%s + 15 min.)", SLICE_ARG(v->stamp), limit, now);
    return false;
}

/* ---- scope and headers ---- */

static bool region_valid(struct slice region)
{
    for (size_t i = 0; i < region.len; i++) {
        char c = region.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return region.len > 0 && region.len <= REGION_MAX;
}

static bool check_scope(struct verification *v, struct slice region, struct slice service)
{
    const struct authorization *a = &v->authorization;

    if (!slice_equal(a->date, slice_from(v->stamp.ptr, 8)))
        return refuse(v, SIGV4_MISMATCH, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.");
    if (!region_valid(a->region) || (slice_present(region) && !slice_equal(a->region, region)))
        return refuse(v, SIGV4_MISMATCH, "Credential should be scoped to a valid region.");
    if (!slice_equal(a->service, service)) {
        refuse(v, SIGV4_MISMATCH, "");
        buffer_printf(v->text, "Credential should be scoped to correct service: '%.*s'.", SLICE_ARG(service));
        return false;
    }
    if (!slice_is(a->terminator, "aws4_request"))
        return refuse(v, SIGV4_MISMATCH, "Credential should be scoped with a valid terminator: 'aws4_request'.");
    return true;
}

static bool is_signed(const struct authorization *a, struct slice name)
{
    struct slice rest = a->signed_headers;

    while (rest.len > 0)
        if (sigv4_header_is(name, next_part(&rest, ';')))
            return true;
    return false;
}

static bool check_headers(struct verification *v)
{
    const struct sigv4_request *r = v->request;
    int hosts;

    find_header(r, SLICE("host"), &hosts);
    if (hosts != 1 || !is_signed(&v->authorization, SLICE("host")))
        return refuse(v, SIGV4_MISMATCH, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
    for (size_t i = 0; i < r->header_count; i++) {
        struct slice name = r->headers[i].name;

        if (name.len >= 6 && strncasecmp(name.ptr, "x-amz-", 6) == 0 && !is_signed(&v->authorization, name))
            return refuse(v, SIGV4_MISMATCH, "There were headers present in the request which were not signed: every X-Amz-* header must be.");
    }
    return true;
}

/* UNSIGNED-PAYLOAD and STREAMING-* are not the body's hash, and so are refused. */
static bool check_body(struct verification *v)
{
    unsigned char digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    int count;
    struct slice claimed = find_header(v->request, SLICE("x-amz-content-sha256"), &count);

    if (count == 0)
        return true;
    sha256(v->request->body, digest);
    hex_encode(digest, sizeof(digest), hex);
    return slice_is(claimed, hex) || refuse(v, SIGV4_MISMATCH, "The provided 'x-amz-content-sha256' header does not match what was computed.");
}

static bool check_query(struct verification *v)
{
    struct slice rest = v->request->query;

    while (rest.len > 0) {
        struct slice part = next_part(&rest, '&');

        if (part.len >= 6 && strncasecmp(part.ptr, "X-Amz-", 6) == 0)
            return refuse(v, SIGV4_INCOMPLETE, "Presigned requests are not accepted: sign in an Authorization header.");
    }
    return true;
}

/* ---- the signature ---- */

static bool check_signature(struct verification *v, struct keyring *ring, const struct access_key **found)
{
    const struct authorization *a = &v->authorization;
    struct buffer scope = {0};
    struct buffer canonical = {0};
    struct buffer to_sign = {0};
    unsigned char signature[SHA256_BYTES] = {0};
    char hex[2 * SHA256_BYTES + 1];
    const struct hmac_key *key;
    bool same;

    buffer_printf(&scope, "%.*s/%.*s/%.*s/aws4_request", SLICE_ARG(a->date), SLICE_ARG(a->region), SLICE_ARG(a->service));
    sigv4_canonical_request(&canonical, v->request, a->signed_headers);
    sigv4_string_to_sign(&to_sign, v->stamp, buffer_slice(&scope), buffer_slice(&canonical));
    key = keyring_derive(ring, a->key_id, a->date, a->region, a->service, found);
    if (!PLANTED(UNKNOWN_KEY_QUICK) || *found)
        hmac_key_sign(key, buffer_slice(&to_sign), signature);
    hex_encode(signature, sizeof(signature), hex);
    same = equal_in_constant_time(a->signature, slice_from(hex, 64));
    buffer_fini(&scope);
    buffer_fini(&canonical);
    buffer_fini(&to_sign);
    if (*found == NULL)
        return refuse(v, SIGV4_UNKNOWN_KEY, "The security token included in the request is invalid.");
    return same || refuse(v, SIGV4_MISMATCH, "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                                             "Access Key and signing method. Consult the service documentation for details.");
}

enum sigv4_refusal sigv4_verify(struct keyring *ring, const struct sigv4_request *request, struct slice region, struct slice service,
                                int64_t now_ms, const struct access_key **key, struct buffer *text)
{
    struct verification v = {.request = request, .text = text, .refusal = SIGV4_OK};

    *key = NULL;
    if (find_authorization(&v) && check_time(&v, now_ms) && check_scope(&v, region, service) && check_headers(&v) && check_body(&v) &&
        check_query(&v) && check_signature(&v, ring, key))
        return SIGV4_OK;
    *key = NULL;
    return v.refusal;
}
