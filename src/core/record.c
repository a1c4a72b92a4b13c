/* SPDX-License-Identifier: Apache-2.0 */
#include "core/record.h"

#include "base/hash.h"

#define BLOOM_BITS_PER_TEXT 10
#define BLOOM_PROBES 7

void bloom_size(struct buffer *bloom, size_t texts)
{
    size_t bytes = (texts * BLOOM_BITS_PER_TEXT + 63) / 64 * 8;

    buffer_reset(bloom);
    buffer_reserve(bloom, bytes);
    memset(bloom->ptr, 0, bytes + 1);
    bloom->len = bytes;
}

/* The i-th probe (Kirsch and Mitzenmacher: two hashes are enough). */
static size_t probe(uint64_t hash, uint64_t i, size_t bytes)
{
    uint64_t step = hash_mix(hash) | 1;

    return (size_t)((hash + i * step) % (bytes * 8));
}

void bloom_add(struct buffer *bloom, struct slice text)
{
    uint64_t hash = hash_bytes(text);

    for (uint64_t i = 0; i < BLOOM_PROBES && bloom->len > 0; i++) {
        size_t bit = probe(hash, i, bloom->len);

        bloom->ptr[bit / 8] = (char)((unsigned char)bloom->ptr[bit / 8] | 1u << (bit % 8));
    }
}

bool bloom_may_hold(struct slice bloom, struct slice text)
{
    uint64_t hash = hash_bytes(text);

    if (bloom.len == 0)
        return false;
    for (uint64_t i = 0; i < BLOOM_PROBES; i++) {
        size_t bit = probe(hash, i, bloom.len);

        if (!((unsigned char)bloom.ptr[bit / 8] & 1u << (bit % 8)))
            return false;
    }
    return true;
}

uint64_t record_key_hash(struct slice keys, struct buffer *arena)
{
    struct key_attribute attributes[2];
    int count = slice_present(keys) ? keys_decode(keys, attributes, arena) : 0;
    uint64_t sum = 0;

    for (int i = 0; i < count; i++)
        sum += hash_mix(hash_bytes(attributes[i].name) ^ hash_mix(hash_bytes(attributes[i].value) + (uint64_t)attributes[i].type));
    return sum;
}

int record_event_name(struct slice event_name)
{
    if (slice_equal(event_name, SLICE("INSERT")))
        return 1;
    if (slice_equal(event_name, SLICE("MODIFY")))
        return 2;
    return slice_equal(event_name, SLICE("REMOVE")) ? 3 : 0;
}

void record_add_to_bloom(struct buffer *bloom, const struct stream_record *record, struct buffer *arena)
{
    struct key_attribute attributes[2];
    int count = slice_present(record->keys) ? keys_decode(record->keys, attributes, arena) : 0;

    for (int i = 0; i < count; i++)
        bloom_add(bloom, attributes[i].value);
    if (slice_present(record->event_id))
        bloom_add(bloom, record->event_id);
}

struct slice record_event_id(struct slice body)
{
    struct scanner j;
    struct slice key;

    scan_init(&j, body);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (json_raw_equal(key, "eventID"))
            return scan_peek(&j) == SCAN_STRING ? scan_string(&j) : SLICE_NONE;
        scan_skip(&j);
    }
    return SLICE_NONE;
}

void record_lambda_body(struct buffer *out, struct slice body, struct slice stream_arn)
{
    struct slice inner = slice_trim(slice_from(body.ptr, body.len - 1)); /* without the closing bracket */

    buffer_reserve(out, body.len + stream_arn.len + 32);
    buffer_append(out, slice_from(body.ptr, body.len - 1));
    buffer_append_text(out, inner.len > 1 ? ",\"eventSourceARN\":" : "\"eventSourceARN\":");
    json_append_string(out, stream_arn);
    buffer_append_byte(out, '}');
}
