/* SPDX-License-Identifier: Apache-2.0 */
#include "core/service_internal.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/planted.h"
#include "codec/sqs_client_wire.h"

#include <stdio.h>
#include <stdlib.h>

/* What a message has beside its body and its users' attributes is stored among these: users' names must not begin with "AWS.". */
#define TRACE_HEADER_NAME "AWS.TraceHeader"
#define GROUP_ID_NAME "AWS.MessageGroupId"
#define DEDUPLICATION_ID_NAME "AWS.MessageDeduplicationId"
#define SENDER_NAME "AWS.SenderId"
#define DEDUPLICATION_MS (5 * 60 * INT64_C(1000))
#define ATTEMPT_MS (5 * 60 * INT64_C(1000))
#define ATTEMPTS_MAX 1000
#define SEQUENCE_TEXT 24

/* ---- receiving ---- */

struct delivery {
    struct service *service;
    struct exchange *exchange;
    struct attempt *attempt; /* notes what is given; NULL: nobody asks */
    bool fifo;
    struct instant now;
};

/* What a delivered message's texts are in, while it is written. */
struct texts {
    char id[MESSAGE_ID_TEXT];
    char handle[RECEIPT_HANDLE_TEXT];
    char sequence[SEQUENCE_TEXT];
    char deduplication[2 * SHA256_BYTES + 1];
    struct buffer source_arn;
};

static void want(struct sqs_message *m, const struct sqs_request *r, struct slice name, struct slice type, struct slice value)
{
    if (slice_present(value) && m->attribute_count < SQS_ATTRIBUTES_MAX && sqs_wants_attribute(r, name))
        m->attributes[m->attribute_count++] = (struct sqs_attribute){name, type, value};
}

/* A dead letter looks as the message that died, while that one's queue is there to say how. */
static const struct message_form *form_of(const struct service *s, int64_t root, int64_t copy)
{
    const struct desk *desk = service_find_id(s, QUEUE_OF_MESSAGE(root));

    if (desk && desk->deleted_at_ms != 0)
        desk = service_find_id(s, QUEUE_OF_MESSAGE(copy));
    return desk && desk->form ? desk->form : &message_form_default;
}

