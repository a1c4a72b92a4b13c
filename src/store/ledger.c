/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ledger.h"

#include "base/memory.h"

#include <stdlib.h>

#define S(name) STATEMENT_##name

/* NULL in the ledger is 0 in C, where 0 means none. */
static void bind_optional(struct database *db, enum statement s, int at, int64_t value)
{
    if (value == 0)
        bind_null(db, s, at);
    else
        bind_i64(db, s, at, value);
}

/* ---- steps ---- */

void step_encode(char out[STEP_BYTES], enum step_kind kind, int64_t at_ms)
{
    out[0] = (char)kind;
    out[1] = 0;
    for (int i = 0; i < 6; i++)
        out[2 + i] = (char)(at_ms >> (8 * (5 - i)));
}

bool step_decode(struct slice history, size_t index, enum step_kind *kind, int64_t *at_ms)
{
    const unsigned char *p = (const unsigned char *)history.ptr + index * STEP_BYTES;

    if ((index + 1) * STEP_BYTES > history.len)
        return false;
    *kind = (enum step_kind)p[0];
    *at_ms = 0;
    for (int i = 0; i < 6; i++)
        *at_ms = *at_ms << 8 | p[2 + i];
    return true;
}

int64_t history_redriven_ms(struct slice history)
{
    enum step_kind kind;
    int64_t at_ms;
    int64_t last = 0;

    for (size_t i = 0; step_decode(history, i, &kind, &at_ms); i++)
        if (kind == STEP_REDRIVEN)
            last = at_ms;
    return last;
}

bool history_replayed(struct slice history)
{
    enum step_kind kind;
    int64_t at_ms;

    return step_decode(history, 0, &kind, &at_ms) && kind == STEP_REPLAYED;
}

/* Runs a move whose parameter `at` is its step. */
static int run_move(struct database *db, enum statement s, int at, enum step_kind kind, int64_t now_ms)
{
    char step[STEP_BYTES];

    step_encode(step, kind, now_ms);
    bind_blob(db, s, at, slice_from(step, sizeof(step)));
    return database_run(db, s);
}

/* ---- meta ---- */

bool ledger_meta_get(struct database *db, const char *name, void *out, size_t bytes)
{
    bool found = false;

    bind_text(db, S(META_GET), 1, slice_text(name));
    if (database_row(db, S(META_GET))) {
        struct slice value = column_slice(db, S(META_GET), 0);

        found = value.len == bytes;
        if (found)
            memcpy(out, value.ptr, bytes);
        database_reset(db, S(META_GET));
    }
    return found;
}

void ledger_meta_put(struct database *db, const char *name, const void *value, size_t bytes)
{
    bind_text(db, S(META_PUT), 1, slice_text(name));
    bind_blob(db, S(META_PUT), 2, slice_from(value, bytes));
    database_run(db, S(META_PUT));
}

/* ---- queues ---- */

void ledger_queue_insert(struct database *db, int64_t id, struct slice name, int64_t now_ms)
{
    ledger_queue_insert_in(db, SLICE(""), id, name, now_ms);
}

void ledger_queue_insert_in(struct database *db, struct slice region, int64_t id, struct slice name, int64_t now_ms)
{
    bind_i64(db, S(QUEUE_INSERT), 1, id);
    bind_text(db, S(QUEUE_INSERT), 2, name);
    bind_i64(db, S(QUEUE_INSERT), 3, QUEUE_FIRST_MESSAGE(id));
    bind_i64(db, S(QUEUE_INSERT), 4, now_ms);
    bind_text(db, S(QUEUE_INSERT), 5, region);
    database_run(db, S(QUEUE_INSERT));
}

/* The order of the state columns in QUEUE_SAVE and QUEUE_ALL. */
static const enum message_state counted_states[] = {MESSAGE_QUEUED, MESSAGE_IN_FLIGHT, MESSAGE_DELETED, MESSAGE_DEAD,
                                                    MESSAGE_DROPPED, MESSAGE_REDRIVEN, MESSAGE_PARKED,
                                                    MESSAGE_PENDING, MESSAGE_SENT, MESSAGE_HELD,
                                                    MESSAGE_EXPIRED, MESSAGE_PURGED};
#define COUNTED_STATES (int)(sizeof(counted_states) / sizeof(counted_states[0]))

void ledger_queue_save(struct database *db, const struct queue_row *row)
{
    bind_i64(db, S(QUEUE_SAVE), 1, row->id);
    bind_i64(db, S(QUEUE_SAVE), 2, row->next_message);
    bind_i64(db, S(QUEUE_SAVE), 3, row->next_fresh);
    for (int i = 0; i < COUNTED_STATES; i++)
        bind_i64(db, S(QUEUE_SAVE), 4 + i, row->counts[counted_states[i]]);
    bind_i64(db, S(QUEUE_SAVE), 4 + COUNTED_STATES, row->remote);
    bind_i64(db, S(QUEUE_SAVE), 5 + COUNTED_STATES, row->possible_duplicates);
    bind_i64(db, S(QUEUE_SAVE), 6 + COUNTED_STATES, row->grouped);
    bind_i64(db, S(QUEUE_SAVE), 7 + COUNTED_STATES, row->purge_to);
    bind_i64(db, S(QUEUE_SAVE), 8 + COUNTED_STATES, row->backfill_at);
    database_run(db, S(QUEUE_SAVE));
}

void ledger_queue_settings(struct database *db, const struct queue_row *row)
{
    bind_i64(db, S(QUEUE_SETTINGS), 1, row->id);
    bind_text(db, S(QUEUE_SETTINGS), 2, slice_present(row->region) ? row->region : SLICE(""));
    bind_text(db, S(QUEUE_SETTINGS), 3, row->attributes);
    bind_text(db, S(QUEUE_SETTINGS), 4, row->tags);
    bind_i64(db, S(QUEUE_SETTINGS), 5, row->modified_at_ms);
    bind_optional(db, S(QUEUE_SETTINGS), 6, row->deleted_at_ms);
    database_run(db, S(QUEUE_SETTINGS));
}

