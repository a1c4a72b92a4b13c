/* SPDX-License-Identifier: Apache-2.0
 *
 * Consumers of a queue on another server, through the bridge: what is forwarded, what is recorded, and that nothing is confirmed before the other server has.
 */
#include "support/digests.h"
#include "support/memory_disk.h"
#include "support/test.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/planted.h"
#include "core/audit.h"
#include "core/bridge.h"

#include <fcntl.h>
#include <stdlib.h>

#define CALLS_MAX 32

struct world {
    struct memory_disk *disk;
    struct database *db;
    struct bridge *bridge;
    struct bridge_options options;
    struct instant now;
    struct exchange exchange;
    struct buffer body;
    struct target_call calls[CALLS_MAX];
    size_t call_count;
    char handle[400]; /* what a consumer got */
    char id[64];      /* stream2sqs.id of the message that was sent */
};

static const struct pump_options remote = {.url = "http://far/1/far", .name = "far", .gateway = true};
static const struct bridge_queue queues[] = {{.name = "far", .visibility_timeout_ms = 30000, .remote = &remote}};

static const struct pump_options remote_with_dead_letters = {.url = "http://far/1/far", .name = "far", .gateway = true, .dead_letter_name = "far-dead",
                                                             .dead_letter_url = "http://far/1/far-dead"};
static const struct bridge_queue queues_with_dead_letters[] = {{.name = "far", .visibility_timeout_ms = 30000, .remote = &remote_with_dead_letters}};

static void open_bridge(struct world *w)
{
    const struct database_options options = {.vfs = memory_disk_name(w->disk), .create = true};
    struct error err;

    w->db = database_open("g.db", &options, &err);
    assert_non_null(w->db);
    w->bridge = bridge_new(w->db, &w->options, w->now, &err);
    assert_non_null(w->bridge);
}

static void commit(struct world *w)
{
    assert_int_equal(bridge_commit(w->bridge, w->now), DATABASE_OK);
    while (w->call_count < CALLS_MAX && bridge_next_target_call(w->bridge, &w->calls[w->call_count]))
        w->call_count++;
}

static size_t place_of(const struct world *w, const char *action)
{
    size_t at = 0;

    while (at < w->call_count && strcmp(w->calls[at].action, action) != 0)
        at++;
    return at;
}

/* The call of that action, which is answered with this. */
static void answer(struct world *w, const char *action, int status, const char *body)
{
    struct target_answer out = {.status = status, .body = slice_text(body), .failure = status ? NULL : "the connection was cut"};
    size_t at = place_of(w, action);

    if (at == w->call_count)
        fail_msg("no %s is on its way", action);
    out.token = w->calls[at].token;
    target_call_fini(&w->calls[at]);
    w->calls[at] = w->calls[--w->call_count];
    w->now.mono_ms += 10;
    w->now.wall_ms += 10;
    bridge_target_answer(w->bridge, &out, w->now);
    commit(w);
}

static void ask(struct world *w, const char *target, const char *format, ...)
{
    struct sqs_failure failure;
    va_list arguments;
    char text[1000];

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_reset(&w->body);
    buffer_append_text(&w->body, text);
    assert_true(sqs_request_decode(&w->exchange.request, slice_text(target), buffer_slice(&w->body), &failure));
    w->exchange.region = SLICE("");
    bridge_apply(w->bridge, &w->exchange, w->now);
    commit(w);
}

static const char *replied(struct world *w)
{
    struct exchange *x = bridge_next_reply(w->bridge);

    return x ? (x->answer.body.ptr ? x->answer.body.ptr : "") : NULL;
}

static int64_t counted(struct world *w, enum message_state state)
{
    size_t count;

    return bridge_desks(w->bridge, &count)[0]->queue->counts[state];
}

static const char *after(const char *text, const char *mark)
{
    const char *at = strstr(text, mark);

    assert_non_null(at);
    return at + strlen(mark);
}

/* A record that was sent, and taken. */
static struct world *world_of(const struct bridge_queue *of)
{
    struct world *w = calloc(1, sizeof(*w));
    struct stream_row stream = {.source = SLICE("t"), .arn = SLICE("arn:aws:dynamodb:eu-west-1:000000000000:table/t/stream/1"), .state = STREAM_READING,
                                .created_at_ms = 1};
    struct shard_row shard = {.shard_id = SLICE("shardId-1"), .state = SHARD_READING, .start = SHARD_START_TRIM_HORIZON, .created_at_ms = 1};
    struct record_row record = {.id = 1, .sequence_number = SLICE("1"), .key_hash = 7, .body = SLICE("{\"eventID\":\"e\",\"dynamodb\":{}}")};
    size_t count;

