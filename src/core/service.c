/* SPDX-License-Identifier: Apache-2.0 */
#include "core/service.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define RETENTION_S 1209600 /* reported only: what is unsettled is kept until somebody settles it */
#define TRACE_HEADER_NAME "AWS.TraceHeader" /* stored among the message attributes; users' names must not begin with "AWS." */

struct desk *service_find(const struct service *s, struct slice queue_name)
{
    for (size_t i = 0; i < s->desk_count; i++)
        if (slice_is(queue_name, s->desks[i].queue->name))
            return &s->desks[i];
    return NULL;
}

static const char *queue_name_of(const struct service *s, int64_t id)
{
    for (size_t i = 0; i < s->desk_count; i++)
        if (s->desks[i].queue->id == id)
            return s->desks[i].queue->name;
    return "";
}

void service_fini(struct service *s)
{
    origins_fini(&s->origins);
    buffer_fini(&s->body);
    buffer_fini(&s->arena);
    composed_fini(&s->composed);
    s->composed = (struct composed){0};
}

/* ---- receiving ---- */

struct delivery {
    struct service *service;
    struct exchange *exchange;
    struct instant now;
};

static void want(struct sqs_message *m, const struct sqs_request *r, struct slice name, struct slice type, struct slice value)
{
    if (slice_present(value) && m->attribute_count < SQS_ATTRIBUTES_MAX && sqs_wants_attribute(r, name))
        m->attributes[m->attribute_count++] = (struct sqs_attribute){name, type, value};
}

/* A dead letter looks as the message that died. */
static const struct message_form *form_of(const struct service *s, int64_t root)
{
    for (size_t i = 0; i < s->desk_count; i++)
        if (s->desks[i].queue->id == QUEUE_OF_MESSAGE(root) && s->desks[i].form)
            return s->desks[i].form;
    return &message_form_default;
}

/* Every message from a stream carries the record's identity, unless told otherwise, so that a consumer has an idempotency key. */
static void stream_attributes(struct service *s, struct sqs_message *m, const struct sqs_request *r, const struct message_row *row,
                              const struct message_form *form)
{
    struct composed *c = &s->composed;

    c->attribute_count = 0;
    message_form_attributes(form, row->body, row->sequence_number, origin_of(&s->origins, row->shard), c);
    if (history_replayed(row->history))
        composed_add(c, SLICE("stream2sqs.replayed"), SLICE("String"), SLICE("true"));
    for (size_t i = 0; i < c->attribute_count; i++)
        want(m, r, c->attributes[i].name, c->attributes[i].type, c->attributes[i].value);
}

static void sent_attributes(struct service *s, struct sqs_message *m, const struct sqs_request *r, const struct message_row *row)
{
    struct sqs_attribute all[SQS_ATTRIBUTES_STORED_MAX];
    int count = slice_present(row->attributes) ? sqs_attributes_decode(row->attributes, all, &s->arena) : 0;

    for (int i = 0; i < count; i++) {
        if (slice_equal(all[i].name, SLICE(TRACE_HEADER_NAME)))
            m->trace_header = all[i].value;
        else
            want(m, r, all[i].name, all[i].type, all[i].value);
    }
}

static int64_t first_receive_ms(const struct message_row *row, int64_t now_ms)
{
    enum step_kind kind;
    int64_t at_ms;

    for (size_t i = 0; step_decode(row->history, i, &kind, &at_ms); i++)
        if (kind == STEP_RECEIVED)
            return at_ms;
    return now_ms;
}

/* A dead letter keeps the time at which the message that died was sent. */
static int64_t sent_ms(const struct service *s, const struct received *received)
{
    enum step_kind kind;
    int64_t at_ms = 0;

    if (received->row->origin != 0)
        return ledger_message_sent_ms(s->db, received->root);
    step_decode(received->row->history, 0, &kind, &at_ms);
    return at_ms;
}

