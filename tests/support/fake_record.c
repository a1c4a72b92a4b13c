/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_internal.h"

#include "base/memory.h"
#include "codec/digest.h"
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>

/* What has to come through untouched. */
static const char *const payloads[] = {
    "\"n38\":{\"N\":\"12345678901234567890123456789012345678\"}",
    "\"tiny\":{\"N\":\"-9.9999999999999999999999999999999999999E-130\"}",
    "\"escapes\":{\"S\":\"\\\"quoted\\\" back\\\\slash \\/ \\b\\f\\n\\r\\t }],{\"}",
    "\"control\":{\"S\":\"\\u0000\\u0001\\u001f\\u007f\"}",
    "\"odd\":{\"S\":\"\\uFFFE\\uffff\\u2028\"}",
    "\"emoji\":{\"S\":\"\xf0\x9f\x98\x80 and \\ud83d\\ude00\"}",
    "\"raw\":{\"S\":\"\xc3\xbc \xe4\xb8\xad\xe6\x96\x87 \xef\xbf\xbf \x7f\"}",
    "\"binary\":{\"B\":\"AAECA//+/fw=\"}",
    "\"empty\":{\"S\":\"\"},\"nothing\":{\"B\":\"\"},\"\":{\"S\":\"no name\"}",
    "\"texts\":{\"SS\":[\"a\",\"\"]},\"numbers\":{\"NS\":[\"1\",\"-0.5\"]},\"bytes\":{\"BS\":[\"AA==\"]}",
    "\"nested\":{\"L\":[{\"M\":{\"Keys\":{\"S\":\"not these\"},\"SequenceNumber\":{\"N\":\"1\"}}},{\"NULL\":true},{\"BOOL\":false},{\"L\":[]}]}",
};

static void write_key(struct buffer *out, const char *key)
{
    buffer_append_text(out, "\"pk\":{\"S\":");
    json_append_string(out, slice_text(key));
    buffer_append_byte(out, '}');
}

static void write_image(struct fake_aws *fake, struct buffer *out, const char *name, const char *key, size_t pad_bytes)
{
    buffer_printf(out, "\"%s\":{", name);
    write_key(out, key);
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]) && !fake->options.plain_records; i++)
        if (fake_chance(fake, 3000))
            buffer_printf(out, ",%s", payloads[i]);
    if (pad_bytes > 0) {
        buffer_append_text(out, ",\"pad\":{\"S\":\"");
        buffer_reserve(out, pad_bytes);
        memset(out->ptr + out->len, 'x', pad_bytes);
        out->len += pad_bytes;
        out->ptr[out->len] = '\0';
        buffer_append_text(out, "\"}");
    }
    buffer_append_text(out, "},");
}

/* Rounded down to the second (AWS), to the minute at times, and out of order. */
static void write_time(struct fake_aws *fake, struct buffer *out, int64_t created_ms)
{
    int64_t seconds = created_ms / 1000;

    if (fake->options.odd_times && fake_chance(fake, 3000))
        seconds -= seconds % 60;
    if (fake->options.odd_times && fake_chance(fake, 3000))
        seconds -= (int64_t)random_below(&fake->random, 5);
    buffer_append_text(out, "\"ApproximateCreationDateTime\":");
    if (fake->options.plain_records || fake_chance(fake, 5000))
        buffer_printf(out, "%lld,", (long long)seconds);
    else
        buffer_printf(out, "%.9E,", (double)seconds);
}

void fake_record_write(struct fake_aws *fake, struct buffer *out, const struct fake_record *record, size_t pad_bytes)
{
    static const char *const names[] = {"INSERT", "MODIFY", "REMOVE", "REMOVE"};
    size_t images;

    buffer_printf(out, "{\"eventID\":\"%s\",\"eventName\":\"%s\",\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\","
                       "\"awsRegion\":\"" FAKE_REGION "\",\"dynamodb\":{",
                  record->event_id, names[record->event]);
    write_time(fake, out, record->created_ms);
    buffer_append_text(out, "\"Keys\":{");
    write_key(out, record->key);
    buffer_append_text(out, "},");
    images = out->len;
    if (record->event == FAKE_INSERT || record->event == FAKE_MODIFY)
        write_image(fake, out, "NewImage", record->key, pad_bytes);
    if (record->event != FAKE_INSERT)
        write_image(fake, out, "OldImage", record->key, pad_bytes);
    images = out->len - images;
    buffer_printf(out, "\"SequenceNumber\":\"%s\",\"SizeBytes\":%zu,\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"}", record->sequence, images);
    if (record->event == FAKE_TTL_REMOVE)
        buffer_append_text(out, ",\"userIdentity\":{\"type\":\"Service\",\"principalId\":\"dynamodb.amazonaws.com\"}");
    buffer_append_byte(out, '}');
}

