/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader is a cursor, not a parser with a stack: what is open is known to the caller, who called scan_object_begin. Only scan_skip
 * has to remember by itself what is open, and SCAN_DEPTH_MAX makes that one 64-bit word.
 */
#include "codec/json.h"

#include "base/utf8.h"

#include <endian.h>

void scan_init(struct scanner *j, struct slice text)
{
    if (!slice_present(text))
        text = SLICE("");
    *j = (struct scanner){.at = text.ptr, .end = text.ptr + text.len, .start = text.ptr};
}

bool scan_failed(const struct scanner *j)
{
    return j->error != NULL;
}

void scan_reject(struct scanner *j, const char *error)
{
    if (j->error == NULL)
        j->error = error;
}

size_t scan_offset(const struct scanner *j)
{
    return (size_t)(j->at - j->start);
}

static void skip_blanks(struct scanner *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t'))
        j->at++;
}

enum scan_kind scan_peek(struct scanner *j)
{
    skip_blanks(j);
    if (scan_failed(j))
        return SCAN_ERROR;
    if (j->at == j->end) {
        scan_reject(j, "ends too early");
        return SCAN_ERROR;
    }
    switch (*j->at) {
    case '{': return SCAN_OBJECT;
    case '[': return SCAN_ARRAY;
    case '"': return SCAN_STRING;
    case 't': return SCAN_TRUE;
    case 'f': return SCAN_FALSE;
    case 'n': return SCAN_NULL;
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return SCAN_NUMBER;
    default:
        scan_reject(j, "not a JSON value");
        return SCAN_ERROR;
    }
}

static bool expect(struct scanner *j, enum scan_kind kind, const char *error)
{
    enum scan_kind found = scan_peek(j);

    if (found != kind && found != SCAN_ERROR)
        scan_reject(j, error);
    return found == kind;
}

/* ---- strings ---- */

#define ESCAPED_MAX 6 /* bytes of an escape: \u001f */
#define PIECE 1024

/* Of the eight bytes at p, how many come before one that needs a closer look ('"', '\\', a control character, not ASCII)? A borrow spoils only what is
 * behind one that was found. */
static size_t plain_of_eight(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    uint64_t w;
    uint64_t quote;
    uint64_t backslash;
    uint64_t found;

    memcpy(&w, p, sizeof(w));
    w = le64toh(w); /* the first byte is the lowest */
    quote = w ^ (ones * '"');
    backslash = w ^ (ones * '\\');
    found = (w | (w - ones * 0x20) | (quote - ones) | (backslash - ones)) & highs;
    return found ? (size_t)__builtin_ctzll(found) / 8 : 8;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Four hex digits at p, or -1. */
static int32_t hex_four(const char *p, const char *end)
{
    int32_t value = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Steps over the escape that `p` stands on; NULL: malformed. */
static const char *skip_escape(const char *p, const char *end)
{
    if (end - p < 2)
        return NULL;
    if (p[1] == 'u')
        return hex_four(p + 2, end) < 0 ? NULL : p + 6;
    return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) ? p + 2 : NULL;
}

struct slice scan_string(struct scanner *j)
{
    const char *p;
    const char *begin;

    if (!expect(j, SCAN_STRING, "a string was expected"))
        return SLICE_NONE;
    begin = p = j->at + 1;
    for (;;) {
        for (size_t n = 8; n == 8 && j->end - p >= 8; p += n)
            n = plain_of_eight(p);
        if (p == j->end) {
            scan_reject(j, "a string does not end");
            return SLICE_NONE;
        }
        if (*p == '"')
            break;
        if (*p == '\\') {
            p = skip_escape(p, j->end);
            if (p == NULL) {
                scan_reject(j, "a malformed escape");
                return SLICE_NONE;
            }
        } else if ((unsigned char)*p < 0x20) {
            scan_reject(j, "a control character in a string");
            return SLICE_NONE;
        } else {
            size_t n = utf8_length(slice_from(p, (size_t)(j->end - p)));

            if (n == 0) {
                scan_reject(j, "not UTF-8");
                return SLICE_NONE;
            }
            p += n;
        }
    }
    j->at = p + 1;
    j->fresh = false;
    return slice_from(begin, (size_t)(p - begin));
}

/* ---- numbers and literals ---- */

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* The end of the number at p by RFC 8259's grammar, or NULL. */
static const char *number_end(const char *p, const char *end)
{
    const char *digits;

    if (p < end && *p == '-')
        p++;
    digits = p;
    p = skip_digits(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1))
        return NULL;
    if (p < end && *p == '.') {
        digits = ++p;
        p = skip_digits(p, end);
        if (p == digits)
            return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        digits = p;
        p = skip_digits(p, end);
        if (p == digits)
            return NULL;
    }
    return p;
}