static void queue_arn(const struct service *s, const char *name, struct buffer *out)
{
    buffer_reset(out);
    buffer_printf(out, "arn:aws:sqs:%s:%s:%s", s->region, s->account_id, name);
}

static bool deliver(void *context, const struct received *received, struct error *err)
{
    struct delivery *d = context;
    struct service *s = d->service;
    const struct sqs_request *r = &d->exchange->request;
    const struct message_row *row = received->row;
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
    struct buffer source_arn = {0};
    char id[MESSAGE_ID_TEXT];
    char handle[RECEIPT_HANDLE_TEXT];
    struct sqs_message m = {.message_id = id, .attributes = attributes, .system_attributes = r->system_attributes, .body = row->body,
                            .sender_id = slice_text(s->account_id), .sent_ms = sent_ms(s, received), .receive_count = received->receive_count,
                            .first_receive_ms = first_receive_ms(row, d->now.wall_ms)};

    message_id_encode(&s->identity, received->root, id);
    receipt_handle_encode(&s->identity, row->id, received->receive_count, handle);
    m.receipt_handle = slice_text(handle);
    if (row->shard != 0) {
        buffer_reset(&s->body);
        if (!message_form_body(form_of(s, received->root), row->body, origin_of(&s->origins, row->shard), &s->body, err))
            return false;
        m.body = buffer_slice(&s->body);
        if (r->all_attributes || r->names.count > 0)
            stream_attributes(s, &m, r, row, form_of(s, received->root));
    } else {
        sent_attributes(s, &m, r, row);
    }
    if (row->origin != 0) {
        queue_arn(s, queue_name_of(s, QUEUE_OF_MESSAGE(row->origin)), &source_arn);
        m.dead_letter_source_arn = buffer_slice(&source_arn);
    }
    sqs_answer_message(&d->exchange->answer, &m);
    buffer_fini(&source_arn);
    return true;
}

static bool receive(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    const struct sqs_request *r = &x->request;
    int64_t visibility_ms = r->visibility_s >= 0 ? r->visibility_s * INT64_C(1000) : desk->queue->options.visibility_timeout_ms;
    struct delivery d = {s, x, now};
    bool over_limit;
    int got;

    queue_tick(desk->queue, now);
    got = queue_receive(desk->queue, s->db, r->max_messages, visibility_ms, now, deliver, &d, &over_limit);
    s->counts.received += (uint64_t)got;
    if (over_limit) {
        sqs_answer_error(&x->answer, SQS_OVER_LIMIT, "Too many messages in flight: delete some, or let their visibility time out.");
        return true;
    }
    if (got == 0 && r->wait_s > 0)
        return false;
    sqs_answer_end(&x->answer);
    return true;
}

void service_answer_empty(struct exchange *x)
{
    sqs_answer_begin(&x->answer, SQS_ACTION_RECEIVE_MESSAGE);
    sqs_answer_end(&x->answer);
}

/* ---- the operations on single messages, alone or in batches ---- */

/* What became of an entry: SQS_OK, or an error with its text. */
struct outcome {
    enum sqs_error error;
    const char *text;
};

static bool find_message(const struct service *s, const struct desk *desk, struct slice handle, int64_t *id, int64_t *receive_count)
{
    return receipt_handle_decode(&s->identity, handle, id, receive_count) && QUEUE_OF_MESSAGE(*id) == desk->queue->id;
}

static const struct outcome bad_handle = {SQS_RECEIPT_HANDLE_IS_INVALID, "The input receipt handle is invalid."};

static struct outcome apply_delete(struct service *s, struct desk *desk, const struct sqs_entry *e, struct instant now)
{
    int64_t id;
    int64_t receive_count;

    if (!find_message(s, desk, e->receipt_handle, &id, &receive_count))
        return bad_handle;
    queue_delete(desk->queue, s->db, id, now);
    s->counts.deleted++;
    return (struct outcome){SQS_OK, NULL};
}

