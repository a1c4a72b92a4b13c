/* SPDX-License-Identifier: Apache-2.0
 *
 * json: a strict RFC 8259 reader that builds no tree, and the few lines a writer needs.
 *
 * The reader walks a text once and hands out slices of it; it allocates nothing. What it accepts: one value in valid UTF-8, depth at
 * most JSON_DEPTH_MAX. Strings are handed out raw (between the quotes, escapes as they are);
 * json_unescape decodes one. A reader that met an error stays in error: check `json_failed` once, at the end.
 */
#ifndef S2Q_CODEC_JSON_H
#define S2Q_CODEC_JSON_H

#include "base/buffer.h"
#include "base/slice.h"

#define JSON_DEPTH_MAX 64

enum json_kind { JSON_ERROR, JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

struct json {
    const char *at;
    const char *end;
    const char *start;
    const char *error; /* what is wrong, a literal; NULL: nothing yet */
    int depth;
    bool fresh; /* just inside an object or array: no comma is due */
};

void json_init(struct json *j, struct slice text);
/* What stands next, without consuming it. */
enum json_kind json_peek(struct json *j);
/* Each consumes one value of that kind; another kind is an error. A string or number is given raw. */
struct slice json_string(struct json *j);
struct slice json_number(struct json *j);
bool json_bool(struct json *j);
void json_null(struct json *j);
/* Consumes any value, checking it entirely, and gives the bytes that it spans. */
struct slice json_skip(struct json *j);
/* `json_object_begin`, then `while (json_member(j, &key)) { consume exactly one value }`. `key` is raw. */
void json_object_begin(struct json *j);
bool json_member(struct json *j, struct slice *key);
/* `json_array_begin`, then `while (json_element(j)) { consume exactly one value }`. */
void json_array_begin(struct json *j);
bool json_element(struct json *j);
/* True if all was well and nothing but blanks follows. Call when the outermost value was consumed. */
bool json_end(struct json *j);
bool json_failed(const struct json *j);
/* Marks the text as wrong for a reason of the caller's (a literal). */
void json_reject(struct json *j, const char *error);
/* Where the reader stands, in bytes from the beginning, for error texts. */
size_t json_offset(const struct json *j);

/* Appends the raw string decoded to UTF-8. A lone surrogate escape becomes U+FFFD; false then (all else was appended). */
bool json_unescape(struct buffer *out, struct slice raw);
/* Is the raw string, decoded, this text? For keys: no allocation when there is no escape in it. */
bool json_raw_equal(struct slice raw, const char *text);

/* Appends "..." with what RFC 8259 demands escaped; `s` must be valid UTF-8. */
void json_append_string(struct buffer *out, struct slice s);
/* The same without the quotes. */
void json_append_escaped(struct buffer *out, struct slice s);

#endif
