/* SPDX-License-Identifier: Apache-2.0 */
#include "core/backfill.h"

#include "store/questions.h"

/* A step ends with the page that reaches this: one page's messages are one delivery. */
#define STEP_RECORDS 500

void backfill_begin(struct queue *q, struct database *db, int64_t since_ms)
{
    q->backfill_at = ledger_first_record_since(db, since_ms);
    q->changed = true;
}

/* Records of one page: all of one shard, or all sent. */
struct run {
    const struct backfill *b;
    struct queue *queue;
    struct instant now;
    int64_t page;
    int64_t shard; /* of its records; 0: not known yet, or none of a stream's */
    bool fed;      /* the shard's stream feeds the queue */
    int64_t first_message;
    int64_t given;
    int64_t filtered;
};

static void run_end(struct run *r)
{
    if (r->given + r->filtered > 0) {
        ledger_delivery_insert(r->b->db, r->page, r->queue->id, r->first_message, r->given, r->filtered);
        ledger_tally_backfill(r->b->db, r->shard, r->queue->id, r->given, r->filtered);
    }
    r->given = r->filtered = 0;
}

static void take(void *context, const struct stored_record *record)
{
    struct run *r = context;

    if (record->shard != r->shard) {
        r->shard = record->shard;
        r->fed = r->b->feeds(r->b->context, record->shard, r->queue);
    }
    if (!r->fed)
        return;
    if (intake_wanted(r->b->intake, r->queue, record->shard, record->body)) {
        queue_add(r->queue, r->b->db, record->id, r->queue->options.delay_ms, r->now);
        r->given++;
    } else {
        r->filtered++;
    }
}

bool backfill_step(const struct backfill *b, struct queue *q, struct instant now)
{
    int64_t left = STEP_RECORDS;

    intake_close(b->intake);
    while (left > 0 && q->backfill_at < b->intake->next_record) {
        struct stored_page page;
        struct run run = {.b = b, .queue = q, .now = now, .first_message = q->next_message};
        int64_t end;

        if (!question_page_from(b->db, q->backfill_at, &page)) {
            q->backfill_at = b->intake->next_record;
            break;
        }
        run.page = page.id;
        end = page.id + page.record_count;
        if (q->backfill_at < page.id)
            q->backfill_at = page.id;
        question_records(b->db, q->backfill_at, end, take, &run);
        run_end(&run);
        left -= end - q->backfill_at;
        q->backfill_at = end;
    }
    q->changed = true;
    if (q->backfill_at < b->intake->next_record)
        return true;
    q->backfill_at = 0;
    return false;
}