void ledger_queues(struct database *db, void (*each)(void *context, const struct queue_row *row), void *context)
{
    while (database_row(db, S(QUEUE_ALL))) {
        struct queue_row row = {
            .id = column_i64(db, S(QUEUE_ALL), 0),
            .name = column_slice(db, S(QUEUE_ALL), 1),
            .next_message = column_i64(db, S(QUEUE_ALL), 2),
            .next_fresh = column_i64(db, S(QUEUE_ALL), 3),
            .created_at_ms = column_i64(db, S(QUEUE_ALL), 4 + COUNTED_STATES),
            .remote = column_i64(db, S(QUEUE_ALL), 5 + COUNTED_STATES) != 0,
            .possible_duplicates = column_i64(db, S(QUEUE_ALL), 6 + COUNTED_STATES),
            .grouped = column_i64(db, S(QUEUE_ALL), 7 + COUNTED_STATES) != 0,
            .purge_to = column_i64(db, S(QUEUE_ALL), 8 + COUNTED_STATES),
            .modified_at_ms = column_i64(db, S(QUEUE_ALL), 9 + COUNTED_STATES),
            .deleted_at_ms = column_i64(db, S(QUEUE_ALL), 10 + COUNTED_STATES),
            .region = column_slice(db, S(QUEUE_ALL), 11 + COUNTED_STATES),
            .attributes = column_slice(db, S(QUEUE_ALL), 12 + COUNTED_STATES),
            .tags = column_slice(db, S(QUEUE_ALL), 13 + COUNTED_STATES),
            .backfill_at = column_i64(db, S(QUEUE_ALL), 14 + COUNTED_STATES),
        };

        for (int i = 0; i < COUNTED_STATES; i++)
            row.counts[counted_states[i]] = column_i64(db, S(QUEUE_ALL), 4 + i);
        each(context, &row);
    }
}

void ledger_scheduled(struct database *db, int64_t queue, void (*each)(void *context, const struct scheduled_row *row), void *context)
{
    bind_i64(db, S(QUEUE_SCHEDULED), 1, QUEUE_FIRST_MESSAGE(queue));
    bind_i64(db, S(QUEUE_SCHEDULED), 2, QUEUE_END_MESSAGE(queue));
    while (database_row(db, S(QUEUE_SCHEDULED))) {
        struct scheduled_row row = {
            .id = column_i64(db, S(QUEUE_SCHEDULED), 0),
            .state = (enum message_state)column_i64(db, S(QUEUE_SCHEDULED), 1),
            .due_at_ms = column_i64(db, S(QUEUE_SCHEDULED), 2),
            .receive_number = column_i64(db, S(QUEUE_SCHEDULED), 3),
            .origin = column_i64(db, S(QUEUE_SCHEDULED), 4),
        };

        each(context, &row);
    }
}

/* When the message came, or when it last went back. */
static int64_t came_ms(struct slice history)
{
    int64_t redriven_ms = history_redriven_ms(history);
    enum step_kind kind;
    int64_t came = 0;

    step_decode(history, 0, &kind, &came);
    return redriven_ms ? redriven_ms : came;
}

/* The earliest of those that the statement finds, or `than` if that is earlier; 0: there is none. */
static int64_t earliest_ms(struct database *db, enum statement s, int64_t from, int64_t end, int64_t than)
{
    bind_i64(db, s, 1, from);
    bind_i64(db, s, 2, end);
    while (database_row(db, s)) {
        int64_t at_ms = came_ms(column_slice(db, s, 0));

        than = than == 0 || at_ms < than ? at_ms : than;
    }
    return than;
}

int64_t ledger_oldest_waiting_ms(struct database *db, int64_t queue, int64_t from_message)
{
    int64_t fresh_ms = earliest_ms(db, S(QUEUE_OLDEST), from_message, QUEUE_END_MESSAGE(queue), 0);

    return earliest_ms(db, S(QUEUE_OLDEST_AGAIN), QUEUE_FIRST_MESSAGE(queue), QUEUE_END_MESSAGE(queue), fresh_ms);
}

/* ---- streams, shards, gaps ---- */

static int64_t last_insert(struct database *db, int changed)
{
    return changed == 1 ? database_last_insert(db) : 0;
}

int64_t ledger_stream_insert(struct database *db, const struct stream_row *row)
{
    bind_text(db, S(STREAM_INSERT), 1, row->source);
    bind_text(db, S(STREAM_INSERT), 2, row->arn);
    bind_i64(db, S(STREAM_INSERT), 3, row->state);
    bind_i64(db, S(STREAM_INSERT), 4, row->created_at_ms);
    return last_insert(db, database_run(db, S(STREAM_INSERT)));
}

bool ledger_stream_adopt(struct database *db, struct slice arn, struct slice source)
{
    bind_text(db, S(STREAM_ADOPT), 1, source);
    bind_text(db, S(STREAM_ADOPT), 2, arn);
    return database_run(db, S(STREAM_ADOPT)) > 0;
}

void ledger_stream_save(struct database *db, const struct stream_row *row)
{
    bind_i64(db, S(STREAM_SAVE), 1, row->id);
    bind_i64(db, S(STREAM_SAVE), 2, row->state);
    bind_optional(db, S(STREAM_SAVE), 3, row->discovered_at_ms);
    database_run(db, S(STREAM_SAVE));
}

void ledger_streams(struct database *db, void (*each)(void *context, const struct stream_row *row), void *context)
{
    while (database_row(db, S(STREAM_ALL))) {
        struct stream_row row = {
            .id = column_i64(db, S(STREAM_ALL), 0),
            .source = column_slice(db, S(STREAM_ALL), 1),
            .arn = column_slice(db, S(STREAM_ALL), 2),
            .state = (enum stream_state)column_i64(db, S(STREAM_ALL), 3),
            .discovered_at_ms = column_i64(db, S(STREAM_ALL), 4),
            .created_at_ms = column_i64(db, S(STREAM_ALL), 5),
        };

        each(context, &row);
    }
}

int64_t ledger_shard_insert(struct database *db, const struct shard_row *row)
{
    bind_i64(db, S(SHARD_INSERT), 1, row->stream);
    bind_text(db, S(SHARD_INSERT), 2, row->shard_id);
    bind_text(db, S(SHARD_INSERT), 3, row->parent_id);
    bind_i64(db, S(SHARD_INSERT), 4, row->state);
    bind_i64(db, S(SHARD_INSERT), 5, row->start);
    bind_i64(db, S(SHARD_INSERT), 6, row->start_at_ms);
    bind_text(db, S(SHARD_INSERT), 7, row->starting_sequence);
    bind_text(db, S(SHARD_INSERT), 8, row->ending_sequence);
    bind_i64(db, S(SHARD_INSERT), 9, row->created_at_ms);
    return last_insert(db, database_run(db, S(SHARD_INSERT)));
}

