/* SPDX-License-Identifier: Apache-2.0
 *
 * slice: a borrowed range of bytes, passed by value.
 *
 * A slice owns nothing: whoever made the bytes keeps them alive. A slice is not NUL-terminated. An absent value is
 * {NULL, 0}; an empty one has a non-NULL pointer: `slice_present` tells them apart.
 */
#ifndef S2Q_BASE_SLICE_H
#define S2Q_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *ptr;
    size_t len;
};

/* SLICE("literal"): a slice over a string literal. */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})
#define SLICE_NONE ((struct slice){NULL, 0})
/* For printf's "%.*s". */
#define SLICE_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct slice slice_from(const char *ptr, size_t len)
{
    return (struct slice){ptr, len};
}

/* A slice over a NUL-terminated string; NULL gives the absent slice. */
static inline struct slice slice_text(const char *text)
{
    return text ? (struct slice){text, strlen(text)} : SLICE_NONE;
}

/* Two NUL-terminated strings, or two NULLs. */
static inline bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static inline bool slice_present(struct slice s)
{
    return s.ptr != NULL;
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_text(text));
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool slice_ends_with(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len && (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The part from `offset` on; an offset past the end gives an empty slice, an absent slice stays absent. */
static inline struct slice slice_after(struct slice s, size_t offset)
{
    if (s.ptr == NULL)
        return s;
    return offset >= s.len ? (struct slice){s.ptr + s.len, 0} : (struct slice){s.ptr + offset, s.len - offset};
}

/* Where `byte` first stands, or s.len. */
static inline size_t slice_index(struct slice s, char byte)
{
    const char *hit = s.len ? memchr(s.ptr, byte, s.len) : NULL;
    return hit ? (size_t)(hit - s.ptr) : s.len;
}

/* Without leading and trailing blanks, tabs, CR and LF. */
struct slice slice_trim(struct slice s);
/* A decimal number of 1 to 18 digits, no sign; false: not one. */
bool slice_to_u64(struct slice s, uint64_t *out);
/* A copy with a NUL behind it; the caller frees it with free(). */
char *slice_dup(struct slice s);
/* Orders two decimal sequence numbers by value: leading zeros dropped, then length, then bytes (they have up to 56
 * digits: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_SequenceNumberRange.html). <0, 0, >0. */
int sequence_compare(struct slice a, struct slice b);
/* In the order of their bytes: < 0, 0, > 0. */
int slice_compare(struct slice a, struct slice b);

#endif
