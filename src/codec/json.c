/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader is a cursor, not a parser with a stack: what is open is known to the caller, who called json_object_begin. Only json_skip
 * has to remember by itself what is open, and JSON_DEPTH_MAX makes that one 64-bit word.
 */
#include "codec/json.h"

#include "base/utf8.h"

void json_init(struct json *j, struct slice text)
{
    *j = (struct json){.at = text.ptr, .end = text.ptr + text.len, .start = text.ptr};
    if (!slice_present(text))
        *j = (struct json){.at = "", .end = "", .start = ""};
}

bool json_failed(const struct json *j)
{
    return j->error != NULL;
}

void json_reject(struct json *j, const char *error)
{
    if (j->error == NULL)
        j->error = error;
}

size_t json_offset(const struct json *j)
{
    return (size_t)(j->at - j->start);
}

static void skip_blanks(struct json *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t'))
        j->at++;
}

enum json_kind json_peek(struct json *j)
{
    skip_blanks(j);
    if (json_failed(j))
        return JSON_ERROR;
    if (j->at == j->end) {
        json_reject(j, "ends too early");
        return JSON_ERROR;
    }
    switch (*j->at) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't': return JSON_TRUE;
    case 'f': return JSON_FALSE;
    case 'n': return JSON_NULL;
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return JSON_NUMBER;
    default:
        json_reject(j, "not a JSON value");
        return JSON_ERROR;
    }
}

static bool expect(struct json *j, enum json_kind kind, const char *error)
{
    enum json_kind found = json_peek(j);

    if (found != kind && found != JSON_ERROR)
        json_reject(j, error);
    return found == kind;
}

/* ---- strings ---- */

