/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/planted.h"
#include "codec/sqs_client_wire.h"
#include "codec/stream_wire.h"
#include "core/pump.h"

#include <stdio.h>
#include <stdlib.h>

#define FORWARDED_MAX 1024    /* on their way at once */
#define CALL_TIMEOUT_MS 30000
#define LONG_POLL_EXTRA_MS 10000
#define ID_ATTRIBUTE "stream2sqs.id"

/* A call that is on its way. */
struct forwarded {
    struct forwarded *next;
    uint64_t token;
    struct exchange *exchange; /* NULL: its client has gone, or it has none */
    enum sqs_action action;
    char *url;                 /* of a receive: whose messages it brings */
    size_t count;              /* of entries that went out */
    size_t entries[SQS_BATCH_MAX]; /* their places in the request */
    int64_t rows[SQS_BATCH_MAX];   /* their messages; 0: somebody else's */
};

bool gateway_forwards(enum sqs_action action)
{
    switch (action) {
    case SQS_ACTION_RECEIVE_MESSAGE:
    case SQS_ACTION_DELETE_MESSAGE:
    case SQS_ACTION_DELETE_MESSAGE_BATCH:
    case SQS_ACTION_CHANGE_MESSAGE_VISIBILITY:
    case SQS_ACTION_CHANGE_MESSAGE_VISIBILITY_BATCH:
    case SQS_ACTION_GET_QUEUE_ATTRIBUTES:
        return true;
    default:
        return false;
    }
}

void gateway_fini(struct gateway *g)
{
    while (g->first) {
        struct forwarded *f = g->first;

        g->first = f->next;
        free(f->url);
        free(f);
    }
    g->count = 0;
    buffer_fini(&g->text);
}

static struct forwarded *take(struct gateway *g, uint64_t token)
{
    for (struct forwarded **at = &g->first; *at; at = &(*at)->next) {
        struct forwarded *f = *at;

        if (f->token != token)
            continue;
        *at = f->next;
        g->count--;
        return f;
    }
    return NULL;
}

/* ---- requests ---- */

static void append_name(struct buffer *out, const char *name)
{
    buffer_append_text(out, ",\"");
    buffer_append_text(out, name);
    buffer_append_text(out, "\":");
}

static void append_number(struct buffer *out, const char *name, int64_t value)
{
    append_name(out, name);
    buffer_append_i64(out, value);
}

static void append_text(struct buffer *out, const char *name, struct slice value)
{
    append_name(out, name);
    json_append_string(out, value);
}

/* The receive count is asked for always: the ledger notes it. */
static void append_system_names(struct buffer *out, unsigned wanted)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        {SQS_SENDER_ID, "SenderId"},
        {SQS_SENT_TIMESTAMP, "SentTimestamp"},
        {SQS_FIRST_RECEIVE_TIMESTAMP, "ApproximateFirstReceiveTimestamp"},
        {SQS_DEAD_LETTER_SOURCE_ARN, "DeadLetterQueueSourceArn"},
        {SQS_TRACE_HEADER, "AWSTraceHeader"},
        {SQS_SEQUENCE_NUMBER, "SequenceNumber"},
        {SQS_DEDUPLICATION_ID, "MessageDeduplicationId"},
        {SQS_GROUP_ID, "MessageGroupId"},
    };

    if (wanted == SQS_ALL_SYSTEM_ATTRIBUTES) {
        buffer_append_text(out, ",\"AttributeNames\":[\"All\"]");
        return;
    }
    buffer_append_text(out, ",\"AttributeNames\":[\"ApproximateReceiveCount\"");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (wanted & names[i].bit)
            buffer_printf(out, ",\"%s\"", names[i].name);
    buffer_append_byte(out, ']');
}

static void write_receive(struct buffer *out, const struct sqs_request *r)
{
    append_number(out, "MaxNumberOfMessages", r->max_messages);
    if (r->wait_s >= 0)
        append_number(out, "WaitTimeSeconds", r->wait_s);
    if (r->visibility_s >= 0)
        append_number(out, "VisibilityTimeout", r->visibility_s);
    if (slice_present(r->attempt_id))
        append_text(out, "ReceiveRequestAttemptId", r->attempt_id);
    append_system_names(out, r->system_attributes);
    buffer_append_text(out, ",\"MessageAttributeNames\":[\"" ID_ATTRIBUTE "\"");
    for (size_t i = 0; i < r->names.count; i++) {
        buffer_append_byte(out, ',');
        json_append_string(out, r->names.list[i]);
    }
    buffer_append_byte(out, ']');
}

