/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/test.h"

#include "base/log.h"
#include "base/planted.h"
#include "consumer/jobs.h"

#include <fcntl.h>
#include <stdlib.h>

#define VISIBILITY_S 30
#define T (VISIBILITY_S * INT64_C(1000))

struct world {
    struct jobs jobs;
    int64_t now_ms;
};

static void world_init(struct world *w, struct jobs_options options)
{
    options.visibility_s = options.visibility_s ? options.visibility_s : VISIBILITY_S;
    options.workers = options.workers ? options.workers : 2;
    *w = (struct world){.now_ms = 1000000};
    jobs_init(&w->jobs, &options, 7);
}

/* A message whose id, body and receipt handle are the same text; group: NULL for none. */
static struct sqs_received message(const char *id, const char *group)
{
    struct sqs_received m = {0};
    size_t len = strlen(id);

    buffer_reserve(&m.arena, 200);
    buffer_append_text(&m.arena, id);
    m.message_id = m.receipt_handle = m.body = slice_from(m.arena.ptr, len);
    if (group) {
        buffer_append_text(&m.arena, group);
        m.group_id = slice_from(m.arena.ptr + len, strlen(group));
    }
    return m;
}

/* "a1 a2 b1": the first letter is the group. */
static void receive(struct world *w, const char *ids)
{
    struct sqs_received batch[SQS_RECEIVED_MAX];
    size_t count = 0;

    while (*ids) {
        char id[16] = {0};
        char group[2] = {ids[0], '\0'};
        size_t len = strcspn(ids, " ");

        memcpy(id, ids, len);
        batch[count++] = message(id, group);
        ids += len + (ids[len] == ' ');
    }
    jobs_add(&w->jobs, batch, count, w->now_ms, w->now_ms);
}

static struct job *next(struct world *w, const char *want)
{
    struct job *job = jobs_next(&w->jobs, w->now_ms);

    if (want == NULL)
        assert_null(job);
    else {
        assert_non_null(job);
        assert_slice(job->m.message_id, want);
    }
    return job;
}

static void handled(struct world *w, struct job *job, enum s2q_outcome outcome)
{
    job->outcome = outcome;
    job->handled_us = 10;
    jobs_handled(&w->jobs, job, w->now_ms);
}

static void handle(struct world *w, const char *want, enum s2q_outcome outcome)
{
    handled(w, next(w, want), outcome);
}

static void no_call(struct world *w)
{
    struct batch batch;

    assert_false(jobs_batch(&w->jobs, w->now_ms, &batch));
}

/* The next call: its kind, and its messages as "a1 a2", those to be made visible as "a1!". */
static struct batch call(struct world *w, enum batch_kind kind, const char *want)
{
    struct batch batch;
    struct buffer ids = {0};

    if (!jobs_batch(&w->jobs, w->now_ms, &batch))
        fail_msg("no call, want \"%s\"", want);
    assert_int_equal(batch.kind, kind);
    for (size_t i = 0; i < batch.count; i++) {
        assert_true(batch.jobs[i]->calling);
        buffer_printf(&ids, "%s%.*s%s", i ? " " : "", SLICE_ARG(batch.jobs[i]->m.message_id), batch.release[i] ? "!" : "");
    }
    assert_slice(buffer_slice(&ids), want);
    buffer_fini(&ids);
    return batch;
}

/* fates: a letter for each entry: s (successful), r (refused), f (failed by the server's fault), - (no outcome) */
static void answer(struct world *w, const struct batch *batch, const char *fates)
{
    struct sqs_entry_result results[JOBS_BATCH] = {0};

    for (size_t i = 0; fates[i]; i++) {
        results[i].state = fates[i] == 's' ? SQS_ENTRY_SUCCESSFUL : fates[i] == '-' ? SQS_ENTRY_ABSENT : SQS_ENTRY_FAILED;
        results[i].senders_fault = fates[i] == 'r';
        results[i].code = fates[i] == 'r' ? SLICE("ReceiptHandleIsInvalid") : SLICE("InternalError");
    }
    jobs_settle(&w->jobs, batch, results, false, w->now_ms);
}

static void call_and_answer(struct world *w, enum batch_kind kind, const char *want, const char *fates)
{
    struct batch batch = call(w, kind, want);

    answer(w, &batch, fates);
}

static void world_fini(struct world *w, size_t left)
{
    assert_int_equal(w->jobs.count, left);
    jobs_fini(&w->jobs);
}