void ledger_shard_save(struct database *db, const struct shard_row *row)
{
    bind_i64(db, S(SHARD_SAVE), 1, row->id);
    bind_i64(db, S(SHARD_SAVE), 2, row->state);
    bind_i64(db, S(SHARD_SAVE), 3, row->start);
    bind_text(db, S(SHARD_SAVE), 4, row->starting_sequence);
    bind_text(db, S(SHARD_SAVE), 5, row->ending_sequence);
    bind_text(db, S(SHARD_SAVE), 6, row->position);
    bind_i64(db, S(SHARD_SAVE), 7, row->records_read);
    bind_i64(db, S(SHARD_SAVE), 8, row->duplicates);
    bind_optional(db, S(SHARD_SAVE), 9, row->last_read_at_ms);
    bind_optional(db, S(SHARD_SAVE), 10, row->idle_since_ms);
    bind_optional(db, S(SHARD_SAVE), 11, row->last_record_at_ms);
    database_run(db, S(SHARD_SAVE));
}

void ledger_shards(struct database *db, void (*each)(void *context, const struct shard_row *row), void *context)
{
    while (database_row(db, S(SHARD_ALL))) {
        struct shard_row row = {
            .id = column_i64(db, S(SHARD_ALL), 0),
            .stream = column_i64(db, S(SHARD_ALL), 1),
            .shard_id = column_slice(db, S(SHARD_ALL), 2),
            .parent_id = column_slice(db, S(SHARD_ALL), 3),
            .state = (enum shard_state)column_i64(db, S(SHARD_ALL), 4),
            .start = (enum shard_start)column_i64(db, S(SHARD_ALL), 5),
            .start_at_ms = column_i64(db, S(SHARD_ALL), 6),
            .starting_sequence = column_slice(db, S(SHARD_ALL), 7),
            .ending_sequence = column_slice(db, S(SHARD_ALL), 8),
            .position = column_slice(db, S(SHARD_ALL), 9),
            .records_read = column_i64(db, S(SHARD_ALL), 10),
            .duplicates = column_i64(db, S(SHARD_ALL), 11),
            .pruned_records = column_i64(db, S(SHARD_ALL), 12),
            .last_read_at_ms = column_i64(db, S(SHARD_ALL), 13),
            .idle_since_ms = column_i64(db, S(SHARD_ALL), 14),
            .last_record_at_ms = column_i64(db, S(SHARD_ALL), 15),
            .created_at_ms = column_i64(db, S(SHARD_ALL), 16),
        };

        each(context, &row);
    }
}

void ledger_gap_insert(struct database *db, int64_t shard, struct slice from, struct slice to, enum gap_cause cause, int64_t now_ms)
{
    bind_i64(db, S(GAP_INSERT), 1, shard);
    bind_text(db, S(GAP_INSERT), 2, from);
    bind_text(db, S(GAP_INSERT), 3, to);
    bind_i64(db, S(GAP_INSERT), 4, cause);
    bind_i64(db, S(GAP_INSERT), 5, now_ms);
    database_run(db, S(GAP_INSERT));
}

void ledger_gaps(struct database *db, void (*each)(void *context, const struct gap_row *row), void *context)
{
    while (database_row(db, S(GAP_ALL))) {
        struct gap_row row = {
            .id = column_i64(db, S(GAP_ALL), 0),
            .shard = column_i64(db, S(GAP_ALL), 1),
            .shard_id = column_slice(db, S(GAP_ALL), 2),
            .arn = column_slice(db, S(GAP_ALL), 3),
            .from_sequence = column_slice(db, S(GAP_ALL), 4),
            .to_sequence = column_slice(db, S(GAP_ALL), 5),
            .cause = (enum gap_cause)column_i64(db, S(GAP_ALL), 6),
            .found_at_ms = column_i64(db, S(GAP_ALL), 7),
            .acknowledged_at_ms = column_i64(db, S(GAP_ALL), 8),
        };

        each(context, &row);
    }
}

void ledger_gap_withdraw(struct database *db, int64_t shard, enum gap_cause cause)
{
    bind_i64(db, S(GAP_WITHDRAW), 1, shard);
    bind_i64(db, S(GAP_WITHDRAW), 2, cause);
    database_run(db, S(GAP_WITHDRAW));
}

int64_t ledger_gaps_new(struct database *db)
{
    int64_t count = 0;

    if (database_row(db, S(GAP_NEW_COUNT))) {
        count = column_i64(db, S(GAP_NEW_COUNT), 0);
        database_reset(db, S(GAP_NEW_COUNT));
    }
    return count;
}

int ledger_gaps_acknowledge(struct database *db, int64_t now_ms)
{
    bind_i64(db, S(GAP_ACKNOWLEDGE), 1, now_ms);
    return database_run(db, S(GAP_ACKNOWLEDGE));
}

/* ---- records and messages ---- */

int64_t ledger_next_record(struct database *db)
{
    int64_t next = 1;

    if (database_row(db, S(PAGE_LAST))) {
        if (!column_is_null(db, S(PAGE_LAST), 0))
            next = column_i64(db, S(PAGE_LAST), 0);
        database_reset(db, S(PAGE_LAST));
    }
    return next;
}

int64_t ledger_first_record_since(struct database *db, int64_t since_ms)
{
    int64_t first = 0;

    bind_i64(db, S(PAGE_SINCE), 1, since_ms);
    if (database_row(db, S(PAGE_SINCE))) {
        first = column_is_null(db, S(PAGE_SINCE), 0) ? 0 : column_i64(db, S(PAGE_SINCE), 0);
        database_reset(db, S(PAGE_SINCE));
    }
    return first > 0 ? first : ledger_next_record(db);
}

void ledger_record_insert(struct database *db, const struct record_row *row)
{
    bind_i64(db, S(RECORD_INSERT), 1, row->id);
    bind_optional(db, S(RECORD_INSERT), 2, row->shard);
    bind_text(db, S(RECORD_INSERT), 3, row->sequence_number);
    bind_i64(db, S(RECORD_INSERT), 4, row->sub_sequence);
    bind_i64(db, S(RECORD_INSERT), 5, row->event_name);
    bind_i64(db, S(RECORD_INSERT), 6, (int64_t)row->key_hash);
    bind_blob(db, S(RECORD_INSERT), 7, row->body);
    bind_blob(db, S(RECORD_INSERT), 8, row->attributes);
    bind_blob(db, S(RECORD_INSERT), 9, row->body_md5);
    database_run(db, S(RECORD_INSERT));
}

