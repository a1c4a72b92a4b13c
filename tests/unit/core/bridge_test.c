/* SPDX-License-Identifier: Apache-2.0
 *
 * The bridge as a whole, against the fake AWS: what simulation checks at random is told here case by case.
 */
#include "support/digests.h"
#include "support/fake_aws.h"
#include "support/memory_disk.h"
#include "support/test.h"

#include "base/log.h"
#include "base/memory.h"
#include "core/audit.h"
#include "core/bridge.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#define CALLS 64

struct world {
    struct memory_disk *disk;
    struct database *db;
    struct bridge *bridge;
    struct bridge_options options;
    struct bridge_source source;
    struct fake_aws *aws;
    struct instant now;
    struct exchange exchanges[4];
    struct buffer bodies[4];
    struct buffer seen; /* keys received, each followed by a blank */
};

static const struct bridge_queue queues[] = {{.name = "q", .visibility_timeout_ms = 30000, .max_receive_count = 2, .dead_letter_queue = "q-dead"},
                                             {.name = "q-dead", .visibility_timeout_ms = 30000}};
static const char *const fed[] = {"q"};

static void world_open(struct world *w)
{
    const struct database_options options = {.vfs = memory_disk_name(w->disk), .create = true};
    struct error err;

    w->db = database_open("l.db", &options, &err);
    assert_non_null(w->db);
    w->bridge = bridge_new(w->db, &w->options, w->now, &err);
    assert_non_null(w->bridge);
}

static void world_init(struct world *w, const char *stream)
{
    *w = (struct world){.now = {INT64_C(1767225600000), 1000}, .disk = memory_disk_new(1), .aws = fake_service_new(1)};
    w->source = (struct bridge_source){.name = stream, .idle_poll_ms = 1000, .queues = fed, .queue_count = 1};
    w->options = (struct bridge_options){.account_id = "000000000000", .region = "eu-west-1", .queues = queues, .queue_count = 2, .sources = &w->source,
                                         .source_count = 1, .discovery_ms = 60000, .keep_settled_ms = INT64_C(604800000), .calls_max = CALLS, .seed = 1};
    fake_service_options(w->aws)->plain_records = true; /* so that keys are found by a plain search */
    fake_time_set(w->aws, w->now.wall_ms);
}

static void world_close(struct world *w)
{
    bridge_free(w->bridge);
    database_close(w->db);
}

static void world_fini(struct world *w)
{
    world_close(w);
    for (size_t i = 0; i < COUNT_OF(w->exchanges); i++) {
        sqs_request_fini(&w->exchanges[i].request);
        sqs_answer_fini(&w->exchanges[i].answer);
        buffer_fini(&w->bodies[i]);
    }
    buffer_fini(&w->seen);
    fake_service_free(w->aws);
    memory_disk_free(w->disk);
}

static void wait_for(struct world *w, int64_t ms)
{
    w->now.wall_ms += ms;
    w->now.mono_ms += ms;
    fake_time_set(w->aws, w->now.wall_ms);
}

static void commit(struct world *w)
{
    assert_int_equal(bridge_commit(w->bridge, w->now), DATABASE_OK);
}

/* Runs for so long: every call is answered at once, in cycles of all that is due. */
static void run_for(struct world *w, int64_t ms)
{
    for (int64_t end = w->now.mono_ms + ms; w->now.mono_ms < end; wait_for(w, 100)) {
        struct stream_call call;

        while (bridge_next_call(w->bridge, &call, w->now)) {
            struct fake_answer answer = fake_service_call(w->aws, w->now.wall_ms, slice_text(call.target), buffer_slice(&call.body));
            struct stream_answer out = {.token = call.token, .status = answer.lost ? 0 : answer.status, .body = answer.body};

            bridge_answer(w->bridge, &out, w->now);
            fake_answer_fini(&answer);
            buffer_fini(&call.body);
        }
        commit(w);
    }
}

static void put(struct fake_shard *shard, const char *key)
{
    const struct fake_put record = {.key = key};

    fake_record_put(shard, &record);
}

static void ask(struct world *w, size_t at, const char *target, const char *body)
{
    struct sqs_failure failure;

    buffer_reset(&w->bodies[at]);
    buffer_append_text(&w->bodies[at], body);
    assert_true(sqs_request_decode(&w->exchanges[at].request, slice_text(target), buffer_slice(&w->bodies[at]), &failure));
    bridge_apply(w->bridge, &w->exchanges[at], w->now);
}

