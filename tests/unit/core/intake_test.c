/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"
#include "support/temporary.h"

#include "codec/digest.h"
#include "core/intake.h"

#include <stdlib.h>

#define RECORD(sequence, key) "{\"eventID\":\"event-" sequence "\",\"eventName\":\"INSERT\",\"dynamodb\":{\"ApproximateCreationDateTime\":1767225600,"         \
                              "\"Keys\":{\"pk\":{\"S\":\"" key "\"}},\"SequenceNumber\":\"" sequence "\"}}"
#define PAGE(records) "{\"Records\":[" records "],\"NextShardIterator\":\"next\"}"

struct world {
    char path[4096];
    struct database *db;
    struct queue *queue;
    struct queue *other;
    struct intake in;
    struct shard_row shard;
};

static void load_queue(void *context, const struct queue_row *row)
{
    struct world *w = context;

    w->queue = queue_load(w->db, row, (struct instant){1000, 1000});
    queue_start(w->queue, w->db, (struct instant){1000, 1000});
}

static void world_open(struct world *w, void **state)
{
    static const struct database_options options = {.create = true};
    struct stream_row stream = {.source = SLICE("orders"), .arn = SLICE("arn:orders"), .state = STREAM_READING};
    struct error err;

    *w = (struct world){.shard = {.shard_id = SLICE("shard-1"), .state = SHARD_READING, .start = SHARD_START_TRIM_HORIZON}};
    snprintf(w->path, sizeof(w->path), "%s", temporary_path(state, "l.db"));
    w->db = database_open(w->path, &options, &err);
    assert_non_null(w->db);
    database_begin(w->db);
    ledger_queue_insert(w->db, 1, SLICE("orders-events"), 1000);
    ledger_queues(w->db, load_queue, w);
    w->shard.stream = ledger_stream_insert(w->db, &stream);
    w->shard.id = ledger_shard_insert(w->db, &w->shard);
    assert_true(w->shard.id > 0);
    intake_init(&w->in, w->db);
}

static void world_close(struct world *w)
{
    queue_save(w->queue, w->db);
    assert_int_equal(database_commit(w->db), DATABASE_OK);
    intake_fini(&w->in);
    queue_free(w->queue);
    database_close(w->db);
}

static int64_t take(struct world *w, const char *text, int64_t not_before_ms)
{
    struct stream_page page = {0};
    const char *error;
    int64_t stored;

    assert_true(get_records_decode(&page, slice_text(text), &error));
    stored = intake_page(&w->in, &w->shard, &page, &w->queue, 1, not_before_ms, (struct instant){2000, 2000});
    stream_page_fini(&page);
    return stored;
}

static void a_page_becomes_records_messages_and_a_position(void **state)
{
    struct world w;
    struct message_row row;

    world_open(&w, state);
    assert_int_equal(take(&w, PAGE(RECORD("9", "a") "," RECORD("10", "b")), 0), 2);
    assert_slice(w.shard.position, "10");
    assert_int_equal(w.shard.records_read, 2);
    assert_int_equal(w.queue->fresh_count, 2);
    assert_true(ledger_message_find(w.db, QUEUE_FIRST_MESSAGE(1), &row));
    assert_slice(row.body, RECORD("9", "a"));
    assert_slice(row.sequence_number, "9");
    ledger_message_end(w.db);
    world_close(&w);
}

static void reading_again_changes_nothing(void **state)
{
    struct world w;

    world_open(&w, state);
    assert_int_equal(take(&w, PAGE(RECORD("1", "a") "," RECORD("2", "b")), 0), 2);
    assert_int_equal(take(&w, PAGE(RECORD("1", "a") "," RECORD("2", "b") "," RECORD("2", "b") "," RECORD("3", "c")), 0), 1);
    assert_int_equal(w.shard.records_read, 3);
    assert_int_equal(w.shard.duplicates, 3);
    assert_int_equal(w.queue->fresh_count, 3);
    assert_int_equal(take(&w, PAGE(""), 0), 0);
    world_close(&w);
}

static void a_page_out_of_order_is_refused_whole(void **state)
{
    struct world w;

    world_open(&w, state);
    assert_int_equal(take(&w, PAGE(RECORD("10", "a") "," RECORD("9", "b")), 0), -1);
    assert_false(slice_present(w.shard.position));
    assert_int_equal(w.queue->fresh_count, 0);
    world_close(&w);
}

