/* SPDX-License-Identifier: Apache-2.0
 *
 * json: a strict RFC 8259 scanner that builds no tree, and the few lines a writer needs. (Not json_*: jansson has those names.)
 *
 * The reader walks a text once and hands out slices of it; it allocates nothing. What it accepts: one value in valid UTF-8, depth at
 * most SCAN_DEPTH_MAX. Strings are handed out raw (between the quotes, escapes as they are);
 * json_unescape decodes one. A reader that met an error stays in error: check `scan_failed` once, at the end.
 */
#ifndef S2Q_CODEC_JSON_H
#define S2Q_CODEC_JSON_H

#include "base/buffer.h"
#include "base/slice.h"

#define SCAN_DEPTH_MAX 64

enum scan_kind { SCAN_ERROR, SCAN_OBJECT, SCAN_ARRAY, SCAN_STRING, SCAN_NUMBER, SCAN_TRUE, SCAN_FALSE, SCAN_NULL };

struct scanner {
    const char *at;
    const char *end;
    const char *start;
    const char *error; /* what is wrong, a literal; NULL: nothing yet */
    int depth;
    bool fresh; /* just inside an object or array: no comma is due */
};

void scan_init(struct scanner *j, struct slice text);
/* What stands next, without consuming it. */
enum scan_kind scan_peek(struct scanner *j);
/* Each consumes one value of that kind; another kind is an error. A string or number is given raw. */
struct slice scan_string(struct scanner *j);
struct slice scan_number(struct scanner *j);
bool scan_bool(struct scanner *j);
void scan_null(struct scanner *j);
/* Consumes any value, checking it entirely, and gives the bytes that it spans. */
struct slice scan_skip(struct scanner *j);
/* `scan_object_begin`, then `while (scan_member(j, &key)) { consume exactly one value }`. `key` is raw. */
void scan_object_begin(struct scanner *j);
bool scan_member(struct scanner *j, struct slice *key);
/* `scan_array_begin`, then `while (scan_element(j)) { consume exactly one value }`. */
void scan_array_begin(struct scanner *j);
bool scan_element(struct scanner *j);
/* True if all was well and nothing but blanks follows. Call when the outermost value was consumed. */
bool scan_end(struct scanner *j);
bool scan_failed(const struct scanner *j);
/* Marks the text as wrong for a reason of the caller's (a literal). */
void scan_reject(struct scanner *j, const char *error);
/* Where the reader stands, in bytes from the beginning, for error texts. */
size_t scan_offset(const struct scanner *j);

/* Appends the raw string decoded to UTF-8. A lone surrogate escape becomes U+FFFD; false then (all else was appended). */
bool json_unescape(struct buffer *out, struct slice raw);
/* Is the raw string, decoded, this text? For keys: no allocation when there is no escape in it. */
bool json_raw_equal(struct slice raw, const char *text);

/* Appends "..." with what RFC 8259 demands escaped; `s` must be valid UTF-8. */
void json_append_string(struct buffer *out, struct slice s);
/* The same without the quotes. */
void json_append_escaped(struct buffer *out, struct slice s);

#endif
