/* SPDX-License-Identifier: Apache-2.0
 *
 * buffer: bytes that grow; the owner calls buffer_fini.
 *
 * A zeroed struct is an empty buffer. The bytes are always followed by a NUL that is not counted (once anything was appended),
 * so `ptr` serves as C text. Appending may move the bytes: slices into a buffer die with the next append.
 */
#ifndef S2Q_BASE_BUFFER_H
#define S2Q_BASE_BUFFER_H

#include "base/slice.h"

struct buffer {
    char *ptr;
    size_t len;
    size_t cap;
};

/* Frees the bytes; the buffer is empty and usable again. */
void buffer_fini(struct buffer *b);
/* Makes room for `extra` more bytes and their NUL. */
void buffer_reserve(struct buffer *b, size_t extra);
void buffer_append(struct buffer *b, struct slice s);
void buffer_append_text(struct buffer *b, const char *text);
void buffer_append_byte(struct buffer *b, char byte);
void buffer_append_u64(struct buffer *b, uint64_t value);
void buffer_append_i64(struct buffer *b, int64_t value);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull(2)));
/* Appends `ms` since 1970 as 2026-01-31T12:34:56.789Z. */
void buffer_append_time(struct buffer *b, int64_t ms);
/* The bytes as malloc'd C text, never NULL; the buffer is empty afterwards. The caller frees it. */
char *buffer_take(struct buffer *b);

/* Empties it, keeping its memory. */
static inline void buffer_reset(struct buffer *b)
{
    b->len = 0;
    if (b->ptr)
        b->ptr[0] = '\0';
}

static inline struct slice buffer_slice(const struct buffer *b)
{
    return (struct slice){b->ptr ? b->ptr : "", b->len};
}

#endif
