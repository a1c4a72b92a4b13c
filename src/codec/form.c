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

void form_append(struct buffer *out, const char *name, struct slice value)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '?')
        buffer_append_byte(out, '&');
    buffer_append_text(out, name);
    buffer_append_byte(out, '=');
    percent_append(out, value);
}
