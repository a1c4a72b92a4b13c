/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sqs_attributes.h"

#include "codec/digest.h"

/* ---- what SQS takes ---- */

bool sqs_queue_name_valid(struct slice name)
{
    if (name.len < 1 || name.len > 80)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return true;
}

bool sqs_attribute_name_valid(struct slice name)
{
    if (name.len < 1 || name.len > 256 || name.ptr[0] == '.' || name.ptr[name.len - 1] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
            return false;
        if (c == '.' && name.ptr[i - 1] == '.')
            return false;
    }
    return true;
}

/* Eight bytes at once: printable ASCII, all of them? */
static bool eight_printable(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return ((w | (w - ones * 0x20)) & ones * 0x80) == 0;
}

bool sqs_characters_valid(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c;

        while (s.len - i > 8 && eight_printable(s.ptr + i))
            i += 8;
        c = (unsigned char)s.ptr[i];
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
            return false;
        /* U+FFFE and U+FFFF are EF BF BE and EF BF BF */
        if (c == 0xef && i + 2 < s.len && (unsigned char)s.ptr[i + 1] == 0xbf && (unsigned char)s.ptr[i + 2] >= 0xbe)
            return false;
    }
    return true;
}

bool sqs_attribute_is(struct slice type, struct slice kind)
{
    return slice_equal(type, kind) || (slice_starts_with(type, kind) && type.len > kind.len && type.ptr[kind.len] == '.');
}

/* ---- reading and writing ---- */

/* The members of one attribute value. `arena` must have room for the decoded binary value. */
bool sqs_attribute_value_decode(struct scanner *j, struct sqs_attribute *attribute, struct buffer *arena)
{
    struct slice key;
    bool of_binary = false;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        size_t start = arena->len;
        bool is_binary = slice_equal(key, SLICE("BinaryValue"));

        if (scan_peek(j) != SCAN_STRING) {
            scan_skip(j); /* StringListValues, BinaryListValues: reserved by AWS, always empty */
            continue;
        }
        if (is_binary) {
            if (!base64_decode(arena, scan_string(j)))
                scan_reject(j, "BinaryValue is not base64");
        } else {
            json_unescape(arena, scan_string(j));
        }
        if (slice_equal(key, SLICE("DataType"))) {
            attribute->type = slice_from(arena->ptr + start, arena->len - start);
        } else if (is_binary || slice_equal(key, SLICE("StringValue"))) {
            attribute->value = slice_from(arena->ptr + start, arena->len - start);
            of_binary = is_binary;
        }
    }
    return of_binary;
}

void sqs_attributes_encode(struct buffer *out, const struct sqs_attribute *attributes, size_t count)
{
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        bool binary = sqs_attribute_is(attributes[i].type, SLICE("Binary"));

        if (i > 0)
            buffer_append_byte(out, ',');
        json_append_string(out, attributes[i].name);
        buffer_append_text(out, ":{\"DataType\":");
        json_append_string(out, attributes[i].type);
        buffer_append_text(out, binary ? ",\"BinaryValue\":" : ",\"StringValue\":");
        if (binary) {
            buffer_append_byte(out, '"');
            base64_append(out, attributes[i].value);
            buffer_append_byte(out, '"');
        } else {
            json_append_string(out, attributes[i].value);
        }
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, '}');
}

int sqs_attributes_decode(struct slice text, struct sqs_attribute out[SQS_ATTRIBUTES_STORED_MAX], struct buffer *arena)
{
    struct scanner j;
    struct slice key;
    int count = 0;

    buffer_reset(arena);
    buffer_reserve(arena, text.len);
    scan_init(&j, text);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        size_t start = arena->len;

        if (count == SQS_ATTRIBUTES_STORED_MAX)
            return -1;
        json_unescape(arena, key);
        out[count] = (struct sqs_attribute){.name = slice_from(arena->ptr + start, arena->len - start)};
        sqs_attribute_value_decode(&j, &out[count], arena);
        count++;
    }
    return scan_end(&j) ? count : -1;
}

void sqs_md5_hex(struct slice data, char hex[33])
{
    unsigned char digest[MD5_BYTES];

    md5(data, digest);
    hex_encode(digest, sizeof(digest), hex);
}

/* By name. They are few, and made for every message: qsort's calls cost more than the order. */
static void sort_attributes(struct sqs_attribute *attributes, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct sqs_attribute one = attributes[i];
        size_t at = i;

        for (; at > 0 && slice_compare(attributes[at - 1].name, one.name) > 0; at--)
            attributes[at] = attributes[at - 1];
        attributes[at] = one;
    }
}

static void append_length(struct buffer *out, struct slice s)
{
    const char be[4] = {(char)(s.len >> 24), (char)(s.len >> 16), (char)(s.len >> 8), (char)s.len};

    buffer_append(out, slice_from(be, 4));
    buffer_append(out, s);
}

void sqs_attributes_md5(struct sqs_attribute *attributes, size_t count, char hex[33])
{
    struct buffer text = {0};
    size_t bytes = 0;

    sort_attributes(attributes, count);
    for (size_t i = 0; i < count; i++)
        bytes += attributes[i].name.len + attributes[i].type.len + attributes[i].value.len + 13; /* three lengths and the kind */
    buffer_reserve(&text, bytes);
    for (size_t i = 0; i < count; i++) {
        append_length(&text, attributes[i].name);
        append_length(&text, attributes[i].type);
        buffer_append_byte(&text, sqs_attribute_is(attributes[i].type, SLICE("Binary")) ? 2 : 1);
        append_length(&text, attributes[i].value);
    }
    sqs_md5_hex(buffer_slice(&text), hex);
    buffer_fini(&text);
}
