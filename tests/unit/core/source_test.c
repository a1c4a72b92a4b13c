/* SPDX-License-Identifier: Apache-2.0
 *
 * Which streams a table's name, or an ARN, stands for: a stream of another place, one that was taken for gone and is there again, one that is named otherwise.
 */
#include "support/digests.h"
#include "support/temporary.h"
#include "support/test.h"

#include "core/source.h"

#include <stdlib.h>

#define HERE "arn:aws:dynamodb:eu-west-1:111111111111:table/orders/stream/2026-01-01T00:00:00.000"
#define LATER "arn:aws:dynamodb:eu-west-1:111111111111:table/orders/stream/2026-02-01T00:00:00.000"
#define ELSEWHERE "arn:aws:dynamodb:us-east-1:111111111111:table/orders/stream/2026-03-01T00:00:00.000"

struct world {
    struct database *db;
    struct queue *queue;
    struct intake intake;
    struct source *source;
    struct instant now;
    const char *latest; /* what DescribeTable answers; NULL: no such table */
    const char *there;  /* the stream that DescribeStream finds; NULL: none */
    int records;        /* of its one shard, so far */
};

static void load_queue(void *context, const struct queue_row *row)
{
    struct world *w = context;

    w->queue = queue_load(w->db, row, w->now);
    queue_start(w->queue, w->db, w->now);
}

static void follow(struct world *w, const char *name)
{
    const struct reader_options options = {.idle_poll_ms = 1000, .discovery_ms = 60000, .region = "eu-west-1", .queues = &w->queue, .queue_count = 1};

    source_free(w->source);
    w->source = source_new(w->db, &w->intake, name, &options, 1, w->now);
}

static void world_init(struct world *w, void **state, const char *name)
{
    static const struct database_options options = {.create = true};
    struct error err;

    *w = (struct world){.now = {INT64_C(1767225600000), 1000}, .latest = HERE, .there = HERE, .records = 2};
    w->db = database_open(temporary_path(state, "l.db"), &options, &err);
    assert_non_null(w->db);
    database_begin(w->db);
    ledger_queue_insert(w->db, 1, SLICE("orders-events"), w->now.wall_ms);
    ledger_queues(w->db, load_queue, w);
    intake_init(&w->intake, w->db);
    follow(w, name);
}

static void world_fini(struct world *w)
{
    queue_save(w->queue, w->db);
    assert_int_equal(database_commit(w->db), DATABASE_OK);
    source_free(w->source);
    intake_fini(&w->intake);
    queue_free(w->queue);
    database_close(w->db);
}

static int not_found(struct buffer *out)
{
    buffer_append_text(out, "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException\",\"message\":\"m\"}");
    return 400;
}

static int answer_shard(struct world *w, const struct stream_call *call, struct buffer *out)
{
    const char *sequence = strstr(call->body.ptr, "\"SequenceNumber\":\"");
    const char *at = strstr(call->body.ptr, "at/");
    int next = at ? atoi(at + 3) : 0;

    if (w->there == NULL)
        return not_found(out);
    if (strcmp(call->target, TARGET_GET_SHARD_ITERATOR) == 0) {
        buffer_printf(out, "{\"ShardIterator\":\"at/%d\"}", sequence ? atoi(sequence + 18) + (strstr(call->body.ptr, "AFTER_") != NULL) : 1);
        return 200;
    }
    buffer_append_text(out, "{\"Records\":[");
    for (int i = next; i <= w->records; i++)
        buffer_printf(out, "%s{\"eventName\":\"INSERT\",\"dynamodb\":{\"ApproximateCreationDateTime\":1767225600,\"Keys\":{\"pk\":{\"S\":\"k\"}},"
                           "\"SequenceNumber\":\"%d\"}}", i > next ? "," : "", i);
    buffer_printf(out, "],\"NextShardIterator\":\"at/%d\"}", next > w->records ? next : w->records + 1);
    return 200;
}