void ledger_page_insert(struct database *db, const struct page_row *row)
{
    bind_i64(db, S(PAGE_INSERT), 1, row->id);
    bind_optional(db, S(PAGE_INSERT), 2, row->shard);
    bind_i64(db, S(PAGE_INSERT), 3, row->record_count);
    bind_text(db, S(PAGE_INSERT), 4, row->after_sequence);
    bind_text(db, S(PAGE_INSERT), 5, row->first_sequence);
    bind_text(db, S(PAGE_INSERT), 6, row->last_sequence);
    bind_i64(db, S(PAGE_INSERT), 7, row->stored_at_ms);
    bind_blob(db, S(PAGE_INSERT), 8, row->bloom);
    database_run(db, S(PAGE_INSERT));
}

void ledger_delivery_insert(struct database *db, int64_t page, int64_t queue, int64_t first_message, int64_t message_count, int64_t filtered)
{
    bind_i64(db, S(DELIVERY_INSERT), 1, page);
    bind_i64(db, S(DELIVERY_INSERT), 2, queue);
    bind_i64(db, S(DELIVERY_INSERT), 3, first_message);
    bind_i64(db, S(DELIVERY_INSERT), 4, message_count);
    bind_i64(db, S(DELIVERY_INSERT), 5, filtered);
    database_run(db, S(DELIVERY_INSERT));
}

void ledger_tally_add(struct database *db, int64_t shard, int64_t queue, int64_t since_records, int64_t assigned, int64_t filtered)
{
    bind_i64(db, S(TALLY_ADD), 1, shard);
    bind_i64(db, S(TALLY_ADD), 2, queue);
    bind_i64(db, S(TALLY_ADD), 3, since_records);
    bind_i64(db, S(TALLY_ADD), 4, assigned);
    bind_i64(db, S(TALLY_ADD), 5, filtered);
    database_run(db, S(TALLY_ADD));
}

void ledger_subscribe(struct database *db, int64_t shard, int64_t queue, int64_t since_records)
{
    bind_i64(db, S(TALLY_SUBSCRIBE), 1, shard);
    bind_i64(db, S(TALLY_SUBSCRIBE), 2, queue);
    bind_i64(db, S(TALLY_SUBSCRIBE), 3, since_records);
    database_run(db, S(TALLY_SUBSCRIBE));
}

void ledger_tally_backfill(struct database *db, int64_t shard, int64_t queue, int64_t assigned, int64_t filtered)
{
    bind_i64(db, S(TALLY_BACKFILL), 1, shard);
    bind_i64(db, S(TALLY_BACKFILL), 2, queue);
    bind_i64(db, S(TALLY_BACKFILL), 3, assigned);
    bind_i64(db, S(TALLY_BACKFILL), 4, filtered);
    database_run(db, S(TALLY_BACKFILL));
}

static void tally_move(struct database *db, enum statement s, int64_t shard, int64_t queue, int64_t records_read)
{
    bind_i64(db, s, 1, shard);
    bind_i64(db, s, 2, queue);
    bind_i64(db, s, 3, records_read);
    database_run(db, s);
}

void ledger_tally_pause(struct database *db, int64_t shard, int64_t queue, int64_t records_read)
{
    tally_move(db, S(TALLY_PAUSE), shard, queue, records_read);
}

void ledger_tally_resume(struct database *db, int64_t shard, int64_t queue, int64_t records_read)
{
    tally_move(db, S(TALLY_RESUME), shard, queue, records_read);
}

int ledger_tally_replayed(struct database *db, int64_t shard, int64_t queue, int64_t count)
{
    bind_i64(db, S(TALLY_REPLAYED), 1, shard);
    bind_i64(db, S(TALLY_REPLAYED), 2, queue);
    bind_i64(db, S(TALLY_REPLAYED), 3, count);
    return database_run(db, S(TALLY_REPLAYED));
}

void ledger_message_insert(struct database *db, const struct new_message *message, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_INSERT), 1, message->id);
    bind_i64(db, S(MESSAGE_INSERT), 2, message->record);
    bind_optional(db, S(MESSAGE_INSERT), 3, message->due_at_ms);
    bind_optional(db, S(MESSAGE_INSERT), 4, message->origin);
    bind_i64(db, S(MESSAGE_INSERT), 6, message->state);
    run_move(db, S(MESSAGE_INSERT), 5, message->step, now_ms);
}

/* ---- moves ---- */

int ledger_receive_fresh(struct database *db, int64_t first, int64_t last, int64_t due_at_ms, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_RECEIVE_FRESH), 1, first);
    bind_i64(db, S(MESSAGE_RECEIVE_FRESH), 2, last);
    bind_i64(db, S(MESSAGE_RECEIVE_FRESH), 3, due_at_ms);
    return run_move(db, S(MESSAGE_RECEIVE_FRESH), 4, STEP_RECEIVED, now_ms);
}

int ledger_receive_one(struct database *db, int64_t id, int64_t due_at_ms, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_RECEIVE_ONE), 1, id);
    bind_i64(db, S(MESSAGE_RECEIVE_ONE), 2, due_at_ms);
    return run_move(db, S(MESSAGE_RECEIVE_ONE), 3, STEP_RECEIVED, now_ms);
}

int ledger_end(struct database *db, int64_t id, enum message_state state, enum step_kind step, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_END), 1, id);
    bind_i64(db, S(MESSAGE_END), 2, state);
    return run_move(db, S(MESSAGE_END), 3, step, now_ms);
}

int ledger_receive_again(struct database *db, int64_t id, int64_t due_at_ms, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_RECEIVE_AGAIN), 1, id);
    bind_i64(db, S(MESSAGE_RECEIVE_AGAIN), 2, due_at_ms);
    return run_move(db, S(MESSAGE_RECEIVE_AGAIN), 3, STEP_RECEIVED, now_ms);
}

int ledger_reschedule(struct database *db, int64_t id, int64_t due_at_ms, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_RESCHEDULE), 1, id);
    bind_i64(db, S(MESSAGE_RESCHEDULE), 2, due_at_ms);
    return run_move(db, S(MESSAGE_RESCHEDULE), 3, STEP_VISIBILITY_CHANGED, now_ms);
}

int ledger_delete(struct database *db, int64_t id, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_DELETE), 1, id);
    return run_move(db, S(MESSAGE_DELETE), 2, STEP_DELETED, now_ms);
}

int ledger_die(struct database *db, int64_t id, int64_t moved_to, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_DIE), 1, id);
    bind_optional(db, S(MESSAGE_DIE), 2, moved_to);
    return run_move(db, S(MESSAGE_DIE), 3, STEP_DEAD, now_ms);
}

/* Appends a message's steps; returns its copy, 0: none. */
static int64_t append_steps(struct database *db, int64_t id, struct buffer *life)
{
    struct message_row row;
    int64_t copy;

    if (!ledger_message_find(db, id, &row))
        return 0;
    copy = row.moved_to;
    buffer_append(life, row.history);
    ledger_message_end(db);
    return copy;
}