static void a_start_at_latest_passes_over_what_is_older(void **state)
{
    struct world w;

    world_open(&w, state);
    assert_int_equal(take(&w, PAGE(RECORD("1", "a")), INT64_C(1767225600001)), 0);
    assert_int_equal(take(&w, PAGE(RECORD("1", "a")), INT64_C(1767225600000)), 1);
    assert_int_equal(take(&w, PAGE(RECORD("2", "a")), INT64_C(1767225600001)), 1); /* behind a position nothing is passed over */
    world_close(&w);
}

static void settled_pages_are_pruned_and_counted(void **state)
{
    struct world w;
    struct message_row row;
    int64_t removed;

    world_open(&w, state);
    take(&w, PAGE(RECORD("1", "a") "," RECORD("2", "b")), 0);
    take(&w, PAGE(RECORD("3", "c")), 0);
    ledger_receive_fresh(w.db, QUEUE_FIRST_MESSAGE(1), QUEUE_FIRST_MESSAGE(1), 3000, 2000);
    assert_int_equal(ledger_delete(w.db, QUEUE_FIRST_MESSAGE(1), 2500), 1);
    assert_int_equal(ledger_prune_page(w.db, 0, INT64_MAX, 2500, 9999, &removed), 3); /* settled at 2500 is not before 2500 */
    assert_int_equal(removed, 0);
    assert_int_equal(ledger_prune_page(w.db, 0, INT64_MAX, 2501, 9999, &removed), 3);
    assert_int_equal(removed, 1);
    assert_false(ledger_message_find(w.db, QUEUE_FIRST_MESSAGE(1), &row));
    assert_true(ledger_message_find(w.db, QUEUE_FIRST_MESSAGE(1) + 1, &row)); /* unsettled: never dropped */
    ledger_message_end(w.db);
    assert_int_equal(ledger_prune_page(w.db, 3, INT64_MAX, 9999, 9999, &removed), 0); /* the newest page stays */
    assert_int_equal(ledger_next_record(w.db), 4);
    world_close(&w);
}

/* Nobody can tell how old it is; but it must not keep those behind it for ever. */
static void a_page_of_the_future_hides_none_behind_it(void **state)
{
    struct world w;
    char texts[3][256]; /* the shard's position is in the last one */
    int64_t removed;

    world_open(&w, state);
    for (int i = 0; i < 3; i++) {
        struct instant now = {i == 0 ? 50000 : 2000, 2000};
        char *text = texts[i];
        struct stream_page page = {0};
        const char *error;

        snprintf(text, sizeof(texts[i]), PAGE("{\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":\"a\"}},\"SequenceNumber\":\"%d\"}}"), i + 1);
        assert_true(get_records_decode(&page, slice_text(text), &error));
        assert_int_equal(intake_page(&w.in, &w.shard, &page, &w.queue, 1, 0, now), 1);
        stream_page_fini(&page);
        ledger_receive_fresh(w.db, QUEUE_FIRST_MESSAGE(1) + i, QUEUE_FIRST_MESSAGE(1) + i, 3000, now.wall_ms);
        assert_int_equal(ledger_delete(w.db, QUEUE_FIRST_MESSAGE(1) + i, now.wall_ms), 1);
    }
    assert_int_equal(ledger_prune_page(w.db, 0, INT64_MAX, 2500, 9999, &removed), 2); /* passed over */
    assert_int_equal(removed, 0);
    assert_int_equal(ledger_prune_page(w.db, 2, INT64_MAX, 2500, 9999, &removed), 3);
    assert_int_equal(removed, 1);
    assert_int_equal(ledger_prune_page(w.db, 0, INT64_MAX, 2500, 60000, &removed), 0); /* it is not of the future any more, and not old */
    assert_int_equal(ledger_prune_page(w.db, 0, INT64_MAX, LEDGER_EVER, 9999, &removed), 2); /* room is needed: its times do not matter */
    assert_int_equal(removed, 1);
    world_close(&w);
}

static void take_queue(void *context, const struct queue_row *row)
{
    struct world *w = context;

    if (row->id == 2) {
        w->other = queue_load(w->db, row, (struct instant){1000, 1000});
        queue_start(w->other, w->db, (struct instant){1000, 1000});
    }
}

static void take_glance(void *context, const struct message_glance *glance)
{
    *(struct message_glance *)context = *glance;
}