    assert_non_null(w);
    w->disk = memory_disk_new(1);
    w->now = (struct instant){INT64_C(1767225600000), 1000};
    w->options = (struct bridge_options){.account_id = "000000000000", .region = "eu-west-1", .queues = of, .queue_count = 1, .discovery_ms = 60000,
                                         .keep_settled_ms = INT64_C(604800000), .seed = 1};
    open_bridge(w);
    database_begin(w->db);
    shard.stream = ledger_stream_insert(w->db, &stream);
    record.shard = ledger_shard_insert(w->db, &shard);
    ledger_record_insert(w->db, &record);
    queue_add(bridge_desks(w->bridge, &count)[0]->queue, w->db, 1, 0, w->now);
    commit(w);
    answer(w, "GetQueueAttributes", 200, "{\"Attributes\":{}}");
    snprintf(w->id, sizeof(w->id), "%.36s", after(w->calls[place_of(w, "SendMessageBatch")].body.ptr, "\"stream2sqs.id\":{\"DataType\":\"String\",\"StringValue\":\""));
    answer(w, "SendMessageBatch", 200, "{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"far-1\"}]}");
    assert_int_equal(counted(w, MESSAGE_SENT), 1);
    return w;
}

static struct world *world_new(void)
{
    return world_of(queues);
}

static void world_free(struct world *w)
{
    for (size_t i = 0; i < w->call_count; i++)
        target_call_fini(&w->calls[i]);
    bridge_free(w->bridge);
    database_abandon(w->db);
    memory_disk_free(w->disk);
    sqs_request_fini(&w->exchange.request);
    sqs_answer_fini(&w->exchange.answer);
    buffer_fini(&w->body);
    free(w);
}

#define URL "\"QueueUrl\":\"http://x/000000000000/far\""

static void receive(struct world *w)
{
    char body[900];
    const char *got;

    ask(w, "ReceiveMessage", "{" URL ",\"WaitTimeSeconds\":5}");
    assert_null(replied(w));
    snprintf(body, sizeof(body), "{\"Messages\":[{\"MessageId\":\"far-1\",\"ReceiptHandle\":\"far handle\",\"MD5OfBody\":\"m\",\"Body\":\"b\","
             "\"Attributes\":{\"ApproximateReceiveCount\":\"3\"},\"MD5OfMessageAttributes\":\"x\",\"MessageAttributes\":{\"stream2sqs.id\":"
             "{\"DataType\":\"String\",\"StringValue\":\"%s\"}}}]}", w->id);
    answer(w, "ReceiveMessage", 200, body);
    got = replied(w);
    assert_non_null(got);
    snprintf(w->handle, sizeof(w->handle), "%.*s", (int)strcspn(after(got, "\"ReceiptHandle\":\""), "\""), after(got, "\"ReceiptHandle\":\""));
    assert_null(strstr(got, "stream2sqs.id")); /* nobody asked for it, nor for the count */
    assert_null(strstr(got, "ApproximateReceiveCount"));
    assert_null(strstr(got, "MD5OfMessageAttributes"));
    assert_non_null(strstr(got, "\"Body\":\"b\""));
}

static void a_delete_is_confirmed_by_the_other_server_and_then_recorded(void **state)
{
    struct world *w = world_new();

    (void)state;
    receive(w);
    ask(w, "DeleteMessage", "{" URL ",\"ReceiptHandle\":\"%s\"}", w->handle);
    assert_null(replied(w)); /* not before the other server */
    assert_non_null(strstr(w->calls[0].body.ptr, "\"ReceiptHandle\":\"far handle\""));
    assert_int_equal(counted(w, MESSAGE_DELETED), 0);
    answer(w, "DeleteMessage", 200, "<html>log in first</html>"); /* whoever stands between */
    assert_non_null(strstr(replied(w), "ServiceUnavailableException"));
    assert_int_equal(counted(w, MESSAGE_DELETED), 0);
    ask(w, "ChangeMessageVisibility", "{" URL ",\"ReceiptHandle\":\"%s\",\"VisibilityTimeout\":5}", w->handle);
    answer(w, "ChangeMessageVisibility", 200, "[]");
    assert_non_null(strstr(replied(w), "ServiceUnavailableException"));
    ask(w, "DeleteMessage", "{" URL ",\"ReceiptHandle\":\"%s\"}", w->handle);
    answer(w, "DeleteMessage", 200, "{");
    assert_non_null(strstr(replied(w), "ServiceUnavailableException"));
    ask(w, "DeleteMessage", "{" URL ",\"ReceiptHandle\":\"%s\"}", w->handle);
    answer(w, "DeleteMessage", 200, "");
    assert_string_equal(replied(w), "");
    assert_int_equal(counted(w, MESSAGE_DELETED), 1);
    assert_int_equal(counted(w, MESSAGE_SENT), 0);
    world_free(w);
}