static void append_step(struct buffer *life, enum step_kind kind, int64_t at_ms)
{
    char step[STEP_BYTES];

    step_encode(step, kind, at_ms);
    buffer_append(life, slice_from(step, sizeof(step)));
}

/* The place of the IN_QUEUE that holds for the step at `index`, which may be that place; SIZE_MAX: none does. */
static size_t queue_in_force(struct slice life, size_t index)
{
    enum step_kind kind;
    int64_t at_ms;
    size_t found = SIZE_MAX;

    for (size_t i = 0; i <= index && step_decode(life, i, &kind, &at_ms); i++) {
        if (kind == STEP_IN_QUEUE)
            found = i;
        else if (kind == STEP_REDRIVEN)
            found = SIZE_MAX;
    }
    return found;
}

/* Of a long life, its beginning and its newest steps: half of what a history may have, so that the other half is free for what comes. */
static void append_newest(struct buffer *out, struct slice life)
{
    size_t steps = life.len / STEP_BYTES;
    size_t first = steps - (HISTORY_BYTES / 2 / STEP_BYTES - 3); /* beside the beginning, an IN_QUEUE and the last step */
    size_t queue;

    if (life.len < HISTORY_BYTES / 2) {
        buffer_append(out, life);
        return;
    }
    queue = queue_in_force(life, first);
    buffer_append(out, slice_from(life.ptr, STEP_BYTES));
    if (queue < first)
        buffer_append(out, slice_from(life.ptr + queue * STEP_BYTES, STEP_BYTES));
    buffer_append(out, slice_from(life.ptr + first * STEP_BYTES, (steps - first) * STEP_BYTES));
}

/* What a dead message's history becomes when it goes back or is settled: its own steps, then those of its copies, each behind the queue that it was in.
 * The copies can go then. */
static void write_whole_life(struct database *db, int64_t id, struct buffer *out)
{
    struct buffer life = {0};
    int64_t copy = append_steps(db, id, &life);

    while (copy != 0) {
        append_step(&life, STEP_IN_QUEUE, QUEUE_OF_MESSAGE(copy));
        copy = append_steps(db, copy, &life);
    }
    append_newest(out, buffer_slice(&life));
    buffer_fini(&life);
}

/* The copies that stand for the dead message `id` will go. The statement's other parameters are bound; it returns how many rows it changed. */
static int leave_death(struct database *db, enum statement s, int64_t id, enum step_kind last, int64_t now_ms)
{
    struct buffer life = {0};
    int changed;

    write_whole_life(db, id, &life);
    append_step(&life, last, now_ms);
    bind_i64(db, s, 1, id);
    bind_blob(db, s, 3, buffer_slice(&life));
    changed = database_run(db, s);
    buffer_fini(&life);
    return changed;
}

int ledger_move_copy(struct database *db, int64_t id, int64_t moved_to, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_MOVE_COPY), 2, moved_to);
    return leave_death(db, S(MESSAGE_MOVE_COPY), id, STEP_REDRIVEN, now_ms);
}

int ledger_settle_dead(struct database *db, int64_t id, enum message_state state, enum step_kind step, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_SETTLE_DEAD), 2, state);
    return leave_death(db, S(MESSAGE_SETTLE_DEAD), id, step, now_ms);
}

int ledger_redrive(struct database *db, int64_t id, enum message_state state, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_REDRIVE), 4, now_ms);
    bind_i64(db, S(MESSAGE_REDRIVE), 5, state);
    return leave_death(db, S(MESSAGE_REDRIVE), id, STEP_REDRIVEN, now_ms);
}

int ledger_park(struct database *db, int64_t id, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_PARK), 1, id);
    return run_move(db, S(MESSAGE_PARK), 2, STEP_PARKED, now_ms);
}

int ledger_hold(struct database *db, int64_t id, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_HOLD), 1, id);
    return run_move(db, S(MESSAGE_HOLD), 2, STEP_HELD, now_ms);
}

int ledger_release(struct database *db, int64_t id, enum message_state state, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_RELEASE), 1, id);
    bind_i64(db, S(MESSAGE_RELEASE), 3, state);
    bind_i64(db, S(MESSAGE_RELEASE), 4, now_ms);
    return run_move(db, S(MESSAGE_RELEASE), 2, STEP_RELEASED, now_ms);
}

/* ---- messages to other servers ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The 16 bytes of a UUID in its usual form, 8-4-4-4-12 in lower case. */
static bool uuid_pack(struct slice text, char out[UUID_BYTES])
{
    size_t at = 0;

    if (text.len != UUID_TEXT)
        return false;
    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (at == 8 || at == 13 || at == 18 || at == 23)
            if (text.ptr[at++] != '-')
                return false;
        if (hex_digit(text.ptr[at]) < 0 || hex_digit(text.ptr[at + 1]) < 0)
            return false;
        out[i] = (char)(hex_digit(text.ptr[at]) << 4 | hex_digit(text.ptr[at + 1]));
        at += 2;
    }
    return true;
}

void remote_id_text(struct slice stored, struct buffer *out)
{
    if (stored.len != UUID_BYTES) {
        buffer_append(out, stored);
        return;
    }
    for (size_t i = 0; i < UUID_BYTES; i++)
        buffer_printf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", (unsigned)(unsigned char)stored.ptr[i]);
}

bool remote_id_is(struct slice stored, struct slice text)
{
    struct buffer own = {0};
    bool same;

    remote_id_text(stored, &own);
    same = slice_equal(buffer_slice(&own), text);
    buffer_fini(&own);
    return same;
}

int ledger_sent(struct database *db, int64_t id, struct slice remote_id, enum step_kind as, int64_t now_ms)
{
    char packed[UUID_BYTES];

    bind_i64(db, S(MESSAGE_SENT_REMOTE), 1, id);
    bind_blob(db, S(MESSAGE_SENT_REMOTE), 2, uuid_pack(remote_id, packed) ? slice_from(packed, sizeof(packed)) : remote_id);
    return run_move(db, S(MESSAGE_SENT_REMOTE), 3, as, now_ms);
}

int ledger_send_again(struct database *db, int64_t id, int64_t due_at_ms, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_SEND_AGAIN), 1, id);
    bind_i64(db, S(MESSAGE_SEND_AGAIN), 2, due_at_ms);
    return run_move(db, S(MESSAGE_SEND_AGAIN), 3, STEP_SEND_FAILED, now_ms);
}

int ledger_send_unknown(struct database *db, int64_t id, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_SEND_UNKNOWN), 1, id);
    return run_move(db, S(MESSAGE_SEND_UNKNOWN), 2, STEP_SEND_UNKNOWN, now_ms);
}

