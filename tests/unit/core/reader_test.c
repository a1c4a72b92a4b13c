/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/test.h"
#include "support/temporary.h"

#include "base/log.h"
#include "codec/digest.h"
#include "core/reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A stream of a few shards with numbered records, and answers that can be told to go wrong. */
struct fake_shard {
    const char *id;
    const char *parent;
    int first; /* sequence numbers of its records: first..last */
    int last;
    int trimmed; /* records up to this one are gone */
    int old;     /* records up to this one were created a day before the world began */
    bool closed;
    bool hidden;  /* not in the listing, and not to be read */
    bool mute_end; /* the listing does not show its end yet */
};

struct world {
    char path[4096];
    struct database *db;
    struct queue *queue;
    struct intake intake;
    struct reader *reader;
    struct stream_row stream;
    int64_t ahead_ms; /* our clock, of the server's; 0: it does not tell its own */
    struct reader_options options;
    struct fake_shard shards[8];
    size_t shard_count;
    struct instant now;
    bool stop_at_gap;
    const char *fail_name; /* the next GetRecords answers fail with this error */
    int fail_times;
    int empty_times;
    const char *odd_page; /* the next GetRecords answers this text */
    bool listings_fail;
    bool not_there; /* nothing of the stream is found */
    const char *ill_shard; /* its GetRecords are refused */
    int iterator_calls;
    int record_calls;
    int calls;
};

static void load_queue(void *context, const struct queue_row *row)
{
    struct world *w = context;

    w->queue = queue_load(w->db, row, w->now);
    queue_start(w->queue, w->db, w->now);
}

static void load_stream(void *context, const struct stream_row *row)
{
    struct world *w = context;

    w->stream = *row;
    w->stream.arn = SLICE("arn:orders");
    w->stream.source = SLICE("orders");
}

static void world_open(struct world *w)
{
    static const struct database_options options = {.create = true};
    struct error err;

    w->db = database_open(w->path, &options, &err);
    assert_non_null(w->db);
    database_begin(w->db);
    ledger_queues(w->db, load_queue, w);
    ledger_streams(w->db, load_stream, w);
    if (w->queue == NULL) {
        w->stream = (struct stream_row){.source = SLICE("orders"), .arn = SLICE("arn:orders"), .state = STREAM_READING};
        w->stream.id = ledger_stream_insert(w->db, &w->stream);
        ledger_queue_insert(w->db, 1, SLICE("orders-events"), w->now.wall_ms);
        ledger_queues(w->db, load_queue, w);
    }
    intake_init(&w->intake, w->db);
    w->options = (struct reader_options){.start_latest = w->options.start_latest, .stop_at_gap = w->stop_at_gap, .idle_poll_ms = 1000, .discovery_ms = 60000, .queues = &w->queue, .queue_count = 1};
    w->reader = reader_new(w->db, &w->intake, &w->stream, &w->options, 1, w->now);
}

static void world_close(struct world *w)
{
    queue_save(w->queue, w->db);
    assert_int_equal(database_commit(w->db), DATABASE_OK);
    reader_free(w->reader);
    intake_fini(&w->intake);
    queue_free(w->queue);
    w->queue = NULL;
    database_close(w->db);
}

static void world_init(struct world *w, void **state)
{
    *w = (struct world){.now = {INT64_C(1767225600000), 1000}};
    snprintf(w->path, sizeof(w->path), "%s", temporary_path(state, "l.db"));
    world_open(w);
}

static void world_shard(struct world *w, const char *id, const char *parent, int first, int last, bool closed)
{
    w->shards[w->shard_count++] = (struct fake_shard){.id = id, .parent = parent, .first = first, .last = last, .closed = closed};
}

static void answer_listing(struct world *w, struct buffer *out)
{
    bool any = false;

    buffer_append_text(out, "{\"StreamDescription\":{\"StreamStatus\":\"ENABLED\",\"Shards\":[");
    for (size_t i = 0; i < w->shard_count; i++) {
        struct fake_shard *s = &w->shards[i];

        if (s->hidden)
            continue;
        buffer_printf(out, "%s{\"ShardId\":\"%s\"", any ? "," : "", s->id);
        if (s->parent)
            buffer_printf(out, ",\"ParentShardId\":\"%s\"", s->parent);
        buffer_printf(out, ",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"%d\"", s->first);
        if (s->closed && !s->mute_end)
            buffer_printf(out, ",\"EndingSequenceNumber\":\"%d\"", s->last);
        buffer_append_text(out, "}}");
        any = true;
    }
    buffer_append_text(out, "]}}");
}

