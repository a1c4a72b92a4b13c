/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/test.h"
#include "support/temporary.h"

#include "base/random.h"
#include "core/identity.h"
#include "core/queue.h"

#include <sqlite3.h>
#include <stdlib.h>

#define QUEUES 2 /* 0: the source, 1: its dead-letter queue */

struct world {
    char path[4096];
    struct database *db;
    struct queue *queues[QUEUES];
    struct instant now;
    int64_t next_record;
    int64_t max_receive_count;
};

static struct queue *find_queue(void *context, int64_t id)
{
    struct world *w = context;

    return id >= 1 && id <= QUEUES ? w->queues[id - 1] : NULL;
}

static void load_queue(void *context, const struct queue_row *row)
{
    struct world *w = context;

    w->queues[row->id - 1] = queue_load(w->db, row, w->now);
    queue_set_lookup(w->queues[row->id - 1], find_queue, w);
    queue_start(w->queues[row->id - 1], w->db, w->now);
}

static void world_open(struct world *w)
{
    static const struct database_options options = {.create = true};
    struct error err;

    w->db = database_open(w->path, &options, &err);
    assert_non_null(w->db);
    database_begin(w->db);
    ledger_queues(w->db, load_queue, w);
    if (w->queues[0] == NULL) {
        ledger_queue_insert(w->db, 1, SLICE("orders"), w->now.wall_ms);
        ledger_queue_insert(w->db, 2, SLICE("orders-dead"), w->now.wall_ms);
        ledger_queues(w->db, load_queue, w);
    }
    w->queues[0]->options = (struct queue_options){.visibility_timeout_ms = 1000, .max_receive_count = w->max_receive_count, .dead_letter_queue = w->queues[1]};
}

static void world_commit(struct world *w)
{
    for (int i = 0; i < QUEUES; i++)
        queue_save(w->queues[i], w->db);
    assert_int_equal(database_commit(w->db), DATABASE_OK);
    database_begin(w->db);
}

static void world_close(struct world *w, bool crash)
{
    if (!crash)
        world_commit(w);
    database_rollback(w->db);
    for (int i = 0; i < QUEUES; i++) {
        queue_free(w->queues[i]);
        w->queues[i] = NULL;
    }
    database_abandon(w->db);
}

static void world_init(struct world *w, void **state, int64_t max_receive_count)
{
    *w = (struct world){.now = {1000000, 5000}, .next_record = 1, .max_receive_count = max_receive_count};
    snprintf(w->path, sizeof(w->path), "%s", temporary_path(state, "l.db"));
    world_open(w);
}

static int64_t world_send(struct world *w, int64_t delay_ms)
{
    struct record_row record = {.id = w->next_record++, .body = SLICE("the payload")};

    ledger_record_insert(w->db, &record);
    return queue_add(w->queues[0], w->db, record.id, delay_ms, w->now);
}

static void world_wait(struct world *w, int64_t ms)
{
    w->now.wall_ms += ms;
    w->now.mono_ms += ms;
    for (int i = 0; i < QUEUES; i++)
        queue_tick(w->queues[i], w->now);
}

struct catch {
    int count;
    int64_t ids[10];
    int64_t receive_numbers[10];
    int64_t roots[10];
};

static bool catch_message(void *context, const struct received *received, struct error *err)
{
    struct catch *c = context;

    (void)err;
    assert_slice(received->row->body, "the payload");
    c->ids[c->count] = received->row->id;
    c->receive_numbers[c->count] = received->receive_number;
    c->roots[c->count++] = received->root;
    return true;
}

static struct catch world_receive(struct world *w, int queue, int max, int64_t visibility_ms)
{
    struct catch c = {0};
    bool over_limit;
    int got = queue_receive(w->queues[queue], w->db, max, visibility_ms, w->now, catch_message, &c, &over_limit);

    assert_int_equal(got, c.count);
    return c;
}