/* What the bridge does not understand of another server's attributes is the consumer's to judge: nothing is left out. */
static void attributes_that_are_not_understood_go_on_as_they_came(void **state)
{
    struct world *w = world_new();
    char body[900];
    const char *got;

    (void)state;
    ask(w, "ReceiveMessage", "{" URL ",\"WaitTimeSeconds\":5}");
    snprintf(body, sizeof(body), "{\"Messages\":[{\"MessageId\":\"far-1\",\"ReceiptHandle\":\"h\",\"Body\":\"b\",\"MessageAttributes\":{\"stream2sqs.id\":"
             "{\"DataType\":\"String\",\"StringValue\":\"%s\"},\"odd\":7,\"mine\":{\"DataType\":\"String\",\"StringValue\":\"v\"}}}]}", w->id);
    answer(w, "ReceiveMessage", 200, body);
    got = replied(w);
    assert_non_null(strstr(got, "\"odd\":7"));
    assert_non_null(strstr(got, "\"mine\""));
    world_free(w);
}

static void without_an_answer_the_consumer_asks_again(void **state)
{
    struct world *w = world_new();

    (void)state;
    receive(w);
    ask(w, "DeleteMessage", "{" URL ",\"ReceiptHandle\":\"%s\"}", w->handle);
    answer(w, "DeleteMessage", 0, "");
    assert_non_null(strstr(replied(w), "ServiceUnavailableException"));
    assert_int_equal(counted(w, MESSAGE_DELETED), 0);
    ask(w, "DeleteMessageBatch", "{" URL ",\"Entries\":[{\"Id\":\"a\",\"ReceiptHandle\":\"%s\"},{\"Id\":\"b\",\"ReceiptHandle\":\"forged\"}]}", w->handle);
    answer(w, "DeleteMessageBatch", 200, "{\"Successful\":[{\"Id\":\"0\"}]}");
    {
        const char *got = replied(w);

        assert_non_null(strstr(got, "\"Successful\":[{\"Id\":\"a\"}]"));
        assert_non_null(strstr(got, "ReceiptHandleIsInvalid"));
    }
    assert_int_equal(counted(w, MESSAGE_DELETED), 1);
    world_free(w);
}

static void messages_for_a_consumer_who_left_are_given_back(void **state)
{
    struct world *w = world_new();

    (void)state;
    ask(w, "ReceiveMessage", "{" URL ",\"WaitTimeSeconds\":20}");
    bridge_forget(w->bridge, &w->exchange);
    answer(w, "ReceiveMessage", 200, "{\"Messages\":[{\"MessageId\":\"far-1\",\"ReceiptHandle\":\"h\",\"Body\":\"b\"}]}");
    assert_null(replied(w));
    assert_int_equal(w->call_count, 1);
    assert_string_equal(w->calls[0].action, "ChangeMessageVisibilityBatch");
    assert_non_null(strstr(w->calls[0].body.ptr, "\"ReceiptHandle\":\"h\",\"VisibilityTimeout\":0"));
    answer(w, "ChangeMessageVisibilityBatch", 200, "{\"Successful\":[{\"Id\":\"0\"}]}");
    world_free(w);
}

