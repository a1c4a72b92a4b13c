/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/buffer.h"
#include "base/utf8.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static struct {
    int fd;
    enum log_format format;
    enum log_level least;
} sink = {STDERR_FILENO, LOG_FORMAT_AUTO, LOG_INFO};
static _Thread_local const struct log_sink *diverted;
static _Atomic uint64_t counts[LOG_ERROR + 1];

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_init(int fd, enum log_format format, enum log_level least)
{
    sink.fd = fd;
    sink.format = format;
    sink.least = least;
}

const struct log_sink *log_divert(const struct log_sink *to)
{
    const struct log_sink *before = diverted;

    diverted = to;
    return before;
}

uint64_t log_count(enum log_level level)
{
    return atomic_load(&counts[level]);
}

/* The length of the printable character that `s` starts with, or 0: C0, DEL, C1 and malformed bytes are not. */
static size_t printable_prefix(struct slice s)
{
    size_t n = utf8_length(s);
    unsigned char first = (unsigned char)s.ptr[0];

    if (n == 0 || first < 0x20 || first == 0x7f)
        return 0;
    if (n == 2 && first == 0xc2 && (unsigned char)s.ptr[1] < 0xa0)
        return 0;
    /* U+202A-E and U+2066-9 reorder what a person sees */
    if (n == 3 && first == 0xe2 && (unsigned char)s.ptr[1] == 0x80 && (unsigned char)s.ptr[2] >= 0xa8 &&
        (unsigned char)s.ptr[2] <= 0xae)
        return 0;
    if (n == 3 && first == 0xe2 && (unsigned char)s.ptr[1] == 0x81 && (unsigned char)s.ptr[2] >= 0xa6 &&
        (unsigned char)s.ptr[2] <= 0xa9)
        return 0;
    return n;
}

void text_append_printable(struct buffer *out, struct slice s)
{
    while (s.len > 0) {
        size_t n = printable_prefix(s);

        if (n > 0)
            buffer_append(out, slice_from(s.ptr, n));
        else
            buffer_printf(out, "\\x%02x", (unsigned char)s.ptr[0]);
        s = slice_after(s, n > 0 ? n : 1);
    }
}

static void append_json_text(struct buffer *out, struct slice s)
{
    buffer_append_byte(out, '"');
    while (s.len > 0) {
        size_t n = utf8_length(s);
        char c = s.ptr[0];

        if (c == '"' || c == '\\')
            buffer_printf(out, "\\%c", c);
        else if (n == 0 || (unsigned char)c < 0x20 || c == 0x7f)
            buffer_printf(out, "\\u%04x", n == 0 ? 0xfffd : (unsigned)c);
        else
            buffer_append(out, slice_from(s.ptr, n));
        s = slice_after(s, n > 0 ? n : 1);
    }
    buffer_append_byte(out, '"');
}

static void append_as_json(struct buffer *line, int64_t now_ms, enum log_level level, const char *event,
                           const struct log_field *field)
{
    buffer_append_text(line, "{\"time\":\"");
    buffer_append_time(line, now_ms);
    buffer_printf(line, "\",\"level\":\"%s\",\"event\":", level_names[level]);
    append_json_text(line, slice_text(event));
    for (; field && field->name; field++) {
        buffer_printf(line, ",\"%s\":", field->name);
        if (slice_present(field->text))
            append_json_text(line, field->text);
        else
            buffer_append_i64(line, field->number);
    }
    buffer_append_text(line, "}\n");
}

static void append_event(struct buffer *line, const char *event, const struct log_field *field)
{
    buffer_append_text(line, event);
    for (; field && field->name; field++) {
        buffer_printf(line, " %s=", field->name);
        if (slice_present(field->text))
            text_append_printable(line, field->text);
        else
            buffer_append_i64(line, field->number);
    }
}

static void append_as_text(struct buffer *line, int64_t now_ms, enum log_level level, const char *event,
                           const struct log_field *field)
{
    buffer_append_time(line, now_ms);
    buffer_printf(line, " %-7s ", level_names[level]);
    append_event(line, event, field);
    buffer_append_byte(line, '\n');
}

static void hand_over(enum log_level level, const char *event, const struct log_field *fields)
{
    struct buffer line = {0};

    append_event(&line, event, fields);
    diverted->line(diverted->context, level, line.ptr);
    buffer_fini(&line);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    struct buffer line = {0};
    struct timespec now;
    int64_t now_ms;
    ssize_t ignored;

    if (diverted) {
        hand_over(level, event, fields);
        return;
    }
    atomic_fetch_add(&counts[level], 1);
    if (level < sink.least)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (sink.format == LOG_FORMAT_AUTO)
        sink.format = isatty(sink.fd) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
    if (sink.format == LOG_FORMAT_JSON)
        append_as_json(&line, now_ms, level, event, fields);
    else
        append_as_text(&line, now_ms, level, event, fields);
    ignored = write(sink.fd, line.ptr, line.len); /* nowhere to report a log that cannot be written */
    (void)ignored;
    buffer_fini(&line);
}