static void messages_come_in_order_and_once_while_they_are_in_flight(void **state)
{
    struct world w;
    int64_t sent[5];
    struct catch c;

    world_init(&w, state, 0);
    for (int i = 0; i < 5; i++)
        sent[i] = world_send(&w, 0);
    c = world_receive(&w, 0, 3, 1000);
    assert_int_equal(c.count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(c.ids[i], sent[i]);
    c = world_receive(&w, 0, 10, 1000);
    assert_int_equal(c.count, 2);
    assert_int_equal(world_receive(&w, 0, 10, 1000).count, 0);
    queue_delete(w.queues[0], w.db, sent[1], 1, w.now);
    world_wait(&w, 999);
    assert_int_equal(world_receive(&w, 0, 10, 1000).count, 0);
    world_wait(&w, 1);
    c = world_receive(&w, 0, 10, 1000);
    assert_int_equal(c.count, 4);
    for (int i = 0; i < c.count; i++) {
        assert_int_not_equal(c.ids[i], sent[1]);
        assert_int_equal(c.receive_numbers[i], 2);
    }
    world_close(&w, false);
}

static void a_restart_keeps_deletes_flights_and_counts(void **state)
{
    struct world w;
    struct catch c;

    world_init(&w, state, 0);
    for (int i = 0; i < 6; i++)
        world_send(&w, 0);
    c = world_receive(&w, 0, 4, 1000);
    queue_delete(w.queues[0], w.db, c.ids[0], 1, w.now);
    world_commit(&w);
    queue_delete(w.queues[0], w.db, c.ids[1], 1, w.now); /* not committed: lost with the crash, as it may be, because nobody was told */
    world_close(&w, true);
    world_open(&w);
    assert_int_equal(w.queues[0]->counts[MESSAGE_DELETED], 1);
    assert_int_equal(w.queues[0]->counts[MESSAGE_IN_FLIGHT], 3);
    assert_int_equal(world_receive(&w, 0, 10, 1000).count, 2);
    world_wait(&w, 1000);
    assert_int_equal(world_receive(&w, 0, 10, 1000).count, 5);
    world_close(&w, false);
}

static void wall_clock_jumps_neither_show_nor_hide_messages(void **state)
{
    struct world w;
    const int64_t ten_years_ms = INT64_C(315576000000);

    world_init(&w, state, 0);
    world_send(&w, 0);
    assert_int_equal(world_receive(&w, 0, 1, 1000).count, 1);
    w.now.wall_ms += ten_years_ms;
    world_wait(&w, 500);
    assert_int_equal(world_receive(&w, 0, 1, 1000).count, 0);
    w.now.wall_ms -= 2 * ten_years_ms;
    world_wait(&w, 500);
    assert_int_equal(world_receive(&w, 0, 1, 1000).count, 1);
    world_commit(&w);
    w.now.wall_ms -= ten_years_ms; /* backwards over a restart: at most SQS's longest visibility time-out */
    world_close(&w, false);
    world_open(&w);
    world_wait(&w, INT64_C(43200) * 1000);
    assert_int_equal(world_receive(&w, 0, 1, 1000).count, 1);
    world_close(&w, false);
}

static void a_message_received_too_often_dies_with_its_payload_and_can_be_redriven(void **state)
{
    struct world w;
    int64_t sent;
    struct catch c;

    world_init(&w, state, 2);
    sent = world_send(&w, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(world_receive(&w, 0, 1, 1000).count, 1);
        world_wait(&w, 1000);
    }
    assert_int_equal(world_receive(&w, 0, 1, 1000).count, 0); /* the third receive is the one that it does not get */
    assert_int_equal(w.queues[0]->counts[MESSAGE_DEAD], 1);
    c = world_receive(&w, 1, 1, 1000);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.roots[0], sent); /* it keeps its message id */
    assert_true(queue_redrive(w.queues[0], w.db, sent, w.now));
    assert_false(queue_redrive(w.queues[0], w.db, sent, w.now));
    world_wait(&w, 2000);
    assert_int_equal(world_receive(&w, 1, 1, 1000).count, 0);
    world_close(&w, false);
    world_open(&w);
    c = world_receive(&w, 0, 1, 1000);
    assert_int_equal(c.count, 1);
    assert_int_equal(RECEIVES_OF(c.receive_numbers[0]), 1);
    world_close(&w, false);
}