static bool of_visibility(enum sqs_action action)
{
    return action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY || action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY_BATCH;
}

/* What the other server's own handle is, and whose message it is of. False: the entry is answered already. */
static bool unwrap(struct gateway *g, struct exchange *x, const struct desk *desk, size_t at, int64_t *row)
{
    const struct sqs_entry *e = &x->request.entries[at];
    enum sqs_error error = e->error;
    const char *text = e->error_text;

    if (error == SQS_OK) {
        buffer_reset(&g->text);
        if (receipt_handle_unwrap(&g->service->identity, e->receipt_handle, desk->queue->id, row, &g->text))
            return true;
        error = SQS_RECEIPT_HANDLE_IS_INVALID;
        text = "The input receipt handle is invalid.";
    }
    if (slice_present(e->id))
        sqs_answer_failed(&x->answer, e->id, error, text);
    else
        sqs_answer_error(&x->answer, error, text);
    return false;
}

/* False: not one entry can be forwarded. */
static bool write_entries(struct gateway *g, struct exchange *x, const struct desk *desk, struct forwarded *f, struct buffer *out)
{
    bool batch = sqs_action_is_batch(f->action);

    if (batch)
        buffer_append_text(out, ",\"Entries\":[");
    for (size_t i = 0; i < x->request.entry_count && f->count < SQS_BATCH_MAX; i++) {
        if (!unwrap(g, x, desk, i, &f->rows[f->count]))
            continue;
        if (batch)
            buffer_printf(out, "%s{\"Id\":\"%zu\"", f->count > 0 ? "," : "", f->count);
        append_text(out, "ReceiptHandle", buffer_slice(&g->text));
        if (of_visibility(f->action))
            append_number(out, "VisibilityTimeout", x->request.entries[i].visibility_s);
        if (batch)
            buffer_append_byte(out, '}');
        f->entries[f->count++] = i;
    }
    if (batch)
        buffer_append_byte(out, ']');
    return f->count > 0;
}

static void write_names(struct buffer *out, const struct sqs_texts *names)
{
    buffer_append_text(out, ",\"AttributeNames\":[");
    for (size_t i = 0; i < names->count; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        json_append_string(out, names->list[i]);
    }
    buffer_append_byte(out, ']');
}

static bool write_request(struct gateway *g, struct exchange *x, const struct desk *desk, const char *queue_url, struct forwarded *f, struct buffer *out)
{
    bool worth = true;

    buffer_append_text(out, "{\"QueueUrl\":");
    json_append_string(out, slice_text(queue_url));
    if (f->action == SQS_ACTION_RECEIVE_MESSAGE)
        write_receive(out, &x->request);
    else if (f->action == SQS_ACTION_GET_QUEUE_ATTRIBUTES)
        write_names(out, &x->request.names);
    else
        worth = write_entries(g, x, desk, f, out);
    buffer_append_byte(out, '}');
    return worth;
}

static struct forwarded *forwarded_new(struct gateway *g, struct exchange *x, enum sqs_action action)
{
    struct forwarded *f = memory_zeroed(1, sizeof(*f));

    f->token = GATEWAY_TOKEN | (++g->next_token & (GATEWAY_TOKEN / 2 - 1)); /* the other half is core/dead_reader's */
    f->exchange = x;
    f->action = action;
    f->next = g->first;
    g->first = f;
    g->count++;
    return f;
}

static void not_now(struct exchange *x, const char *text)
{
    sqs_answer_error(&x->answer, SQS_SERVICE_UNAVAILABLE, text);
}

bool gateway_forward(struct gateway *g, struct exchange *x, struct desk *desk, const char *queue_url, struct target_call *call)
{
    enum sqs_action action = x->request.action;
    struct buffer body = {0};
    struct forwarded *f;

    sqs_answer_begin(&x->answer, action);
    if (queue_url == NULL || g->count >= FORWARDED_MAX) {
        not_now(x, queue_url ? "Too many requests are on their way to the queue's server." : "The queue's server has not been reached yet.");
        return false;
    }
    f = forwarded_new(g, x, action);
    if (!write_request(g, x, desk, queue_url, f, &body)) {
        if (x->answer.error == SQS_OK)
            sqs_answer_end(&x->answer);
        free(take(g, f->token));
        buffer_fini(&body);
        return false;
    }
    *call = (struct target_call){.token = f->token, .queue = desk->place, .action = sqs_action_name(action), .body = body, .timeout_ms = CALL_TIMEOUT_MS};
    if (action == SQS_ACTION_RECEIVE_MESSAGE) {
        f->url = memory_strdup(queue_url);
        call->timeout_ms = x->request.wait_s * INT64_C(1000) + CALL_TIMEOUT_MS + LONG_POLL_EXTRA_MS;
    }
    return true;
}

