/* SPDX-License-Identifier: Apache-2.0 */
#include "app/output.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>
#include <unistd.h>

static bool coloured;

void style_init(FILE *out, const char *when)
{
    const char *no_color = getenv("NO_COLOR");

    coloured = strcmp(when, "always") == 0 || (strcmp(when, "auto") == 0 && isatty(fileno(out)) && !(no_color && no_color[0]));
}

const char *style_on(enum style style)
{
    static const char *const sequences[] = {"\033[1m", "\033[32m", "\033[33m", "\033[31m", "\033[2m"};

    return coloured ? sequences[style] : "";
}

const char *style_off(void)
{
    return coloured ? "\033[0m" : "";
}

/* ---- tables ---- */

void table_add(struct table *t, struct slice text)
{
    t->cells = memory_resize(t->cells, (t->count + 1) * sizeof(*t->cells));
    t->cells[t->count] = (struct buffer){0};
    text_append_printable(&t->cells[t->count++], text);
}

void table_add_text(struct table *t, const char *text)
{
    table_add(t, slice_text(text ? text : ""));
}

void table_add_number(struct table *t, int64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)number);
    table_add_text(t, text);
}

/* Code points: good enough where everything unprintable is escaped. */
static size_t width(struct slice s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

static void print_cell(FILE *out, struct slice text, size_t wide, bool right, bool last)
{
    size_t fill = wide - width(text);

    if (right)
        fprintf(out, "%*s%.*s", (int)fill, "", SLICE_ARG(text));
    else
        fprintf(out, "%.*s%*s", SLICE_ARG(text), last ? 0 : (int)fill, "");
    fputs(last ? "\n" : "  ", out);
}

void table_print(struct table *t, FILE *out)
{
    size_t wide[TABLE_COLUMNS_MAX] = {0};
    size_t columns = 0;

    for (; t->headings[columns]; columns++)
        wide[columns] = width(slice_text(t->headings[columns] + (t->headings[columns][0] == '>')));
    for (size_t i = 0; i < t->count; i++)
        if (width(buffer_slice(&t->cells[i])) > wide[i % columns])
            wide[i % columns] = width(buffer_slice(&t->cells[i]));
    fputs(style_on(STYLE_BOLD), out);
    for (size_t i = 0; i < columns; i++) {
        bool right = t->headings[i][0] == '>';

        print_cell(out, slice_text(t->headings[i] + right), wide[i], right, i + 1 == columns);
    }
    fputs(style_off(), out);
    for (size_t i = 0; i < t->count; i++) {
        print_cell(out, buffer_slice(&t->cells[i]), wide[i % columns], t->headings[i % columns][0] == '>', (i + 1) % columns == 0);
        buffer_fini(&t->cells[i]);
    }
    free(t->cells);
    t->cells = NULL;
    t->count = 0;
}

/* ---- amounts ---- */

void append_bytes(struct buffer *out, int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;

    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    buffer_printf(out, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

void append_duration(struct buffer *out, int64_t ms)
{
    int64_t s = ms / 1000;

    if (ms < 0)
        buffer_append_text(out, "in the future");
    else if (ms < 1000)
        buffer_printf(out, "%d ms", (int)ms);
    else if (s < 120)
        buffer_printf(out, "%d s", (int)s);
    else if (s < 7200)
        buffer_printf(out, "%d min", (int)(s / 60));
    else if (s < 172800)
        buffer_printf(out, "%d h %d min", (int)(s / 3600), (int)(s / 60 % 60));
    else
        buffer_printf(out, "%lld d %d h", (long long)(s / 86400), (int)(s / 3600 % 24));
}

void append_moment(struct buffer *out, int64_t ms)
{
    if (ms == 0)
        buffer_append_byte(out, '-');
    else
        buffer_append_time(out, ms);
}

void append_stream(struct buffer *out, const char *arn)
{
    const char *table = strstr(arn, ":table/");
    const char *label = table ? strstr(table, "/stream/") : NULL;

    if (strncmp(arn, "arn:", 4) != 0 || label == NULL) {
        buffer_append_text(out, arn);
        return;
    }
    table += strlen(":table/");
    buffer_printf(out, "%.*s/%s", (int)(label - table), table, label + strlen("/stream/"));
}

void table_add_stream(struct table *t, const char *arn)
{
    struct buffer text = {0};

    append_stream(&text, arn);
    table_add(t, buffer_slice(&text));
    buffer_fini(&text);
}
