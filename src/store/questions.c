/* SPDX-License-Identifier: Apache-2.0 */
#include "store/questions.h"

#define S(name) STATEMENT_##name

static void give_records(struct database *db, enum statement s, void (*each)(void *context, const struct stored_record *record), void *context)
{
    while (database_row(db, s)) {
        struct stored_record record = {
            .id = column_i64(db, s, 0),
            .shard = column_i64(db, s, 1),
            .sequence_number = column_slice(db, s, 2),
            .body = column_slice(db, s, 3),
            .attributes = column_slice(db, s, 4),
        };

        each(context, &record);
    }
}

struct noting {
    void (*each)(void *context, const struct stored_record *record);
    void *context;
    bool found;
};

static void note_found(void *context, const struct stored_record *record)
{
    struct noting *noting = context;

    noting->found = true;
    noting->each(noting->context, record);
}

bool question_record(struct database *db, int64_t id, void (*each)(void *context, const struct stored_record *record), void *context)
{
    struct noting noting = {each, context, false};

    bind_i64(db, S(RECORD_ONE), 1, id);
    give_records(db, S(RECORD_ONE), note_found, &noting);
    return noting.found;
}

void question_records(struct database *db, int64_t first, int64_t end, void (*each)(void *context, const struct stored_record *record), void *context)
{
    bind_i64(db, S(RECORD_RANGE), 1, first);
    bind_i64(db, S(RECORD_RANGE), 2, end);
    give_records(db, S(RECORD_RANGE), each, context);
}

void question_newest(struct database *db, int64_t before, int64_t limit, void (*each)(void *context, const struct stored_record *record), void *context)
{
    bind_i64(db, S(RECORD_NEWEST), 1, before);
    bind_i64(db, S(RECORD_NEWEST), 2, limit);
    give_records(db, S(RECORD_NEWEST), each, context);
}

void question_by_sequence(struct database *db, int64_t shard, struct slice sequence_number, void (*each)(void *context, int64_t record), void *context)
{
    bind_i64(db, S(RECORD_BY_SEQUENCE), 1, shard);
    bind_text(db, S(RECORD_BY_SEQUENCE), 2, sequence_number);
    while (database_row(db, S(RECORD_BY_SEQUENCE)))
        each(context, column_i64(db, S(RECORD_BY_SEQUENCE), 0));
}

void question_blooms(struct database *db, void (*each)(void *context, int64_t page, int64_t record_count, struct slice bloom), void *context)
{
    while (database_row(db, S(PAGE_BLOOMS)))
        each(context, column_i64(db, S(PAGE_BLOOMS), 0), column_i64(db, S(PAGE_BLOOMS), 1), column_slice(db, S(PAGE_BLOOMS), 2));
}

static bool take_page(struct database *db, enum statement s, struct stored_page *page)
{
    if (!database_row(db, s))
        return false;
    *page = (struct stored_page){column_i64(db, s, 0), column_i64(db, s, 2), column_i64(db, s, 3)};
    database_reset(db, s);
    return true;
}

bool question_page(struct database *db, int64_t record, struct stored_page *page)
{
    bind_i64(db, S(PAGE_OF_RECORD), 1, record);
    return take_page(db, S(PAGE_OF_RECORD), page) && record < page->id + page->record_count;
}

bool question_page_from(struct database *db, int64_t record, struct stored_page *page)
{
    if (question_page(db, record, page))
        return true;
    bind_i64(db, S(PAGE_NEXT), 1, record);
    return take_page(db, S(PAGE_NEXT), page);
}

bool question_first_page(struct database *db, struct stored_page *page)
{
    bind_i64(db, S(PAGE_NEXT), 1, 0);
    return take_page(db, S(PAGE_NEXT), page);
}

static int64_t message_of(struct database *db, int64_t first, int64_t end, int64_t record)
{
    int64_t message = 0;

    bind_i64(db, S(MESSAGE_OF_RECORD), 1, first);
    bind_i64(db, S(MESSAGE_OF_RECORD), 2, end);
    bind_i64(db, S(MESSAGE_OF_RECORD), 3, record);
    if (database_row(db, S(MESSAGE_OF_RECORD))) {
        message = column_i64(db, S(MESSAGE_OF_RECORD), 0);
        database_reset(db, S(MESSAGE_OF_RECORD));
    }
    return message;
}

static int64_t messages_in(struct database *db, int64_t first, int64_t end)
{
    int64_t count = 0;

    bind_i64(db, S(MESSAGE_RANGE_COUNT), 1, first);
    bind_i64(db, S(MESSAGE_RANGE_COUNT), 2, end);
    if (database_row(db, S(MESSAGE_RANGE_COUNT))) {
        count = column_i64(db, S(MESSAGE_RANGE_COUNT), 0);
        database_reset(db, S(MESSAGE_RANGE_COUNT));
    }
    return count;
}

/* What is known of a record in one queue: a page may have been given to it more than once (replay). */
struct given {
    int64_t queue; /* 0: none yet */
    bool found;
    enum no_message why;
};

static void end_of_queue(const struct given *g, void (*each)(void *context, int64_t queue, int64_t message, enum no_message why), void *context)
{
    if (g->queue != 0 && !g->found)
        each(context, g->queue, 0, g->why);
}