/* ---- errors ---- */

/* The other server's error as one of ours: by its name, else by whose fault it is. */
static enum sqs_error error_of(struct slice name, int status)
{
    for (int i = SQS_OK + 1; i < SQS_ERROR_COUNT; i++) {
        struct slice type = slice_text(sqs_error_type((enum sqs_error)i));

        if (slice_equal(name, slice_after(type, slice_index(type, '#') + 1)) || slice_is(name, sqs_error_query_code((enum sqs_error)i)))
            return (enum sqs_error)i;
    }
    return status >= 400 && status < 500 ? SQS_INVALID_PARAMETER_VALUE : SQS_SERVICE_UNAVAILABLE;
}

static void pass_on_error(struct gateway *g, struct exchange *x, const struct target_answer *answer)
{
    struct slice name = SLICE("");
    struct slice message = SLICE("");

    if (answer->status == 0 || !aws_error_decode(answer->body, &name, &message)) {
        not_now(x, "The queue's server gave no answer: what became of the request is not known. Ask again.");
        return;
    }
    buffer_reset(&g->text);
    json_unescape(&g->text, message);
    sqs_answer_error(&x->answer, error_of(name, answer->status), g->text.len > 0 ? g->text.ptr : NULL);
}

/* ---- messages ---- */

/* A message of the other server's answer, on its way to a consumer. */
struct passing {
    struct gateway *g;
    const struct sqs_request *request; /* NULL: only its handle is wanted */
    struct buffer out;
    struct buffer arena;
    struct slice handle;      /* raw */
    struct slice md5;         /* raw: MD5OfMessageAttributes */
    struct slice attributes;  /* MessageAttributes, the object */
    struct slice message_id;
    int64_t receive_count;
    int64_t row;              /* 0: not ours */
};

static void passing_fini(struct passing *p)
{
    buffer_fini(&p->out);
    buffer_fini(&p->arena);
}

static void copy_member(struct buffer *out, struct slice key, struct slice value)
{
    if (out->len > 1)
        buffer_append_byte(out, ',');
    buffer_append_byte(out, '"');
    buffer_append(out, key);
    buffer_append_text(out, "\":");
    buffer_append(out, value);
}

/* Without the receive count, unless it was asked for. */
static void pass_system_attributes(struct passing *p, struct scanner *j)
{
    struct buffer kept = {0};
    struct slice key;

    buffer_append_byte(&kept, '{');
    scan_object_begin(j);
    while (scan_member(j, &key)) {
        struct slice value = scan_skip(j);
        uint64_t count;

        if (slice_is(key, "ApproximateReceiveCount")) {
            if (value.len > 2 && slice_to_u64(slice_from(value.ptr + 1, value.len - 2), &count))
                p->receive_count = (int64_t)count;
            if (!(p->request->system_attributes & SQS_RECEIVE_COUNT))
                continue;
        }
        copy_member(&kept, key, value);
    }
    buffer_append_byte(&kept, '}');
    if (kept.len > 2)
        copy_member(&p->out, SLICE("Attributes"), buffer_slice(&kept));
    buffer_fini(&kept);
}

/* A consumer may send a message again with the attributes that it got, ours among them: that is another message, with another id of the server's. While the
 * server's answer to our sending has not come, its id is not known, and the attribute has to do. */
static bool is_ours(const struct passing *p, int64_t id)
{
    struct message_row row;
    bool ours;

    if (!ledger_message_find(p->g->service->db, id, &row))
        return false;
    ours = row.remote_id.len == 0 || remote_id_is(row.remote_id, p->message_id);
    ledger_message_end(p->g->service->db);
    return ours;
}

static void note_id(struct passing *p, const struct desk *desk, struct slice id)
{
    int64_t row;

    if (message_id_decode(&p->g->service->identity, id, &row) && QUEUE_OF_MESSAGE(row) == desk->queue->id && is_ours(p, row))
        p->row = row;
}