struct slice scan_number(struct scanner *j)
{
    const char *begin;
    const char *p;

    if (!expect(j, SCAN_NUMBER, "a number was expected"))
        return SLICE_NONE;
    begin = j->at;
    p = number_end(begin, j->end);
    if (p == NULL) {
        scan_reject(j, "a malformed number");
        return SLICE_NONE;
    }
    j->at = p;
    j->fresh = false;
    return slice_from(begin, (size_t)(p - begin));
}

static void literal(struct scanner *j, struct slice word)
{
    if (!slice_starts_with(slice_from(j->at, (size_t)(j->end - j->at)), word)) {
        scan_reject(j, "not a JSON value");
        return;
    }
    j->at += word.len;
    j->fresh = false;
}

bool scan_bool(struct scanner *j)
{
    bool is_true = scan_peek(j) == SCAN_TRUE;

    if (is_true)
        literal(j, SLICE("true"));
    else if (expect(j, SCAN_FALSE, "true or false was expected"))
        literal(j, SLICE("false"));
    return is_true && !scan_failed(j);
}

void scan_null(struct scanner *j)
{
    if (expect(j, SCAN_NULL, "null was expected"))
        literal(j, SLICE("null"));
}

/* ---- objects and arrays ---- */

static void begin(struct scanner *j, enum scan_kind kind, const char *error)
{
    if (!expect(j, kind, error))
        return;
    if (j->depth == SCAN_DEPTH_MAX) {
        scan_reject(j, "nested too deeply");
        return;
    }
    j->at++;
    j->depth++;
    j->fresh = true;
}

void scan_object_begin(struct scanner *j)
{
    begin(j, SCAN_OBJECT, "an object was expected");
}

void scan_array_begin(struct scanner *j)
{
    begin(j, SCAN_ARRAY, "an array was expected");
}

/* Steps to the next member or element; false at the closing bracket, which is consumed, and on an error. */
static bool step(struct scanner *j, char closing)
{
    skip_blanks(j);
    if (scan_failed(j))
        return false;
    if (j->at == j->end) {
        scan_reject(j, "ends too early");
        return false;
    }
    if (*j->at == closing) {
        j->at++;
        j->depth--;
        j->fresh = false;
        return false;
    }
    if (j->fresh) {
        j->fresh = false;
        return true;
    }
    if (*j->at != ',') {
        scan_reject(j, "a comma was expected");
        return false;
    }
    j->at++;
    return true;
}

bool scan_member(struct scanner *j, struct slice *key)
{
    if (!step(j, '}'))
        return false;
    *key = scan_string(j);
    skip_blanks(j);
    if (scan_failed(j))
        return false;
    if (j->at == j->end || *j->at != ':') {
        scan_reject(j, "a colon was expected");
        return false;
    }
    j->at++;
    return true;
}

bool scan_element(struct scanner *j)
{
    return step(j, ']');
}

static void skip_scalar(struct scanner *j, enum scan_kind kind)
{
    switch (kind) {
    case SCAN_STRING: scan_string(j); break;
    case SCAN_NUMBER: scan_number(j); break;
    case SCAN_TRUE: case SCAN_FALSE: scan_bool(j); break;
    case SCAN_NULL: scan_null(j); break;
    default: break;
    }
}

struct slice scan_skip(struct scanner *j)
{
    int base = j->depth;
    uint64_t is_object = 0; /* one bit a level that scan_skip itself opened */
    enum scan_kind kind = scan_peek(j);
    const char *start = j->at;