static void a_stop_ends_what_waits(void **state)
{
    struct world *w = world_new();

    (void)state;
    ask(w, "ReceiveMessage", "{" URL ",\"WaitTimeSeconds\":20}");
    bridge_drain(w->bridge);
    commit(w);
    assert_string_equal(replied(w), "{}");
    assert_int_equal(bridge_lone_receives(w->bridge), 1);
    answer(w, "ReceiveMessage", 200, "{\"Messages\":[{\"MessageId\":\"far-1\",\"ReceiptHandle\":\"h\",\"Body\":\"b\"}]}");
    assert_int_equal(bridge_lone_receives(w->bridge), 0);
    assert_int_equal(bridge_sends(w->bridge), 1); /* the process does not end before it is given back */
    assert_string_equal(w->calls[0].action, "ChangeMessageVisibilityBatch");
    answer(w, "ChangeMessageVisibilityBatch", 200, "{\"Successful\":[{\"Id\":\"0\"}]}");
    assert_int_equal(bridge_sends(w->bridge), 0);
    world_free(w);
}

static void errors_and_malformed_answers_are_told(void **state)
{
    static const struct {
        int status;
        const char *body;
        const char *want;
    } cases[] = {
        {400, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"gone \\u0026 lost\"}", "gone & lost"},
        {403, "{\"__type\":\"com.amazon.coral.service#AccessDeniedException\",\"message\":\"no\"}", "AccessDeniedException"},
        {200, "{\"Messages\":[{\"MessageId\":", "ServiceUnavailableException"},
        {200, "<html>", "ServiceUnavailableException"},
        {500, "", "ServiceUnavailableException"},
    };
    struct world *w = world_new();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *got;

        ask(w, "ReceiveMessage", "{" URL "}");
        answer(w, "ReceiveMessage", cases[i].status, cases[i].body);
        got = replied(w);
        if (got == NULL || strstr(got, cases[i].want) == NULL)
            fail_msg("%s: %s", cases[i].body, got);
    }
    world_free(w);
}

/* What the reader of the dead-letter queue meets. */
static void meet(struct world *w, const char *message_id, const char *id, const char *type)
{
    char body[2000];

    snprintf(body, sizeof(body), "{\"Messages\":[{\"MessageId\":\"%s\",\"ReceiptHandle\":\"d\",\"Body\":\"b\",\"MessageAttributes\":{\"stream2sqs.id\":"
             "{\"StringValue\":\"%s\",\"DataType\":\"%s\"}}}]}", message_id, id, type);
    answer(w, "ReceiveMessage", 200, body);
}

static bool removes(const struct world *w)
{
    return place_of(w, "DeleteMessageBatch") < w->call_count;
}

static void redrive(struct world *w)
{
    struct bridge_move move = {0};

    assert_true(bridge_move_dead(w->bridge, SLICE("far"), &move, w->now));
    assert_int_equal(move.moved, 1);
    commit(w);
}

static void a_dead_letter_there_is_dead_here_until_it_is_redriven(void **state)
{
    struct world *w = world_of(queues_with_dead_letters);

    (void)state;
    meet(w, "other", w->id, "String"); /* a copy that the row does not know */
    assert_int_equal(counted(w, MESSAGE_DEAD), 0);
    meet(w, "far-1", w->id, "String");
    assert_int_equal(counted(w, MESSAGE_DEAD), 1);
    meet(w, "far-1", w->id, "String");
    assert_false(removes(w));
    redrive(w);
    meet(w, "far-2", w->id, "String"); /* sent, its answer is not here yet, and dead already: nothing else of it is left */
    assert_false(removes(w));
    meet(w, "far-1", w->id, "String");
    assert_true(removes(w));
    answer(w, "DeleteMessageBatch", 200, "{\"Successful\":[{\"Id\":\"0\"}]}");
    answer(w, "SendMessageBatch", 200, "{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"far-2\"}]}");
    meet(w, "far-1", w->id, "String");
    assert_true(removes(w));
    answer(w, "DeleteMessageBatch", 200, "{\"Successful\":[{\"Id\":\"0\"}]}");
    meet(w, "far-2", w->id, "String");
    assert_int_equal(counted(w, MESSAGE_DEAD), 1);
    world_free(w);
}

/* Servers confirm deletes of old handles, and do nothing. */
static void a_dead_letter_that_was_deleted_by_an_old_handle_is_left(void **state)
{
    struct world *w = world_of(queues_with_dead_letters);

    (void)state;
    answer(w, "ReceiveMessage", 500, ""); /* the reader rests */
    receive(w);
    ask(w, "DeleteMessage", "{" URL ",\"ReceiptHandle\":\"%s\"}", w->handle);
    answer(w, "DeleteMessage", 200, "");
    assert_int_equal(counted(w, MESSAGE_DELETED), 1);
    w->now.mono_ms += 600000;
    commit(w);
    meet(w, "far-1", w->id, "String");
    assert_false(removes(w));
    meet(w, "far-0", w->id, "String"); /* a consumer may have sent it there itself: only what an operator sent again has older copies of ours */
    assert_false(removes(w));
    world_free(w);
}