/* The record is the new message's, too: pruning what the old one was keeps it. */
static void what_was_moved_to_another_queue_keeps_its_record(void **state)
{
    const struct sent_message sent = {.body = SLICE("sent"), .body_md5 = SLICE("0123456789abcdef")};
    struct instant now = {2000, 2000};
    struct world w;
    struct message_glance glance;
    struct message_row row;
    int64_t removed;

    digest_init();
    world_open(&w, state);
    ledger_queue_insert(w.db, 2, SLICE("elsewhere"), 1000);
    ledger_queues(w.db, take_queue, &w);
    intake_message(&w.in, w.queue, &sent, now);
    intake_message(&w.in, w.queue, &sent, now);
    intake_close(&w.in);
    take(&w, PAGE(RECORD("1", "a")), 0); /* the newest page always stays */
    for (int i = 0; i < 2; i++) {
        ledger_glance(w.db, QUEUE_FIRST_MESSAGE(1) + i, QUEUE_END_MESSAGE(1), 1, take_glance, &glance);
        assert_int_equal(queue_move(w.queue, w.db, &glance, w.other, now), MOVE_DONE);
    }
    assert_int_equal(ledger_delete(w.db, QUEUE_FIRST_MESSAGE(2) + 1, 2500), 1);
    assert_int_equal(ledger_prune_page(w.db, 0, INT64_MAX, 9999, 9999, &removed), 3);
    assert_int_equal(removed, 1); /* of the one that was deleted there */
    assert_true(ledger_message_find(w.db, QUEUE_FIRST_MESSAGE(2), &row));
    assert_slice(row.body, "sent");
    ledger_message_end(w.db);
    assert_int_equal(w.other->counts[MESSAGE_QUEUED], 2); /* deleted behind its back */
    queue_free(w.other);
    world_close(&w);
    digest_fini();
}

static void bloom_filters_find_what_they_hold_and_little_else(void **state)
{
    struct buffer bloom = {0};
    char text[32];
    int false_hits = 0;

    (void)state;
    bloom_size(&bloom, 1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "key-%d", i);
        bloom_add(&bloom, slice_text(text));
    }
    for (int i = 0; i < 11000; i++) {
        bool held;

        snprintf(text, sizeof(text), "key-%d", i);
        held = bloom_may_hold(buffer_slice(&bloom), slice_text(text));
        if (i < 1000)
            assert_true(held);
        else
            false_hits += held;
    }
    assert_in_range(false_hits, 1, 250); /* 10,000 tries; the theory says 82 */
    assert_false(bloom_may_hold(SLICE(""), SLICE("x")));
    buffer_fini(&bloom);
}

static void a_keys_hash_does_not_depend_on_the_order_of_its_attributes(void **state)
{
    struct buffer arena = {0};
    uint64_t a = record_key_hash(SLICE("{\"pk\":{\"S\":\"x\"},\"sk\":{\"N\":\"1\"}}"), &arena);

    (void)state;
    assert_true(a == record_key_hash(SLICE("{\"sk\":{\"N\":\"1\"},\"pk\":{\"S\":\"\\u0078\"}}"), &arena));
    assert_false(a == record_key_hash(SLICE("{\"sk\":{\"S\":\"1\"},\"pk\":{\"S\":\"x\"}}"), &arena));
    assert_false(a == record_key_hash(SLICE("{\"pk\":{\"S\":\"1\"},\"sk\":{\"N\":\"x\"}}"), &arena));
    buffer_fini(&arena);
}

static void a_handler_gets_the_records_bytes_and_its_streams_arn(void **state)
{
    struct buffer out = {0};

    (void)state;
    record_lambda_body(&out, SLICE("{\"a\" : 1.0E+2 }"), SLICE("arn:x"));
    assert_slice(buffer_slice(&out), "{\"a\" : 1.0E+2 ,\"eventSourceARN\":\"arn:x\"}");
    buffer_reset(&out);
    record_lambda_body(&out, SLICE("{ }"), SLICE("arn:x"));
    assert_slice(buffer_slice(&out), "{ \"eventSourceARN\":\"arn:x\"}");
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(a_page_becomes_records_messages_and_a_position),
        with_directory(reading_again_changes_nothing),
        with_directory(a_page_out_of_order_is_refused_whole),
        with_directory(a_start_at_latest_passes_over_what_is_older),
        with_directory(settled_pages_are_pruned_and_counted),
        with_directory(what_was_moved_to_another_queue_keeps_its_record),
        with_directory(a_page_of_the_future_hides_none_behind_it),
        cmocka_unit_test(bloom_filters_find_what_they_hold_and_little_else),
        cmocka_unit_test(a_keys_hash_does_not_depend_on_the_order_of_its_attributes),
        cmocka_unit_test(a_handler_gets_the_records_bytes_and_its_streams_arn),
    };

    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
