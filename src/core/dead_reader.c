/* SPDX-License-Identifier: Apache-2.0 */
#include "core/dead_reader.h"

#include "base/log.h"
#include "base/memory.h"
#include "codec/sqs_client_wire.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_S 20
#define HIDDEN_S 600       /* what was met is met again after so long */
#define REST_MS 10000      /* after a round that found nothing */
#define CALL_TIMEOUT_MS 30000

struct dead_reader {
    struct database *db;
    struct queue *queue;
    const struct identity *identity;
    const char *name;
    const char *owner;
    char *url;
    bool asking;
    struct random random;
    int failures;
    int64_t due_ms;
    struct buffer removals; /* the body of a DeleteMessageBatch that is to be made; empty: none */
    size_t removal_count;
    char trouble[TROUBLE_TEXT];
};

struct dead_reader *dead_reader_new(struct database *db, struct queue *queue, const struct identity *identity, const char *name, const char *url,
                                    const char *owner, uint64_t seed, struct instant now)
{
    struct dead_reader *r = memory_zeroed(1, sizeof(*r));

    r->db = db;
    r->queue = queue;
    r->identity = identity;
    r->name = name;
    r->owner = owner;
    r->url = memory_strdup(url);
    r->random.state = seed;
    r->due_ms = now.mono_ms;
    return r;
}

void dead_reader_free(struct dead_reader *r)
{
    if (r == NULL)
        return;
    buffer_fini(&r->removals);
    free(r->url);
    free(r);
}

bool dead_reader_keep(struct dead_reader *r, const char *name, const char *url, const char *owner)
{
    if (!text_equal(r->name, name) || !text_equal(r->owner, owner) || (url && !text_equal(r->url, url)))
        return false;
    r->name = name;
    r->owner = owner;
    return true;
}

/* ---- calls ---- */

bool dead_reader_next_call(struct dead_reader *r, struct target_call *call, struct instant now)
{
    if (r->asking || r->due_ms > now.mono_ms)
        return false;
    r->asking = true;
    *call = (struct target_call){.token = DEAD_READER_TOKEN, .timeout_ms = CALL_TIMEOUT_MS};
    if (r->url == NULL) {
        call->action = "GetQueueUrl";
        sqs_get_queue_url(&call->body, slice_text(r->name), slice_text(r->owner));
    } else if (r->removal_count > 0) {
        call->action = "DeleteMessageBatch";
        buffer_append(&call->body, buffer_slice(&r->removals));
        buffer_append_text(&call->body, "]}");
    } else {
        call->action = "ReceiveMessage";
        call->timeout_ms += WAIT_S * 1000;
        buffer_append_text(&call->body, "{\"QueueUrl\":");
        json_append_string(&call->body, slice_text(r->url));
        buffer_printf(&call->body, ",\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":%d,\"VisibilityTimeout\":%d,\"MessageAttributeNames\":[\"stream2sqs.id\"]}",
                      WAIT_S, HIDDEN_S);
    }
    return true;
}

/* ---- what is found ---- */

struct found {
    struct slice message_id; /* raw */
    struct slice handle;     /* raw, with its quotes */
    int64_t row;             /* 0: not ours */
};

static void read_attributes(const struct dead_reader *r, struct scanner *j, struct found *found)
{
    struct buffer arena = {0};
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        struct slice raw = scan_skip(j);
        struct sqs_attribute a = {0};
        struct scanner value;

        if (!slice_is(key, "stream2sqs.id") || !slice_present(raw))
            continue;
        buffer_reset(&arena);
        buffer_reserve(&arena, raw.len); /* it must not move: the value is read where it was decoded, whatever its type's length */
        scan_init(&value, raw);
        sqs_attribute_value_decode(&value, &a, &arena);
        if (!message_id_decode(r->identity, a.value, &found->row) || QUEUE_OF_MESSAGE(found->row) != r->queue->id)
            found->row = 0;
    }
    buffer_fini(&arena);
}

static struct found read_message(const struct dead_reader *r, struct scanner *j)
{
    struct found found = {0};
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (slice_is(key, "MessageAttributes") && scan_peek(j) == SCAN_OBJECT)
            read_attributes(r, j, &found);
        else if (slice_is(key, "MessageId") && scan_peek(j) == SCAN_STRING)
            found.message_id = scan_string(j);
        else if (slice_is(key, "ReceiptHandle") && scan_peek(j) == SCAN_STRING)
            found.handle = scan_skip(j);
        else
            scan_skip(j);
    }
    return found;
}

static bool was_redriven(struct slice history)
{
    return history_redriven_ms(history) != 0;
}

enum copy {
    COPY_KEEP,
    COPY_NEW,    /* the message has just been found dead */
    COPY_REMOVE, /* its message went back, or was given up */
};

/* A copy with another message id is an older one of ours only if the message was sent again by an operator since. Otherwise a consumer has sent it there, with
 * the attributes of the one that it received, and it is its own. */
