/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_framing.h"

#include <string.h>
#include <strings.h>

#define CRLF_BYTES 2

static bool alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool consists_of(struct slice s, const char *marks)
{
    for (size_t i = 0; i < s.len; i++)
        if (!alphanumeric(s.ptr[i]) && (s.ptr[i] == '\0' || strchr(marks, s.ptr[i]) == NULL))
            return false;
    return s.len > 0;
}

/* RFC 9110, 5.6.2 */
static bool is_token(struct slice s)
{
    return consists_of(s, "!#$%&'*+-.^_`|~");
}

/* No control characters but tabs (RFC 9110, 5.5). */
static bool each_is_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.ptr[i] < ' ' && s.ptr[i] != '\t') || s.ptr[i] == 0x7f)
            return false;
    return true;
}

/* May one of the eight be a control character? (Bytes below 0x20, and 0x7f; a yes may be wrong, a no is not.) */
static bool eight_suspect(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    uint64_t deletes;

    memcpy(&word, p, sizeof(word));
    deletes = word ^ (ones * 0x7f);
    return ((((word - ones * 0x20) & ~word) | ((deletes - ones) & ~deletes)) & (ones * 0x80)) != 0;
}

static bool is_value(struct slice s)
{
    for (; s.len >= 8; s = slice_after(s, 8))
        if (eight_suspect(s.ptr) && !each_is_value(slice_from(s.ptr, 8)))
            return false;
    return each_is_value(s);
}

/* Visible US-ASCII; what a URI may not contain beyond that no signature would fit. */
static bool is_uri(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~')
            return false;
    return s.len > 0;
}

static bool is_named(struct slice name, const char *other)
{
    return name.len == strlen(other) && strncasecmp(name.ptr, other, name.len) == 0;
}

void http_framing_begin(struct http_framing *f, struct slice method, struct slice uri, const char *uri_at, struct slice version)
{
    *f = (struct http_framing){.begin = method.ptr};
    f->malformed = !is_token(method) || !is_uri(uri) || !slice_is(version, "HTTP/1.1") || uri_at != method.ptr + method.len + 1 ||
                   version.ptr != uri_at + uri.len + 1;
    f->next = version.ptr + version.len + CRLF_BYTES;
}

void http_framing_header(struct http_framing *f, struct slice name, struct slice value)
{
    /* between a colon and its value there may be blanks; between the lines nothing but CRLF */
    if (name.ptr != f->next || value.ptr <= name.ptr + name.len || !is_token(name) || !is_value(value))
        f->malformed = true;
    f->next = value.ptr + value.len + CRLF_BYTES;
    if (is_named(name, "Host")) {
        f->hosts++;
        if (!consists_of(value, "-._~%:[]"))
            f->malformed = true;
    } else if (is_named(name, "Transfer-Encoding")) {
        f->encoded = true;
    } else if (is_named(name, "Content-Length")) {
        f->lengths++;
        if (!slice_to_u64(value, &f->length))
            f->malformed = true; /* not a plain number of up to 18 digits */
    }
}

bool http_framing_end(struct http_framing *f, size_t head_bytes)
{
    return !f->malformed && f->hosts == 1 && f->lengths <= 1 && !(f->encoded && f->lengths > 0) && f->begin + head_bytes == f->next + CRLF_BYTES;
}