static struct outcome apply_change_visibility(struct service *s, struct desk *desk, const struct sqs_entry *e, struct instant now)
{
    int64_t id;
    int64_t receive_count;

    if (!find_message(s, desk, e->receipt_handle, &id, &receive_count))
        return bad_handle;
    switch (queue_change_visibility(desk->queue, s->db, id, receive_count, e->visibility_s * INT64_C(1000), now)) {
    case VISIBILITY_CHANGED:
        return (struct outcome){SQS_OK, NULL};
    case VISIBILITY_TOO_LONG:
        return (struct outcome){SQS_INVALID_PARAMETER_VALUE, "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]."};
    default:
        return (struct outcome){SQS_MESSAGE_NOT_INFLIGHT, "The message referred to isn't in flight: its visibility timed out, or it was deleted."};
    }
}

static void encode_attributes(struct service *s, const struct sqs_request *r, const struct sqs_entry *e)
{
    struct sqs_attribute all[SQS_ATTRIBUTES_STORED_MAX];
    size_t count = e->attribute_count;

    if (count > 0)
        memcpy(all, r->attributes + e->first_attribute, count * sizeof(*all));
    if (slice_present(e->trace_header))
        all[count++] = (struct sqs_attribute){SLICE(TRACE_HEADER_NAME), SLICE("String"), e->trace_header};
    buffer_reset(&s->arena);
    if (count > 0)
        sqs_attributes_encode(&s->arena, all, count);
}

static void apply_send(struct service *s, struct exchange *x, struct desk *desk, const struct sqs_entry *e, struct instant now)
{
    const struct sqs_request *r = &x->request;
    int64_t delay_ms = e->delay_s > 0 ? e->delay_s * INT64_C(1000) : 0;
    unsigned char digest[MD5_BYTES];
    char body_md5[2 * MD5_BYTES + 1];
    char attributes_md5[33];
    char id[MESSAGE_ID_TEXT];

    encode_attributes(s, r, e);
    message_id_encode(&s->identity,
                      intake_message(s->intake, desk->queue, e->body, s->arena.len > 0 ? buffer_slice(&s->arena) : SLICE_NONE, delay_ms, now), id);
    md5(e->body, digest);
    hex_encode(digest, sizeof(digest), body_md5);
    if (e->attribute_count > 0)
        sqs_attributes_md5(r->attributes + e->first_attribute, e->attribute_count, attributes_md5);
    sqs_answer_sent(&x->answer, &(struct sqs_sent){.id = e->id, .message_id = id, .body_md5 = body_md5,
                                                   .attributes_md5 = e->attribute_count > 0 ? attributes_md5 : NULL});
    s->counts.sent++;
}

static void apply_entry(struct service *s, struct exchange *x, struct desk *desk, const struct sqs_entry *e, struct instant now)
{
    enum sqs_action action = x->request.action;
    struct outcome outcome = {e->error, e->error_text};

    if (e->error == SQS_OK && (action == SQS_ACTION_SEND_MESSAGE || action == SQS_ACTION_SEND_MESSAGE_BATCH)) {
        apply_send(s, x, desk, e, now);
        return;
    }
    if (e->error == SQS_OK)
        outcome = action == SQS_ACTION_DELETE_MESSAGE || action == SQS_ACTION_DELETE_MESSAGE_BATCH ? apply_delete(s, desk, e, now)
                                                                                                  : apply_change_visibility(s, desk, e, now);
    if (outcome.error == SQS_OK)
        sqs_answer_done(&x->answer, e->id);
    else if (slice_present(e->id))
        sqs_answer_failed(&x->answer, e->id, outcome.error, outcome.text);
    else
        sqs_answer_error(&x->answer, outcome.error, outcome.text);
}