int ledger_remote_received(struct database *db, int64_t id, int64_t receive_count, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_REMOTE_RECEIVED), 1, id);
    bind_i64(db, S(MESSAGE_REMOTE_RECEIVED), 2, receive_count);
    return run_move(db, S(MESSAGE_REMOTE_RECEIVED), 3, STEP_RECEIVED, now_ms);
}

int ledger_remote_deleted(struct database *db, int64_t id, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_REMOTE_DELETED), 1, id);
    return run_move(db, S(MESSAGE_REMOTE_DELETED), 2, STEP_DELETED, now_ms);
}

int ledger_remote_dead(struct database *db, int64_t id, int64_t now_ms)
{
    bind_i64(db, S(MESSAGE_REMOTE_DEAD), 1, id);
    return run_move(db, S(MESSAGE_REMOTE_DEAD), 2, STEP_DEAD, now_ms);
}

/* ---- faults ---- */

void ledger_fault_put(struct database *db, int64_t message, const struct fault_row *row)
{
    bind_i64(db, S(FAULT_PUT), 1, message);
    bind_text(db, S(FAULT_PUT), 2, row->code);
    bind_text(db, S(FAULT_PUT), 3, row->text);
    bind_i64(db, S(FAULT_PUT), 4, row->at_ms);
    database_run(db, S(FAULT_PUT));
}

bool ledger_fault(struct database *db, int64_t message, void (*each)(void *context, const struct fault_row *row), void *context)
{
    struct fault_row row;

    bind_i64(db, S(FAULT_GET), 1, message);
    if (!database_row(db, S(FAULT_GET)))
        return false;
    row = (struct fault_row){column_slice(db, S(FAULT_GET), 0), column_slice(db, S(FAULT_GET), 1), column_i64(db, S(FAULT_GET), 2)};
    each(context, &row);
    database_reset(db, S(FAULT_GET));
    return true;
}

/* ---- what waits to be sent, and what is in trouble ---- */

void ledger_pending(struct database *db, int64_t from, int64_t end, int64_t limit, bool keyed,
                    void (*each)(void *context, int64_t id, uint64_t key_hash), void *context)
{
    enum statement s = keyed ? S(MESSAGE_PENDING) : S(MESSAGE_PENDING_UNKEYED);

    bind_i64(db, s, 1, from);
    bind_i64(db, s, 2, end);
    bind_i64(db, s, 3, limit);
    while (database_row(db, s))
        each(context, column_i64(db, s, 0), keyed ? (uint64_t)column_i64(db, s, 1) : 0);
}

void ledger_fresh_groups(struct database *db, int64_t from, int64_t end, int64_t limit,
                         void (*each)(void *context, int64_t id, uint64_t key_hash, int64_t origin), void *context)
{
    bind_i64(db, S(MESSAGE_FRESH_GROUPS), 1, from);
    bind_i64(db, S(MESSAGE_FRESH_GROUPS), 2, end);
    bind_i64(db, S(MESSAGE_FRESH_GROUPS), 3, limit);
    while (database_row(db, S(MESSAGE_FRESH_GROUPS)))
        each(context, column_i64(db, S(MESSAGE_FRESH_GROUPS), 0), (uint64_t)column_i64(db, S(MESSAGE_FRESH_GROUPS), 1),
             column_i64(db, S(MESSAGE_FRESH_GROUPS), 2));
}

int64_t ledger_fresh_count(struct database *db, int64_t from, int64_t end)
{
    int64_t count = 0;

    bind_i64(db, S(MESSAGE_FRESH_COUNT), 1, from);
    bind_i64(db, S(MESSAGE_FRESH_COUNT), 2, end);
    if (database_row(db, S(MESSAGE_FRESH_COUNT))) {
        count = column_i64(db, S(MESSAGE_FRESH_COUNT), 0);
        database_reset(db, S(MESSAGE_FRESH_COUNT));
    }
    return count;
}

void ledger_glance(struct database *db, int64_t from, int64_t end, int64_t limit, void (*each)(void *context, const struct message_glance *glance),
                   void *context)
{
    bind_i64(db, S(MESSAGE_STATES), 1, from);
    bind_i64(db, S(MESSAGE_STATES), 2, end);
    bind_i64(db, S(MESSAGE_STATES), 3, limit);
    while (database_row(db, S(MESSAGE_STATES))) {
        struct message_glance glance = {
            .id = column_i64(db, S(MESSAGE_STATES), 0),
            .state = (enum message_state)column_i64(db, S(MESSAGE_STATES), 1),
            .due_at_ms = column_i64(db, S(MESSAGE_STATES), 2),
            .origin = column_i64(db, S(MESSAGE_STATES), 3),
            .receive_count = RECEIVES_OF(column_i64(db, S(MESSAGE_STATES), 4)),
            .from_stream = !column_is_null(db, S(MESSAGE_STATES), 6),
        };

        glance.sent_ms = came_ms(column_slice(db, S(MESSAGE_STATES), 5));
        glance.went_back = history_redriven_ms(column_slice(db, S(MESSAGE_STATES), 5)) != 0;
        each(context, &glance);
    }
}

int64_t ledger_deduplicate(struct database *db, int64_t queue, struct slice key, int64_t since_ms, int64_t now_ms)
{
    int64_t message = 0;
    int64_t sent_ms;

    bind_i64(db, S(DEDUPLICATION_GET), 1, queue);
    bind_blob(db, S(DEDUPLICATION_GET), 2, key);
    if (database_row(db, S(DEDUPLICATION_GET))) {
        sent_ms = column_i64(db, S(DEDUPLICATION_GET), 1);
        if (sent_ms > since_ms && sent_ms <= now_ms)
            message = column_i64(db, S(DEDUPLICATION_GET), 0);
        database_reset(db, S(DEDUPLICATION_GET));
    }
    return message;
}

void ledger_deduplication_put(struct database *db, int64_t queue, struct slice key, int64_t message, int64_t now_ms)
{
    bind_i64(db, S(DEDUPLICATION_PUT), 1, queue);
    bind_blob(db, S(DEDUPLICATION_PUT), 2, key);
    bind_i64(db, S(DEDUPLICATION_PUT), 3, message);
    bind_i64(db, S(DEDUPLICATION_PUT), 4, now_ms);
    database_run(db, S(DEDUPLICATION_PUT));
}