/* ---- tests ---- */

static void as_many_are_asked_for_as_the_workers_will_soon_take(void **state)
{
    static const struct {
        size_t workers;
        int64_t average_us;
        size_t asked;
        size_t want;
    } cases[] = {
        {1, 0, 0, 1},         /* not known yet */
        {1, 100, 0, 10},      /* fast */
        {1, 60000000, 0, 1},  /* a minute each: none in advance */
        {1, 250000, 0, 4},    /* four in a second */
        {1, 100, 10, 10},     /* one receive is under way, there is room for another */
        {1, 100, 20, 0},
        {8, 60000000, 0, 8},
        {8, 60000000, 5, 3},
        {64, 60000000, 0, 10},
    };
    struct world w;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        world_init(&w, (struct jobs_options){.workers = cases[i].workers});
        w.jobs.average_us = cases[i].average_us;
        if (jobs_room(&w.jobs, cases[i].asked) != cases[i].want)
            fail_msg("case %zu: %zu", i, jobs_room(&w.jobs, cases[i].asked));
        jobs_stop(&w.jobs, w.now_ms);
        assert_int_equal(jobs_room(&w.jobs, 0), 0);
        world_fini(&w, 0);
    }
}

static void no_more_is_asked_for_than_is_wanted(void **state)
{
    struct world w;
    struct job *slow;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 4, .messages_max = 5});
    w.jobs.average_us = 100;
    assert_int_equal(jobs_room(&w.jobs, 0), 5);
    assert_int_equal(jobs_room(&w.jobs, 3), 2); /* asked for already */
    assert_int_equal(jobs_room(&w.jobs, 5), 0);
    receive(&w, "a1 a2 a3 b1 c1 d1"); /* one more than was asked for */
    assert_int_equal(jobs_room(&w.jobs, 0), 0);
    slow = next(&w, "a1");
    handle(&w, "a2", S2Q_DONE);
    handle(&w, "a3", S2Q_RETRY);
    handle(&w, "b1", S2Q_DONE);
    jobs_untouched(&w.jobs, next(&w, "c1")); /* does not count */
    handle(&w, "c1", S2Q_DONE);
    next(&w, NULL);
    assert_false(jobs_exhausted(&w.jobs));
    handled(&w, slow, S2Q_DONE);
    assert_true(jobs_exhausted(&w.jobs));
    jobs_stop(&w.jobs, w.now_ms);
    call_and_answer(&w, BATCH_DELETE, "a1 a2 b1 c1", "srs-");
    call_and_answer(&w, BATCH_VISIBILITY, "d1!", "s");
    assert_int_equal(w.jobs.counts.done, 4);
    assert_int_equal(w.jobs.counts.retried, 1);
    assert_int_equal(w.jobs.counts.deleted, 2);
    w.now_ms += T;
    call_and_answer(&w, BATCH_DELETE, "c1", "s");
    assert_int_equal(w.jobs.counts.deleted, 3);
    world_fini(&w, 0);
}

static void of_a_group_what_is_passed_over_does_not_count(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 1, .fifo = true, .messages_max = 3});
    receive(&w, "a1 a2 a3");
    assert_int_equal(jobs_room(&w.jobs, 0), 0);
    handle(&w, "a1", S2Q_RETRY);
    call_and_answer(&w, BATCH_VISIBILITY, "a2! a3!", "ss");
    assert_false(jobs_exhausted(&w.jobs));
    w.jobs.average_us = 100;
    assert_int_equal(jobs_room(&w.jobs, 0), 2);
    world_fini(&w, 0);
}

static void when_it_comes_again_may_be_said(void **state)
{
    struct world w;
    struct buffer body = {0};
    struct batch batch;

    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        world_init(&w, (struct jobs_options){.workers = 3, .retry_at_once = at_once});
        receive(&w, "a1 b1");
        for (unsigned i = 0; i < 2; i++) {
            struct job *job = next(&w, i ? "b1" : "a1");

            job->retry_said = true;
            job->retry_s = i * 90;
            handled(&w, job, S2Q_RETRY);
        }
        batch = call(&w, BATCH_VISIBILITY, "a1! b1!");
        jobs_batch_write(&w.jobs, &batch, SLICE("u"), SLICE_NONE, &body);
        assert_slice(buffer_slice(&body), "{\"QueueUrl\":\"u\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"a1\",\"VisibilityTimeout\":0},"
                                          "{\"Id\":\"1\",\"ReceiptHandle\":\"b1\",\"VisibilityTimeout\":90}]}");
        answer(&w, &batch, "ss");
        buffer_fini(&body);
        world_fini(&w, 0);
    }
}

