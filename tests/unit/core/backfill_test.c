/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/test.h"
#include "support/temporary.h"

#include "core/audit.h"
#include "core/backfill.h"
#include "core/bridge.h"
#include "store/questions.h"

#include <stdlib.h>
#include <unistd.h>

#define ONLY_INSERT "{\"Filters\":[{\"Pattern\":\"{\\\"eventName\\\":[\\\"INSERT\\\"]}\"}]}"

struct world {
    struct database *db;
    struct queue *queue;
    struct filter *filter;
    struct intake in;
    struct shard_row shard;
    struct instant now;
    int64_t sequence;
    char position[24];
};

static void load_queue(void *context, const struct queue_row *row)
{
    struct world *w = context;

    w->queue = queue_load(w->db, row, w->now);
    queue_start(w->queue, w->db, w->now);
}

static void world_open(struct world *w, void **state)
{
    static const struct database_options options = {.create = true};
    struct stream_row stream = {.source = SLICE("orders"), .arn = SLICE("arn:orders"), .state = STREAM_READING};
    struct error err;

    *w = (struct world){.shard = {.shard_id = SLICE("shard-1"), .state = SHARD_READING, .start = SHARD_START_TRIM_HORIZON}, .now = {2000, 2000}};
    w->db = database_open(temporary_path(state, "l.db"), &options, &err);
    assert_non_null(w->db);
    database_begin(w->db);
    ledger_queue_insert(w->db, 1, SLICE("late"), 1000);
    ledger_queues(w->db, load_queue, w);
    w->filter = filter_new(SLICE(ONLY_INSERT), &err);
    assert_non_null(w->filter);
    w->queue->options.filter = w->filter;
    w->shard.stream = ledger_stream_insert(w->db, &stream);
    w->shard.id = ledger_shard_insert(w->db, &w->shard);
    intake_init(&w->in, w->db);
}

static void world_close(struct world *w)
{
    queue_save(w->queue, w->db);
    assert_int_equal(database_commit(w->db), DATABASE_OK);
    intake_fini(&w->in);
    queue_free(w->queue);
    filter_free(w->filter);
    database_close(w->db);
}

/* A page that no queue gets: one record for each letter, i INSERT, m MODIFY. */
static void store(struct world *w, const char *events)
{
    struct stream_page page = {0};
    struct buffer text = {0};
    char record[200];
    const char *error;

    buffer_append_text(&text, "{\"Records\":[");
    for (const char *e = events; *e; e++) {
        snprintf(record, sizeof(record), "%s{\"eventID\":\"e\",\"eventName\":\"%s\",\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":\"a\"}},\"SequenceNumber\":\"%lld\"}}",
                 e == events ? "" : ",", *e == 'i' ? "INSERT" : "MODIFY", (long long)++w->sequence);
        buffer_append_text(&text, record);
    }
    buffer_append_text(&text, "],\"NextShardIterator\":\"next\"}");
    assert_true(get_records_decode(&page, buffer_slice(&text), &error));
    assert_int_equal(intake_page(&w->in, &w->shard, &page, NULL, 0, 0, w->now), (int64_t)strlen(events));
    snprintf(w->position, sizeof(w->position), "%lld", (long long)w->sequence);
    w->shard.position = slice_text(w->position); /* the page's own goes with it */
    stream_page_fini(&page);
    buffer_fini(&text);
}

static bool feeds(void *context, int64_t shard, const struct queue *q)
{
    const struct world *w = context;

    return shard == w->shard.id && q == w->queue;
}

/* Until there is nothing left. Returns the steps that it took. */
static int fill(struct world *w)
{
    const struct backfill b = {.db = w->db, .intake = &w->in, .feeds = feeds, .context = w};
    int steps = 1;

    while (backfill_step(&b, w->queue, w->now)) {
        assert_string_equal(database_failure(w->db), "");
        steps++;
    }
    assert_string_equal(database_failure(w->db), "");
    return steps;
}