/* Eight bytes at once: does any of them need a closer look ('"', '\\', a control character, not ASCII)? */
static bool eight_plain(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    uint64_t w;
    uint64_t quote;
    uint64_t backslash;

    memcpy(&w, p, sizeof(w));
    quote = w ^ (ones * '"');
    backslash = w ^ (ones * '\\');
    return ((w | (w - ones * 0x20) | (quote - ones) | (backslash - ones)) & highs) == 0;
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

struct slice json_string(struct json *j)
{
    const char *p;
    const char *begin;

    if (!expect(j, JSON_STRING, "a string was expected"))
        return SLICE_NONE;
    begin = p = j->at + 1;
    for (;;) {
        while (j->end - p >= 8 && eight_plain(p))
            p += 8;
        if (p == j->end) {
            json_reject(j, "a string does not end");
            return SLICE_NONE;
        }
        if (*p == '"')
            break;
        if (*p == '\\') {
            p = skip_escape(p, j->end);
            if (p == NULL) {
                json_reject(j, "a malformed escape");
                return SLICE_NONE;
            }
        } else if ((unsigned char)*p < 0x20) {
            json_reject(j, "a control character in a string");
            return SLICE_NONE;
        } else {
            size_t n = utf8_length(slice_from(p, (size_t)(j->end - p)));

            if (n == 0) {
                json_reject(j, "not UTF-8");
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

struct slice json_number(struct json *j)
{
    const char *begin;
    const char *p;

    if (!expect(j, JSON_NUMBER, "a number was expected"))
        return SLICE_NONE;
    begin = j->at;
    p = number_end(begin, j->end);
    if (p == NULL) {
        json_reject(j, "a malformed number");
        return SLICE_NONE;
    }
    j->at = p;
    j->fresh = false;
    return slice_from(begin, (size_t)(p - begin));
}

static void literal(struct json *j, struct slice word)
{
    if (!slice_starts_with(slice_from(j->at, (size_t)(j->end - j->at)), word)) {
        json_reject(j, "not a JSON value");
        return;
    }
    j->at += word.len;
    j->fresh = false;
}

bool json_bool(struct json *j)
{
    bool is_true = json_peek(j) == JSON_TRUE;

    if (is_true)
        literal(j, SLICE("true"));
    else if (expect(j, JSON_FALSE, "true or false was expected"))
        literal(j, SLICE("false"));
    return is_true && !json_failed(j);
}

void json_null(struct json *j)
{
    if (expect(j, JSON_NULL, "null was expected"))
        literal(j, SLICE("null"));
}

/* ---- objects and arrays ---- */

static void begin(struct json *j, enum json_kind kind, const char *error)
{
    if (!expect(j, kind, error))
        return;
    if (j->depth == JSON_DEPTH_MAX) {
        json_reject(j, "nested too deeply");
        return;
    }
    j->at++;
    j->depth++;
    j->fresh = true;
}

void json_object_begin(struct json *j)
{
    begin(j, JSON_OBJECT, "an object was expected");
}

void json_array_begin(struct json *j)
{
    begin(j, JSON_ARRAY, "an array was expected");
}

/* Steps to the next member or element; false at the closing bracket, which is consumed, and on an error. */
static bool step(struct json *j, char closing)
{
    skip_blanks(j);
    if (json_failed(j))
        return false;
    if (j->at == j->end) {
        json_reject(j, "ends too early");
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
        json_reject(j, "a comma was expected");
        return false;
    }
    j->at++;
    return true;
}

bool json_member(struct json *j, struct slice *key)
{
    if (!step(j, '}'))
        return false;
    *key = json_string(j);
    skip_blanks(j);
    if (json_failed(j))
        return false;
    if (j->at == j->end || *j->at != ':') {
        json_reject(j, "a colon was expected");
        return false;
    }
    j->at++;
    return true;
}

bool json_element(struct json *j)
{
    return step(j, ']');
}

static void skip_scalar(struct json *j, enum json_kind kind)
{
    switch (kind) {
    case JSON_STRING: json_string(j); break;
    case JSON_NUMBER: json_number(j); break;
    case JSON_TRUE: case JSON_FALSE: json_bool(j); break;
    case JSON_NULL: json_null(j); break;
    default: break;
    }
}

struct slice json_skip(struct json *j)
{
    int base = j->depth;
    uint64_t is_object = 0; /* one bit a level that json_skip itself opened */
    enum json_kind kind = json_peek(j);
    const char *start = j->at;

    while (!json_failed(j)) {
        struct slice key;

        if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
            begin(j, kind, "");
            is_object = is_object << 1 | (kind == JSON_OBJECT);
        } else {
            skip_scalar(j, kind);
        }
        while (j->depth > base && !json_failed(j) && !(is_object & 1 ? json_member(j, &key) : json_element(j)))
            is_object >>= 1;
        if (j->depth == base || json_failed(j))
            break;
        kind = json_peek(j);
    }
    return json_failed(j) ? SLICE_NONE : slice_from(start, (size_t)(j->at - start));
}

bool json_end(struct json *j)
{
    skip_blanks(j);
    if (!json_failed(j) && j->at != j->end)
        json_reject(j, "something follows the value");
    return !json_failed(j);
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

    buffer_reserve(out, raw.len);
    while (raw.len > 0) {
        size_t plain = slice_index(raw, '\\');
        size_t used = 2;
        char utf8[4];

        buffer_append(out, slice_from(raw.ptr, plain));
        raw = slice_after(raw, plain);
        if (raw.len < 2)
            break;
        if (raw.ptr[1] == 'u') {
            uint32_t c = decode_u(raw.ptr, raw.ptr + raw.len, &used, &lone);

            buffer_append(out, slice_from(utf8, utf8_encode(c, utf8)));
        } else {
            buffer_append_byte(out, short_escape(raw.ptr[1]));
        }
        raw = slice_after(raw, used);
    }
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

void json_append_escaped(struct buffer *out, struct slice s)
{
    static const char hex[] = "0123456789abcdef";
    const char *p = s.ptr;
    const char *end = s.ptr + s.len;

    buffer_reserve(out, s.len + s.len / 8);
    while (p < end) {
        const char *plain = p;
        unsigned char c;

        while (p < end) {
            if (end - p >= 8 && eight_plain(p))
                p += 8;
            else if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\')
                break;
            else
                p++;
        }
        buffer_append(out, slice_from(plain, (size_t)(p - plain)));
        if (p == end)
            break;
        c = (unsigned char)*p++;
        if (c == '"' || c == '\\') {
            buffer_append(out, slice_from((char[]){'\\', (char)c}, 2));
        } else if (c == '\n' || c == '\r' || c == '\t') {
            buffer_append(out, slice_from((char[]){'\\', c == '\n' ? 'n' : c == '\r' ? 'r' : 't'}, 2));
        } else {
            buffer_append(out, slice_from((char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6));
        }
    }
}

void json_append_string(struct buffer *out, struct slice s)
{
    buffer_append_byte(out, '"');
    json_append_escaped(out, s);
    buffer_append_byte(out, '"');
}