/* Ours is known by its id; it goes on without it, unless the consumer wants it. The digest is that of what goes on. */
static void pass_attributes(struct passing *p, const struct desk *desk)
{
    struct sqs_attribute kept[SQS_ATTRIBUTES_STORED_MAX];
    struct scanner j;
    struct slice key;
    size_t count = 0;
    bool taken_out = false;
    char hex[35] = "\"";

    buffer_reset(&p->arena);
    buffer_reserve(&p->arena, p->attributes.len);
    scan_init(&j, p->attributes);
    scan_object_begin(&j);
    while (scan_member(&j, &key) && count < SQS_ATTRIBUTES_STORED_MAX) {
        size_t start = p->arena.len;
        struct sqs_attribute a = {0};

        json_unescape(&p->arena, key);
        a.name = slice_from(p->arena.ptr + start, p->arena.len - start);
        sqs_attribute_value_decode(&j, &a, &p->arena);
        if (slice_is(a.name, ID_ATTRIBUTE)) {
            note_id(p, desk, a.value);
            taken_out = !sqs_wants_attribute(p->request, a.name);
        }
        if (!slice_is(a.name, ID_ATTRIBUTE) || !taken_out)
            kept[count++] = a;
    }
    if (!taken_out || scan_failed(&j) || count == SQS_ATTRIBUTES_STORED_MAX) { /* what is not understood goes on as it came */
        copy_member(&p->out, SLICE("MessageAttributes"), p->attributes);
        if (slice_present(p->md5))
            copy_member(&p->out, SLICE("MD5OfMessageAttributes"), p->md5);
    } else if (count > 0) {
        struct buffer text = {0};

        sqs_attributes_encode(&text, kept, count);
        copy_member(&p->out, SLICE("MessageAttributes"), buffer_slice(&text));
        sqs_attributes_md5(kept, count, hex + 1);
        hex[33] = '"';
        copy_member(&p->out, SLICE("MD5OfMessageAttributes"), slice_from(hex, 34));
        buffer_fini(&text);
    }
}

static void wrap_handle(struct passing *p, const struct desk *desk)
{
    struct buffer handle = {0};

    buffer_reset(&p->arena);
    json_unescape(&p->arena, slice_from(p->handle.ptr + 1, p->handle.len - 2));
    buffer_append_byte(&handle, '"');
    receipt_handle_wrap(&p->g->service->identity, desk->queue->id, p->row, buffer_slice(&p->arena), &handle);
    buffer_append_byte(&handle, '"');
    copy_member(&p->out, SLICE("ReceiptHandle"), buffer_slice(&handle));
    buffer_fini(&handle);
}

/* Reads one message, and writes it as the consumer gets it. */
static void pass_message(struct passing *p, const struct desk *desk, struct scanner *j)
{
    struct slice key;

    buffer_reset(&p->out);
    buffer_append_byte(&p->out, '{');
    p->handle = p->md5 = p->attributes = p->message_id = SLICE_NONE;
    p->receive_count = p->row = 0;
    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (p->request && slice_is(key, "Attributes") && scan_peek(j) == SCAN_OBJECT) {
            pass_system_attributes(p, j);
            continue;
        }
        struct slice value = scan_skip(j);

        if (slice_is(key, "ReceiptHandle"))
            p->handle = value;
        else if (slice_is(key, "MD5OfMessageAttributes"))
            p->md5 = value;
        else if (slice_is(key, "MessageAttributes"))
            p->attributes = value;
        else
            copy_member(&p->out, key, value);
        if (slice_is(key, "MessageId") && value.len > 2 && value.ptr[0] == '"')
            p->message_id = slice_from(value.ptr + 1, value.len - 2);
    }
    if (p->request && slice_present(p->attributes) && p->attributes.ptr[0] == '{')
        pass_attributes(p, desk);
    if (p->request && slice_present(p->handle) && p->handle.len > 2)
        wrap_handle(p, desk);
    buffer_append_byte(&p->out, '}');
}

/* Goes to the beginning of the list of messages; false: there is none. */
static bool find_messages(struct scanner *j, struct slice body)
{
    struct slice key;

    scan_init(j, body);
    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (slice_is(key, "Messages") && scan_peek(j) == SCAN_ARRAY) {
            scan_array_begin(j);
            return true;
        }
        scan_skip(j);
    }
    return false;
}