static void what_is_released_waits_for_receives_that_are_cut(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 1});
    receive(&w, "a1 b1");
    jobs_stop(&w.jobs, w.now_ms);
    w.jobs.release_ms = w.now_ms + 100;
    no_call(&w);
    assert_int_equal(jobs_due(&w.jobs), w.now_ms + 100);
    w.now_ms += 100;
    call_and_answer(&w, BATCH_VISIBILITY, "a1! b1!", "ss");
    world_fini(&w, 0);
}

static void deletes_wait_for_company(void **state)
{
    struct world w;
    struct job *slow;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 20});
    receive(&w, "z1 a1 a2 a3 a4 a5 a6 a7 a8 a9");
    receive(&w, "b1 b2");
    slow = next(&w, "z1");
    handle(&w, "a1", S2Q_DONE);
    no_call(&w); /* it may get company */
    w.now_ms += JOBS_LINGER_MS - 1;
    handle(&w, "a2", S2Q_DONE);
    no_call(&w);
    assert_int_equal(jobs_due(&w.jobs), w.now_ms + 1);
    w.now_ms++;
    call_and_answer(&w, BATCH_DELETE, "a1 a2", "ss"); /* long enough */
    for (int i = 3; i <= 9; i++) {
        char id[] = {'a', (char)('0' + i), '\0'};

        handle(&w, id, S2Q_DONE);
    }
    handle(&w, "b1", S2Q_DONE);
    handle(&w, "b2", S2Q_DONE);
    no_call(&w);
    handled(&w, slow, S2Q_DONE);
    call_and_answer(&w, BATCH_DELETE, "z1 a3 a4 a5 a6 a7 a8 a9 b1 b2", "ssssssssss"); /* a full batch, at once */
    receive(&w, "c1");
    handle(&w, "c1", S2Q_DONE);
    call_and_answer(&w, BATCH_DELETE, "c1", "s"); /* nobody is to come */
    world_fini(&w, 0);
}

static void each_entry_of_a_batch_has_its_own_fate(void **state)
{
    struct world w;
    int64_t due_ms;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 9});
    receive(&w, "a1 a2 a3 a4");
    handle(&w, "a1", S2Q_DONE);
    handle(&w, "a2", S2Q_DONE);
    handle(&w, "a3", S2Q_DONE);
    handle(&w, "a4", S2Q_DONE);
    call_and_answer(&w, BATCH_DELETE, "a1 a2 a3 a4", "sf-r");
    no_call(&w); /* not before the back-off */
    due_ms = jobs_due(&w.jobs);
    assert_true(due_ms >= w.now_ms + 100 && due_ms <= w.now_ms + 200);
    w.now_ms += 200;
    call_and_answer(&w, BATCH_DELETE, "a2 a3", "ss");
    world_fini(&w, 0);
}

static void a_delete_is_tried_beyond_its_visibility_but_not_when_stopping(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 2});
    receive(&w, "a1");
    handle(&w, "a1", S2Q_DONE);
    for (int i = 0; i < 12; i++) {
        struct batch batch;

        if (jobs_batch(&w.jobs, w.now_ms, &batch))
            answer(&w, &batch, "-");
        w.now_ms += 20000;
    }
    assert_int_equal(w.jobs.in_state[JOB_DELETING], 1); /* the server will hear of it when it is back */
    jobs_stop(&w.jobs, w.now_ms);
    call_and_answer(&w, BATCH_DELETE, "a1", "-");
    world_fini(&w, 0);
}

static void visibility_is_extended_at_half_of_it(void **state)
{
    struct world w;
    struct job *a1;
    int64_t began_ms;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 1});
    receive(&w, "a1 a2 a3");
    began_ms = w.now_ms;
    a1 = next(&w, "a1");
    next(&w, "a2");
    next(&w, NULL); /* two for one worker are enough */
    no_call(&w);
    assert_int_equal(jobs_due(&w.jobs), began_ms + T / 2);
    w.now_ms = began_ms + T / 2;
    call_and_answer(&w, BATCH_VISIBILITY, "a1 a2 a3", "sfr"); /* with those that wait */
    assert_int_equal(a1->hidden_until_ms, w.now_ms + T);
    no_call(&w);
    w.now_ms += T / 8;
    call_and_answer(&w, BATCH_VISIBILITY, "a2", "s"); /* the failed one again, soon; the refused one not */
    w.now_ms = began_ms + T;
    handled(&w, a1, S2Q_DONE);
    next(&w, NULL); /* a3's has ended: it may be somebody else's */
    no_call(&w);    /* a2's has half of it left */
    w.now_ms += JOBS_LINGER_MS;
    call_and_answer(&w, BATCH_DELETE, "a1", "s");
    world_fini(&w, 1);
}