static int answer(struct world *w, const struct stream_call *call, struct buffer *out)
{
    if (strcmp(call->target, TARGET_DESCRIBE_TABLE) == 0) {
        if (w->latest == NULL)
            return not_found(out);
        buffer_printf(out, "{\"Table\":{\"LatestStreamArn\":\"%s\"}}", w->latest);
    } else if (strcmp(call->target, TARGET_LIST_STREAMS) == 0) {
        buffer_printf(out, "{\"Streams\":[{\"StreamArn\":\"%s\"}]}", w->latest);
    } else if (strcmp(call->target, TARGET_DESCRIBE_STREAM) == 0) {
        if (w->there == NULL || strstr(call->body.ptr, w->there) == NULL)
            return not_found(out);
        buffer_append_text(out, "{\"StreamDescription\":{\"StreamStatus\":\"ENABLED\",\"Shards\":[{\"ShardId\":\"shardId-1\",\"SequenceNumberRange\":"
                                "{\"StartingSequenceNumber\":\"1\"}}]}}");
    } else {
        return answer_shard(w, call, out);
    }
    return 200;
}

static void run(struct world *w, int64_t ms)
{
    int64_t end = w->now.mono_ms + ms;

    while (w->now.mono_ms <= end) {
        struct stream_call call;
        int64_t due;

        while (source_next_call(w->source, &call, w->now)) {
            struct buffer out = {0};
            struct stream_answer got = {.token = call.token, .status = answer(w, &call, &out)};

            got.body = buffer_slice(&out);
            source_answer(w->source, &got, w->now);
            buffer_fini(&out);
            buffer_fini(&call.body);
        }
        due = source_due(w->source);
        due = due > end ? end + 1 : due;
        w->now.wall_ms += due - w->now.mono_ms;
        w->now.mono_ms = due;
    }
}

static void add_stream(void *context, const struct stream_row *row)
{
    struct buffer *out = context;

    buffer_printf(out, "%s%.*s %.*s %s", out->len ? ", " : "", SLICE_ARG(row->source), 10, strrchr(row->arn.ptr, '/') + 1, stream_state_name(row->state));
}

/* "orders 2026-01-01 reading, ..." */
static void assert_streams(struct world *w, const char *want)
{
    struct buffer found = {0};

    ledger_streams(w->db, add_stream, &found);
    assert_string_equal(found.ptr ? found.ptr : "", want);
    buffer_fini(&found);
}

static void assert_delivered(struct world *w, int want)
{
    assert_int_equal(ledger_fresh_count(w->db, QUEUE_FIRST_MESSAGE(1), QUEUE_END_MESSAGE(1)), want);
}

static void a_table_in_another_region_changes_nothing(void **state)
{
    struct world w;

    world_init(&w, state, "orders");
    run(&w, 5000);
    assert_delivered(&w, 2);
    w.latest = ELSEWHERE;
    w.there = NULL;
    follow(&w, "orders"); /* a start */
    run(&w, 30 * 60000);
    assert_non_null(strstr(source_trouble(w.source), "is arn:aws:dynamodb:us-east-1:111111111111:table/orders, and this ledger has read that of "
                                                     "arn:aws:dynamodb:eu-west-1:111111111111"));
    assert_streams(&w, "orders 2026-01-01 reading");
    assert_int_equal(ledger_gaps_new(w.db), 0);
    w.latest = w.there = HERE;
    w.records = 5;
    follow(&w, "orders");
    run(&w, 5000);
    assert_string_equal(source_trouble(w.source), "");
    assert_delivered(&w, 5);
    world_fini(&w);
}

/* What the ledger knows of newer streams does not say that this place is the right one. */
static void a_wrong_place_ends_no_older_stream(void **state)
{
    struct world w;

    world_init(&w, state, "orders");
    run(&w, 5000);
    w.latest = LATER;
    run(&w, 90000);
    assert_streams(&w, "orders 2026-01-01 reading, orders 2026-02-01 waiting");
    w.latest = w.there = NULL;
    follow(&w, "orders");
    run(&w, 30 * 60000);
    assert_non_null(strstr(source_trouble(w.source), "there is no table \"orders\" in this account in eu-west-1"));
    assert_streams(&w, "orders 2026-01-01 reading, orders 2026-02-01 waiting");
    w.latest = LATER; /* the right place again, and the older one is gone */
    run(&w, 120000);
    assert_streams(&w, "orders 2026-01-01 gone, orders 2026-02-01 reading");
    world_fini(&w);
}