static void deleting_a_dead_letter_settles_the_message_that_died(void **state)
{
    struct world w;
    struct catch c;
    struct message_row row;
    int64_t sent;

    world_init(&w, state, 1);
    sent = world_send(&w, 0);
    world_receive(&w, 0, 1, 0);
    world_wait(&w, 0);
    assert_int_equal(world_receive(&w, 0, 1, 0).count, 0);
    c = world_receive(&w, 1, 1, 1000);
    queue_delete(w.queues[1], w.db, c.ids[0], 1, w.now);
    assert_int_equal(w.queues[0]->counts[MESSAGE_DEAD], 0);
    assert_int_equal(w.queues[0]->counts[MESSAGE_DELETED], 1);
    assert_false(ledger_message_find(w.db, c.ids[0], &row));
    assert_true(ledger_message_find(w.db, sent, &row));
    assert_int_equal(row.state, MESSAGE_DELETED);
    /* enqueued, received, dead; in the dead-letter queue: enqueued and received; deleted there */
    assert_int_equal(row.history.len, 7 * STEP_BYTES);
    ledger_message_end(w.db);
    world_close(&w, false);
}

/* ---- a model: what every queue may and must do, whatever happens ---- */

enum model_state { MODEL_NONE, MODEL_LIVE, MODEL_DELETED };

struct model {
    enum model_state states[2000];
    int64_t hidden_until[2000]; /* monotonic */
};

static size_t number_of(int64_t root)
{
    return (size_t)(root & 0xffff);
}

static void check_counts(struct world *w)
{
    int64_t rows[QUEUES][MESSAGE_STATE_COUNT] = {0};

    for (int i = 0; i < QUEUES; i++)
        queue_save(w->queues[i], w->db);
    while (database_row(w->db, STATEMENT_AUDIT_STATES))
        rows[column_i64(w->db, STATEMENT_AUDIT_STATES, 0) - 1][column_i64(w->db, STATEMENT_AUDIT_STATES, 1)] += column_i64(w->db, STATEMENT_AUDIT_STATES, 2);
    while (database_row(w->db, STATEMENT_AUDIT_PRUNED))
        rows[column_i64(w->db, STATEMENT_AUDIT_PRUNED, 1) - 1][column_i64(w->db, STATEMENT_AUDIT_PRUNED, 2)] += column_i64(w->db, STATEMENT_AUDIT_PRUNED, 3);
    for (int i = 0; i < QUEUES; i++)
        for (int s = 0; s < MESSAGE_STATE_COUNT; s++)
            if (rows[i][s] != w->queues[i]->counts[s])
                fail_msg("queue %d, %s: %lld rows, counted %lld", i, message_state_name((enum message_state)s), (long long)rows[i][s],
                         (long long)w->queues[i]->counts[s]);
    assert_false(database_row(w->db, STATEMENT_AUDIT_LOST_COPIES) && column_i64(w->db, STATEMENT_AUDIT_LOST_COPIES, 0) != 0);
    database_reset(w->db, STATEMENT_AUDIT_LOST_COPIES);
}

static void model_receive(struct world *w, struct model *m, struct random *random)
{
    int queue = random_below(random, 4) == 0;
    int64_t visibility_ms = (int64_t)random_below(random, 3) * 500;
    struct catch c = world_receive(w, queue, 1 + (int)random_below(random, 10), visibility_ms);

    for (int i = 0; i < c.count; i++) {
        size_t n = number_of(c.roots[i]);

        if (m->states[n] != MODEL_LIVE)
            fail_msg("message %zu was delivered after its delete was confirmed", n);
        if (m->hidden_until[n] > w->now.mono_ms)
            fail_msg("message %zu was delivered while it was hidden", n);
        m->hidden_until[n] = w->now.mono_ms + visibility_ms;
        if (random_below(random, 2) == 0) {
            queue_delete(w->queues[queue], w->db, c.ids[i], 1, w->now);
            m->states[n] = MODEL_DELETED;
        }
    }
}