static struct fake_shard *named_shard(struct world *w, const char *body)
{
    for (size_t i = 0; i < w->shard_count; i++) {
        char quoted[64];

        snprintf(quoted, sizeof(quoted), "\"%s\"", w->shards[i].id);
        if (strstr(body, quoted) && !w->shards[i].hidden)
            return &w->shards[i];
    }
    return NULL;
}

static int fail_with(struct buffer *out, const char *name)
{
    buffer_reset(out);
    buffer_printf(out, "{\"__type\":\"com.amazonaws.dynamodb.v20120810#%s\",\"message\":\"m\"}", name);
    return 400;
}

static int answer_iterator(struct world *w, const char *body, struct buffer *out)
{
    struct fake_shard *s = named_shard(w, body);
    const char *sequence = strstr(body, "\"SequenceNumber\":\"");
    int next;

    w->iterator_calls++;
    if (s == NULL)
        return fail_with(out, "ResourceNotFoundException");
    next = s->trimmed ? s->trimmed + 1 : s->first;
    if (strstr(body, "\"LATEST\""))
        next = s->last + 1;
    if (sequence) {
        next = atoi(sequence + 18) + (strstr(body, "AFTER_") != NULL);
        if (next <= s->trimmed)
            return fail_with(out, "TrimmedDataAccessException");
    }
    buffer_printf(out, "{\"ShardIterator\":\"%s/%d\"}", s->id, next);
    return 200;
}

static int answer_records(struct world *w, const char *body, struct buffer *out)
{
    struct fake_shard *s = NULL;
    int next = atoi(strrchr(body, '/') + 1);
    int last;

    w->record_calls++;
    for (size_t i = 0; i < w->shard_count && !s; i++)
        if (strstr(body, w->shards[i].id) && strstr(body, w->shards[i].id)[strlen(w->shards[i].id)] == '/')
            s = &w->shards[i];
    if (w->fail_times > 0 && w->fail_times--)
        return fail_with(out, w->fail_name);
    if (w->ill_shard && strcmp(w->ill_shard, s->id) == 0)
        return fail_with(out, "InternalServerError");
    if (w->odd_page) {
        buffer_append_text(out, w->odd_page);
        w->odd_page = NULL;
        return 200;
    }
    if (s->hidden)
        return fail_with(out, "ResourceNotFoundException");
    last = w->empty_times > 0 && w->empty_times-- ? next - 1 : next + 1 < s->last ? next + 1 : s->last;
    buffer_append_text(out, "{\"Records\":[");
    for (int i = next; i <= last; i++)
        buffer_printf(out, "%s{\"eventName\":\"INSERT\",\"dynamodb\":{\"ApproximateCreationDateTime\":%d,\"Keys\":{\"pk\":{\"S\":\"k\"}},"
                           "\"SequenceNumber\":\"%d\"}}", i > next ? "," : "", i <= s->old ? 1767139200 : 1767225600, i);
    if (s->closed && last == s->last)
        buffer_append_text(out, "]}");
    else
        buffer_printf(out, "],\"NextShardIterator\":\"%s/%d\"}", s->id, last + 1);
    return 200;
}

/* Runs for `ms` of the world's time: makes every call that is due, and answers it at once. */
static void world_run(struct world *w, int64_t ms)
{
    int64_t end = w->now.mono_ms + ms;

    while (w->now.mono_ms <= end) {
        struct stream_call call;
        int64_t due;

        while (reader_next_call(w->reader, &call, w->now)) {
            struct buffer out = {0};

            w->calls++;
            struct stream_answer answer = {.token = call.token, .status = 200, .server_ms = w->ahead_ms ? w->now.wall_ms - w->ahead_ms : 0};

            if (strcmp(call.target, TARGET_DESCRIBE_STREAM) == 0 && w->listings_fail)
                answer.status = fail_with(&out, "AccessDeniedException");
            else if (w->not_there)
                answer.status = fail_with(&out, "ResourceNotFoundException");
            else if (strcmp(call.target, TARGET_DESCRIBE_STREAM) == 0)
                answer_listing(w, &out);
            else if (strcmp(call.target, TARGET_GET_SHARD_ITERATOR) == 0)
                answer.status = answer_iterator(w, call.body.ptr, &out);
            else
                answer.status = answer_records(w, call.body.ptr, &out);
            answer.body = buffer_slice(&out);
            reader_answer(w->reader, &answer, w->now);
            buffer_fini(&out);
            buffer_fini(&call.body);
        }
        due = reader_due(w->reader);
        if (due > end)
            due = end + 1;
        w->now.wall_ms += due - w->now.mono_ms;
        w->now.mono_ms = due;
    }
}

