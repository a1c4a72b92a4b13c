/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void buffer_fini(struct buffer *b)
{
    free(b->ptr);
    *b = (struct buffer){0};
}

void buffer_reserve(struct buffer *b, size_t extra)
{
    size_t need = b->len + extra + 1;
    size_t cap = b->cap ? b->cap : 64;

    if (need <= b->cap)
        return;
    if (need < extra)
        panic("buffer overflow: %zu + %zu", b->len, extra);
    while (cap < need)
        cap = cap > need / 2 ? need : cap * 2;
    if (cap < b->cap * 2)
        cap = b->cap * 2;
    b->ptr = memory_resize(b->ptr, cap);
    b->cap = cap;
    b->ptr[b->len] = '\0';
}

void buffer_append(struct buffer *b, struct slice s)
{
    buffer_reserve(b, s.len);
    if (s.len > 0)
        memcpy(b->ptr + b->len, s.ptr, s.len);
    b->len += s.len;
    b->ptr[b->len] = '\0';
}

void buffer_append_text(struct buffer *b, const char *text)
{
    buffer_append(b, slice_text(text));
}

void buffer_append_byte(struct buffer *b, char byte)
{
    buffer_append(b, slice_from(&byte, 1));
}

void buffer_append_u64(struct buffer *b, uint64_t value)
{
    char digits[20];
    size_t n = sizeof(digits);

    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buffer_append(b, slice_from(digits + n, sizeof(digits) - n));
}

void buffer_append_i64(struct buffer *b, int64_t value)
{
    if (value < 0)
        buffer_append_byte(b, '-');
    buffer_append_u64(b, value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value);
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list arguments;
    size_t room;
    int n;

    buffer_reserve(b, 1);
    room = b->cap - b->len;
    va_start(arguments, format);
    n = vsnprintf(b->ptr + b->len, room, format, arguments);
    va_end(arguments);
    if (n < 0)
        panic("bad format \"%s\"", format);
    if ((size_t)n >= room) {
        buffer_reserve(b, (size_t)n);
        va_start(arguments, format);
        vsnprintf(b->ptr + b->len, (size_t)n + 1, format, arguments);
        va_end(arguments);
    }
    b->len += (size_t)n;
}

void buffer_append_time(struct buffer *b, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    int rest = (int)(ms % 1000);
    struct tm tm;

    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    if (gmtime_r(&seconds, &tm) == NULL) {
        buffer_append_i64(b, ms);
        return;
    }
    buffer_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                  tm.tm_min, tm.tm_sec, rest);
}

char *buffer_take(struct buffer *b)
{
    char *text;

    buffer_reserve(b, 0);
    text = b->ptr;
    *b = (struct buffer){0};
    return text;
}