static enum copy judge(const struct message_row *row, struct slice message_id)
{
    bool same = remote_id_is(row->remote_id, message_id);

    switch (row->state) {
    case MESSAGE_SENT:
        return same ? COPY_NEW : was_redriven(row->history) ? COPY_REMOVE : COPY_KEEP;
    case MESSAGE_PENDING: /* another copy may be the one whose sending had no answer: a FIFO queue would not take it a second time */
        return same && was_redriven(row->history) ? COPY_REMOVE : COPY_KEEP;
    case MESSAGE_DELETED: /* the present copy: an old handle was deleted, which servers confirm and do not do; who received it last failed */
        return !same && was_redriven(row->history) ? COPY_REMOVE : COPY_KEEP;
    case MESSAGE_DROPPED:
        return same || was_redriven(row->history) ? COPY_REMOVE : COPY_KEEP;
    default:
        return COPY_KEEP;
    }
}

static void remove_later(struct dead_reader *r, struct slice handle)
{
    if (!slice_present(handle) || r->removal_count == SQS_BATCH_MAX)
        return;
    if (r->removal_count == 0) {
        buffer_reset(&r->removals);
        buffer_append_text(&r->removals, "{\"QueueUrl\":");
        json_append_string(&r->removals, slice_text(r->url));
        buffer_append_text(&r->removals, ",\"Entries\":[");
    }
    buffer_printf(&r->removals, "%s{\"Id\":\"%zu\",\"ReceiptHandle\":%.*s}", r->removal_count > 0 ? "," : "", r->removal_count, SLICE_ARG(handle));
    r->removal_count++;
}

static void match(struct dead_reader *r, const struct found *found, struct instant now)
{
    struct message_row row;
    enum copy copy;

    if (found->row == 0 || !ledger_message_find(r->db, found->row, &row))
        return;
    copy = judge(&row, found->message_id);
    if (copy == COPY_NEW)
        queue_found_dead(r->queue, r->db, &row, now);
    ledger_message_end(r->db);
    if (copy == COPY_REMOVE)
        remove_later(r, found->handle);
}

/* Returns how many messages there were; -1: malformed. */
static int read_messages(struct dead_reader *r, struct slice body, struct instant now)
{
    struct scanner j;
    struct slice key;
    int count = 0;

    scan_init(&j, body);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (!slice_is(key, "Messages") || scan_peek(&j) != SCAN_ARRAY) {
            scan_skip(&j);
            continue;
        }
        scan_array_begin(&j);
        while (scan_element(&j)) {
            struct found found = read_message(r, &j);

            if (!scan_failed(&j))
                match(r, &found, now);
            count++;
        }
    }
    return scan_end(&j) ? count : -1;
}

/* ---- answers ---- */

static void failed(struct dead_reader *r, enum target_verdict verdict, const char *trouble, struct instant now)
{
    if (strcmp(r->trouble, trouble) != 0)
        log_warning("a dead-letter queue on another server cannot be read; trying again",
                    LOG_FIELDS(LOG_TEXT("queue", r->queue->name), LOG_TEXT("dead_letter_queue", r->name), LOG_TEXT("cause", trouble)));
    snprintf(r->trouble, sizeof(r->trouble), "%s", trouble);
    r->due_ms = now.mono_ms + (target_waits_for_operator(verdict) ? DENIED_RETRY_MS : back_off_ms(&r->random, r->failures));
    r->failures++;
    r->removal_count = 0; /* met again later */
}

void dead_reader_answer(struct dead_reader *r, const struct target_answer *answer, struct instant now)
{
    enum target_verdict verdict;
    char trouble[TROUBLE_TEXT];
    struct buffer url = {0};
    int count;

    r->asking = false;
    if (target_answer_failed(answer, &verdict, trouble)) {
        failed(r, verdict, trouble, now);
        return;
    }
    r->due_ms = now.mono_ms;
    if (r->url == NULL) {
        if (sqs_queue_url_decode(answer->body, &url))
            r->url = buffer_take(&url);
        else
            failed(r, TARGET_RETRY, "the answer to GetQueueUrl is malformed", now);
        buffer_fini(&url);
        return;
    }
    if (r->removal_count > 0) { /* what was not deleted is met again */
        r->removal_count = 0;
        return;
    }
    count = read_messages(r, answer->body, now);
    if (count < 0) {
        failed(r, TARGET_RETRY, "the answer to ReceiveMessage is malformed or was cut", now);
        return;
    }
    if (count == 0)
        r->due_ms = now.mono_ms + REST_MS;
    if (r->trouble[0])
        log_info("a dead-letter queue on another server is read again", LOG_FIELDS(LOG_TEXT("queue", r->queue->name), LOG_TEXT("dead_letter_queue", r->name)));
    r->failures = 0;
    r->trouble[0] = '\0';
}

int64_t dead_reader_due(const struct dead_reader *r)
{
    return r->asking ? INT64_MAX : r->due_ms;
}

const char *dead_reader_trouble(const struct dead_reader *r)
{
    return r->trouble;
}