static void apply_entries(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    enum sqs_action action = x->request.action;

    if (!s->accepting && (action == SQS_ACTION_SEND_MESSAGE || action == SQS_ACTION_SEND_MESSAGE_BATCH)) {
        sqs_answer_error(&x->answer, SQS_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    for (size_t i = 0; i < x->request.entry_count; i++)
        apply_entry(s, x, desk, &x->request.entries[i], now);
    if (x->answer.error == SQS_OK)
        sqs_answer_end(&x->answer);
}

/* ---- queues ---- */

static void append_url(struct buffer *out, const struct service *s, const struct exchange *x, const char *name)
{
    buffer_reset(out);
    buffer_append(out, x->base_url);
    buffer_printf(out, "/%s/%s", s->account_id, name);
}

static void get_queue_url(struct service *s, struct exchange *x, struct desk *desk)
{
    append_url(&s->body, s, x, desk->queue->name);
    sqs_answer_queue_url(&x->answer, buffer_slice(&s->body));
    sqs_answer_end(&x->answer);
}

static int compare_desks(const void *a, const void *b)
{
    const struct desk *left = *(const struct desk *const *)a;
    const struct desk *right = *(const struct desk *const *)b;

    return strcmp(left->queue->name, right->queue->name);
}

/* Names in order; a token is the last name of the page before. */
static void list_queues(struct service *s, struct exchange *x)
{
    const struct sqs_request *r = &x->request;
    struct desk **sorted = memory_zeroed(s->desk_count + 1, sizeof(struct desk *));
    const char *last = NULL;
    int given = 0;

    for (size_t i = 0; i < s->desk_count; i++)
        sorted[i] = &s->desks[i];
    qsort(sorted, s->desk_count, sizeof(*sorted), compare_desks);
    for (size_t i = 0; i < s->desk_count; i++) {
        const char *name = sorted[i]->queue->name;
        struct slice text = slice_text(name);

        if (slice_present(r->prefix) && !slice_starts_with(text, r->prefix))
            continue;
        if (slice_present(r->next_token) && slice_compare(text, r->next_token) <= 0)
            continue;
        if (given == (r->max_results > 0 ? r->max_results : 1000)) {
            sqs_answer_next_token(&x->answer, slice_text(last));
            break;
        }
        append_url(&s->body, s, x, name);
        sqs_answer_queue_url(&x->answer, buffer_slice(&s->body));
        last = name;
        given++;
    }
    free(sorted);
    sqs_answer_end(&x->answer);
}

/* ---- attributes of a queue ---- */

static int64_t visible(const struct queue *q)
{
    return q->fresh_count + q->visible_count;
}

static int64_t not_visible(const struct queue *q)
{
    return (int64_t)q->due.len - q->delayed_count;
}

static int64_t delayed(const struct queue *q)
{
    return q->delayed_count;
}

static int64_t created_s(const struct queue *q)
{
    return q->created_at_ms / 1000;
}

static int64_t visibility_s(const struct queue *q)
{
    return q->options.visibility_timeout_ms / 1000;
}

/* name, how its number is found (NULL: `fixed`) */
static const struct {
    const char *name;
    int64_t (*value)(const struct queue *q);
    int64_t fixed;
} numbers[] = {
    {"ApproximateNumberOfMessages", visible, 0},
    {"ApproximateNumberOfMessagesNotVisible", not_visible, 0},
    {"ApproximateNumberOfMessagesDelayed", delayed, 0},
    {"CreatedTimestamp", created_s, 0},
    {"LastModifiedTimestamp", created_s, 0},
    {"VisibilityTimeout", visibility_s, 0},
    {"MaximumMessageSize", NULL, SQS_MESSAGE_BYTES_MAX},
    {"MessageRetentionPeriod", NULL, RETENTION_S},
    {"DelaySeconds", NULL, 0},
    {"ReceiveMessageWaitTimeSeconds", NULL, 0},
};

static const char *const unset_attributes[] = {
    "Policy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope",
    "FifoThroughputLimit",
};

static bool known_attribute(struct slice name)
{
    if (slice_is(name, "All") || slice_is(name, "QueueArn") || slice_is(name, "RedrivePolicy") || slice_is(name, "SqsManagedSseEnabled"))
        return true;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (slice_is(name, numbers[i].name))
            return true;
    for (size_t i = 0; i < sizeof(unset_attributes) / sizeof(unset_attributes[0]); i++)
        if (slice_is(name, unset_attributes[i]))
            return true;
    return false;
}

static bool asked(const struct sqs_request *r, const char *name)
{
    for (size_t i = 0; i < r->names.count; i++)
        if (slice_is(r->names.list[i], name) || slice_is(r->names.list[i], "All"))
            return true;
    return false;
}

static void redrive_policy(struct service *s, struct exchange *x, const struct queue *q)
{
    const struct queue *target = q->options.dead_letter_queue;

    if (!target || !asked(&x->request, "RedrivePolicy"))
        return;
    buffer_reset(&s->body);
    buffer_printf(&s->body, "{\"deadLetterTargetArn\":\"arn:aws:sqs:%s:%s:%s\",\"maxReceiveCount\":%lld}", s->region, s->account_id, target->name,
                  (long long)q->options.max_receive_count);
    sqs_answer_pair(&x->answer, SLICE("RedrivePolicy"), buffer_slice(&s->body));
}

static void get_queue_attributes(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    const struct sqs_request *r = &x->request;
    const struct queue *q = desk->queue;

    for (size_t i = 0; i < r->names.count; i++) {
        if (!known_attribute(r->names.list[i])) {
            char text[160];

            snprintf(text, sizeof(text), "Unknown Attribute %.*s.", r->names.list[i].len > 100 ? 100 : (int)r->names.list[i].len, r->names.list[i].ptr);
            sqs_answer_error(&x->answer, SQS_INVALID_ATTRIBUTE_NAME, text);
            return;
        }
    }
    queue_tick(desk->queue, now);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (!asked(r, numbers[i].name))
            continue;
        buffer_reset(&s->body);
        buffer_append_i64(&s->body, numbers[i].value ? numbers[i].value(q) : numbers[i].fixed);
        sqs_answer_pair(&x->answer, slice_text(numbers[i].name), buffer_slice(&s->body));
    }
    if (asked(r, "QueueArn")) {
        queue_arn(s, q->name, &s->body);
        sqs_answer_pair(&x->answer, SLICE("QueueArn"), buffer_slice(&s->body));
    }
    if (asked(r, "SqsManagedSseEnabled"))
        sqs_answer_pair(&x->answer, SLICE("SqsManagedSseEnabled"), SLICE("false"));
    redrive_policy(s, x, q);
    sqs_answer_end(&x->answer);
}

/* ---- all of them ---- */

bool service_apply(struct service *s, struct exchange *x, struct instant now)
{
    struct desk *desk;

    sqs_answer_begin(&x->answer, x->request.action);
    if (x->request.action == SQS_ACTION_LIST_QUEUES) {
        list_queues(s, x);
        return true;
    }
    desk = service_find(s, x->request.queue_name);
    if (desk == NULL) {
        sqs_answer_error(&x->answer, SQS_QUEUE_DOES_NOT_EXIST, NULL);
        return true;
    }
    if (desk->queue->remote && x->request.action != SQS_ACTION_GET_QUEUE_URL) {
        sqs_answer_error(&x->answer, SQS_UNSUPPORTED_OPERATION, "This queue is on another server: receive and delete there.");
        return true;
    }
    switch (x->request.action) {
    case SQS_ACTION_RECEIVE_MESSAGE:
        return receive(s, x, desk, now);
    case SQS_ACTION_GET_QUEUE_URL:
        get_queue_url(s, x, desk);
        return true;
    case SQS_ACTION_GET_QUEUE_ATTRIBUTES:
        get_queue_attributes(s, x, desk, now);
        return true;
    default:
        apply_entries(s, x, desk, now);
        return true;
    }
}