void question_messages(struct database *db, int64_t page, int64_t record,
                       void (*each)(void *context, int64_t queue, int64_t message, enum no_message why), void *context)
{
    struct given g = {0};

    bind_i64(db, S(PAGE_DELIVERIES), 1, page);
    while (database_row(db, S(PAGE_DELIVERIES))) {
        int64_t queue = column_i64(db, S(PAGE_DELIVERIES), 0);
        int64_t first = column_i64(db, S(PAGE_DELIVERIES), 1);
        int64_t count = column_i64(db, S(PAGE_DELIVERIES), 2);
        int64_t filtered = column_i64(db, S(PAGE_DELIVERIES), 3);
        int64_t message = message_of(db, first, first + count, record);

        if (queue != g.queue) {
            bool whole = message == 0 && messages_in(db, first, first + count) == count;

            end_of_queue(&g, each, context);
            g = (struct given){.queue = queue, .why = filtered == 0 ? NO_MESSAGE_PRUNED : whole ? NO_MESSAGE_FILTERED : NO_MESSAGE_EITHER};
        }
        if (message == 0)
            continue;
        g.found = true;
        each(context, queue, message, NO_MESSAGE_PRUNED);
    }
    end_of_queue(&g, each, context);
}

void question_keys_after(struct database *db, int64_t record, void (*each)(void *context, int64_t record, uint64_t key_hash), void *context)
{
    bind_i64(db, S(RECORD_KEYS), 1, record);
    while (database_row(db, S(RECORD_KEYS)))
        each(context, column_i64(db, S(RECORD_KEYS), 0), (uint64_t)column_i64(db, S(RECORD_KEYS), 1));
}

void question_message_ids(struct database *db, void (*each)(void *context, int64_t id), void *context)
{
    while (database_row(db, S(MESSAGE_IDS)))
        each(context, column_i64(db, S(MESSAGE_IDS), 0));
}

bool question_queue_fed(struct database *db, int64_t queue)
{
    bool fed;

    bind_i64(db, S(TALLY_OF_QUEUE), 1, queue);
    fed = database_row(db, S(TALLY_OF_QUEUE));
    if (fed)
        database_reset(db, S(TALLY_OF_QUEUE));
    return fed;
}

/* ---- audit ---- */

void question_fed(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue), void *context)
{
    while (database_row(db, S(TALLY_FED)))
        each(context, column_i64(db, S(TALLY_FED), 0), column_i64(db, S(TALLY_FED), 1));
}

void question_tally(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue, int64_t since_records, int64_t assigned, int64_t filtered,
                                               int64_t replayed),
                    void *context)
{
    while (database_row(db, S(TALLY_ALL)))
        each(context, column_i64(db, S(TALLY_ALL), 0), column_i64(db, S(TALLY_ALL), 1), column_i64(db, S(TALLY_ALL), 2), column_i64(db, S(TALLY_ALL), 3),
             column_i64(db, S(TALLY_ALL), 4), column_i64(db, S(TALLY_ALL), 5));
}

void question_chain(struct database *db, void (*each)(void *context, const struct chain_page *page), void *context)
{
    while (database_row(db, S(PAGE_CHAIN))) {
        struct chain_page page = {
            .shard = column_i64(db, S(PAGE_CHAIN), 0),
            .id = column_i64(db, S(PAGE_CHAIN), 1),
            .record_count = column_i64(db, S(PAGE_CHAIN), 2),
            .after_sequence = column_slice(db, S(PAGE_CHAIN), 3),
            .first_sequence = column_slice(db, S(PAGE_CHAIN), 4),
            .last_sequence = column_slice(db, S(PAGE_CHAIN), 5),
        };

        each(context, &page);
    }
}

void question_record_counts(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue, int state, int64_t count), void *context)
{
    while (database_row(db, S(AUDIT_RECORDS)))
        each(context, column_i64(db, S(AUDIT_RECORDS), 0), 0, 0, column_i64(db, S(AUDIT_RECORDS), 1));
}

/* shard, queue, state, count */
static void give_counts(struct database *db, enum statement s, void (*each)(void *context, int64_t shard, int64_t queue, int state, int64_t count),
                        void *context)
{
    while (database_row(db, s))
        each(context, column_i64(db, s, 0), column_i64(db, s, 1), (int)column_i64(db, s, 2), column_i64(db, s, 3));
}

void question_message_counts(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue, int state, int64_t count), void *context)
{
    give_counts(db, S(AUDIT_MESSAGES), each, context);
}

void question_pruned_counts(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue, int state, int64_t count), void *context)
{
    give_counts(db, S(AUDIT_PRUNED), each, context);
}

void question_state_counts(struct database *db, void (*each)(void *context, int64_t shard, int64_t queue, int state, int64_t count), void *context)
{
    while (database_row(db, S(AUDIT_STATES)))
        each(context, 0, column_i64(db, S(AUDIT_STATES), 0), (int)column_i64(db, S(AUDIT_STATES), 1), column_i64(db, S(AUDIT_STATES), 2));
}

static int64_t one_number(struct database *db, enum statement s)
{
    int64_t number = 0;

    if (database_row(db, s)) {
        number = column_i64(db, s, 0);
        database_reset(db, s);
    }
    return number;
}

int64_t question_orphans(struct database *db)
{
    return one_number(db, S(AUDIT_ORPHANS));
}

int64_t question_lost_copies(struct database *db)
{
    return one_number(db, S(AUDIT_LOST_COPIES));
}