/* After a long poll: hidden at an unknown time, but not extended at once. */
static void a_message_after_a_long_poll_is_hidden_a_while(void **state)
{
    struct world w;
    struct sqs_received m = message("a1", NULL);

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 1});
    jobs_add(&w.jobs, &m, 1, w.now_ms - 20000, w.now_ms);
    assert_int_equal(jobs_due(&w.jobs), w.now_ms + T / 4);
    next(&w, "a1");
    world_fini(&w, 1);
}

static void what_is_to_come_again_does(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 9});
    receive(&w, "a1");
    handle(&w, "a1", S2Q_RETRY); /* by itself, when its visibility ends */
    no_call(&w);
    world_fini(&w, 0);
    world_init(&w, (struct jobs_options){.workers = 9, .retry_at_once = true});
    receive(&w, "a1 a2 a3");
    handle(&w, "a1", S2Q_RETRY);
    handle(&w, "a2", (enum s2q_outcome)77);
    handle(&w, "a3", S2Q_GIVE_UP); /* nowhere to send it to */
    call_and_answer(&w, BATCH_VISIBILITY, "a1! a2! a3!", "sr-");
    assert_int_equal(w.jobs.count, 1);
    w.now_ms += T;
    call_and_answer(&w, BATCH_VISIBILITY, "a3!", "-"); /* it is visible by now, whatever the server says */
    world_fini(&w, 0);
}

static void a_group_is_handled_in_order(void **state)
{
    struct world w;
    struct job *a1;
    struct job *b1;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 9, .fifo = true});
    receive(&w, "a1 a2 b1 a3 b2");
    a1 = next(&w, "a1");
    b1 = next(&w, "b1");
    next(&w, NULL);
    handled(&w, a1, S2Q_DONE);
    handle(&w, "a2", S2Q_RETRY);
    next(&w, NULL);                                                 /* not a3 */
    call_and_answer(&w, BATCH_VISIBILITY, "a3!", "s");              /* a2 comes first: while it is hidden, the queue holds its group */
    handled(&w, b1, S2Q_DONE);
    handle(&w, "b2", S2Q_DONE);
    call_and_answer(&w, BATCH_DELETE, "a1 b1 b2", "sss");
    world_fini(&w, 0);
}

static void a_failed_group_is_made_visible_in_order(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 9, .fifo = true, .retry_at_once = true});
    receive(&w, "a1 b1 a2 a3");
    handle(&w, "a1", S2Q_RETRY);
    handle(&w, "b1", S2Q_DONE);
    next(&w, NULL);
    call_and_answer(&w, BATCH_DELETE, "b1", "s");
    call_and_answer(&w, BATCH_VISIBILITY, "a1! a2! a3!", "sss");
    world_fini(&w, 0);
}

/* Those of a standard queue have no order, group or not. */
static void groups_of_a_standard_queue_are_no_order(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 9});
    receive(&w, "a1 a2");
    next(&w, "a1");
    next(&w, "a2");
    world_fini(&w, 2);
}

static void a_damaged_message_is_not_handled(void **state)
{
    struct world w;
    struct sqs_received batch[] = {message("a1", "a"), message("a2", "a"), message("b1", "b"), message("a3", "a")};

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 9, .fifo = true});
    batch[1].fault = "its body's MD5 is wrong";
    jobs_add(&w.jobs, batch, COUNT_OF(batch), w.now_ms, w.now_ms);
    handle(&w, "a1", S2Q_DONE);
    handle(&w, "b1", S2Q_DONE);
    next(&w, NULL);
    call_and_answer(&w, BATCH_DELETE, "a1 b1", "ss");
    call_and_answer(&w, BATCH_VISIBILITY, "a3!", "s");
    world_fini(&w, 0);
}