/* The sequence numbers of all messages, in the order in which consumers would get them: "1 2 3". */
static char *delivered(struct world *w)
{
    struct buffer out = {0};
    struct message_row row;

    ledger_fresh_begin(w->db, QUEUE_FIRST_MESSAGE(1), QUEUE_END_MESSAGE(1), 10000);
    while (ledger_fresh_next(w->db, &row))
        buffer_printf(&out, "%s%.*s", out.len ? " " : "", SLICE_ARG(row.sequence_number));
    return buffer_take(&out);
}

static void assert_delivered(struct world *w, const char *want)
{
    char *found = delivered(w);

    assert_string_equal(found, want);
    free(found);
}

static void count_gap(void *context, const struct gap_row *row)
{
    int *causes = context;

    causes[row->cause]++;
}

static void assert_gaps(struct world *w, enum gap_cause cause, int want)
{
    int causes[8] = {0};

    ledger_gaps(w->db, count_gap, causes);
    for (int i = 0; i < 8; i++)
        assert_int_equal(causes[i], i == (int)cause ? want : 0);
}

static void children_wait_for_their_parents_end(void **state) /* pitfalls 2 and 4 */
{
    struct world w;

    world_init(&w, state);
    world_shard(&w, "shardId-2", "shardId-1", 10, 13, false);
    world_shard(&w, "shardId-1", NULL, 1, 5, true);
    world_run(&w, 20000);
    assert_delivered(&w, "1 2 3 4 5 10 11 12 13");
    assert_gaps(&w, GAP_TRIMMED, 0);
    world_close(&w);
}

static void empty_pages_are_not_the_end(void **state) /* pitfall 1 */
{
    struct world w;

    world_init(&w, state);
    world_shard(&w, "shardId-1", NULL, 1, 3, false);
    w.empty_times = 1000;
    world_run(&w, 1100 * 1000);
    assert_delivered(&w, "1 2 3");
    world_close(&w);
}

static void malformed_pages_are_read_again(void **state) /* pitfall 3 */
{
    static const char *const pages[] = {"{}", "{\"Records\":null}", "{\"Records\":[],\"NextShardIterator\":\"\"}", "<html>", "{\"Records\":[", "{\"Records\":[]}"};

    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        struct world w;

        temporary_setup(state);
        world_init(&w, state);
        world_shard(&w, "shardId-1", NULL, 1, 3, false);
        w.odd_page = pages[i];
        world_run(&w, 60000);
        assert_delivered(&w, "1 2 3");
        world_close(&w);
        temporary_teardown(state);
    }
}

static void errors_move_nothing(void **state) /* pitfalls 10, 18, 26 */
{
    static const char *const names[] = {"ExpiredIteratorException", "LimitExceededException", "ThrottlingException", "InternalServerError",
                                        "AccessDeniedException", "RequestTimeTooSkewed", "SomethingNew"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct world w;

        temporary_setup(state);
        world_init(&w, state);
        world_shard(&w, "shardId-1", NULL, 1, 6, false);
        w.fail_name = names[i];
        w.fail_times = 3;
        world_run(&w, 200000);
        assert_delivered(&w, "1 2 3 4 5 6");
        assert_gaps(&w, GAP_TRIMMED, 0);
        world_close(&w);
        temporary_teardown(state);
    }
}

static void a_restart_goes_on_after_the_position(void **state) /* pitfalls 9 and 15 */
{
    struct world w;

    world_init(&w, state);
    world_shard(&w, "shardId-1", NULL, 1, 4, false);
    world_run(&w, 5000);
    world_close(&w);
    w.shards[0].last = 8;
    w.options.start_latest = true; /* changes nothing: the position wins */
    world_open(&w);
    world_run(&w, 5000);
    assert_delivered(&w, "1 2 3 4 5 6 7 8");
    world_close(&w);
}