static void a_queue_that_is_added_later_gets_what_the_ledger_has_in_order(void **state)
{
    struct world w;
    struct message_row row;

    world_open(&w, state);
    store(&w, "imi");
    store(&w, "mmi");
    backfill_begin(w.queue, w.db, 0);
    fill(&w);
    assert_int_equal(w.queue->fresh_count, 3);
    for (int i = 0; i < 3; i++) {
        static const char *const expected[] = {"1", "3", "6"};

        assert_true(ledger_message_find(w.db, QUEUE_FIRST_MESSAGE(1) + i, &row));
        assert_slice(row.sequence_number, expected[i]);
        ledger_message_end(w.db);
    }
    assert_int_equal(w.queue->backfill_at, 0);
    world_close(&w);
}

/* A page that is longer than a step, of which the first records are all filtered, is one delivery nevertheless. */
static void a_page_is_one_delivery_however_long_it_is(void **state)
{
    struct world w;
    char events[1002] = "";

    world_open(&w, state);
    memset(events, 'm', 1000);
    events[1000] = 'i';
    store(&w, events);
    store(&w, events);
    backfill_begin(w.queue, w.db, 0);
    assert_int_equal(fill(&w), 2); /* bounded: a page a step here */
    assert_int_equal(w.queue->fresh_count, 2);
    world_close(&w);
}

static void what_was_stored_before_is_not_given(void **state)
{
    struct world w;

    world_open(&w, state);
    store(&w, "ii");
    w.now = (struct instant){3000, 3000};
    store(&w, "i");
    backfill_begin(w.queue, w.db, 3000);
    fill(&w);
    assert_int_equal(w.queue->fresh_count, 1);
    world_close(&w);
}

static void nothing_in_the_ledger_is_nothing_to_give(void **state)
{
    struct world w;

    world_open(&w, state);
    backfill_begin(w.queue, w.db, 0);
    assert_int_equal(fill(&w), 1);
    assert_int_equal(w.queue->fresh_count, 0);
    world_close(&w);
}

/* ---- through the bridge ---- */

static const char *const late[] = {"fresh"};
static const struct bridge_queue late_queues[] = {{.name = "fresh", .visibility_timeout_ms = 30000, .from = FROM_LEDGER}};
static const struct bridge_source late_sources[] = {{.name = "orders", .queues = late, .queue_count = 1, .idle_poll_ms = 1000}};

/* Six records in two pages, which no queue has. */
static struct bridge_options six_records(struct world *w, void **state)
{
    world_open(w, state);
    store(w, "iii");
    store(w, "iii");
    ledger_shard_save(w->db, &w->shard);
    queue_save(w->queue, w->db);
    assert_int_equal(database_commit(w->db), DATABASE_OK);
    return (struct bridge_options){.account_id = "000000000000", .region = "eu-west-1", .queues = late_queues, .queue_count = 1, .sources = late_sources,
                                   .source_count = 1, .discovery_ms = 60000, .keep_settled_ms = INT64_C(604800000), .seed = 1};
}

static void commits(struct bridge *b, struct world *w, int count)
{
    for (int i = 0; i < count; i++) {
        w->now.mono_ms += 2000;
        w->now.wall_ms += 2000;
        assert_int_equal(bridge_commit(b, w->now), DATABASE_OK);
    }
}

static void end(struct world *w)
{
    struct audit audit;

    audit_run(&audit, w->db);
    if (audit.difference_count > 0)
        fail_msg("%s", audit.differences[0]);
    audit_fini(&audit);
    intake_fini(&w->in);
    queue_free(w->queue);
    filter_free(w->filter);
    database_close(w->db);
}

static struct queue *fresh_of(struct bridge *b)
{
    size_t count;
    struct desk *const *desks = bridge_desks(b, &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(desks[i]->queue->name, "fresh") == 0)
            return desks[i]->queue;
    fail();
    return NULL;
}

