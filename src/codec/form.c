/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/form.h"

static bool unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

void percent_append(struct buffer *out, struct slice s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        const char escape[] = {'%', hex[byte >> 4], hex[byte & 15]};

        if (unreserved(s.ptr[i]))
            buffer_append_byte(out, s.ptr[i]);
        else
            buffer_append(out, slice_from(escape, 3));
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool percent_decode(struct buffer *out, struct slice s, struct slice *decoded)
{
    size_t start = out->len;

    for (size_t i = 0; i < s.len; i++) {
        int high;
        int low;

        if (s.ptr[i] != '%') {
            buffer_append_byte(out, s.ptr[i] == '+' ? ' ' : s.ptr[i]);
            continue;
        }
        high = s.len - i > 2 ? hex_digit(s.ptr[i + 1]) : -1;
        low = s.len - i > 2 ? hex_digit(s.ptr[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        buffer_append_byte(out, (char)(high << 4 | low));
        i += 2;
    }
    *decoded = slice_from(out->ptr ? out->ptr + start : "", out->len - start);
    return true;
}

void form_append(struct buffer *out, const char *name, struct slice value)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '?')
        buffer_append_byte(out, '&');
    buffer_append_text(out, name);
    buffer_append_byte(out, '=');
    percent_append(out, value);
}