/* A blank behind every colon outside strings: a record's text is not always as short as it can be. */
static void loosen(struct buffer *text)
{
    struct buffer out = {0};
    bool quoted = false;

    for (size_t i = 0; i < text->len; i++) {
        buffer_append_byte(&out, text->ptr[i]);
        if (quoted && text->ptr[i] == '\\')
            buffer_append_byte(&out, text->ptr[++i]);
        else if (text->ptr[i] == '"')
            quoted = !quoted;
        else if (!quoted && text->ptr[i] == ':')
            buffer_append_byte(&out, ' ');
    }
    buffer_fini(text);
    *text = out;
}

static void make_event_id(struct fake_aws *fake, char out[33])
{
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)random_next(&fake->random), (unsigned long long)random_next(&fake->random));
}

static struct fake_record *record_add(struct fake_shard *shard)
{
    if (shard->closed || shard->page_count > 0)
        panic("%s is closed or prepared: nothing can be put", shard->id);
    if (shard->len == shard->cap) {
        shard->cap = shard->cap ? shard->cap * 2 : 16;
        shard->records = memory_resize(shard->records, shard->cap * sizeof(*shard->records));
    }
    return &shard->records[shard->len++];
}

const char *fake_record_put(struct fake_shard *shard, const struct fake_put *put)
{
    struct fake_aws *fake = shard->stream->fake;
    struct fake_record *record = record_add(shard);
    struct buffer body = {0};
    char key[32];

    *record = (struct fake_record){.visible = true, .event = put ? put->event : FAKE_INSERT, .created_ms = put ? put->created_ms : 0};
    snprintf(key, sizeof(key), "key-%u", (unsigned)random_below(&fake->random, 100));
    record->key = memory_strdup(put && put->key ? put->key : key);
    if (record->created_ms == 0)
        record->created_ms = fake_now(fake);
    make_event_id(fake, record->event_id);
    fake_sequence_next(shard->stream, record->sequence);
    fake_record_write(fake, &body, record, put ? put->pad_bytes : 0);
    if (!fake->options.plain_records && fake_chance(fake, 1250))
        loosen(&body);
    record->body.len = body.len;
    record->body.ptr = buffer_take(&body);
    return record->sequence;
}

const struct fake_record *fake_shard_records(const struct fake_shard *shard, size_t *count)
{
    *count = shard->len;
    return shard->records;
}

/* ---- speed ---- */

#define PREPARED_RECORDS 1000
#define PREPARED_BYTES (1024 * 1024)

static struct fake_page *page_add(struct fake_shard *shard)
{
    shard->pages = memory_resize(shard->pages, (shard->page_count + 1) * sizeof(*shard->pages));
    shard->pages[shard->page_count] = (struct fake_page){0};
    return &shard->pages[shard->page_count++];
}

static void page_finish(struct fake_shard *shard, struct fake_page *page, struct buffer *text, size_t next)
{
    buffer_append_text(text, "],\"NextShardIterator\":\"");
    fake_iterator_write(text, shard, next, -1);
    buffer_append_text(text, "\"}");
    page->crc32 = crc32_of(buffer_slice(text));
    page->len = text->len;
    page->text = buffer_take(text);
}

/* Writes one page of at most `most` records; returns how many. */
static size_t page_fill(struct fake_shard *shard, size_t most, size_t item_bytes)
{
    struct fake_aws *fake = shard->stream->fake;
    struct fake_page *page = page_add(shard);
    struct buffer text = {0};

    buffer_append_text(&text, "{\"Records\":[");
    while (page->records < most && page->records < PREPARED_RECORDS && text.len + item_bytes < PREPARED_BYTES) {
        char key[32];
        struct fake_record record = {.key = key, .created_ms = fake_now(fake)};

        snprintf(key, sizeof(key), "key-%u", (unsigned)random_below(&fake->random, 1000000));
        make_event_id(fake, record.event_id);
        fake_sequence_next(shard->stream, record.sequence);
        buffer_append_text(&text, page->records++ ? "," : "");
        fake_record_write(fake, &text, &record, item_bytes);
        memcpy(page->last, record.sequence, sizeof(page->last));
    }
    page_finish(shard, page, &text, most > 0 ? shard->page_count : shard->page_count - 1);
    return page->records;
}

void fake_stream_prepare(struct fake_stream *stream, size_t shards, size_t records, size_t item_bytes)
{
    if (item_bytes > PREPARED_BYTES / 2)
        panic("items of %zu bytes do not fit a page", item_bytes);
    for (size_t i = 0; i < shards; i++) {
        struct fake_shard *shard = fake_shard_new(stream, NULL);
        size_t left = records;

        while (left > 0)
            left -= page_fill(shard, left, item_bytes);
        page_fill(shard, 0, item_bytes); /* the tip of the stream: empty, and its next iterator is its own */
    }
}