static int64_t given_to(struct bridge *b)
{
    return fresh_of(b)->fresh_count;
}

static void a_replay_before_the_backfill_is_done_adds_up(void **state)
{
    struct world w;
    struct bridge_options options = six_records(&w, state);
    struct bridge *b = bridge_new(w.db, &options, w.now, NULL);
    int64_t record = 1;
    int64_t replayed;

    assert_non_null(b);
    bridge_set_room(b, false); /* it rests */
    commits(b, &w, 1);
    assert_true(bridge_replay(b, SLICE("fresh"), &record, 1, &replayed, w.now));
    assert_int_equal(replayed, 1);
    commits(b, &w, 1);
    bridge_set_room(b, true);
    commits(b, &w, 5);
    assert_int_equal(given_to(b), 7);
    bridge_free(b);
    end(&w);
}

struct told {
    int messages;
    enum no_message why;
};

static void note_told(void *context, int64_t queue, int64_t message, enum no_message why)
{
    struct told *told = context;

    if (queue != 2)
        return;
    told->messages += message != 0;
    told->why = message ? told->why : why;
}

/* What a filter kept out can be replayed, also when it has kept out all that there was: such a page has used no message's id. */
static void what_a_filter_kept_out_altogether_can_be_replayed(void **state)
{
    struct world w;
    struct bridge_options options = six_records(&w, state);
    struct error err;
    struct filter *none = filter_new(SLICE("{\"Filters\":[{\"Pattern\":\"{\\\"eventName\\\":[\\\"REMOVE\\\"]}\"}]}"), &err);
    struct bridge_queue filtered = late_queues[0];
    const int64_t records[] = {1, 2, 5};
    int64_t replayed;
    struct bridge *b;

    assert_non_null(none);
    filtered.filter = none;
    options.queues = &filtered;
    b = bridge_new(w.db, &options, w.now, NULL);
    assert_non_null(b);
    commits(b, &w, 5);
    assert_int_equal(given_to(b), 0);
    for (int times = 1; times <= 2; times++) {
        assert_true(bridge_replay(b, SLICE("fresh"), records, 3, &replayed, w.now));
        assert_int_equal(replayed, 3);
        commits(b, &w, 1);
        assert_int_equal(given_to(b), 3 * times);
    }
    for (int64_t record = 1; record <= 3; record++) { /* the third one was not replayed: it is still known why the queue has it not */
        struct told told = {.why = NO_MESSAGE_PRUNED};

        question_messages(w.db, 1, record, note_told, &told);
        assert_int_equal(told.messages, record == 3 ? 0 : 2);
        assert_true(record != 3 || told.why == NO_MESSAGE_FILTERED);
    }
    bridge_free(b);
    end(&w);
    filter_free(none);
}

/* A client may have made the queue before the pipeline named it: it begins as if the pipeline had made it, but not a second time. */
static void a_queue_that_a_client_made_begins_as_its_pipeline_says(void **state)
{
    struct world w;
    struct bridge_options options = six_records(&w, state);
    struct bridge *b;

    database_begin(w.db);
    ledger_queue_insert(w.db, 2, SLICE("fresh"), 1000);
    assert_int_equal(database_commit(w.db), DATABASE_OK);
    for (int start = 0; start < 3; start++) {
        b = bridge_new(w.db, &options, w.now, NULL);
        assert_non_null(b);
        commits(b, &w, 5);
        assert_int_equal(given_to(b), 6);
        bridge_free(b);
    }
    end(&w);
}