/* Receives and deletes all that is there; the keys in order of arrival go to w->seen. */
static const char *drain(struct world *w)
{
    struct buffer handles = {0};

    buffer_reset(&w->seen);
    for (;;) {
        struct exchange *x;
        char *at;

        ask(w, 0, "ReceiveMessage", "{\"QueueUrl\":\"http://x/0/q\",\"MaxNumberOfMessages\":10}");
        commit(w);
        x = bridge_next_reply(w->bridge);
        assert_ptr_equal(x, &w->exchanges[0]);
        if (x->answer.count == 0)
            break;
        buffer_reset(&handles);
        buffer_append_text(&handles, "{\"QueueUrl\":\"http://x/0/q\",\"Entries\":[");
        at = x->answer.body.ptr;
        for (int i = 0; (at = strstr(at, "\"ReceiptHandle\":\"")) != NULL; i++) {
            at += strlen("\"ReceiptHandle\":\"");
            buffer_printf(&handles, "%s{\"Id\":\"%d\",\"ReceiptHandle\":\"%.*s\"}", i ? "," : "", i, (int)strcspn(at, "\""), at);
            at = strstr(at, "\\\"Keys\\\"");
            at = strstr(at, "\\\"S\\\":\\\"") + strlen("\\\"S\\\":\\\"");
            buffer_printf(&w->seen, "%.*s ", (int)strcspn(at, "\\"), at);
        }
        buffer_append_text(&handles, "]}");
        ask(w, 0, "DeleteMessageBatch", handles.ptr);
        commit(w);
        assert_ptr_equal(bridge_next_reply(w->bridge), &w->exchanges[0]);
    }
    buffer_fini(&handles);
    return w->seen.ptr ? w->seen.ptr : "";
}

struct gaps {
    int count;
    enum gap_cause cause;
};

static void note_gap(void *context, const struct gap_row *row)
{
    struct gaps *gaps = context;

    gaps->count++;
    gaps->cause = row->cause;
}

static struct gaps gaps_of(struct world *w)
{
    struct gaps gaps = {0};

    ledger_gaps(w->db, note_gap, &gaps);
    return gaps;
}

static void assert_reason(struct world *w, const char *part)
{
    struct buffer reasons = {0};

    bridge_reasons(w->bridge, &reasons);
    if (part[0] ? reasons.len == 0 || strstr(reasons.ptr, part) == NULL : reasons.len > 0)
        fail_msg("not ready because: \"%s\"; want \"%s\"", reasons.ptr ? reasons.ptr : "", part);
    buffer_fini(&reasons);
}

/* ---- sources ---- */

static void a_tables_stream_is_found_and_read(void **state)
{
    struct world w;
    struct fake_shard *shard;

    (void)state;
    world_init(&w, "orders");
    shard = fake_shard_new(fake_stream_add(w.aws, "orders"), NULL);
    put(shard, "a");
    world_open(&w);
    run_for(&w, 2000);
    put(shard, "b");
    run_for(&w, 2000);
    assert_string_equal(drain(&w), "a b ");
    assert_reason(&w, "");
    world_fini(&w);
}

static void begin_without_a_table(struct world *w)
{
    world_init(w, "orders");
    world_open(w);
    run_for(w, 1000);
    assert_reason(w, "there is no table \"orders\"");
}

static void a_missing_table_and_one_without_a_stream_are_waited_for(void **state)
{
    struct world w;

    (void)state;
    begin_without_a_table(&w);
    fake_table_add(w.aws, "orders");
    run_for(&w, 6000);
    assert_reason(&w, "has no stream: enable one (aws dynamodb update-table --table-name orders");
    put(fake_shard_new(fake_stream_add(w.aws, "orders"), NULL), "a");
    run_for(&w, 7000);
    assert_reason(&w, "");
    assert_string_equal(drain(&w), "a ");
    world_fini(&w);
}

static void a_reload_looks_for_a_missing_table_at_once(void **state)
{
    struct world w;

    (void)state;
    begin_without_a_table(&w);
    put(fake_shard_new(fake_stream_add(w.aws, "orders"), NULL), "a");
    run_for(&w, 1000);
    assert_reason(&w, "there is no table \"orders\""); /* not before its five seconds are over */
    assert_true(bridge_reconfigure(w.bridge, &w.options, w.now, NULL));
    run_for(&w, 1000);
    assert_reason(&w, "");
    world_fini(&w);
}