    while (!scan_failed(j)) {
        struct slice key;

        if (kind == SCAN_OBJECT || kind == SCAN_ARRAY) {
            begin(j, kind, "");
            is_object = is_object << 1 | (kind == SCAN_OBJECT);
        } else {
            skip_scalar(j, kind);
        }
        while (j->depth > base && !scan_failed(j) && !(is_object & 1 ? scan_member(j, &key) : scan_element(j)))
            is_object >>= 1;
        if (j->depth == base || scan_failed(j))
            break;
        kind = scan_peek(j);
    }
    return scan_failed(j) ? SLICE_NONE : slice_from(start, (size_t)(j->at - start));
}

bool scan_end(struct scanner *j)
{
    skip_blanks(j);
    if (!scan_failed(j) && j->at != j->end)
        scan_reject(j, "something follows the value");
    return !scan_failed(j);
}

/* ---- decoding and encoding of strings ---- */

static char short_escape(char c)
{
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
    }
}

/* The code point of the \u escape (or pair of them) at p, its length in *used; a lone surrogate: U+FFFD and *lone. */
static uint32_t decode_u(const char *p, const char *end, size_t *used, bool *lone)
{
    uint32_t high = (uint32_t)hex_four(p + 2, end);

    *used = 6;
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
        int32_t low = hex_four(p + 8, end);

        if (low >= 0xdc00 && low <= 0xdfff) {
            *used = 12;
            return 0x10000 + ((high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
        }
    }
    *lone = true;
    return 0xfffd;
}

bool json_unescape(struct buffer *out, struct slice raw)
{
    bool lone = false;
    const char *p = raw.len > 0 ? raw.ptr : ""; /* an absent one is empty */
    const char *end = p + raw.len;
    char *to;

    buffer_reserve(out, raw.len + 4); /* no escape is shorter than what it stands for */
    to = out->ptr + out->len;
    while (p < end) {
        const char *plain = p;
        size_t used = 2;

        p += slice_index(slice_from(p, (size_t)(end - p)), '\\');
        memcpy(to, plain, (size_t)(p - plain));
        to += p - plain;
        if (end - p < 2)
            break;
        if (p[1] == 'u')
            to += utf8_encode(decode_u(p, end, &used, &lone), to);
        else
            *to++ = short_escape(p[1]);
        p += used < (size_t)(end - p) ? used : (size_t)(end - p);
    }
    out->len = (size_t)(to - out->ptr);
    out->ptr[out->len] = '\0';
    return !lone;
}

bool json_raw_equal(struct slice raw, const char *text)
{
    struct buffer decoded = {0};
    bool equal;

    if (slice_index(raw, '\\') == raw.len)
        return slice_is(raw, text);
    json_unescape(&decoded, raw);
    equal = slice_is(buffer_slice(&decoded), text);
    buffer_fini(&decoded);
    return equal;
}

/* One character that cannot stand in a string as it is: written to `to` (room for ESCAPED_MAX), returns the end. */
static char *escape_one(char *to, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";

    *to++ = '\\';
    if (c == '"' || c == '\\') {
        *to++ = (char)c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
        *to++ = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
    } else {
        memcpy(to, "u00", 3);
        to[3] = hex[c >> 4];
        to[4] = hex[c & 15];
        to += 5;
    }
    return to;
}

/* A piece at a time, with room for the worst: DynamoDB's records have a quote every few bytes, so that each one's own look at the buffer would cost more than
 * its escape. */
void json_append_escaped(struct buffer *out, struct slice s)
{
    while (s.len > 0) {
        const char *p = s.ptr;
        const char *end = p + (s.len < PIECE ? s.len : PIECE);
        char *to;

        buffer_reserve(out, (size_t)(end - p) * ESCAPED_MAX);
        to = out->ptr + out->len;
        while (p < end) {
            if (end - p >= 8 && plain_of_eight(p) == 8) {
                memcpy(to, p, 8);
                to += 8;
                p += 8;
            } else if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\') {
                to = escape_one(to, (unsigned char)*p++);
            } else {
                *to++ = *p++;
            }
        }
        out->len = (size_t)(to - out->ptr);
        out->ptr[out->len] = '\0';
        s = slice_after(s, (size_t)(end - s.ptr));
    }
}

void json_append_string(struct buffer *out, struct slice s)
{
    buffer_append_byte(out, '"');
    json_append_escaped(out, s);
    buffer_append_byte(out, '"');
}