static void it_does_so_at_a_reload_too(void **state)
{
    struct world w;
    struct bridge_options options = six_records(&w, state);
    struct bridge_options none = {.account_id = "000000000000", .region = "eu-west-1", .discovery_ms = 60000, .keep_settled_ms = INT64_C(604800000), .seed = 1};
    struct bridge *b;

    database_begin(w.db);
    ledger_queue_insert(w.db, 2, SLICE("fresh"), 1000);
    assert_int_equal(database_commit(w.db), DATABASE_OK);
    b = bridge_new(w.db, &none, w.now, NULL);
    assert_non_null(b);
    assert_true(bridge_reconfigure(b, &options, w.now, NULL));
    commits(b, &w, 5);
    assert_int_equal(given_to(b), 6);
    assert_true(bridge_reconfigure(b, &none, w.now, NULL)); /* out, and in again: what it was given is not given twice */
    assert_true(bridge_reconfigure(b, &options, w.now, NULL));
    commits(b, &w, 5);
    assert_int_equal(given_to(b), 6);
    bridge_free(b);
    end(&w);
}

/* `stream` is what the stream itself still has: a day. */
static void from_stream_is_the_last_day(void **state)
{
    static const struct bridge_queue of_stream[] = {{.name = "fresh", .visibility_timeout_ms = 30000, .from = FROM_STREAM}};
    struct world w;
    struct bridge_options options = six_records(&w, state);
    struct bridge *b;

    options.queues = of_stream;
    w.now.wall_ms += INT64_C(23) * 3600 * 1000;
    database_begin(w.db);
    store(&w, "ii");
    ledger_shard_save(w.db, &w.shard);
    assert_int_equal(database_commit(w.db), DATABASE_OK);
    w.now.wall_ms += INT64_C(2) * 3600 * 1000;
    b = bridge_new(w.db, &options, w.now, NULL);
    assert_non_null(b);
    commits(b, &w, 5);
    assert_int_equal(given_to(b), 2);
    bridge_free(b);
    end(&w);
}

/* It stands in `queues:` at first, for a while: that passes over nothing of what its pipeline will owe it. */
static void a_queue_that_waits_for_its_pipeline_loses_nothing(void **state)
{
    for (int by_reload = 0; by_reload < 2; by_reload++) {
        struct world w;
        struct bridge_options options;
        struct bridge_options waiting;
        struct bridge *b;
        char page[601] = "";

        memset(page, 'i', 600);
        options = six_records(&w, state);
        database_begin(w.db);
        for (int i = 0; i < 3; i++)
            store(&w, page);
        ledger_shard_save(w.db, &w.shard);
        assert_int_equal(database_commit(w.db), DATABASE_OK);
        waiting = options;
        waiting.source_count = 0;
        b = bridge_new(w.db, &waiting, w.now, NULL);
        assert_non_null(b);
        commits(b, &w, 3);
        if (by_reload) {
            assert_true(bridge_reconfigure(b, &options, w.now, NULL));
            commits(b, &w, 1);
            assert_true(bridge_reconfigure(b, &waiting, w.now, NULL)); /* out again in the middle */
            commits(b, &w, 5);
            assert_true(bridge_reconfigure(b, &options, w.now, NULL));
        } else {
            bridge_free(b);
            b = bridge_new(w.db, &options, w.now, NULL);
            assert_non_null(b);
        }
        commits(b, &w, 10);
        assert_int_equal(given_to(b), 1806);
        bridge_free(b);
        end(&w);
        unlink(temporary_path(state, "l.db"));
        unlink(temporary_path(state, "l.db-wal"));
        unlink(temporary_path(state, "l.db-shm"));
    }
}

struct taken {
    int64_t ids[5];
    size_t count;
};

static bool take(void *context, const struct received *received, struct error *err)
{
    struct taken *taken = context;

    (void)err;
    taken->ids[taken->count++] = received->row->id;
    return true;
}

static void count_id(void *context, int64_t id)
{
    int *count = context;

    *count += id >= QUEUE_FIRST_MESSAGE(2);
}