static void a_created_again_stream_is_followed_after_the_old_one_was_drained(void **state)
{
    struct world w;
    struct fake_shard *old;

    (void)state;
    world_init(&w, "orders");
    old = fake_shard_new(fake_stream_add(w.aws, "orders"), NULL);
    world_open(&w);
    run_for(&w, 2000);
    for (int i = 0; i < 30; i++)
        put(old, "old");
    fake_service_options(w.aws)->page_records = 1;
    put(fake_shard_new(fake_table_recreate(w.aws, "orders"), NULL), "new");
    run_for(&w, 150000);
    fake_service_options(w.aws)->page_records = 1000;
    assert_string_equal(strstr(drain(&w), "new"), "new "); /* it comes last */
    assert_int_equal(w.seen.len, 31 * 4);
    assert_int_equal(gaps_of(&w).count, 1);
    assert_int_equal(gaps_of(&w).cause, GAP_STREAM_RECREATED);
    assert_reason(&w, "1 new gap");
    bridge_acknowledge_gaps(w.bridge, w.now);
    commit(&w);
    assert_reason(&w, "");
    world_fini(&w);
}

static void streams_that_came_and_went_while_it_was_down_are_read_in_order(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, "orders");
    fake_service_options(w.aws)->page_streams = 1;
    put(fake_shard_new(fake_stream_add(w.aws, "orders"), NULL), "1");
    world_open(&w);
    run_for(&w, 2000);
    world_close(&w);
    wait_for(&w, 10000);
    put(fake_shard_new(fake_table_recreate(w.aws, "orders"), NULL), "2");
    wait_for(&w, 10000);
    put(fake_shard_new(fake_table_recreate(w.aws, "orders"), NULL), "3");
    world_open(&w);
    run_for(&w, 200000);
    assert_string_equal(drain(&w), "1 2 3 ");
    assert_int_equal(gaps_of(&w).count, 2);
    world_fini(&w);
}

static void without_leave_to_list_streams_the_newest_is_followed(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, "orders");
    put(fake_shard_new(fake_stream_add(w.aws, "orders"), NULL), "1");
    world_open(&w);
    run_for(&w, 2000);
    put(fake_shard_new(fake_table_recreate(w.aws, "orders"), NULL), "2");
    fake_fault_next(w.aws, FAKE_LIST_STREAMS, NULL, FAULT_ACCESS_DENIED, 100);
    run_for(&w, 150000);
    assert_string_equal(drain(&w), "1 2 ");
    world_fini(&w);
}

static void start_latest_passes_over_what_is_there_but_not_over_what_follows(void **state)
{
    struct world w;
    struct fake_shard *shard;

    (void)state;
    world_init(&w, "orders");
    w.source.start_latest = true;
    shard = fake_shard_new(fake_stream_add(w.aws, "orders"), NULL);
    put(shard, "before");
    wait_for(&w, 300000);
    fake_fault_next(w.aws, FAKE_DESCRIBE_STREAM, NULL, FAULT_HIDDEN_NEWEST, 1); /* a first listing without any shard */
    world_open(&w);
    run_for(&w, 130000);
    put(shard, "after");
    put(fake_shard_split_into(shard, 1), "child");
    run_for(&w, 130000);
    assert_string_equal(drain(&w), "after child ");
    world_fini(&w);
}

static void hundreds_of_shards_are_read_though_their_listing_is_throttled(void **state)
{
    struct world w;
    struct fake_stream *stream;

    (void)state;
    world_init(&w, "orders");
    stream = fake_stream_add(w.aws, "orders");
    for (int i = 0; i < 684; i++)
        put(fake_shard_new(stream, NULL), "x");
    fake_fault_rate(w.aws, FAULT_THROTTLED, 5000);
    world_open(&w);
    run_for(&w, 180000);
    assert_int_equal(bridge_counts(w.bridge)->records, 684);
    world_fini(&w);
}

