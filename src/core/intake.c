/* SPDX-License-Identifier: Apache-2.0 */
#include "core/intake.h"

#include "base/memory.h"

#include <stdlib.h>

void intake_init(struct intake *in, struct database *db)
{
    *in = (struct intake){.db = db, .next_record = ledger_next_record(db), .origins = {.db = db}};
}

void intake_fini(struct intake *in)
{
    buffer_fini(&in->bloom);
    buffer_fini(&in->arena);
    buffer_fini(&in->whole);
    origins_fini(&in->origins);
    free(in->stored);
    in->stored = NULL;
}

static bool is_new(const struct shard_row *shard, const struct stream_record *record)
{
    return !slice_present(shard->position) || sequence_compare(record->sequence_number, shard->position) > 0;
}

/* Sequence numbers rise within a page; the same one twice is a duplicate, not an error. */
static bool in_order(const struct stream_page *page)
{
    for (size_t i = 1; i < page->len; i++)
        if (sequence_compare(page->records[i].sequence_number, page->records[i - 1].sequence_number) < 0)
            return false;
    return true;
}

static void store_record(struct intake *in, int64_t shard, const struct stream_record *record)
{
    struct record_row row = {
        .id = in->next_record++,
        .shard = shard,
        .sequence_number = record->sequence_number,
        .event_name = record_event_name(record->event_name),
        .key_hash = record_key_hash(record->keys, &in->arena),
        .body = record->body,
    };

    ledger_record_insert(in->db, &row);
    record_add_to_bloom(&in->bloom, record, &in->arena);
}

/* Does the queue want the record? A filter may ask for eventSourceARN, which a stored record does not have. */
bool intake_wanted(struct intake *in, const struct queue *q, int64_t shard, struct slice body)
{
    const struct filter *filter = q->options.filter;

    if (filter == NULL)
        return true;
    if (filter_asks_for(filter, "eventSourceARN")) {
        buffer_reset(&in->whole);
        record_lambda_body(&in->whole, body, slice_text(origin_of(&in->origins, shard)->arn));
        body = buffer_slice(&in->whole);
    }
    return filter_match(filter, body, &in->arena) >= 0;
}

/* One message a queue for each of the page's new records: those that are stored as [first, first + count). */
static void fan_out(struct intake *in, const struct shard_row *shard, const struct stream_page *page, struct queue *q, int64_t first, int64_t count,
                    struct instant now)
{
    int64_t first_message = q->next_message;
    int64_t given = 0;

    for (int64_t i = 0; i < count; i++) {
        if (!intake_wanted(in, q, shard->id, page->records[in->stored[i]].body))
            continue;
        queue_add(q, in->db, first + i, q->options.delay_ms, now);
        given++;
    }
    ledger_delivery_insert(in->db, first, q->id, first_message, given, count - given);
    ledger_tally_add(in->db, shard->id, q->id, shard->records_read, given, count - given);
}

int64_t intake_page(struct intake *in, struct shard_row *shard, const struct stream_page *page, struct queue *const *queues, size_t queue_count,
                    int64_t not_before_ms, struct instant now)
{
    struct slice before = shard->position;
    int64_t first;
    int64_t count;
    struct page_row row;

    if (!in_order(page))
        return -1;
    intake_close(in); /* its records must follow each other */
    first = in->next_record;
    bloom_size(&in->bloom, page->len * 3);
    in->stored = memory_resize(in->stored, (page->len + 1) * sizeof(*in->stored));
    row = (struct page_row){.id = first, .shard = shard->id, .after_sequence = before, .stored_at_ms = now.wall_ms};
    for (size_t i = 0; i < page->len; i++) {
        const struct stream_record *record = &page->records[i];

        if (!is_new(shard, record)) {
            shard->duplicates++;
            continue;
        }
        if (!slice_present(shard->position) && record->created_ms != 0 && record->created_ms < not_before_ms)
            continue;
        in->stored[in->next_record - first] = i;
        store_record(in, shard->id, record);
        row.first_sequence = slice_present(row.first_sequence) ? row.first_sequence : record->sequence_number;
        row.last_sequence = shard->position = record->sequence_number;
        shard->last_record_at_ms = record->created_ms;
    }
    count = in->next_record - first;
    if (count == 0)
        return 0;
    row.record_count = count;
    row.bloom = buffer_slice(&in->bloom);
    ledger_page_insert(in->db, &row);
    for (size_t i = 0; i < queue_count; i++)
        if (queues[i]->backfill_at == 0) /* else it comes to these records in their turn */
            fan_out(in, shard, page, queues[i], first, count, now);
    shard->records_read += count;
    return count;
}

/* ---- messages that were sent ---- */

void intake_close(struct intake *in)
{
    struct sent_page *page = &in->sent;
    struct page_row row = {.id = page->first_record, .record_count = page->count, .stored_at_ms = page->stored_at_ms};

    if (page->count == 0)
        return;
    ledger_page_insert(in->db, &row);
    for (size_t i = 0; i < page->range_count; i++)
        ledger_delivery_insert(in->db, row.id, page->ranges[i].queue, page->ranges[i].first_message, page->ranges[i].count, 0);
    *page = (struct sent_page){0};
}

/* The queue's range in the open page, if its next message continues it; else the page is closed, and a new one begins. */
static struct sent_range *range_for(struct intake *in, const struct queue *q)
{
    struct sent_page *page = &in->sent;

    for (size_t i = 0; i < page->range_count; i++) {
        struct sent_range *range = &page->ranges[i];

        if (range->queue != q->id)
            continue;
        if (range->first_message + range->count == q->next_message)
            return range;
        intake_close(in); /* a dead letter came between */
    }
    if (page->range_count == SENT_PAGE_QUEUES)
        intake_close(in);
    page->ranges[page->range_count] = (struct sent_range){.queue = q->id, .first_message = q->next_message};
    return &page->ranges[page->range_count++];
}

int64_t intake_message(struct intake *in, struct queue *q, const struct sent_message *message, struct instant now)
{
    struct sent_range *range = range_for(in, q);
    struct record_row row = {.id = in->next_record++, .body = message->body, .attributes = message->attributes, .body_md5 = message->body_md5,
                             .key_hash = message->group_hash};

    if (in->sent.count++ == 0) {
        in->sent.first_record = row.id;
        in->sent.stored_at_ms = now.wall_ms;
    }
    range->count++;
    ledger_record_insert(in->db, &row);
    return queue_add(q, in->db, row.id, message->delay_ms, now);
}