/* A type so long that what was decoded before it would move; for the sanitizers. */
static void ids_that_others_make_up_do_no_harm(void **state)
{
    struct world *w = world_of(queues_with_dead_letters);
    char id[37];
    char type[1201];

    (void)state;
    memset(id, 'x', sizeof(id) - 1);
    memset(type, 'y', sizeof(type) - 1);
    id[sizeof(id) - 1] = type[sizeof(type) - 1] = '\0';
    meet(w, "far-1", id, type);
    assert_int_equal(counted(w, MESSAGE_SENT), 1);
    assert_false(removes(w));
    answer(w, "ReceiveMessage", 200, "{\"Messages\":[{\"MessageAttributes\":{\"stream2sqs.id\":7}},{\"MessageAttributes\":{\"stream2sqs.id\":{}}}]}");
    assert_int_equal(counted(w, MESSAGE_SENT), 1);
    world_free(w);
}

/* ---- another configuration while calls are on their way ---- */

static const struct pump_options elsewhere = {.url = "http://other/1/new", .name = "new", .gateway = true};
static const struct bridge_queue queues_elsewhere[] = {{.name = "far", .visibility_timeout_ms = 30000, .remote = &elsewhere}};
static const struct pump_options named_one = {.name = "one", .gateway = true, .dead_letter_name = "dead-one"};
static const struct bridge_queue queues_one[] = {{.name = "far", .visibility_timeout_ms = 30000, .remote = &named_one}};
static const struct pump_options named_two = {.name = "two", .gateway = true, .dead_letter_name = "dead-two"};
static const struct bridge_queue queues_two[] = {{.name = "far", .visibility_timeout_ms = 30000, .remote = &named_two}};

static void add_record(struct world *w, int64_t id)
{
    struct record_row record = {.id = id, .sequence_number = SLICE("2"), .key_hash = 7, .body = SLICE("{\"eventID\":\"e2\",\"dynamodb\":{}}"), .shard = 1};
    size_t count;

    database_begin(w->db);
    ledger_record_insert(w->db, &record);
    queue_add(bridge_desks(w->bridge, &count)[0]->queue, w->db, id, 0, w->now);
    commit(w);
}

static void reconfigure(struct world *w, struct bridge_options *options, const struct bridge_queue *to, size_t count)
{
    struct error err;

    *options = w->options;
    options->queues = to;
    options->queue_count = count;
    assert_true(bridge_reconfigure(w->bridge, options, w->now, &err));
    commit(w);
}

/* A call that is on its way, to be answered after a reload. */
static struct target_call keep_call(struct world *w, const char *action)
{
    size_t at = place_of(w, action);
    struct target_call call;

    if (at == w->call_count)
        fail_msg("no %s is on its way", action);
    call = w->calls[at];
    w->calls[at] = w->calls[--w->call_count];
    return call;
}

static void answer_late(struct world *w, struct target_call *call, const char *body)
{
    const struct target_answer out = {.token = call->token, .status = 200, .body = slice_text(body)};

    target_call_fini(call);
    bridge_target_answer(w->bridge, &out, w->now);
    commit(w);
}

static void answers_of_the_place_before_settle_nothing(void **state)
{
    struct world *w = world_new();
    struct bridge_options next;
    struct target_call old;

    (void)state;
    add_record(w, 2);
    old = keep_call(w, "SendMessageBatch");
    reconfigure(w, &next, queues_elsewhere, 1);
    answer(w, "GetQueueAttributes", 200, "{\"Attributes\":{}}");
    for (int i = 0; i < 3; i++) { /* whatever numbers the new sender's calls get: each is on its way when the late answer comes */
        const struct target_answer late = {.token = old.token, .status = 200, .body = SLICE("{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"old-2\"}]}")};

        bridge_target_answer(w->bridge, &late, w->now);
        commit(w);
        assert_int_equal(counted(w, MESSAGE_SENT), 1);
        answer(w, "SendMessageBatch", 500, "");
        w->now.mono_ms += 60000;
        w->now.wall_ms += 60000;
        commit(w);
    }
    answer_late(w, &old, "{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"old-2\"}]}");
    assert_int_equal(counted(w, MESSAGE_SENT), 1);
    assert_int_equal(counted(w, MESSAGE_PENDING), 1);
    answer(w, "SendMessageBatch", 200, "{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"new-2\"}]}");
    assert_int_equal(counted(w, MESSAGE_SENT), 2);
    world_free(w);
}