static void on_gap_stop_holds_a_shard_until_the_gap_is_acknowledged(void **state)
{
    struct world w;
    struct fake_shard *shard;

    (void)state;
    world_init(&w, "orders");
    w.source.stop_at_gap = true;
    shard = fake_shard_new(fake_stream_add(w.aws, "orders"), NULL);
    put(shard, "1");
    world_open(&w);
    run_for(&w, 3000);
    world_close(&w);
    for (int i = 0; i < 5; i++)
        put(shard, "lost");
    put(shard, "2");
    fake_shard_trim_oldest(shard, 6);
    put(fake_shard_split_into(shard, 1), "child");
    wait_for(&w, 25 * 3600000);
    world_open(&w);
    run_for(&w, 200000);
    assert_string_equal(drain(&w), "1 ");
    assert_reason(&w, "1 new gap");
    world_close(&w);
    world_open(&w); /* a restart alone changes nothing */
    run_for(&w, 20000);
    assert_string_equal(drain(&w), "");
    assert_int_equal(bridge_acknowledge_gaps(w.bridge, w.now), 1);
    commit(&w);
    run_for(&w, 200000);
    assert_string_equal(drain(&w), "2 child ");
    assert_int_equal(gaps_of(&w).count, 1);
    world_fini(&w);
}

/* ---- long polls ---- */

static void long_polls_are_answered_in_order_of_arrival(void **state)
{
    struct world w;
    struct fake_shard *shard;

    (void)state;
    world_init(&w, "orders");
    shard = fake_shard_new(fake_stream_add(w.aws, "orders"), NULL);
    world_open(&w);
    run_for(&w, 2000);
    for (size_t i = 0; i < 4; i++)
        ask(&w, i, "ReceiveMessage", i == 3 ? "{\"QueueUrl\":\"http://x/0/q\",\"WaitTimeSeconds\":5}" : "{\"QueueUrl\":\"http://x/0/q\",\"WaitTimeSeconds\":20}");
    commit(&w);
    assert_null(bridge_next_reply(w.bridge));
    bridge_forget(w.bridge, &w.exchanges[0]); /* its client went away */
    put(shard, "a");
    run_for(&w, 2000);
    assert_ptr_equal(bridge_next_reply(w.bridge), &w.exchanges[1]);
    assert_non_null(strstr(w.exchanges[1].answer.body.ptr, "\\\"a\\\""));
    assert_null(bridge_next_reply(w.bridge));
    run_for(&w, 3100);
    assert_ptr_equal(bridge_next_reply(w.bridge), &w.exchanges[3]); /* its five seconds are over */
    assert_string_equal(w.exchanges[3].answer.body.ptr, "{}");
    bridge_drain(w.bridge);
    commit(&w);
    assert_ptr_equal(bridge_next_reply(w.bridge), &w.exchanges[2]);
    assert_string_equal(w.exchanges[2].answer.body.ptr, "{}");
    world_fini(&w);
}

static void a_long_poll_gets_what_becomes_visible_again(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, "orders");
    put(fake_shard_new(fake_stream_add(w.aws, "orders"), NULL), "a");
    world_open(&w);
    run_for(&w, 2000);
    ask(&w, 0, "ReceiveMessage", "{\"QueueUrl\":\"http://x/0/q\",\"VisibilityTimeout\":3}");
    ask(&w, 1, "ReceiveMessage", "{\"QueueUrl\":\"http://x/0/q\",\"WaitTimeSeconds\":20}");
    commit(&w);
    assert_ptr_equal(bridge_next_reply(w.bridge), &w.exchanges[0]);
    assert_null(bridge_next_reply(w.bridge));
    assert_true(bridge_due(w.bridge) <= w.now.mono_ms + 3000);
    run_for(&w, 3100);
    assert_ptr_equal(bridge_next_reply(w.bridge), &w.exchanges[1]);
    assert_int_equal(w.exchanges[1].answer.count, 1);
    world_fini(&w);
}

/* ---- room ---- */

static void at_its_budget_reading_rests_and_goes_on_by_itself(void **state)
{
    struct world w;
    struct fake_shard *shard;
    const struct fake_put big = {.key = "big", .pad_bytes = 4000};
    uint64_t records;

    (void)state;
    world_init(&w, "orders");
    w.options.budget_bytes = 1024 * 1024;
    fake_service_options(w.aws)->page_records = 20;
    shard = fake_shard_new(fake_stream_add(w.aws, "orders"), NULL);
    world_open(&w);
    for (int i = 0; i < 400; i++)
        fake_record_put(shard, &big);
    run_for(&w, 60000);
    records = bridge_counts(w.bridge)->records;
    assert_true(records > 0 && records < 400);
    assert_reason(&w, "budget is full of messages that nobody has settled");
    ask(&w, 0, "SendMessage", "{\"QueueUrl\":\"http://x/0/q\",\"MessageBody\":\"x\"}");
    commit(&w);
    assert_ptr_equal(bridge_next_reply(w.bridge), &w.exchanges[0]);
    assert_int_equal(w.exchanges[0].answer.error, SQS_SERVICE_UNAVAILABLE);
    for (int i = 0; i < 10; i++) { /* what is settled goes early, and so there is room again */
        drain(&w);
        run_for(&w, 60000);
    }
    assert_int_equal(bridge_counts(w.bridge)->records, 400);
    assert_true(bridge_counts(w.bridge)->pruned > 0);
    assert_reason(&w, "");
    world_fini(&w);
}