/* SQS's sequence numbers have 20 digits and rise in a queue. */
static void sequence_number(int64_t message, char out[SEQUENCE_TEXT])
{
    snprintf(out, SEQUENCE_TEXT, "18%018llu", (unsigned long long)(message & ((INT64_C(1) << QUEUE_ID_SHIFT) - 1)));
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

static bool fill_from_stream(struct delivery *d, const struct received *received, struct sqs_message *m, struct texts *t, struct error *err)
{
    struct service *s = d->service;
    const struct sqs_request *r = &d->exchange->request;
    const struct message_row *row = received->row;
    const struct message_form *form = form_of(s, received->root, row->id);
    const struct origin *origin = origin_of(&s->origins, row->shard);

    buffer_reset(&s->body);
    if (!message_form_body(form, row->body, origin, &s->body, err))
        return false;
    sqs_escape_refused(&s->body);
    m->body = buffer_slice(&s->body);
    if (r->all_attributes || r->names.count > 0)
        stream_attributes(s, m, r, row, form);
    if (d->fifo && r->system_attributes & (SQS_GROUP_ID | SQS_DEDUPLICATION_ID)) {
        message_form_group(form, row->body, &s->composed);
        m->group_id = slice_text(s->composed.group);
        message_form_deduplication_id(origin, row, t->deduplication);
        m->deduplication_id = slice_text(t->deduplication);
    }
    return true;
}

static void fill_from_send(struct service *s, struct sqs_message *m, const struct sqs_request *r, const struct message_row *row)
{
    struct sqs_attribute all[SQS_ATTRIBUTES_STORED_MAX];
    int count = slice_present(row->attributes) ? sqs_attributes_decode(row->attributes, all, &s->arena) : 0;

    for (int i = 0; i < count; i++) {
        if (!slice_starts_with(all[i].name, SLICE("AWS.")))
            want(m, r, all[i].name, all[i].type, all[i].value);
        else if (slice_is(all[i].name, TRACE_HEADER_NAME))
            m->trace_header = all[i].value;
        else if (slice_is(all[i].name, GROUP_ID_NAME))
            m->group_id = all[i].value;
        else if (slice_is(all[i].name, DEDUPLICATION_ID_NAME))
            m->deduplication_id = all[i].value;
        else if (slice_is(all[i].name, SENDER_NAME))
            m->sender_id = all[i].value;
    }
}

/* Since it went back, if it was dead or held: its receives are counted anew from there. */
static int64_t first_receive_ms(const struct message_row *row, int64_t now_ms)
{
    enum step_kind kind;
    int64_t at_ms;
    int64_t first = 0;

    for (size_t i = 0; step_decode(row->history, i, &kind, &at_ms); i++) {
        if (kind == STEP_REDRIVEN || kind == STEP_RELEASED)
            first = 0;
        else if (kind == STEP_RECEIVED && first == 0)
            first = at_ms;
    }
    return first ? first : now_ms;
}

/* In a standard queue a dead letter keeps the time at which the message that died was sent (SQSDeveloperGuide/sqs-dead-letter-queues.html). */
static int64_t sent_ms(const struct delivery *d, const struct received *received)
{
    enum step_kind kind;
    int64_t at_ms = 0;

    if (received->row->origin != 0 && !d->fifo)
        return ledger_message_sent_ms(d->service->db, received->root);
    step_decode(received->row->history, 0, &kind, &at_ms);
    return at_ms;
}

static void note_given(struct attempt *attempt, const struct received *received)
{
    if (attempt == NULL || attempt->count == SQS_BATCH_MAX)
        return;
    attempt->given[attempt->count].message = received->row->id;
    attempt->given[attempt->count++].receive_number = received->receive_number;
}

static bool deliver(void *context, const struct received *received, struct error *err)
{
    struct delivery *d = context;
    struct service *s = d->service;
    const struct message_row *row = received->row;
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
    struct texts t = {0};
    struct sqs_message m = {.message_id = t.id, .attributes = attributes, .system_attributes = d->exchange->request.system_attributes, .body = row->body,
                            .sender_id = slice_text(s->account_id), .sent_ms = sent_ms(d, received),
                            .receive_count = RECEIVES_OF(received->receive_number) + received->earlier_receives,
                            .first_receive_ms = first_receive_ms(row, d->now.wall_ms)};

    message_id_encode(&s->identity, received->root, t.id);
    receipt_handle_encode(&s->identity, row->id, received->receive_number, t.handle);
    m.receipt_handle = slice_text(t.handle);
    if (row->shard == 0) {
        m.body_md5 = row->body_md5.len == MD5_BYTES ? row->body_md5 : SLICE_NONE;
        fill_from_send(s, &m, &d->exchange->request, row);
    } else if (!fill_from_stream(d, received, &m, &t, err)) {
        return false;
    }
    if (d->fifo) {
        sequence_number(row->id, t.sequence);
        m.sequence_number = slice_text(t.sequence);
    }
    if (row->origin != 0) {
        const struct desk *source = service_find_id(s, QUEUE_OF_MESSAGE(row->origin));

        if (source) {
            service_queue_arn(s, source, &t.source_arn);
            m.dead_letter_source_arn = buffer_slice(&t.source_arn);
        }
    }
    sqs_answer_message(&d->exchange->answer, &m);
    note_given(d->attempt, received);
    buffer_fini(&t.source_arn);
    return true;
}

/* ---- ReceiveRequestAttemptId (API_ReceiveMessage.html) ---- */

/* NULL: that id was not used in the last five minutes. */
static struct attempt *attempt_find(struct desk *desk, uint64_t hash, struct instant now)
{
    size_t old = 0;

    while (old < desk->attempt_count && desk->attempts[old].at_mono_ms + ATTEMPT_MS <= now.mono_ms)
        old++;
    desk->attempt_count -= old;
    if (old > 0)
        memmove(desk->attempts, desk->attempts + old, desk->attempt_count * sizeof(*desk->attempts));
    for (size_t i = 0; i < desk->attempt_count; i++)
        if (desk->attempts[i].hash == hash)
            return &desk->attempts[i];
    return NULL;
}

static struct attempt *attempt_new(struct desk *desk, uint64_t hash, struct instant now)
{
    if (desk->attempt_count == ATTEMPTS_MAX) {
        desk->attempt_count--;
        memmove(desk->attempts, desk->attempts + 1, desk->attempt_count * sizeof(*desk->attempts));
    }
    desk->attempts = memory_resize(desk->attempts, (desk->attempt_count + 1) * sizeof(*desk->attempts));
    desk->attempts[desk->attempt_count] = (struct attempt){.hash = hash, .at_mono_ms = now.mono_ms};
    return &desk->attempts[desk->attempt_count++];
}

/* The same messages again, as far as they are still in flight after that receive. */
static int repeat(struct delivery *d, struct desk *desk, const struct attempt *attempt, int64_t visibility_ms)
{
    int given = 0;

    for (int i = 0; i < attempt->count; i++)
        given += queue_repeat(desk->queue, d->service->db, attempt->given[i].message, attempt->given[i].receive_number, visibility_ms, d->now, deliver, d);
    return given;
}

static int receive_some(struct delivery *d, struct desk *desk, int64_t visibility_ms, bool *over_limit)
{
    const struct sqs_request *r = &d->exchange->request;
    bool tracked = d->fifo && slice_present(r->attempt_id);
    uint64_t hash = tracked ? hash_bytes(r->attempt_id) : 0;
    struct attempt *before = tracked ? attempt_find(desk, hash, d->now) : NULL;
    struct attempt given = {0};
    int got;

    *over_limit = false;
    if (before) {
        got = repeat(d, desk, before, visibility_ms);
        if (got > 0)
            return got;
        before->hash = 0; /* of what it gave nothing is in flight any more: a receive like any other */
    }
    d->attempt = tracked ? &given : NULL;
    got = queue_receive(desk->queue, d->service->db, r->max_messages, visibility_ms, d->now, deliver, d, over_limit);
    if (tracked && got > 0) {
        struct attempt *a = attempt_new(desk, hash, d->now);

        a->count = given.count;
        memcpy(a->given, given.given, sizeof(given.given));
    }
    return got;
}

bool service_receive(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    struct sqs_request *r = &x->request;
    int64_t visibility_ms = r->visibility_s >= 0 ? r->visibility_s * INT64_C(1000) : desk->queue->options.visibility_timeout_ms;
    struct delivery d = {.service = s, .exchange = x, .fifo = desk->queue->options.fifo, .now = now};
    bool over_limit;
    int got;

    if (slice_present(r->attempt_id) && !d.fifo)
        return service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Value %.*s for parameter ReceiveRequestAttemptId is invalid. Reason: The request include "
                                                              "parameter that is not valid for this queue type.", SLICE_ARG(r->attempt_id));
    if (r->wait_s < 0)
        r->wait_s = (int)(desk->queue->options.wait_ms / 1000);
    queue_tick(desk->queue, now);
    got = receive_some(&d, desk, visibility_ms, &over_limit);
    s->counts.received += (uint64_t)got;
    if (over_limit && !d.fifo) /* a FIFO queue gives nothing then */
        return service_refuse(x, SQS_OVER_LIMIT, "Too many messages in flight: delete some, or let their visibility time out.");
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

/* ---- deleting, and changing visibility ---- */

/* What became of an entry: SQS_OK, or an error with its text. */
struct outcome {
    enum sqs_error error;
    const char *text;
};

static bool find_message(const struct service *s, const struct desk *desk, struct slice handle, int64_t *id, int64_t *receive_number)
{
    return receipt_handle_decode(&s->identity, handle, id, receive_number) && QUEUE_OF_MESSAGE(*id) == desk->queue->id;
}

static const struct outcome bad_handle = {SQS_RECEIPT_HANDLE_IS_INVALID, "The input receipt handle is invalid."};

static struct outcome apply_delete(struct service *s, struct desk *desk, const struct sqs_entry *e, struct instant now)
{
    int64_t id;
    int64_t receive_number;

    if (!find_message(s, desk, e->receipt_handle, &id, &receive_number))
        return bad_handle;
    if (!queue_delete(desk->queue, s->db, id, receive_number, now))
        return (struct outcome){SQS_INVALID_PARAMETER_VALUE,
                                "The value for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."};
    s->counts.deleted++;
    return (struct outcome){SQS_OK, NULL};
}

static struct outcome apply_change_visibility(struct service *s, struct desk *desk, const struct sqs_entry *e, struct instant now)
{
    int64_t id;
    int64_t receive_number;

    if (!find_message(s, desk, e->receipt_handle, &id, &receive_number))
        return bad_handle;
    switch (queue_change_visibility(desk->queue, s->db, id, receive_number, e->visibility_s * INT64_C(1000), now)) {
    case VISIBILITY_CHANGED:
        return (struct outcome){SQS_OK, NULL};
    case VISIBILITY_GONE:
        return (struct outcome){SQS_INVALID_PARAMETER_VALUE, "The value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "
                                                             "available for visibility timeout change."};
    case VISIBILITY_TOO_LONG:
        return (struct outcome){SQS_INVALID_PARAMETER_VALUE, "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]."};
    default:
        return (struct outcome){SQS_MESSAGE_NOT_INFLIGHT, "The message referred to isn't in flight: its visibility timed out."};
    }
}

/* ---- sending ---- */

static void encode_attributes(struct service *s, const struct exchange *x, const struct sqs_entry *e, struct slice deduplication_id)
{
    const struct sqs_attribute own[] = {
        {SLICE(TRACE_HEADER_NAME), SLICE("String"), e->trace_header},
        {SLICE(GROUP_ID_NAME), SLICE("String"), e->group_id},
        {SLICE(DEDUPLICATION_ID_NAME), SLICE("String"), deduplication_id},
        {SLICE(SENDER_NAME), SLICE("String"), x->sender},
    };
    struct sqs_attribute all[SQS_ATTRIBUTES_STORED_MAX];
    size_t count = e->attribute_count;

    if (count > 0)
        memcpy(all, x->request.attributes + e->first_attribute, count * sizeof(*all));
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (slice_present(own[i].value))
            all[count++] = own[i];
    buffer_reset(&s->arena);
    if (count > 0)
        sqs_attributes_encode(&s->arena, all, count);
}

static const char not_of_this_queue[] = "The request include parameter that is not valid for this queue type.";

/* What may be sent depends on the kind of queue (API_SendMessage.html). */
static struct outcome check_send(struct service *s, const struct desk *desk, const struct sqs_entry *e)
{
    const struct queue_options *o = &desk->queue->options;
    int64_t most = o->message_bytes_max > 0 ? o->message_bytes_max : SQS_MESSAGE_BYTES_MAX;

    buffer_reset(&s->body);
    if ((int64_t)e->bytes > most) {
        buffer_printf(&s->body, "One or more parameters are invalid. Reason: Message must be shorter than %lld bytes.", (long long)most);
        return (struct outcome){SQS_INVALID_PARAMETER_VALUE, s->body.ptr};
    }
    if (!o->fifo) {
        if (!slice_present(e->deduplication_id))
            return (struct outcome){SQS_OK, NULL};
        buffer_printf(&s->body, "Value %.*s for parameter MessageDeduplicationId is invalid. Reason: %s", SLICE_ARG(e->deduplication_id), not_of_this_queue);
        return (struct outcome){SQS_INVALID_PARAMETER_VALUE, s->body.ptr};
    }
    if (!slice_present(e->group_id))
        return (struct outcome){SQS_MISSING_PARAMETER, "The request must contain the parameter MessageGroupId."};
    if (!slice_present(e->deduplication_id) && !o->content_based_deduplication)
        return (struct outcome){SQS_INVALID_PARAMETER_VALUE, "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId "
                                                             "provided explicitly"};
    if (e->delay_s > 0) {
        buffer_printf(&s->body, "Value %d for parameter DelaySeconds is invalid. Reason: %s", e->delay_s, not_of_this_queue);
        return (struct outcome){SQS_INVALID_PARAMETER_VALUE, s->body.ptr};
    }
    return (struct outcome){SQS_OK, NULL};
}

/* The deduplication id of a message to a FIFO queue: what was given, or the body's SHA-256 in hex. */
static struct slice deduplication_id(const struct desk *desk, const struct sqs_entry *e, char hex[2 * SHA256_BYTES + 1])
{
    unsigned char digest[SHA256_BYTES];

    if (slice_present(e->deduplication_id) || !desk->queue->options.fifo)
        return e->deduplication_id;
    sha256(e->body, digest);
    hex_encode(digest, sizeof(digest), hex);
    return slice_text(hex);
}

/* What a deduplication id is looked up by. */
static void deduplication_key(const struct desk *desk, const struct sqs_entry *e, struct slice id, unsigned char key[SHA256_BYTES])
{
    struct buffer text = {0};

    if (desk->queue->options.deduplicate_by_group)
        buffer_append(&text, e->group_id);
    buffer_append_byte(&text, '\0');
    buffer_append(&text, id);
    sha256(buffer_slice(&text), key);
    buffer_fini(&text);
}

/* Groups of a queue are told apart by this; never 0, which stands for none. */
static uint64_t group_hash(struct slice group_id)
{
    uint64_t hash = slice_present(group_id) ? hash_bytes(group_id) : 0;

    return slice_present(group_id) && hash == 0 ? 1 : hash;
}

#define KEY_BYTES 16

/* Stores the message, unless it was sent before. Returns its id, or that of the one that was stored then. */
static int64_t store(struct service *s, const struct exchange *x, struct desk *desk, const struct sqs_entry *e, struct slice body_md5, struct instant now)
{
    struct queue *q = desk->queue;
    int64_t delay_ms = e->delay_s >= 0 ? e->delay_s * INT64_C(1000) : q->options.delay_ms;
    unsigned char key[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    struct slice id = deduplication_id(desk, e, hex);
    int64_t steady_ms = service_steady_ms(s, now);
    int64_t message = 0;

    if (q->options.fifo) {
        deduplication_key(desk, e, id, key);
        message = ledger_deduplicate(s->db, q->id, slice_from((const char *)key, KEY_BYTES), steady_ms - DEDUPLICATION_MS, steady_ms);
    }
    if (message != 0 && !PLANTED(DEDUPLICATION_FORGOTTEN))
        return message;
    if (slice_present(e->group_id))
        queue_group(q, s->db, now);
    encode_attributes(s, x, e, id);
    message = intake_message(s->intake, q,
                             &(struct sent_message){.body = e->body, .attributes = s->arena.len > 0 ? buffer_slice(&s->arena) : SLICE_NONE,
                                                    .body_md5 = body_md5, .group_hash = group_hash(e->group_id), .delay_ms = delay_ms}, now);
    if (q->options.fifo) {
        ledger_deduplication_put(s->db, q->id, slice_from((const char *)key, KEY_BYTES), message, steady_ms);
        s->deduplicates = true;
    }
    return message;
}

static void apply_send(struct service *s, struct exchange *x, struct desk *desk, const struct sqs_entry *e, struct instant now)
{
    struct sqs_attribute trace = {SLICE("AWSTraceHeader"), SLICE("String"), e->trace_header};
    unsigned char digest[MD5_BYTES];
    int64_t message;
    char body_md5[2 * MD5_BYTES + 1];
    char attributes_md5[33];
    char system_md5[33];
    char id[MESSAGE_ID_TEXT];
    char sequence[SEQUENCE_TEXT];
    struct sqs_sent sent = {.id = e->id, .message_id = id, .body_md5 = body_md5};

    md5(e->body, digest);
    hex_encode(digest, sizeof(digest), body_md5);
    message = store(s, x, desk, e, slice_from((const char *)digest, sizeof(digest)), now);
    message_id_encode(&s->identity, message, id);
    if (e->attribute_count > 0) {
        sqs_attributes_md5(x->request.attributes + e->first_attribute, e->attribute_count, attributes_md5);
        sent.attributes_md5 = attributes_md5;
    }
    if (slice_present(e->trace_header)) {
        sqs_attributes_md5(&trace, 1, system_md5);
        sent.system_attributes_md5 = system_md5;
    }
    if (desk->queue->options.fifo) {
        sequence_number(message, sequence);
        sent.sequence_number = sequence;
    }
    sqs_answer_sent(&x->answer, &sent);
    s->counts.sent++;
}

/* ---- entries, alone or in batches ---- */

static bool is_send(enum sqs_action action)
{
    return action == SQS_ACTION_SEND_MESSAGE || action == SQS_ACTION_SEND_MESSAGE_BATCH;
}

static struct outcome apply_one(struct service *s, struct exchange *x, struct desk *desk, const struct sqs_entry *e, struct instant now)
{
    enum sqs_action action = x->request.action;
    struct outcome outcome = {e->error, e->error_text};

    if (e->error != SQS_OK)
        return outcome;
    if (is_send(action))
        return check_send(s, desk, e);
    return action == SQS_ACTION_DELETE_MESSAGE || action == SQS_ACTION_DELETE_MESSAGE_BATCH ? apply_delete(s, desk, e, now)
                                                                                            : apply_change_visibility(s, desk, e, now);
}

static void apply_entry(struct service *s, struct exchange *x, struct desk *desk, const struct sqs_entry *e, struct instant now)
{
    struct outcome outcome = apply_one(s, x, desk, e, now);

    if (outcome.error == SQS_OK && is_send(x->request.action))
        apply_send(s, x, desk, e, now);
    else if (outcome.error == SQS_OK)
        sqs_answer_done(&x->answer, e->id);
    else if (slice_present(e->id))
        sqs_answer_failed(&x->answer, e->id, outcome.error, outcome.text);
    else
        sqs_answer_error(&x->answer, outcome.error, outcome.text);
}

bool service_entries(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    if (!s->accepting && is_send(x->request.action)) {
        sqs_answer_error(&x->answer, SQS_SERVICE_UNAVAILABLE, NULL);
        return true;
    }
    queue_tick(desk->queue, now); /* a handle whose time is over is of no use any more */
    for (size_t i = 0; i < x->request.entry_count; i++)
        apply_entry(s, x, desk, &x->request.entries[i], now);
    if (x->answer.error == SQS_OK)
        sqs_answer_end(&x->answer);
    return true;
}