static void received(struct gateway *g, struct exchange *x, const struct desk *desk, const struct target_answer *answer, struct instant now)
{
    struct passing p = {.g = g, .request = &x->request};
    struct scanner j;

    if (find_messages(&j, answer->body)) {
        while (scan_element(&j)) {
            pass_message(&p, desk, &j);
            if (scan_failed(&j))
                break;
            if (p.row != 0 && !PLANTED(GATEWAY_FORGETS))
                ledger_remote_received(g->service->db, p.row, p.receive_count, now.wall_ms);
            g->service->counts.received++;
            sqs_answer_raw_message(&x->answer, buffer_slice(&p.out));
        }
    }
    passing_fini(&p);
    sqs_answer_end(&x->answer);
    if (scan_failed(&j))
        not_now(x, "The answer of the queue's server was malformed or cut.");
}

/* Messages of another server that nobody took, and that it will show again only when their visibility ends. */
static void say_hidden(const struct desk *desk, const char *why)
{
    log_warning("messages that nobody took stay hidden for their visibility timeout", LOG_FIELDS(LOG_TEXT("queue", desk->queue->name), LOG_TEXT("cause", why)));
}

static bool is_still_at(const struct desk *desk, const char *url)
{
    const char *now = desk->pump ? pump_url(desk->pump) : NULL;

    return url && now && strcmp(url, now) == 0;
}

/* Nobody takes these messages: others may have them at once. */
static bool give_back(struct gateway *g, const struct desk *desk, const char *queue_url, const struct target_answer *answer, struct target_call *next)
{
    struct passing p = {.g = g};
    struct buffer body = {0};
    struct scanner j;
    size_t count = 0;

    if (!find_messages(&j, answer->body))
        return false;
    if (!is_still_at(desk, queue_url)) { /* its handles are nobody else's affair */
        if (scan_element(&j))
            say_hidden(desk, "a reload took the queue out, or moved it, while they came");
        return false;
    }
    buffer_append_text(&body, "{\"QueueUrl\":");
    json_append_string(&body, slice_text(queue_url));
    buffer_append_text(&body, ",\"Entries\":[");
    while (scan_element(&j) && count < SQS_BATCH_MAX) {
        pass_message(&p, desk, &j);
        if (!slice_present(p.handle))
            continue;
        buffer_printf(&body, "%s{\"Id\":\"%zu\",\"ReceiptHandle\":%.*s,\"VisibilityTimeout\":0}", count > 0 ? "," : "", count, SLICE_ARG(p.handle));
        count++;
    }
    buffer_append_text(&body, "]}");
    passing_fini(&p);
    if (count == 0) {
        buffer_fini(&body);
        return false;
    }
    *next = (struct target_call){.token = forwarded_new(g, NULL, SQS_ACTION_CHANGE_MESSAGE_VISIBILITY_BATCH)->token, .queue = desk->place,
                                 .action = "ChangeMessageVisibilityBatch", .body = body, .timeout_ms = CALL_TIMEOUT_MS};
    return true;
}

/* ---- deletes and changed visibilities ---- */

/* It may be PENDING still: the answer to its sending was lost, and its consumer was faster than the next try. */
static void note_deleted(struct gateway *g, const struct desk *desk, int64_t id, struct instant now)
{
    struct message_row row;
    enum message_state state;

    if (!ledger_message_find(g->service->db, id, &row))
        return;
    state = row.state;
    ledger_message_end(g->service->db);
    if (ledger_remote_deleted(g->service->db, id, now.wall_ms) == 1)
        queue_count(desk->queue, state, MESSAGE_DELETED);
}

static void settled(struct gateway *g, const struct desk *desk, const struct forwarded *f, size_t at, struct instant now)
{
    if (of_visibility(f->action))
        return;
    g->service->counts.deleted++;
    if (f->rows[at] != 0 && !PLANTED(GATEWAY_FORGETS))
        note_deleted(g, desk, f->rows[at], now);
}

#define MALFORMED "The answer of the queue's server was malformed or cut: what became of the request is not known. Ask again."

static void batch_settled(struct gateway *g, struct exchange *x, const struct desk *desk, const struct forwarded *f, const struct target_answer *answer,
                          struct instant now)
{
    struct sqs_entry_result results[SQS_BATCH_MAX];

    if (!sqs_batch_result_decode(answer->body, results, f->count)) {
        if (x)
            not_now(x, MALFORMED);
        return;
    }
    for (size_t i = 0; i < f->count; i++) {
        struct slice id = x ? x->request.entries[f->entries[i]].id : SLICE_NONE;

        if (results[i].state == SQS_ENTRY_SUCCESSFUL) {
            settled(g, desk, f, i, now);
            if (x)
                sqs_answer_done(&x->answer, id);
            continue;
        }
        if (x == NULL)
            continue;
        buffer_reset(&g->text);
        if (slice_present(results[i].message))
            json_unescape(&g->text, results[i].message);
        sqs_answer_failed(&x->answer, id, results[i].state == SQS_ENTRY_FAILED ? error_of(results[i].code, results[i].senders_fault ? 400 : 500) : SQS_INTERNAL,
                          g->text.len > 0 ? g->text.ptr : "The queue's server said nothing of this entry.");
    }
    if (x)
        sqs_answer_end(&x->answer);
}