static void a_start_at_latest_is_resolved_once_and_children_start_at_their_beginning(void **state) /* pitfalls 8 and 9 */
{
    struct world w;

    world_init(&w, state);
    world_close(&w);
    w.options.start_latest = true;
    world_open(&w);
    world_shard(&w, "shardId-0", NULL, 1, 2, true);
    world_shard(&w, "shardId-1", "shardId-0", 3, 5, false);
    world_run(&w, 5000);
    assert_delivered(&w, "");
    w.shards[1].last = 7;
    world_run(&w, 5000);
    w.shards[1].closed = true;
    world_shard(&w, "shardId-2", "shardId-1", 8, 9, false);
    world_run(&w, 130000);
    assert_delivered(&w, "6 7 8 9");
    assert_gaps(&w, GAP_TRIMMED, 0);
    world_close(&w);
}

static void records_written_while_a_bridge_started_at_latest_was_down_are_not_passed_over(void **state) /* pitfall 9 */
{
    struct world w;

    world_init(&w, state);
    world_close(&w);
    w.options.start_latest = true;
    world_open(&w);
    world_shard(&w, "shardId-1", NULL, 1, 5, false);
    w.shards[0].old = 5;
    world_run(&w, 5000);
    assert_delivered(&w, "");
    world_close(&w);
    w.shards[0].last = 7; /* LATEST, asked again, would pass over these two */
    world_open(&w);
    world_run(&w, 5000);
    assert_delivered(&w, "6 7");
    world_close(&w);
}

static void a_start_at_latest_goes_by_the_servers_clock(void **state) /* pitfall 29 */
{
    struct world w;

    world_init(&w, state);
    world_close(&w);
    w.options.start_latest = true;
    w.ahead_ms = 600000;
    w.now.wall_ms += w.ahead_ms; /* ours: what is created now seems to be ten minutes old */
    world_open(&w);
    world_shard(&w, "shardId-1", NULL, 1, 3, false);
    world_run(&w, 5000);
    assert_delivered(&w, "");
    w.shards[0].last = 5;
    world_run(&w, 5000);
    assert_delivered(&w, "4 5");
    world_close(&w);
}

static void a_trimmed_position_is_a_gap_unless_proven_otherwise(void **state) /* pitfalls 11 and 13 */
{
    static const struct {
        int trimmed;
        int gaps;
    } cases[] = {{6, 1}, {3, 0}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;

        temporary_setup(state);
        world_init(&w, state);
        world_shard(&w, "shardId-1", NULL, 1, 4, false);
        world_run(&w, 2000);
        world_close(&w);
        w.now.wall_ms += INT64_C(30) * 3600 * 1000;
        w.shards[0].last = 8;
        w.shards[0].trimmed = cases[i].trimmed;
        world_open(&w);
        world_run(&w, 20000);
        assert_delivered(&w, cases[i].gaps ? "1 2 3 4 7 8" : "1 2 3 4 5 6 7 8");
        assert_gaps(&w, GAP_TRIMMED, cases[i].gaps);
        world_close(&w);
        temporary_teardown(state);
    }
}

static void a_childs_trimmed_beginning_is_a_gap(void **state) /* pitfall 11 */
{
    struct world w;

    world_init(&w, state);
    world_shard(&w, "shardId-1", NULL, 1, 2, true);
    world_run(&w, 5000);
    world_shard(&w, "shardId-2", "shardId-1", 3, 8, false);
    w.shards[1].trimmed = 5;
    world_run(&w, 130000);
    assert_delivered(&w, "1 2 6 7 8");
    assert_gaps(&w, GAP_BEGINNING_TRIMMED, 1);
    world_close(&w);
}

static void a_long_absence_without_a_position_is_a_gap(void **state) /* pitfall 11 */
{
    struct world w;

    world_init(&w, state);
    world_shard(&w, "shardId-1", NULL, 1, 0, false);
    world_run(&w, 5000);
    world_close(&w);
    w.now.wall_ms += INT64_C(30) * 3600 * 1000;
    w.shards[0].last = 6;
    w.shards[0].trimmed = 4; /* TRIM_HORIZON hides that 1 to 4 were ever there */
    world_open(&w);
    world_run(&w, 5000);
    assert_delivered(&w, "5 6");
    assert_gaps(&w, GAP_BEGINNING_TRIMMED, 1);
    world_close(&w);
}

static void stopping_at_a_gap_holds_for_a_vanished_shard_and_its_children(void **state)
{
    struct world w;

    world_init(&w, state);
    world_close(&w);
    w.stop_at_gap = true;
    world_open(&w);
    world_shard(&w, "shardId-1", NULL, 1, 2, false);
    world_run(&w, 5000);
    w.shards[0].hidden = true;
    world_shard(&w, "shardId-2", "shardId-1", 3, 4, false);
    world_run(&w, 300000);
    assert_delivered(&w, "1 2");
    assert_gaps(&w, GAP_SHARD_VANISHED, 1);
    world_close(&w);
}