static struct sqs_entry_result sent_whole(const struct batch *batch)
{
    return (struct sqs_entry_result){.state = SQS_ENTRY_SUCCESSFUL, .body_md5 = slice_text(batch->body_md5),
                                     .attributes_md5 = slice_text(batch->attributes_md5)};
}

static void what_is_given_up_is_deleted_when_the_dead_letter_queue_has_it(void **state)
{
    struct world w;
    struct job *a1;
    struct batch batch;
    struct sqs_entry_result results[JOBS_BATCH] = {0};
    struct buffer body = {0};

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 9, .dead_letters = true});
    receive(&w, "a1 a2");
    a1 = next(&w, "a1");
    a1->reason = strdup("no JSON");
    handled(&w, a1, S2Q_GIVE_UP);
    handle(&w, "a2", S2Q_GIVE_UP);
    batch = call(&w, BATCH_SEND, "a1");
    jobs_batch_write(&w.jobs, &batch, SLICE("u"), SLICE("dead"), &body);
    assert_slice(buffer_slice(&body), "{\"QueueUrl\":\"dead\",\"Entries\":[{\"Id\":\"0\",\"MessageBody\":\"a1\",\"MessageAttributes\":{\"stream2sqs.reason\":"
                                      "{\"DataType\":\"String\",\"StringValue\":\"no JSON\"}}}]}");
    assert_string_equal(batch.body_md5, "8a8bb7cd343aa2ad99b7d762030857a2"); /* md5sum's */
    answer(&w, &batch, "-");
    call_and_answer(&w, BATCH_SEND, "a2", "r"); /* refused: left alone, and comes again */
    assert_int_equal(w.jobs.count, 1);
    w.now_ms += 200;
    batch = call(&w, BATCH_SEND, "a1");
    jobs_batch_write(&w.jobs, &batch, SLICE("u"), SLICE("dead"), &body);
    results[0] = sent_whole(&batch);
    jobs_settle(&w.jobs, &batch, results, false, w.now_ms);
    call_and_answer(&w, BATCH_DELETE, "a1", "s");
    buffer_fini(&body);
    world_fini(&w, 0);
}

static void a_dead_letter_that_arrived_altered_is_not_deleted(void **state)
{
    struct world w;
    struct batch batch;
    struct sqs_entry_result results[JOBS_BATCH] = {0};
    struct buffer body = {0};

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 9, .dead_letters = true, .dead_letters_fifo = true, .fifo = true});
    receive(&w, "a1 a2");
    handle(&w, "a1", S2Q_GIVE_UP);
    next(&w, NULL); /* not before a1 is where it should be */
    batch = call(&w, BATCH_SEND, "a1");
    jobs_batch_write(&w.jobs, &batch, SLICE("u"), SLICE("dead.fifo"), &body);
    assert_slice(buffer_slice(&body), "{\"QueueUrl\":\"dead.fifo\",\"Entries\":[{\"Id\":\"0\",\"MessageBody\":\"a1\",\"MessageGroupId\":\"a\","
                                      "\"MessageDeduplicationId\":\"a1\"}]}");
    results[0] = sent_whole(&batch);
    results[0].body_md5 = SLICE("00000000000000000000000000000000");
    jobs_settle(&w.jobs, &batch, results, false, w.now_ms);
    call_and_answer(&w, BATCH_VISIBILITY, "a2!", "s");
    no_call(&w);
    buffer_fini(&body);
    world_fini(&w, 0);
}

static void a_reason_finds_its_place(void **state)
{
    struct world w;
    struct sqs_received m = message("a1", NULL);
    struct job *a1;
    struct batch batch;
    struct buffer body = {0};

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 9, .dead_letters = true});
    for (size_t i = 0; i < SQS_ATTRIBUTES_MAX; i++)
        m.attributes[i] = (struct sqs_attribute){slice_from(&"abcdefghij"[i], 1), SLICE("String"), SLICE("v")};
    m.attribute_count = SQS_ATTRIBUTES_MAX;
    jobs_add(&w.jobs, &m, 1, w.now_ms, w.now_ms);
    a1 = next(&w, "a1");
    a1->reason = strdup("why");
    handled(&w, a1, S2Q_GIVE_UP);
    batch = call(&w, BATCH_SEND, "a1");
    jobs_batch_write(&w.jobs, &batch, SLICE("u"), SLICE("dead"), &body);
    assert_non_null(strstr(body.ptr, "\"j\":"));
    assert_null(strstr(body.ptr, "why")); /* no room */
    buffer_reset(&body);
    a1->m.attributes[3].name = SLICE("stream2sqs.reason"); /* it was given up before */
    jobs_batch_write(&w.jobs, &batch, SLICE("u"), SLICE("dead"), &body);
    assert_non_null(strstr(body.ptr, "\"stream2sqs.reason\":{\"DataType\":\"String\",\"StringValue\":\"why\"}"));
    assert_non_null(strstr(body.ptr, "\"j\":"));
    buffer_fini(&body);
    world_fini(&w, 1);
}