/* ---- answers ---- */

/* DeleteMessage and ChangeMessageVisibility answer nothing, or an object. A page of whoever stands between is no confirmation. */
static bool confirms(struct slice body)
{
    struct scanner j;

    if (slice_trim(body).len == 0)
        return true;
    scan_init(&j, body);
    if (scan_peek(&j) != SCAN_OBJECT)
        return false;
    scan_skip(&j);
    return scan_end(&j);
}

static void single_settled(struct gateway *g, struct exchange *x, const struct desk *desk, const struct forwarded *f, const struct target_answer *answer,
                           struct instant now)
{
    bool confirmed = confirms(answer->body);

    if (confirmed)
        settled(g, desk, f, 0, now);
    if (x && confirmed)
        sqs_answer_end(&x->answer);
    else if (x)
        not_now(x, MALFORMED);
}

static void answered(struct gateway *g, struct exchange *x, struct desk *desk, const struct forwarded *f, const struct target_answer *answer,
                     struct instant now)
{
    bool good = answer->status >= 200 && answer->status < 300;

    if (!good) {
        if (x)
            pass_on_error(g, x, answer);
        else if (f->action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY_BATCH && f->count == 0) /* of no consumer's: see give_back */
            say_hidden(desk, "the queue's server did not take them back");
        return;
    }
    switch (f->action) {
    case SQS_ACTION_RECEIVE_MESSAGE:
        if (x)
            received(g, x, desk, answer, now);
        break;
    case SQS_ACTION_GET_QUEUE_ATTRIBUTES:
        if (x)
            sqs_answer_whole(&x->answer, answer->body);
        break;
    case SQS_ACTION_DELETE_MESSAGE:
    case SQS_ACTION_CHANGE_MESSAGE_VISIBILITY:
        single_settled(g, x, desk, f, answer, now);
        break;
    default:
        batch_settled(g, x, desk, f, answer, now);
    }
}

struct exchange *gateway_answer(struct gateway *g, struct desk *desk, const struct target_answer *answer, struct target_call *next, bool *follows,
                                struct instant now)
{
    struct forwarded *f = take(g, answer->token);
    struct exchange *x;

    *follows = false;
    if (f == NULL)
        return NULL;
    x = f->exchange;
    answered(g, x, desk, f, answer, now);
    if (x == NULL && f->action == SQS_ACTION_RECEIVE_MESSAGE && answer->status == 200 && !PLANTED(GATEWAY_HIDES))
        *follows = give_back(g, desk, f->url, answer, next);
    free(f->url);
    free(f);
    return x;
}

bool gateway_forget(struct gateway *g, struct exchange *x)
{
    for (struct forwarded *f = g->first; f; f = f->next) {
        if (f->exchange != x)
            continue;
        f->exchange = NULL;
        return true;
    }
    return false;
}

struct exchange *gateway_abandon(struct gateway *g, bool only_receives)
{
    for (struct forwarded *f = g->first; f; f = f->next) {
        struct exchange *x = f->exchange;

        if (x == NULL || (only_receives && f->action != SQS_ACTION_RECEIVE_MESSAGE))
            continue;
        f->exchange = NULL;
        if (f->action == SQS_ACTION_RECEIVE_MESSAGE)
            service_answer_empty(x);
        else
            not_now(x, "What became of the request is not known. Ask again.");
        return x;
    }
    return NULL;
}

size_t gateway_on_their_way(const struct gateway *g)
{
    size_t count = 0;

    for (const struct forwarded *f = g->first; f; f = f->next)
        count += f->action != SQS_ACTION_RECEIVE_MESSAGE && f->action != SQS_ACTION_GET_QUEUE_ATTRIBUTES;
    return count;
}

size_t gateway_lone_receives(const struct gateway *g)
{
    size_t count = 0;

    for (const struct forwarded *f = g->first; f; f = f->next)
        count += f->action == SQS_ACTION_RECEIVE_MESSAGE && f->exchange == NULL;
    return count;
}