int ledger_deduplication_prune(struct database *db, int64_t before_ms, int64_t now_ms, int64_t limit)
{
    bind_i64(db, S(DEDUPLICATION_PRUNE), 1, before_ms);
    bind_i64(db, S(DEDUPLICATION_PRUNE), 2, limit);
    bind_i64(db, S(DEDUPLICATION_PRUNE), 3, now_ms);
    return database_run(db, S(DEDUPLICATION_PRUNE));
}

int64_t ledger_move_task_insert(struct database *db, const struct move_task_row *row)
{
    bind_i64(db, S(MOVE_TASK_INSERT), 1, row->source);
    bind_optional(db, S(MOVE_TASK_INSERT), 2, row->destination);
    bind_optional(db, S(MOVE_TASK_INSERT), 3, row->per_second);
    bind_i64(db, S(MOVE_TASK_INSERT), 4, row->state);
    bind_i64(db, S(MOVE_TASK_INSERT), 5, row->to_move);
    bind_i64(db, S(MOVE_TASK_INSERT), 6, row->end_message);
    bind_i64(db, S(MOVE_TASK_INSERT), 7, row->started_at_ms);
    return last_insert(db, database_run(db, S(MOVE_TASK_INSERT)));
}

void ledger_move_task_save(struct database *db, const struct move_task_row *row)
{
    bind_i64(db, S(MOVE_TASK_SAVE), 1, row->id);
    bind_i64(db, S(MOVE_TASK_SAVE), 2, row->state);
    bind_i64(db, S(MOVE_TASK_SAVE), 3, row->moved);
    bind_text(db, S(MOVE_TASK_SAVE), 4, row->failure);
    database_run(db, S(MOVE_TASK_SAVE));
}

void ledger_move_task_remove(struct database *db, int64_t id)
{
    bind_i64(db, S(MOVE_TASK_PRUNE), 1, id);
    database_run(db, S(MOVE_TASK_PRUNE));
}

void ledger_move_tasks(struct database *db, void (*each)(void *context, const struct move_task_row *row), void *context)
{
    while (database_row(db, S(MOVE_TASK_ALL))) {
        struct move_task_row row = {
            .id = column_i64(db, S(MOVE_TASK_ALL), 0),
            .source = column_i64(db, S(MOVE_TASK_ALL), 1),
            .destination = column_i64(db, S(MOVE_TASK_ALL), 2),
            .per_second = column_i64(db, S(MOVE_TASK_ALL), 3),
            .state = (enum move_task_state)column_i64(db, S(MOVE_TASK_ALL), 4),
            .moved = column_i64(db, S(MOVE_TASK_ALL), 5),
            .to_move = column_i64(db, S(MOVE_TASK_ALL), 6),
            .end_message = column_i64(db, S(MOVE_TASK_ALL), 7),
            .failure = column_slice(db, S(MOVE_TASK_ALL), 8),
            .started_at_ms = column_i64(db, S(MOVE_TASK_ALL), 9),
        };

        each(context, &row);
    }
}

void ledger_troubled(struct database *db, int64_t queue, void (*each)(void *context, int64_t id, enum message_state state, uint64_t key_hash),
                     void *context)
{
    bind_i64(db, S(MESSAGE_TROUBLED), 1, QUEUE_FIRST_MESSAGE(queue));
    bind_i64(db, S(MESSAGE_TROUBLED), 2, QUEUE_END_MESSAGE(queue));
    while (database_row(db, S(MESSAGE_TROUBLED)))
        each(context, column_i64(db, S(MESSAGE_TROUBLED), 0), (enum message_state)column_i64(db, S(MESSAGE_TROUBLED), 1),
             (uint64_t)column_i64(db, S(MESSAGE_TROUBLED), 2));
}

static void pruned_add(struct database *db, int64_t shard, int64_t queue, enum message_state state)
{
    bind_i64(db, S(PRUNED_ADD), 1, shard);
    bind_i64(db, S(PRUNED_ADD), 2, queue);
    bind_i64(db, S(PRUNED_ADD), 3, state);
    database_run(db, S(PRUNED_ADD));
}

int ledger_remove_copy(struct database *db, int64_t id, enum message_state state)
{
    int removed;

    bind_i64(db, S(MESSAGE_REMOVE_COPY), 1, id);
    removed = database_run(db, S(MESSAGE_REMOVE_COPY));
    if (removed == 1)
        pruned_add(db, 0, QUEUE_OF_MESSAGE(id), state);
    return removed;
}

/* ---- messages with their records ---- */

static void read_message(struct database *db, enum statement s, struct message_row *row)
{
    *row = (struct message_row){
        .id = column_i64(db, s, 0),
        .record = column_i64(db, s, 1),
        .state = (enum message_state)column_i64(db, s, 2),
        .receive_number = column_i64(db, s, 3),
        .receive_count = RECEIVES_OF(column_i64(db, s, 3)),
        .due_at_ms = column_i64(db, s, 4),
        .origin = column_i64(db, s, 5),
        .moved_to = column_i64(db, s, 6),
        .history = column_slice(db, s, 7),
        .shard = column_i64(db, s, 8),
        .sequence_number = column_slice(db, s, 9),
        .body = column_slice(db, s, 10),
        .attributes = column_slice(db, s, 11),
        .key_hash = (uint64_t)column_i64(db, s, 12),
        .sub_sequence = column_i64(db, s, 13),
        .remote_id = column_slice(db, s, 14),
        .body_md5 = column_slice(db, s, 15),
    };
}

void ledger_fresh_begin(struct database *db, int64_t from, int64_t end, int64_t limit)
{
    bind_i64(db, S(MESSAGE_FRESH), 1, from);
    bind_i64(db, S(MESSAGE_FRESH), 2, end);
    bind_i64(db, S(MESSAGE_FRESH), 3, limit);
}

bool ledger_fresh_next(struct database *db, struct message_row *row)
{
    if (!database_row(db, S(MESSAGE_FRESH)))
        return false;
    read_message(db, S(MESSAGE_FRESH), row);
    return true;
}

void ledger_fresh_end(struct database *db)
{
    database_reset(db, S(MESSAGE_FRESH));
}

bool ledger_message_find(struct database *db, int64_t id, struct message_row *row)
{
    bind_i64(db, S(MESSAGE_ONE), 1, id);
    if (!database_row(db, S(MESSAGE_ONE)))
        return false;
    read_message(db, S(MESSAGE_ONE), row);
    return true;
}

void ledger_message_end(struct database *db)
{
    database_reset(db, S(MESSAGE_ONE));
}

