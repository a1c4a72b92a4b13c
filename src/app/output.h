/* SPDX-License-Identifier: Apache-2.0
 *
 * output: what commands print: tables with aligned columns for people, with emphasis only on a terminal; amounts in words. Texts from outside are
 * printed with control characters escaped. (JSON for programs is jansson's.)
 */
#ifndef S2Q_APP_OUTPUT_H
#define S2Q_APP_OUTPUT_H

#include "base/buffer.h"

#include <stdio.h>

#define TABLE_COLUMNS_MAX 20

/* Zeroed but for `headings`: empty. */
struct table {
    const char *const *headings; /* NULL-terminated; a heading that begins with '>' is of a column of numbers, set right */
    struct buffer *cells;        /* row by row */
    size_t count;
};

/* Adds the next cell; rows fill by themselves. Control characters and invalid UTF-8 are escaped. */
void table_add(struct table *t, struct slice text);
void table_add_text(struct table *t, const char *text);
void table_add_number(struct table *t, int64_t number);
/* Prints and empties it. */
void table_print(struct table *t, FILE *out);

enum style { STYLE_BOLD, STYLE_GOOD, STYLE_WARN, STYLE_BAD, STYLE_DIM };
/* Decides once whether `out` gets colour: never|auto|always; auto: a terminal, without NO_COLOR. */
void style_init(FILE *out, const char *when);
/* The sequences that switch a style on, and off again; "" without colour. */
const char *style_on(enum style style);
const char *style_off(void);

/* "1.5 MiB", "3 d 4 h", "12 s", "350 ms" */
void append_bytes(struct buffer *out, int64_t bytes);
void append_duration(struct buffer *out, int64_t ms);
/* As the log and JSON have it, and as --since takes it: 2026-01-31T12:34:56.789Z. 0: "-". */
void append_moment(struct buffer *out, int64_t ms);
/* A stream for people, short: "orders/2026-01-31T12:34:56.789" (its table and label) instead of its ARN. What is no such ARN stays as it is. */
void append_stream(struct buffer *out, const char *arn);
/* A cell with the stream of that ARN, as append_stream writes it. */
void table_add_stream(struct table *t, const char *arn);

#endif
