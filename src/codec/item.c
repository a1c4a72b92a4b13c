/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/item.h"

static void append_raw_string(struct scanner *j, struct buffer *out)
{
    struct slice raw = scan_string(j);

    buffer_append_byte(out, '"');
    buffer_append(out, raw);
    buffer_append_byte(out, '"');
}

/* Numbers travel as strings; their text goes on untouched, since no type of C holds 38 digits. */
static void append_number(struct scanner *j, struct buffer *out)
{
    struct slice raw = scan_string(j);
    struct scanner number;

    scan_init(&number, raw);
    scan_number(&number);
    if (!scan_end(&number))
        scan_reject(j, "a value of type N is no number");
    buffer_append(out, raw);
}

static void append_bool(struct scanner *j, struct buffer *out)
{
    buffer_append_text(out, scan_bool(j) ? "true" : "false");
}

static void append_null(struct scanner *j, struct buffer *out)
{
    scan_bool(j);
    buffer_append_text(out, "null");
}

static void append_list(struct scanner *j, struct buffer *out, void (*one)(struct scanner *j, struct buffer *out))
{
    bool first = true;

    buffer_append_byte(out, '[');
    scan_array_begin(j);
    while (scan_element(j)) {
        if (!first)
            buffer_append_byte(out, ',');
        first = false;
        one(j, out);
    }
    buffer_append_byte(out, ']');
}

static void append_values(struct scanner *j, struct buffer *out)
{
    append_list(j, out, item_value_append);
}

static void append_strings(struct scanner *j, struct buffer *out)
{
    append_list(j, out, append_raw_string);
}

static void append_numbers(struct scanner *j, struct buffer *out)
{
    append_list(j, out, append_number);
}

static const struct {
    const char *type;
    void (*append)(struct scanner *j, struct buffer *out);
} types[] = {
    {"S", append_raw_string}, {"N", append_number}, {"B", append_raw_string}, {"BOOL", append_bool}, {"NULL", append_null},
    {"M", item_append}, {"L", append_values}, {"SS", append_strings}, {"NS", append_numbers}, {"BS", append_strings},
};

void item_value_append(struct scanner *j, struct buffer *out)
{
    struct slice type;
    int count = 0;

    scan_object_begin(j);
    while (scan_member(j, &type)) {
        size_t at = 0;

        while (at < sizeof(types) / sizeof(types[0]) && !slice_is(type, types[at].type))
            at++;
        if (at == sizeof(types) / sizeof(types[0]) || count++ > 0) {
            scan_reject(j, count > 1 ? "a value of two types" : "a value of an unknown type");
            return;
        }
        types[at].append(j, out);
    }
    if (count == 0)
        scan_reject(j, "a value without a type");
}

void item_append(struct scanner *j, struct buffer *out)
{
    struct slice name;
    bool first = true;

    buffer_append_byte(out, '{');
    scan_object_begin(j);
    while (scan_member(j, &name)) {
        buffer_append_text(out, first ? "\"" : ",\"");
        first = false;
        buffer_append(out, name);
        buffer_append_text(out, "\":");
        item_value_append(j, out);
    }
    buffer_append_byte(out, '}');
}
