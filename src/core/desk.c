/* SPDX-License-Identifier: Apache-2.0 */
#include "core/desk.h"

#include "base/memory.h"

#include <stdlib.h>

static void decode_tags(struct desk *desk, struct slice json)
{
    struct scanner j;
    struct slice key;
    struct buffer texts[2] = {0};

    scan_init(&j, slice_present(json) ? json : SLICE("{}"));
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        buffer_reset(&texts[0]);
        buffer_reset(&texts[1]);
        json_unescape(&texts[0], key);
        json_unescape(&texts[1], scan_string(&j));
        desk_tag(desk, buffer_slice(&texts[0]), buffer_slice(&texts[1]));
    }
    buffer_fini(&texts[0]);
    buffer_fini(&texts[1]);
}

struct desk *desk_new(const struct queue_row *row)
{
    struct desk *desk = memory_zeroed(1, sizeof(*desk));

    desk->region = slice_dup(slice_present(row->region) ? row->region : SLICE(""));
    desk->modified_at_ms = row->modified_at_ms;
    desk->deleted_at_ms = row->deleted_at_ms;
    desk->purged_mono_ms = INT64_MIN;
    queue_attributes_decode(&desk->attributes, row->attributes);
    decode_tags(desk, row->tags);
    return desk;
}

void desk_free(struct desk *desk)
{
    if (desk == NULL)
        return;
    queue_free(desk->queue);
    queue_attributes_fini(&desk->attributes);
    for (size_t i = 0; i < desk->tag_count; i++) {
        free(desk->tags[i].key);
        free(desk->tags[i].value);
    }
    free(desk->tags);
    free(desk->attempts);
    free(desk->region);
    free(desk);
}

void desk_take_over(struct desk *desk, struct desk *fresh)
{
    struct desk before = *desk;

    *desk = *fresh;
    desk->first = before.first;
    desk->last = before.last;
    desk->purged_mono_ms = before.purged_mono_ms;
    before.first = before.last = NULL;
    *fresh = before;
    desk_free(fresh);
}

void desk_save(const struct desk *desk, struct database *db)
{
    struct buffer attributes = {0};
    struct buffer tags = {0};
    struct queue_row row = {.id = desk->queue->id, .region = slice_text(desk->region), .modified_at_ms = desk->modified_at_ms,
                            .deleted_at_ms = desk->deleted_at_ms};

    queue_attributes_encode(&desk->attributes, &attributes);
    buffer_append_byte(&tags, '{');
    for (size_t i = 0; i < desk->tag_count; i++) {
        if (i > 0)
            buffer_append_byte(&tags, ',');
        json_append_string(&tags, slice_text(desk->tags[i].key));
        buffer_append_byte(&tags, ':');
        json_append_string(&tags, slice_text(desk->tags[i].value));
    }
    buffer_append_byte(&tags, '}');
    row.attributes = buffer_slice(&attributes);
    row.tags = buffer_slice(&tags);
    ledger_queue_settings(db, &row);
    buffer_fini(&attributes);
    buffer_fini(&tags);
}

static size_t find_tag(const struct desk *desk, struct slice key)
{
    size_t i = 0;

    while (i < desk->tag_count && !slice_is(key, desk->tags[i].key))
        i++;
    return i;
}

void desk_tag(struct desk *desk, struct slice key, struct slice value)
{
    size_t i = find_tag(desk, key);

    if (i == desk->tag_count) {
        desk->tags = memory_resize(desk->tags, (i + 1) * sizeof(*desk->tags));
        desk->tags[i] = (struct tag){.key = slice_dup(key)};
        desk->tag_count++;
    }
    free(desk->tags[i].value);
    desk->tags[i].value = slice_dup(value);
}

void desk_untag(struct desk *desk, struct slice key)
{
    size_t i = find_tag(desk, key);

    if (i == desk->tag_count)
        return;
    free(desk->tags[i].key);
    free(desk->tags[i].value);
    desk->tags[i] = desk->tags[--desk->tag_count];
}