/* A reload may bring another role, and so another account. */
static void what_a_table_said_does_not_count_after_a_reload(void **state)
{
    const struct reader_options options = {.idle_poll_ms = 1000, .discovery_ms = 60000, .region = "eu-west-1"};
    struct reader_options changed = options;
    struct world w;

    world_init(&w, state, "orders");
    run(&w, 5000);
    w.latest = LATER;
    run(&w, 90000);
    changed.queues = &w.queue;
    changed.queue_count = 1;
    source_set_options(w.source, &changed);
    w.latest = w.there = NULL;
    run(&w, 30 * 60000);
    assert_streams(&w, "orders 2026-01-01 reading, orders 2026-02-01 waiting");
    world_fini(&w);
}

static void taken_for_gone_and_there_again(void **state, const char *name)
{
    struct world w;

    world_init(&w, state, name);
    run(&w, 5000);
    w.latest = w.there = NULL;
    run(&w, 25 * 3600000);
    assert_int_equal(ledger_gaps_new(w.db), 1);
    assert_string_not_equal(source_trouble(w.source), "");
    w.latest = HERE; /* a table goes on naming a stream that has expired */
    run(&w, 10 * 60000);
    assert_int_equal(ledger_gaps_new(w.db), 1);
    assert_non_null(strstr(source_trouble(w.source), "is gone"));
    follow(&w, name);
    run(&w, 10 * 60000);
    assert_int_equal(ledger_gaps_new(w.db), 1);
    w.there = HERE;
    w.records = 5;
    run(&w, 120000);
    assert_delivered(&w, 5);
    assert_int_equal(ledger_gaps_new(w.db), 0);
    assert_string_equal(source_trouble(w.source), "");
    world_fini(&w);
}

static void a_stream_that_was_taken_for_gone_goes_on_where_it_stopped(void **state)
{
    taken_for_gone_and_there_again(state, "orders");
}

static void so_does_one_that_is_named_by_its_arn(void **state)
{
    taken_for_gone_and_there_again(state, HERE);
}

/* What the older one still holds is read before the newer one, as always. */
static void an_arn_becomes_its_table_that_has_a_newer_stream(void **state)
{
    struct world w;

    world_init(&w, state, HERE);
    run(&w, 5000);
    w.records = 5;
    w.latest = LATER;
    follow(&w, "orders");
    run(&w, 90000);
    assert_delivered(&w, 5);
    assert_streams(&w, "orders 2026-01-01 reading, orders 2026-02-01 waiting");
    world_fini(&w);
}

static void a_stream_may_be_named_by_its_table_or_its_arn(void **state)
{
    struct world w;

    world_init(&w, state, "orders");
    run(&w, 5000);
    follow(&w, HERE);
    w.records = 3;
    run(&w, 5000);
    assert_streams(&w, HERE " 2026-01-01 reading");
    assert_delivered(&w, 3);
    follow(&w, "orders");
    w.records = 4;
    run(&w, 5000);
    assert_streams(&w, "orders 2026-01-01 reading");
    assert_delivered(&w, 4);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(a_table_in_another_region_changes_nothing),
        with_directory(a_wrong_place_ends_no_older_stream),
        with_directory(what_a_table_said_does_not_count_after_a_reload),
        with_directory(a_stream_that_was_taken_for_gone_goes_on_where_it_stopped),
        with_directory(so_does_one_that_is_named_by_its_arn),
        with_directory(an_arn_becomes_its_table_that_has_a_newer_stream),
        with_directory(a_stream_may_be_named_by_its_table_or_its_arn),
    };

    return cmocka_run_group_tests_name("source", tests, digests_setup, digests_teardown);
}