static void stopping_makes_visible_what_waits(void **state)
{
    struct world w;
    struct job *a1;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 1});
    receive(&w, "a1 a2 a3");
    a1 = next(&w, "a1");
    jobs_untouched(&w.jobs, next(&w, "a2"));
    jobs_stop(&w.jobs, w.now_ms);
    next(&w, NULL);
    call_and_answer(&w, BATCH_VISIBILITY, "a2! a3!", "ss");
    w.now_ms += T / 2;
    call_and_answer(&w, BATCH_VISIBILITY, "a1", "s"); /* its handler still runs */
    handled(&w, a1, S2Q_DONE);
    call_and_answer(&w, BATCH_DELETE, "a1", "s");
    world_fini(&w, 0);
}

/* An answer about its visibility that comes after its handler is done must not undo what follows. */
static void one_call_at_a_time(void **state)
{
    struct world w;
    struct job *a1;
    struct batch extension;

    (void)state;
    world_init(&w, (struct jobs_options){.workers = 1, .retry_at_once = true});
    receive(&w, "a1 a2");
    a1 = next(&w, "a1");
    w.now_ms += T / 2;
    extension = call(&w, BATCH_VISIBILITY, "a1 a2");
    handled(&w, a1, S2Q_RETRY);
    no_call(&w); /* could overtake the extension */
    answer(&w, &extension, "ss");
    call_and_answer(&w, BATCH_VISIBILITY, "a1!", "s");
    handle(&w, "a2", S2Q_DONE);
    call_and_answer(&w, BATCH_DELETE, "a2", "s");
    world_fini(&w, 0);
}

/* ---- random histories ---- */

#define MESSAGES 400

struct history {
    struct world w;
    struct random random;
    struct job *running[64];
    size_t running_count;
    struct batch calls[8];
    size_t call_count;
    int received;
    int deleted[MESSAGES];  /* confirmed */
    int handled[MESSAGES];
    char group_running[4];
};

static int number_of(const struct job *job)
{
    return atoi(job->m.message_id.ptr + 1);
}

static void random_receive(struct history *h)
{
    size_t room = jobs_room(&h->w.jobs, 0);
    struct sqs_received batch[SQS_RECEIVED_MAX];
    size_t count = 0;

    for (; count < room && h->received < MESSAGES; h->received++) {
        char id[16];
        char group[2] = {(char)('a' + random_below(&h->random, 4)), '\0'};

        snprintf(id, sizeof(id), "%c%03d", group[0], h->received);
        batch[count++] = message(id, group);
    }
    jobs_add(&h->w.jobs, batch, count, h->w.now_ms, h->w.now_ms);
}

static void random_work(struct history *h)
{
    struct job *job = jobs_next(&h->w.jobs, h->w.now_ms);
    size_t at;

    if (job) {
        char *busy = &h->group_running[job->m.group_id.ptr[0] - 'a'];

        assert_false(*busy);
        *busy = 1;
        h->running[h->running_count++] = job;
    }
    if (h->running_count == 0 || random_below(&h->random, 2))
        return;
    at = random_below(&h->random, h->running_count);
    job = h->running[at];
    h->running[at] = h->running[--h->running_count];
    h->group_running[job->m.group_id.ptr[0] - 'a'] = 0;
    h->handled[number_of(job)]++;
    handled(&h->w, job, random_below(&h->random, 5) ? S2Q_DONE : (enum s2q_outcome)random_below(&h->random, 3));
}

static void random_call(struct history *h)
{
    if (h->call_count < 8 && jobs_batch(&h->w.jobs, h->w.now_ms, &h->calls[h->call_count])) {
        const struct batch *batch = &h->calls[h->call_count++];
        struct buffer body = {0};

        jobs_batch_write(&h->w.jobs, &h->calls[h->call_count - 1], SLICE("u"), SLICE("d"), &body);
        buffer_fini(&body);
        for (size_t i = 0; i < batch->count && batch->kind == BATCH_DELETE; i++)
            assert_int_equal(h->deleted[number_of(batch->jobs[i])], 0); /* confirmed once is enough */
    }
}