static void a_vanished_parent_is_a_gap_and_its_child_starts(void **state) /* pitfall 5 */
{
    struct world w;

    world_init(&w, state);
    world_shard(&w, "shardId-1", NULL, 1, 2, false);
    world_run(&w, 5000);
    world_shard(&w, "shardId-3", "shardId-2", 5, 6, false); /* shardId-2 came and went unseen */
    world_run(&w, 200000);
    assert_delivered(&w, "1 2 5 6");
    assert_gaps(&w, GAP_PARENT_VANISHED, 1);
    world_close(&w);
}

static void a_vanished_shard_is_terminal_and_a_gap(void **state) /* pitfall 12 */
{
    struct world w;
    int calls;

    world_init(&w, state);
    world_shard(&w, "shardId-1", NULL, 1, 2, false);
    world_run(&w, 5000);
    w.shards[0].hidden = true;
    world_run(&w, 200000);
    assert_gaps(&w, GAP_SHARD_VANISHED, 1);
    calls = w.iterator_calls + w.record_calls;
    world_run(&w, 600000);
    assert_int_equal(w.iterator_calls + w.record_calls, calls);
    world_close(&w);
}

/* The region, or the account, may be a wrong one. */
static void a_stream_that_is_not_found_is_gone_only_after_a_day(void **state)
{
    struct world w;

    world_init(&w, state);
    world_shard(&w, "shardId-1", NULL, 1, 2, false);
    world_run(&w, 5000);
    w.not_there = true;
    world_run(&w, 23 * 3600000);
    assert_non_null(strstr(reader_trouble(w.reader), "the region and the account"));
    w.not_there = false;
    w.shards[0].last = 4;
    world_run(&w, 120000);
    assert_delivered(&w, "1 2 3 4");
    assert_string_equal(reader_trouble(w.reader), "");
    w.not_there = true;
    for (int i = 0; i < 23; i++) { /* restarts do not begin the day anew */
        world_run(&w, 3600000);
        world_close(&w);
        world_open(&w);
    }
    assert_false(reader_finished(w.reader));
    assert_gaps(&w, GAP_STREAM_VANISHED, 0);
    w.calls = 0;
    world_run(&w, 2 * 3600000);
    assert_true(reader_finished(w.reader));
    assert_gaps(&w, GAP_STREAM_VANISHED, 1);
    assert_in_range(w.calls, 10, 1000); /* it backs off */
    world_close(&w);
}

/* What waits for its parent waits for it again; and all of it is in the ledger. */
static void a_stream_that_is_taken_up_again_keeps_its_order(void **state)
{
    for (int stop = 0; stop < 2; stop++) {
        struct world w;

        world_init(&w, state);
        world_close(&w);
        w.stop_at_gap = stop;
        world_open(&w);
        world_shard(&w, "shardId-1", NULL, 1, 2, false);
        world_shard(&w, "shardId-2", "shardId-1", 10, 11, false);
        world_run(&w, 5000);
        assert_delivered(&w, "1 2");
        reader_supersede(w.reader);
        w.not_there = true;
        world_run(&w, 120000);
        assert_gaps(&w, GAP_STREAM_VANISHED, 2);
        w.not_there = false;
        w.shards[0].last = 4;
        w.stream.state = STREAM_READING;
        ledger_stream_save(w.db, &w.stream);
        reader_free(w.reader);
        w.reader = reader_new(w.db, &w.intake, &w.stream, &w.options, 1, w.now);
        reader_reopen(w.reader, w.now);
        assert_gaps(&w, GAP_STREAM_VANISHED, 0);
        world_close(&w);
        world_open(&w);
        world_run(&w, 5000);
        assert_delivered(&w, "1 2 3 4"); /* the child waits */
        w.shards[0].closed = true;
        world_run(&w, 120000);
        assert_delivered(&w, "1 2 3 4 10 11");
        assert_gaps(&w, GAP_STREAM_VANISHED, 0);
        world_close(&w);
        unlink(w.path);
    }
}