static void model_dead(void *context, const struct message_row *row)
{
    int64_t *id = context;

    *id = row->id;
}

static void model_step(struct world *w, struct model *m, struct random *random)
{
    int64_t id = 0;

    switch (random_below(random, 6)) {
    case 0:
        id = world_send(w, random_below(random, 5) == 0 ? 700 : 0);
        m->states[number_of(id)] = MODEL_LIVE;
        m->hidden_until[number_of(id)] = 0;
        break;
    case 1:
        world_wait(w, (int64_t)random_below(random, 800));
        break;
    case 2:
        ledger_dead(w->db, 1, model_dead, &id);
        if (id != 0 && random_below(random, 4) == 0) {
            assert_true(queue_redrive(w->queues[0], w->db, id, w->now));
            m->hidden_until[number_of(id)] = 0;
        }
        break;
    default:
        model_receive(w, m, random);
    }
}

static void random_histories_never_redeliver_and_always_add_up(void **state)
{
    static struct model model;

    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct random random = {seed};
        struct world w;
        size_t left = 0;

        temporary_setup(state);
        memset(&model, 0, sizeof(model));
        world_init(&w, state, 3);
        for (int step = 0; step < 400; step++) {
            model_step(&w, &model, &random);
            world_commit(&w);
            if (step % 40 == 39) {
                check_counts(&w);
                world_close(&w, false);
                world_open(&w);
            }
        }
        /* liveness: consumers that delete everything drain both queues */
        for (int round = 0; round < 400; round++) {
            int queue = round % 2;
            struct catch c = world_receive(&w, queue, 10, 100);

            for (int i = 0; i < c.count; i++) {
                queue_delete(w.queues[queue], w.db, c.ids[i], 1, w.now);
                model.states[number_of(c.roots[i])] = MODEL_DELETED;
            }
            world_wait(&w, 1000);
        }
        for (size_t n = 0; n < COUNT_OF(model.states); n++)
            left += model.states[n] == MODEL_LIVE;
        if (left != 0)
            fail_msg("seed %llu: %zu messages were never delivered", (unsigned long long)seed, left);
        check_counts(&w);
        world_close(&w, false);
        temporary_teardown(state);
    }
}

static void handles_and_ids_cannot_be_forged(void **state)
{
    struct world w;
    struct identity identity;
    char handle[RECEIPT_HANDLE_TEXT];
    char id[MESSAGE_ID_TEXT];
    int64_t row;
    int64_t count;

    world_init(&w, state, 0);
    identity_init(&identity, w.db);
    receipt_handle_encode(&identity, 77, 3, handle);
    assert_true(receipt_handle_decode(&identity, slice_text(handle), &row, &count));
    assert_int_equal(row, 77);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < strlen(handle); i++) {
        char saved = handle[i];

        handle[i] = saved == 'A' ? 'B' : 'A';
        assert_false(receipt_handle_decode(&identity, slice_text(handle), &row, &count));
        handle[i] = saved;
    }
    message_id_encode(&identity, 77, id);
    assert_int_equal(strlen(id), 36);
    assert_true(message_id_decode(&identity, slice_text(id), &row));
    assert_int_equal(row, 77);
    id[0] = id[0] == 'a' ? 'b' : 'a';
    assert_false(message_id_decode(&identity, slice_text(id), &row));
    identity_fini(&identity);
    world_close(&w, false);
}