static void a_full_disk_undoes_the_cycle_and_deletes_go_on(void **state)
{
    struct world w;
    struct fake_shard *shard;
    enum database_outcome outcome = DATABASE_OK;

    (void)state;
    world_init(&w, "orders");
    shard = fake_shard_new(fake_stream_add(w.aws, "orders"), NULL);
    world_open(&w);
    run_for(&w, 2000);
    memory_disk_limit(w.disk, memory_disk_bytes(w.disk) + 20000);
    for (int i = 0; i < 100 && outcome == DATABASE_OK; i++) { /* until one finds no room */
        ask(&w, 0, "SendMessage", "{\"QueueUrl\":\"http://x/0/q\",\"MessageBody\":\"sent\"}");
        outcome = bridge_commit(w.bridge, w.now);
        assert_ptr_equal(bridge_next_reply(w.bridge), &w.exchanges[0]);
    }
    assert_int_equal(outcome, DATABASE_FULL);
    assert_int_equal(w.exchanges[0].answer.error, SQS_SERVICE_UNAVAILABLE);
    assert_reason(&w, "the disk has no room");
    put(shard, "late");
    run_for(&w, 3000);
    assert_int_equal(bridge_counts(w.bridge)->records, 0);
    memory_disk_limit(w.disk, 0);
    bridge_set_room(w.bridge, true);
    run_for(&w, 3000);
    assert_int_equal(bridge_counts(w.bridge)->records, 1);
    assert_reason(&w, "");
    world_fini(&w);
}

/* ---- the operator ---- */

static void dead_messages_are_moved_by_their_ids(void **state)
{
    struct world w;
    struct bridge_move move = {.drop = false};
    struct bridge_move drop = {.drop = true};
    char id[40];

    (void)state;
    world_init(&w, "orders");
    put(fake_shard_new(fake_stream_add(w.aws, "orders"), NULL), "a");
    world_open(&w);
    run_for(&w, 2000);
    for (int i = 0; i < 3; i++) {
        ask(&w, 0, "ReceiveMessage", "{\"QueueUrl\":\"http://x/0/q\",\"VisibilityTimeout\":0}");
        commit(&w);
        assert_ptr_equal(bridge_next_reply(w.bridge), &w.exchanges[0]);
        if (i == 0)
            snprintf(id, sizeof(id), "%.36s", strstr(w.exchanges[0].answer.body.ptr, "\"MessageId\":\"") + strlen("\"MessageId\":\""));
    }
    assert_int_equal(w.exchanges[0].answer.count, 0);
    assert_false(bridge_move_dead_one(w.bridge, SLICE("none"), slice_text(id), &move, w.now));
    assert_true(bridge_move_dead_one(w.bridge, SLICE("q-dead"), slice_text(id), &move, w.now)); /* it died elsewhere */
    assert_int_equal(move.moved, 0);
    assert_true(bridge_move_dead_one(w.bridge, SLICE("q"), slice_text(id), &move, w.now));
    assert_int_equal(move.moved, 1);
    assert_true(bridge_move_dead(w.bridge, SLICE("q"), &drop, w.now));
    assert_int_equal(drop.moved, 0);
    commit(&w);
    assert_string_equal(drain(&w), "a ");
    world_fini(&w);
}

/* ---- the audit ---- */