static void a_stream_that_has_a_newer_one_is_gone_at_once(void **state)
{
    struct world w;

    world_init(&w, state);
    world_shard(&w, "shardId-1", NULL, 1, 2, false);
    world_run(&w, 5000);
    reader_supersede(w.reader);
    w.not_there = true;
    world_run(&w, 120000);
    assert_true(reader_finished(w.reader));
    assert_gaps(&w, GAP_STREAM_VANISHED, 1);
    world_close(&w);
}

static void a_shard_is_asked_at_most_five_times_a_second(void **state) /* pitfall 18 */
{
    struct world w;

    world_init(&w, state);
    world_shard(&w, "shardId-1", NULL, 1, 1000, false);
    world_run(&w, 10000);
    assert_in_range(w.record_calls, 40, 51);
    world_close(&w);
}

/* What is said of one call is not taken back by the success of another. */
static void trouble_lasts_until_what_failed_succeeds(void **state)
{
    struct world w;

    world_init(&w, state);
    world_shard(&w, "shardId-1", NULL, 1, 2, false);
    world_shard(&w, "shardId-2", NULL, 11, 12, false);
    world_run(&w, 10000);
    assert_string_equal(reader_trouble(w.reader), "");
    w.listings_fail = true; /* new shards stay unknown, however well the old ones are read */
    world_run(&w, 200000);
    for (int i = 0; i < 20; i++) { /* whichever call was the last */
        world_run(&w, 1000);
        assert_non_null(strstr(reader_trouble(w.reader), "AccessDenied"));
        assert_non_null(strstr(reader_trouble(w.reader), "check the access key"));
    }
    w.listings_fail = false;
    world_run(&w, 200000);
    assert_string_equal(reader_trouble(w.reader), "");
    w.ill_shard = "shardId-1";
    world_run(&w, 3000); /* the other one is read meanwhile, every second */
    for (int i = 0; i < 20; i++) {
        world_run(&w, 1000);
        assert_non_null(strstr(reader_trouble(w.reader), "InternalServerError"));
    }
    w.shards[0].closed = w.shards[0].hidden = true; /* it ends: nothing is to be read any more, and nothing is wrong */
    w.ill_shard = NULL;
    world_run(&w, 2000000);
    assert_string_equal(reader_trouble(w.reader), "");
    world_close(&w);
}

static int setup(void **state)
{
    log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_JSON, LOG_INFO);
    return digests_setup(state);
}

static void credentials_that_have_expired_are_told_so(void **state)
{
    const struct stream_answer answer = {.status = 400, .body = SLICE("{\"__type\":\"com.amazon.coral.service#ExpiredTokenException\",\"message\":\"m\"}")};
    enum verdict verdict;
    char trouble[TROUBLE_TEXT];

    (void)state;
    assert_true(stream_answer_failed(&answer, &verdict, trouble));
    assert_int_equal(verdict, VERDICT_DENIED);
    assert_non_null(strstr(trouble, "renew them"));
    assert_null(strstr(trouble, "check the access key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(children_wait_for_their_parents_end),
        with_directory(empty_pages_are_not_the_end),
        cmocka_unit_test(malformed_pages_are_read_again),
        cmocka_unit_test(errors_move_nothing),
        cmocka_unit_test(credentials_that_have_expired_are_told_so),
        with_directory(a_restart_goes_on_after_the_position),
        with_directory(a_start_at_latest_is_resolved_once_and_children_start_at_their_beginning),
        with_directory(records_written_while_a_bridge_started_at_latest_was_down_are_not_passed_over),
        with_directory(a_start_at_latest_goes_by_the_servers_clock),
        cmocka_unit_test(a_trimmed_position_is_a_gap_unless_proven_otherwise),
        with_directory(a_childs_trimmed_beginning_is_a_gap),
        with_directory(a_long_absence_without_a_position_is_a_gap),
        with_directory(stopping_at_a_gap_holds_for_a_vanished_shard_and_its_children),
        with_directory(a_vanished_parent_is_a_gap_and_its_child_starts),
        with_directory(a_vanished_shard_is_terminal_and_a_gap),
        with_directory(a_stream_that_is_not_found_is_gone_only_after_a_day),
        with_directory(a_stream_that_is_taken_up_again_keeps_its_order),
        with_directory(a_stream_that_has_a_newer_one_is_gone_at_once),
        with_directory(a_shard_is_asked_at_most_five_times_a_second),
        with_directory(trouble_lasts_until_what_failed_succeeds),
    };

    return cmocka_run_group_tests_name("reader", tests, setup, digests_teardown);
}