/* Its handles are of another server than the one that the queue is at now: nobody there is to see them. */
static void what_comes_after_the_queue_was_moved_is_not_given_to_the_new_server(void **state)
{
    struct world *w = world_new();
    struct bridge_options next;
    struct target_call old;

    (void)state;
    ask(w, "ReceiveMessage", "{" URL ",\"WaitTimeSeconds\":20}");
    bridge_forget(w->bridge, &w->exchange);
    old = keep_call(w, "ReceiveMessage");
    reconfigure(w, &next, queues_elsewhere, 1);
    answer(w, "GetQueueAttributes", 200, "{\"Attributes\":{}}");
    answer_late(w, &old, "{\"Messages\":[{\"MessageId\":\"far-1\",\"ReceiptHandle\":\"h\",\"Body\":\"b\"}]}");
    for (size_t i = 0; i < w->call_count; i++)
        assert_string_not_equal(w->calls[i].action, "ChangeMessageVisibilityBatch");
    world_free(w);
}

static void the_url_of_the_name_before_is_not_used(void **state)
{
    struct world *w = world_new();
    struct bridge_options one;
    struct bridge_options two;
    struct target_call old;
    struct target_call old_dead;

    (void)state;
    reconfigure(w, &one, queues_one, 1);
    old = keep_call(w, "GetQueueUrl");
    old_dead = keep_call(w, "GetQueueUrl");
    reconfigure(w, &two, queues_two, 1);
    answer_late(w, &old, "{\"QueueUrl\":\"http://far/1/one\"}");
    answer_late(w, &old_dead, "{\"QueueUrl\":\"http://far/1/one\"}");
    while (place_of(w, "GetQueueUrl") < w->call_count) {
        const char *name = strstr(w->calls[place_of(w, "GetQueueUrl")].body.ptr, "dead-two") ? "{\"QueueUrl\":\"http://far/1/dead-two\"}"
                                                                                          : "{\"QueueUrl\":\"http://far/1/two\"}";

        answer(w, "GetQueueUrl", 200, name);
    }
    answer(w, "GetQueueAttributes", 200, "{\"Attributes\":{}}");
    add_record(w, 2);
    assert_non_null(strstr(w->calls[place_of(w, "SendMessageBatch")].body.ptr, "http://far/1/two"));
    assert_non_null(strstr(w->calls[place_of(w, "ReceiveMessage")].body.ptr, "http://far/1/dead-two"));
    world_free(w);
}

static void a_reader_of_dead_letters_whose_queue_is_the_same_goes_on(void **state)
{
    struct world *w = world_of(queues_with_dead_letters);
    struct bridge_options next;
    size_t calls = w->call_count;

    (void)state;
    reconfigure(w, &next, queues_with_dead_letters, 1);
    assert_int_equal(w->call_count, calls); /* its long poll is out still */
    meet(w, "far-1", w->id, "String");
    assert_int_equal(counted(w, MESSAGE_DEAD), 1);
    world_free(w);
}

static void a_consumer_is_answered_though_its_queue_has_left_the_configuration(void **state)
{
    struct world *w = world_new();
    struct bridge_options none;
    const char *reply;

    (void)state;
    receive(w);
    ask(w, "DeleteMessage", "{" URL ",\"ReceiptHandle\":\"%s\"}", w->handle);
    reconfigure(w, &none, NULL, 0);
    assert_int_equal(bridge_sends(w->bridge), 1);
    answer(w, "DeleteMessage", 200, "{}");
    reply = replied(w);
    assert_non_null(reply);
    assert_int_equal(counted(w, MESSAGE_DELETED), 1);
    assert_int_equal(bridge_sends(w->bridge), 0);
    world_free(w);
}

