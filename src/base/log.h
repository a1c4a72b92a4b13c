/* SPDX-License-Identifier: Apache-2.0
 *
 * log: one line per event on standard error: text on a terminal, JSON otherwise.
 *
 * A line is written with one write(2). Values are escaped in both forms, so that no record's content can forge a line or drive a
 * terminal. Never log a secret, a payload or a receipt handle.
 *
 *     log_info("shard finished", LOG_FIELDS(LOG_TEXT("shard", id), LOG_INT("records", n)));
 */
#ifndef S2Q_BASE_LOG_H
#define S2Q_BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_field {
    const char *name; /* NULL ends the list */
    struct slice text; /* present: a text; else `number` counts */
    int64_t number;
};

#define LOG_SLICE(name, s) {name, slice_present(s) ? (s) : SLICE(""), 0}
#define LOG_TEXT(name, t) {name, slice_text(t), 0}
#define LOG_INT(name, n) {name, {NULL, 0}, (int64_t)(n)}
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {NULL, {NULL, 0}, 0}})

/* Where lines go; LOG_FORMAT_AUTO looks whether `fd` is a terminal. Default: standard error, AUTO, LOG_INFO. */
void log_init(int fd, enum log_format format, enum log_level least);
/* fields: LOG_FIELDS(...) or NULL. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* This thread's lines go there instead, as text without time and level, whatever log_init says; NULL: as before. Borrowed until it is changed. Returns what
 * there was. For the consumer library, which has no standard error of its own. */
struct log_sink {
    void (*line)(void *context, enum log_level level, const char *text);
    void *context;
};
const struct log_sink *log_divert(const struct log_sink *to);
/* Lines of LOG_ERROR and LOG_WARNING written since start, for /metrics. */
uint64_t log_count(enum log_level level);

static inline void log_debug(const char *event, const struct log_field *fields)
{
    log_write(LOG_DEBUG, event, fields);
}

static inline void log_info(const char *event, const struct log_field *fields)
{
    log_write(LOG_INFO, event, fields);
}

static inline void log_warning(const char *event, const struct log_field *fields)
{
    log_write(LOG_WARNING, event, fields);
}

static inline void log_error(const char *event, const struct log_field *fields)
{
    log_write(LOG_ERROR, event, fields);
}

/* Appends `s` with control characters and invalid UTF-8 written as \xNN (for terminals and text logs). */
struct buffer;
void text_append_printable(struct buffer *out, struct slice s);

#endif