static void random_answer(struct history *h)
{
    struct batch batch;
    char fates[JOBS_BATCH + 1] = {0};
    bool lost = random_below(&h->random, 4) == 0;
    size_t at;

    if (h->call_count == 0)
        return;
    at = random_below(&h->random, h->call_count);
    batch = h->calls[at];
    h->calls[at] = h->calls[--h->call_count];
    for (size_t i = 0; i < batch.count; i++) {
        fates[i] = lost ? '-' : "sssssfr-"[random_below(&h->random, 8)];
        if (batch.kind == BATCH_DELETE && fates[i] == 's') {
            assert_int_equal(h->handled[number_of(batch.jobs[i])], 1);
            h->deleted[number_of(batch.jobs[i])]++;
        }
    }
    answer(&h->w, &batch, fates);
}

static void check_counts(const struct jobs *j)
{
    size_t in_state[JOB_STATES] = {0};
    size_t count = 0;

    for (const struct job *job = j->first; job; job = job->next, count++)
        in_state[job->state]++;
    assert_int_equal(count, j->count);
    assert_memory_equal(in_state, j->in_state, sizeof(in_state));
}

static void random_history(uint64_t seed)
{
    struct history h = {.random = {seed}};

    world_init(&h.w, (struct jobs_options){.workers = 1 + seed % 8, .fifo = true, .retry_at_once = seed & 1, .dead_letters = seed & 2});
    for (int i = 0; i < 6000; i++) {
        void (*const steps[])(struct history *) = {random_receive, random_work, random_work, random_call, random_answer};

        steps[random_below(&h.random, COUNT_OF(steps))](&h);
        h.w.now_ms += (int64_t)random_below(&h.random, random_below(&h.random, 50) ? 40 : 9000);
        check_counts(&h.w.jobs);
    }
    jobs_stop(&h.w.jobs, h.w.now_ms);
    for (int i = 0; h.w.jobs.count > 0; i++) {
        if (i == 3000)
            fail_msg("seed %llu: %zu jobs are left", (unsigned long long)seed, h.w.jobs.count);
        random_work(&h);
        random_call(&h);
        random_answer(&h);
        h.w.now_ms += 100;
    }
    assert_true(h.received > 20);
    world_fini(&h.w, 0);
}

static void random_histories_end_and_delete_nothing_unhandled(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        random_history(seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_are_asked_for_as_the_workers_will_soon_take),
        cmocka_unit_test(no_more_is_asked_for_than_is_wanted),
        cmocka_unit_test(of_a_group_what_is_passed_over_does_not_count),
        cmocka_unit_test(when_it_comes_again_may_be_said),
        cmocka_unit_test(what_is_released_waits_for_receives_that_are_cut),
        cmocka_unit_test(deletes_wait_for_company),
        cmocka_unit_test(each_entry_of_a_batch_has_its_own_fate),
        cmocka_unit_test(a_delete_is_tried_beyond_its_visibility_but_not_when_stopping),
        cmocka_unit_test(visibility_is_extended_at_half_of_it),
        cmocka_unit_test(a_message_after_a_long_poll_is_hidden_a_while),
        cmocka_unit_test(what_is_to_come_again_does),
        cmocka_unit_test(a_group_is_handled_in_order),
        cmocka_unit_test(a_failed_group_is_made_visible_in_order),
        cmocka_unit_test(groups_of_a_standard_queue_are_no_order),
        cmocka_unit_test(a_damaged_message_is_not_handled),
        cmocka_unit_test(what_is_given_up_is_deleted_when_the_dead_letter_queue_has_it),
        cmocka_unit_test(a_dead_letter_that_arrived_altered_is_not_deleted),
        cmocka_unit_test(a_reason_finds_its_place),
        cmocka_unit_test(stopping_makes_visible_what_waits),
        cmocka_unit_test(one_call_at_a_time),
        cmocka_unit_test(random_histories_end_and_delete_nothing_unhandled),
    };

#ifdef S2Q_PLANTED_BUGS
    if (argc == 3 && !planted_set(argv[2]))
        return 64;
#endif
    (void)argc;
    (void)argv;
    log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT, LOG_ERROR);
    return cmocka_run_group_tests_name("jobs", tests, digests_setup, digests_teardown);
}