/* Two shards; messages queued, deleted, in flight and dead. */
static void live_a_little(struct world *w)
{
    struct fake_stream *stream = fake_stream_add(w->aws, "orders");
    struct fake_shard *shards[] = {fake_shard_new(stream, NULL), fake_shard_new(stream, NULL)};

    fake_service_options(w->aws)->page_records = 3;
    for (int i = 0; i < 20; i++)
        put(shards[i % 2], "x");
    world_open(w);
    run_for(w, 10000);
    for (int i = 0; i < 3; i++) { /* one dies */
        ask(w, 0, "ReceiveMessage", "{\"QueueUrl\":\"http://x/0/q\",\"VisibilityTimeout\":0}");
        commit(w);
        bridge_next_reply(w->bridge);
    }
    drain(w);
    for (int i = 0; i < 10; i++)
        put(shards[0], "y");
    run_for(w, 10000);
    ask(w, 0, "ReceiveMessage", "{\"QueueUrl\":\"http://x/0/q\",\"MaxNumberOfMessages\":3}");
    commit(w);
    bridge_next_reply(w->bridge);
}

static void the_audit_names_whatever_does_not_add_up(void **state)
{
    static const struct {
        const char *damage;
        const char *difference; /* NULL: all adds up */
    } cases[] = {
        {"SELECT 1", NULL},
        {"DELETE FROM record WHERE id=5", "shard "},
        {"DELETE FROM message WHERE id=(SELECT max(id) FROM message WHERE state=2 AND origin IS NULL)", "are accounted for"},
        {"DELETE FROM message WHERE state=4 AND id=(SELECT min(id) FROM message WHERE state=4)", "are accounted for"},
        {"DELETE FROM message WHERE origin IS NOT NULL", "not in the dead-letter queue"},
        {"UPDATE queue SET deleted=deleted+1 WHERE name='q'", "the counter says"},
        {"UPDATE message SET state=4 WHERE id=(SELECT max(id) FROM message WHERE state=2 AND origin IS NULL)", "the counter says"},
        {"UPDATE shard SET records_read=records_read+1 WHERE id=1", "records were read"},
        {"UPDATE shard SET position='1' WHERE id=1", "the position is 1"},
        {"DELETE FROM page WHERE id=(SELECT id FROM page WHERE shard=1 ORDER BY id LIMIT 1 OFFSET 1)", "begins after sequence number"},
        {"UPDATE tally SET assigned=assigned-1 WHERE shard=1", "since it was subscribed"},
        {"UPDATE record SET shard=99 WHERE id=3", "shard 99, which is not in the ledger"},
        {"INSERT INTO pruned VALUES(1,1,4,1)", "are accounted for"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        struct audit audit;
        bool found = false;

        world_init(&w, "orders");
        live_a_little(&w);
        assert_int_equal(sqlite3_exec(database_handle(w.db), cases[i].damage, NULL, NULL, NULL), SQLITE_OK);
        audit_run(&audit, w.db);
        for (size_t k = 0; k < audit.difference_count; k++)
            found = found || (cases[i].difference && strstr(audit.differences[k], cases[i].difference));
        if (found != (cases[i].difference != NULL) || (cases[i].difference == NULL && audit.difference_count > 0))
            fail_msg("%s: %zu differences, the first: %s", cases[i].damage, audit.difference_count, audit.difference_count ? audit.differences[0] : "");
        audit_fini(&audit);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tables_stream_is_found_and_read),
        cmocka_unit_test(a_missing_table_and_one_without_a_stream_are_waited_for),
        cmocka_unit_test(a_reload_looks_for_a_missing_table_at_once),
        cmocka_unit_test(a_created_again_stream_is_followed_after_the_old_one_was_drained),
        cmocka_unit_test(streams_that_came_and_went_while_it_was_down_are_read_in_order),
        cmocka_unit_test(without_leave_to_list_streams_the_newest_is_followed),
        cmocka_unit_test(start_latest_passes_over_what_is_there_but_not_over_what_follows),
        cmocka_unit_test(hundreds_of_shards_are_read_though_their_listing_is_throttled),
        cmocka_unit_test(on_gap_stop_holds_a_shard_until_the_gap_is_acknowledged),
        cmocka_unit_test(long_polls_are_answered_in_order_of_arrival),
        cmocka_unit_test(a_long_poll_gets_what_becomes_visible_again),
        cmocka_unit_test(at_its_budget_reading_rests_and_goes_on_by_itself),
        cmocka_unit_test(a_full_disk_undoes_the_cycle_and_deletes_go_on),
        cmocka_unit_test(dead_messages_are_moved_by_their_ids),
        cmocka_unit_test(the_audit_names_whatever_does_not_add_up),
    };

    log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_JSON, LOG_ERROR);
    return cmocka_run_group_tests_name("bridge", tests, digests_setup, digests_teardown);
}