/* The reload is refused for want of room; the batch is sent again, and what may be twice is counted. */
static void what_was_on_its_way_at_a_full_disk_is_counted(void **state)
{
    static const struct bridge_queue two[] = {{.name = "far", .visibility_timeout_ms = 30000, .remote = &remote}, {.name = "more", .visibility_timeout_ms = 30000}};
    struct world *w = world_new();
    struct bridge_options next = w->options;
    struct error err;
    size_t count;

    (void)state;
    add_record(w, 2);
    next.queues = two;
    next.queue_count = 2;
    memory_disk_limit(w->disk, 1);
    assert_false(bridge_reconfigure(w->bridge, &next, w->now, &err));
    assert_int_equal(err.code, ERROR_LEDGER_FULL);
    memory_disk_limit(w->disk, 0);
    target_call_fini(&w->calls[--w->call_count]);
    commit(w);
    answer(w, "GetQueueAttributes", 200, "{\"Attributes\":{}}");
    assert_true(place_of(w, "SendMessageBatch") < w->call_count);
    assert_int_equal(bridge_desks(w->bridge, &count)[0]->queue->possible_duplicates, 1);
    world_free(w);
}

/* ---- messages that others send with our attribute ---- */

static void what_a_consumer_sent_again_is_its_own(void **state)
{
    struct world *w = world_of(queues_with_dead_letters);
    char body[900];
    const char *got;

    (void)state;
    answer(w, "ReceiveMessage", 200, "{}");
    ask(w, "ReceiveMessage", "{" URL ",\"WaitTimeSeconds\":5}");
    snprintf(body, sizeof(body), "{\"Messages\":[{\"MessageId\":\"another\",\"ReceiptHandle\":\"h2\",\"Body\":\"b\",\"MessageAttributes\":{\"stream2sqs.id\":"
             "{\"DataType\":\"String\",\"StringValue\":\"%s\"}}}]}", w->id);
    answer(w, "ReceiveMessage", 200, body);
    got = replied(w);
    snprintf(w->handle, sizeof(w->handle), "%.*s", (int)strcspn(after(got, "\"ReceiptHandle\":\""), "\""), after(got, "\"ReceiptHandle\":\""));
    ask(w, "DeleteMessage", "{" URL ",\"ReceiptHandle\":\"%s\"}", w->handle);
    answer(w, "DeleteMessage", 200, "{}");
    assert_non_null(replied(w));
    assert_int_equal(counted(w, MESSAGE_DELETED), 0); /* ours is there still */
    receive(w);
    ask(w, "DeleteMessage", "{" URL ",\"ReceiptHandle\":\"%s\"}", w->handle);
    answer(w, "DeleteMessage", 200, "{}");
    assert_non_null(replied(w));
    assert_int_equal(counted(w, MESSAGE_DELETED), 1);
    w->now.mono_ms += 20000;
    commit(w);
    meet(w, "another", w->id, "String"); /* its copy in the dead-letter queue is not ours to delete */
    w->now.mono_ms += 20000;
    commit(w);
    assert_false(removes(w));
    world_free(w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delete_is_confirmed_by_the_other_server_and_then_recorded),
        cmocka_unit_test(attributes_that_are_not_understood_go_on_as_they_came),
        cmocka_unit_test(without_an_answer_the_consumer_asks_again),
        cmocka_unit_test(messages_for_a_consumer_who_left_are_given_back),
        cmocka_unit_test(a_stop_ends_what_waits),
        cmocka_unit_test(errors_and_malformed_answers_are_told),
        cmocka_unit_test(a_dead_letter_there_is_dead_here_until_it_is_redriven),
        cmocka_unit_test(a_dead_letter_that_was_deleted_by_an_old_handle_is_left),
        cmocka_unit_test(ids_that_others_make_up_do_no_harm),
        cmocka_unit_test(answers_of_the_place_before_settle_nothing),
        cmocka_unit_test(what_comes_after_the_queue_was_moved_is_not_given_to_the_new_server),
        cmocka_unit_test(the_url_of_the_name_before_is_not_used),
        cmocka_unit_test(a_reader_of_dead_letters_whose_queue_is_the_same_goes_on),
        cmocka_unit_test(a_consumer_is_answered_though_its_queue_has_left_the_configuration),
        cmocka_unit_test(what_was_on_its_way_at_a_full_disk_is_counted),
        cmocka_unit_test(what_a_consumer_sent_again_is_its_own),
    };

#ifdef S2Q_PLANTED_BUGS
    if (argc == 3 && !planted_set(argv[2]))
        return 64;
#endif
    (void)argc;
    (void)argv;
    log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT, LOG_ERROR);
    return cmocka_run_group_tests_name("gateway", tests, digests_setup, digests_teardown);
}