/* What tells that it was fed outlives what it was fed with. */
static void what_was_settled_and_pruned_is_not_given_again(void **state)
{
    struct world w;
    struct bridge_options options = six_records(&w, state);
    struct bridge *b;
    struct stored_page oldest;
    struct taken taken = {0};
    bool over_limit;
    int messages;

    options.keep_settled_ms = 1000;
    database_begin(w.db);
    ledger_queue_insert(w.db, 2, SLICE("fresh"), 1000);
    assert_int_equal(database_commit(w.db), DATABASE_OK);
    b = bridge_new(w.db, &options, w.now, NULL);
    assert_non_null(b);
    commits(b, &w, 5);
    assert_int_equal(given_to(b), 6);
    assert_int_equal(queue_receive(fresh_of(b), w.db, 5, 30000, w.now, take, &taken, &over_limit), 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(queue_delete(fresh_of(b), w.db, taken.ids[i], 1, w.now));
    commits(b, &w, 1);
    bridge_free(b);
    for (int start = 0; start < 3; start++) {
        b = bridge_new(w.db, &options, w.now, NULL);
        assert_non_null(b);
        commits(b, &w, 40);
        messages = 0;
        question_message_ids(w.db, count_id, &messages);
        assert_int_equal(messages, 3);
        bridge_free(b);
    }
    assert_true(question_first_page(w.db, &oldest));
    assert_int_equal(oldest.id, 4); /* the first page has been pruned, and its messages with it */
    end(&w);
}

/* The ledger's budget is full, and what is settled goes early; not what a late queue is owed. */
static void pruning_waits_for_the_backfill(void **state)
{
    struct world w;
    struct bridge_options options = six_records(&w, state);
    struct bridge *b;

    options.budget_bytes = 1000;
    b = bridge_new(w.db, &options, w.now, NULL);
    assert_non_null(b);
    bridge_set_room(b, false); /* the backfill rests; pruning does not */
    commits(b, &w, 5);
    bridge_set_room(b, true);
    commits(b, &w, 5);
    assert_int_equal(given_to(b), 6);
    bridge_free(b);
    end(&w);
}

/* But one that nothing feeds any more holds up nothing. */
static void pruning_waits_for_no_queue_that_is_not_fed(void **state)
{
    struct world w;
    struct bridge_options options = six_records(&w, state);
    struct bridge_options waiting;
    struct stored_page page;
    struct bridge *b;

    options.budget_bytes = 1000;
    waiting = options;
    waiting.source_count = 0;
    b = bridge_new(w.db, &options, w.now, NULL);
    assert_non_null(b);
    bridge_set_room(b, false);
    commits(b, &w, 1);
    assert_true(fresh_of(b)->backfill_at != 0);
    assert_true(bridge_reconfigure(b, &waiting, w.now, NULL));
    commits(b, &w, 5);
    assert_true(question_first_page(w.db, &page));
    assert_int_equal(page.id, 4); /* the newest page stays in any case */
    bridge_free(b);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(a_queue_that_is_added_later_gets_what_the_ledger_has_in_order),
        with_directory(a_page_is_one_delivery_however_long_it_is),
        with_directory(what_was_stored_before_is_not_given),
        with_directory(nothing_in_the_ledger_is_nothing_to_give),
        with_directory(a_replay_before_the_backfill_is_done_adds_up),
        with_directory(what_a_filter_kept_out_altogether_can_be_replayed),
        with_directory(a_queue_that_a_client_made_begins_as_its_pipeline_says),
        with_directory(it_does_so_at_a_reload_too),
        with_directory(from_stream_is_the_last_day),
        with_directory(a_queue_that_waits_for_its_pipeline_loses_nothing),
        with_directory(what_was_settled_and_pruned_is_not_given_again),
        with_directory(pruning_waits_for_the_backfill),
        with_directory(pruning_waits_for_no_queue_that_is_not_fed),
    };

    return cmocka_run_group_tests_name("backfill", tests, digests_setup, digests_teardown);
}