bool ledger_walk_find(struct database *db, struct message_walk *walk, int64_t id, struct message_row *row)
{
    if (walk->next != id) {
        ledger_walk_end(db, walk);
        bind_i64(db, S(MESSAGE_ONWARD), 1, id);
    }
    walk->next = 0;
    if (!database_row(db, S(MESSAGE_ONWARD)))
        return false;
    walk->next = id + 1;
    read_message(db, S(MESSAGE_ONWARD), row);
    if (row->id == id)
        return true;
    ledger_walk_end(db, walk);
    return false;
}

void ledger_walk_end(struct database *db, struct message_walk *walk)
{
    if (walk->next != 0)
        database_reset(db, S(MESSAGE_ONWARD));
    walk->next = 0;
}

int64_t ledger_message_sent_ms(struct database *db, int64_t id)
{
    enum step_kind kind;
    int64_t at_ms = 0;

    bind_i64(db, S(MESSAGE_SENT), 1, id);
    if (database_row(db, S(MESSAGE_SENT))) {
        step_decode(column_slice(db, S(MESSAGE_SENT), 0), 0, &kind, &at_ms);
        database_reset(db, S(MESSAGE_SENT));
    }
    return at_ms;
}

void ledger_dead(struct database *db, int64_t queue, void (*each)(void *context, const struct message_row *row), void *context)
{
    bind_i64(db, S(MESSAGE_DEAD), 1, QUEUE_FIRST_MESSAGE(queue));
    bind_i64(db, S(MESSAGE_DEAD), 2, QUEUE_END_MESSAGE(queue));
    while (database_row(db, S(MESSAGE_DEAD))) {
        struct message_row row;

        read_message(db, S(MESSAGE_DEAD), &row);
        each(context, &row);
    }
}

/* ---- pruning ---- */

struct range {
    int64_t queue;
    int64_t first;
    int64_t end;
};

/* The messages of a page, by queue; the caller frees *ranges. */
static size_t ranges_of_page(struct database *db, int64_t page, struct range **ranges)
{
    size_t count = 0;

    *ranges = NULL;
    bind_i64(db, S(PAGE_DELIVERIES), 1, page);
    while (database_row(db, S(PAGE_DELIVERIES))) {
        int64_t first = column_i64(db, S(PAGE_DELIVERIES), 1);

        *ranges = memory_resize(*ranges, (count + 1) * sizeof(**ranges));
        (*ranges)[count++] = (struct range){column_i64(db, S(PAGE_DELIVERIES), 0), first, first + column_i64(db, S(PAGE_DELIVERIES), 2)};
    }
    return count;
}

static void prune_messages(struct database *db, int64_t shard, const struct range *r, int64_t before_ms)
{
    char step[STEP_BYTES];
    struct slice before = slice_from(step + 2, STEP_BYTES - 2);

    step_encode(step, STEP_DELETED, before_ms);
    bind_i64(db, S(PRUNE_COUNT), 1, shard);
    bind_i64(db, S(PRUNE_COUNT), 2, r->queue);
    bind_i64(db, S(PRUNE_COUNT), 3, r->first);
    bind_i64(db, S(PRUNE_COUNT), 4, r->end);
    bind_blob(db, S(PRUNE_COUNT), 5, before);
    database_run(db, S(PRUNE_COUNT));
    bind_i64(db, S(PRUNE_MESSAGES), 1, r->first);
    bind_i64(db, S(PRUNE_MESSAGES), 2, r->end);
    bind_blob(db, S(PRUNE_MESSAGES), 3, before);
    if (database_run(db, S(PRUNE_MESSAGES)) == 0)
        return;
    bind_i64(db, S(FAULT_PRUNE), 1, r->first);
    bind_i64(db, S(FAULT_PRUNE), 2, r->end);
    database_run(db, S(FAULT_PRUNE));
}

/* Deletes the page's records that no message refers to any more; returns how many stay. */
static int64_t prune_records(struct database *db, int64_t page, int64_t record_count, const struct range *ranges, size_t range_count, int64_t *removed)
{
    char *kept = memory_zeroed((size_t)record_count, 1);
    int64_t left = 0;

    for (size_t i = 0; i < range_count; i++) {
        bind_i64(db, S(PRUNE_KEPT), 1, ranges[i].first);
        bind_i64(db, S(PRUNE_KEPT), 2, ranges[i].end);
        while (database_row(db, S(PRUNE_KEPT))) {
            int64_t at = column_i64(db, S(PRUNE_KEPT), 0) - page;

            if (at >= 0 && at < record_count)
                kept[at] = 1;
        }
    }
    for (int64_t at = 0; at < record_count; at++) {
        if (kept[at]) {
            left++;
            continue;
        }
        bind_i64(db, S(PRUNE_RECORD), 1, page + at);
        *removed += database_run(db, S(PRUNE_RECORD));
    }
    free(kept);
    return left;
}

static void forget_page(struct database *db, int64_t page)
{
    bind_i64(db, S(PRUNE_DELIVERY), 1, page);
    database_run(db, S(PRUNE_DELIVERY));
    bind_i64(db, S(PRUNE_PAGE), 1, page);
    database_run(db, S(PRUNE_PAGE));
}

int64_t ledger_prune_page(struct database *db, int64_t from_page, int64_t end, int64_t before_ms, int64_t now_ms, int64_t *removed)
{
    struct range *ranges;
    size_t range_count;
    int64_t page;
    int64_t shard;
    int64_t record_count;
    int64_t stored_at_ms;
    int64_t went = 0;

    *removed = 0;
    bind_i64(db, S(PAGE_NEXT), 1, from_page);
    if (!database_row(db, S(PAGE_NEXT)))
        return 0;
    page = column_i64(db, S(PAGE_NEXT), 0);
    shard = column_i64(db, S(PAGE_NEXT), 1);
    record_count = column_i64(db, S(PAGE_NEXT), 2);
    stored_at_ms = column_i64(db, S(PAGE_NEXT), 3);
    database_reset(db, S(PAGE_NEXT));
    if (page + record_count > end || page + record_count >= ledger_next_record(db))
        return 0;
    if (stored_at_ms >= before_ms)
        return stored_at_ms > now_ms ? page + record_count : 0;
    range_count = ranges_of_page(db, page, &ranges);
    for (size_t i = 0; i < range_count; i++)
        prune_messages(db, shard, &ranges[i], before_ms);
    if (prune_records(db, page, record_count, ranges, range_count, &went) == 0)
        forget_page(db, page);
    free(ranges);
    if (shard != 0 && went > 0) {
        bind_i64(db, S(PRUNE_SHARD), 1, shard);
        bind_i64(db, S(PRUNE_SHARD), 2, went);
        database_run(db, S(PRUNE_SHARD));
    }
    *removed = went;
    return page + record_count;
}