static void only_the_newest_handle_changes_visibility_and_only_up_to_twelve_hours(void **state)
{
    struct world w;
    int64_t sent;

    world_init(&w, state, 0);
    sent = world_send(&w, 0);
    world_receive(&w, 0, 1, 1000);
    assert_int_equal(queue_change_visibility(w.queues[0], w.db, sent, 1, 60000, w.now), VISIBILITY_CHANGED);
    world_wait(&w, 59999);
    assert_int_equal(world_receive(&w, 0, 1, 1000).count, 0);
    world_wait(&w, 1);
    assert_int_equal(queue_change_visibility(w.queues[0], w.db, sent, 1, 60000, w.now), VISIBILITY_NOT_IN_FLIGHT);
    assert_int_equal(world_receive(&w, 0, 1, 1000).count, 1);
    assert_int_equal(queue_change_visibility(w.queues[0], w.db, sent, 1, 60000, w.now), VISIBILITY_NOT_IN_FLIGHT);
    world_wait(&w, 500);
    assert_int_equal(queue_change_visibility(w.queues[0], w.db, sent, 2, INT64_C(43200000), w.now), VISIBILITY_TOO_LONG);
    assert_int_equal(queue_change_visibility(w.queues[0], w.db, sent, 2, INT64_C(43199500), w.now), VISIBILITY_CHANGED);
    assert_true(queue_delete(w.queues[0], w.db, sent, 2, w.now));
    assert_int_equal(queue_change_visibility(w.queues[0], w.db, sent, 2, 1000, w.now), VISIBILITY_GONE);
    world_close(&w, false);
}

static void a_late_delete_settles_a_message_that_died_meanwhile(void **state)
{
    struct world w;
    struct message_row row;
    int64_t sent;

    world_init(&w, state, 1);
    sent = world_send(&w, 0);
    world_receive(&w, 0, 1, 1000);
    world_wait(&w, 1000);
    assert_int_equal(world_receive(&w, 0, 1, 1000).count, 0); /* it dies */
    assert_int_equal(w.queues[0]->counts[MESSAGE_DEAD], 1);
    queue_delete(w.queues[0], w.db, sent, 1, w.now);
    assert_int_equal(w.queues[0]->counts[MESSAGE_DEAD], 0);
    assert_int_equal(w.queues[0]->counts[MESSAGE_DELETED], 1);
    assert_int_equal(world_receive(&w, 1, 1, 1000).count, 0);
    assert_true(ledger_message_find(w.db, sent, &row));
    assert_int_equal(row.state, MESSAGE_DELETED);
    ledger_message_end(w.db);
    world_close(&w, false);
}

/* A statement that fails in the middle of a transaction makes every later one do nothing. What follows in the cycle must come to an end all the same. */
static void a_full_disk_in_the_middle_of_a_cycle_ends_no_process(void **state)
{
    struct world w;

    for (int64_t max_receive_count = 0; max_receive_count < 2; max_receive_count++) {
        world_init(&w, state, max_receive_count);
        world_send(&w, 0);
        world_receive(&w, 0, 1, 1000);
        world_wait(&w, 1000);
        world_commit(&w);
        assert_int_equal(sqlite3_exec(database_handle(w.db), "PRAGMA max_page_count=1", NULL, NULL, NULL), SQLITE_OK);
        for (int i = 0; i < 1000; i++)
            world_send(&w, 60000);
        assert_string_not_equal(database_failure(w.db), "");
        assert_int_equal(world_receive(&w, 0, 10, 1000).count, 0);
        assert_int_equal(database_commit(w.db), DATABASE_FULL);
        database_begin(w.db);
        world_close(&w, true);
        world_open(&w);
        assert_int_equal(w.queues[0]->counts[MESSAGE_QUEUED] + w.queues[0]->counts[MESSAGE_IN_FLIGHT], 1);
        world_close(&w, false);
        temporary_teardown(state);
        assert_int_equal(temporary_setup(state), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(messages_come_in_order_and_once_while_they_are_in_flight),
        with_directory(a_restart_keeps_deletes_flights_and_counts),
        with_directory(wall_clock_jumps_neither_show_nor_hide_messages),
        with_directory(a_message_received_too_often_dies_with_its_payload_and_can_be_redriven),
        with_directory(only_the_newest_handle_changes_visibility_and_only_up_to_twelve_hours),
        with_directory(a_late_delete_settles_a_message_that_died_meanwhile),
        with_directory(deleting_a_dead_letter_settles_the_message_that_died),
        cmocka_unit_test(random_histories_never_redeliver_and_always_add_up),
        with_directory(handles_and_ids_cannot_be_forged),
        with_directory(a_full_disk_in_the_middle_of_a_cycle_ends_no_process),
    };

    return cmocka_run_group_tests_name("queue", tests, digests_setup, digests_teardown);
}
