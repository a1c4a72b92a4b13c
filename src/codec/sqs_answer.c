/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sqs_answer.h"

#include "codec/digest.h"
#include "codec/sqs_request.h"

void sqs_answer_begin(struct sqs_answer *a, enum sqs_action action)
{
    a->action = action;
    a->error = SQS_OK;
    a->count = a->failed_count = 0;
    buffer_reset(&a->body);
    buffer_reset(&a->failed);
    buffer_append_byte(&a->body, '{');
}

/* ---- members ---- */

/* "name": after a comma, unless it is the first of its object. */
static void append_name(struct buffer *out, const char *name)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '{')
        buffer_append_byte(out, ',');
    buffer_append_byte(out, '"');
    buffer_append_text(out, name);
    buffer_append_text(out, "\":");
}

static void append_text(struct buffer *out, const char *name, struct slice value)
{
    append_name(out, name);
    json_append_string(out, value);
}

static void append_optional(struct buffer *out, const char *name, struct slice value)
{
    if (slice_present(value))
        append_text(out, name, value);
}

/* Numbers among a message's attributes are texts. */
static void append_number_text(struct buffer *out, const char *name, int64_t value)
{
    append_name(out, name);
    buffer_append_byte(out, '"');
    buffer_append_i64(out, value);
    buffer_append_byte(out, '"');
}

/* Opens the next element of the list, or the list itself. */
static void begin_element(struct buffer *out, size_t *count, const char *list)
{
    if ((*count)++ > 0) {
        buffer_append_byte(out, ',');
        return;
    }
    append_name(out, list);
    buffer_append_byte(out, '[');
}

/* ---- messages ---- */

static void append_system_attributes(struct buffer *out, const struct sqs_message *m)
{
    unsigned wanted = m->system_attributes;
    size_t start;

    if (wanted == 0)
        return;
    append_name(out, "Attributes");
    start = out->len;
    buffer_append_byte(out, '{');
    if (wanted & SQS_SENDER_ID)
        append_optional(out, "SenderId", m->sender_id);
    if (wanted & SQS_SENT_TIMESTAMP)
        append_number_text(out, "SentTimestamp", m->sent_ms);
    if (wanted & SQS_RECEIVE_COUNT)
        append_number_text(out, "ApproximateReceiveCount", m->receive_count);
    if (wanted & SQS_FIRST_RECEIVE_TIMESTAMP)
        append_number_text(out, "ApproximateFirstReceiveTimestamp", m->first_receive_ms);
    if (wanted & SQS_DEAD_LETTER_SOURCE_ARN)
        append_optional(out, "DeadLetterQueueSourceArn", m->dead_letter_source_arn);
    if (wanted & SQS_TRACE_HEADER)
        append_optional(out, "AWSTraceHeader", m->trace_header);
    if (wanted & SQS_SEQUENCE_NUMBER)
        append_optional(out, "SequenceNumber", m->sequence_number);
    if (wanted & SQS_DEDUPLICATION_ID)
        append_optional(out, "MessageDeduplicationId", m->deduplication_id);
    if (wanted & SQS_GROUP_ID)
        append_optional(out, "MessageGroupId", m->group_id);
    if (out->len == start + 1) /* none of those that were asked for is there: no map at all */
        out->len = start - sizeof(",\"Attributes\":") + 1;
    else
        buffer_append_byte(out, '}');
}

void sqs_answer_message(struct sqs_answer *a, const struct sqs_message *m)
{
    struct buffer *out = &a->body;
    char hex[33];

    buffer_reserve(out, m->body.len + m->body.len / 4 + 512);
    begin_element(out, &a->count, "Messages");
    buffer_append_text(out, "{\"MessageId\":\"");
    buffer_append_text(out, m->message_id);
    buffer_append_text(out, "\",\"ReceiptHandle\":\"");
    buffer_append(out, m->receipt_handle); /* base64: nothing to escape */
    if (slice_present(m->body_md5))
        hex_encode(m->body_md5.ptr, MD5_BYTES, hex);
    else
        sqs_md5_hex(m->body, hex);
    buffer_append_text(out, "\",\"MD5OfBody\":\"");
    buffer_append(out, slice_from(hex, 32));
    buffer_append_text(out, "\",\"Body\":");
    json_append_string(out, m->body);
    append_system_attributes(out, m);
    if (m->attribute_count > 0) {
        sqs_attributes_md5(m->attributes, m->attribute_count, hex);
        append_text(out, "MD5OfMessageAttributes", slice_from(hex, 32));
        append_name(out, "MessageAttributes");
        sqs_attributes_encode(out, m->attributes, m->attribute_count);
    }
    buffer_append_byte(out, '}');
}

void sqs_answer_raw_message(struct sqs_answer *a, struct slice message)
{
    begin_element(&a->body, &a->count, "Messages");
    buffer_append(&a->body, message);
}

void sqs_answer_whole(struct sqs_answer *a, struct slice document)
{
    struct scanner j;

    scan_init(&j, document);
    scan_skip(&j);
    if (!scan_end(&j)) {
        sqs_answer_error(a, SQS_SERVICE_UNAVAILABLE, "The answer of the queue's server was malformed or cut.");
        return;
    }
    buffer_reset(&a->body);
    buffer_append(&a->body, document);
}

/* Opens the next element of the Successful list of a batch. */
static void begin_successful(struct sqs_answer *a, struct slice id)
{
    begin_element(&a->body, &a->count, "Successful");
    buffer_append_byte(&a->body, '{');
    append_text(&a->body, "Id", id);
}

void sqs_answer_sent(struct sqs_answer *a, const struct sqs_sent *sent)
{
    bool batch = slice_present(sent->id);

    if (batch)
        begin_successful(a, sent->id);
    append_text(&a->body, "MessageId", slice_text(sent->message_id));
    append_text(&a->body, "MD5OfMessageBody", slice_text(sent->body_md5));
    append_optional(&a->body, "MD5OfMessageAttributes", slice_text(sent->attributes_md5));
    append_optional(&a->body, "MD5OfMessageSystemAttributes", slice_text(sent->system_attributes_md5));
    append_optional(&a->body, "SequenceNumber", slice_text(sent->sequence_number));
    if (batch)
        buffer_append_byte(&a->body, '}');
}

void sqs_answer_done(struct sqs_answer *a, struct slice id)
{
    if (!slice_present(id))
        return;
    begin_successful(a, id);
    buffer_append_byte(&a->body, '}');
}

void sqs_answer_failed(struct sqs_answer *a, struct slice id, enum sqs_error error, const char *text)
{
    begin_element(&a->failed, &a->failed_count, "Failed");
    buffer_append_byte(&a->failed, '{');
    append_text(&a->failed, "Id", id);
    append_name(&a->failed, "SenderFault");
    buffer_append_text(&a->failed, sqs_error_status(error) < 500 ? "true" : "false");
    append_text(&a->failed, "Code", slice_text(sqs_error_query_code(error)));
    append_text(&a->failed, "Message", slice_text(text));
    buffer_append_byte(&a->failed, '}');
}

/* ---- queues ---- */

void sqs_answer_queue_url(struct sqs_answer *a, struct slice url)
{
    if (a->action == SQS_ACTION_GET_QUEUE_URL || a->action == SQS_ACTION_CREATE_QUEUE) {
        append_text(&a->body, "QueueUrl", url);
        return;
    }
    begin_element(&a->body, &a->count, a->action == SQS_ACTION_LIST_QUEUES ? "QueueUrls" : "queueUrls");
    json_append_string(&a->body, url);
}

void sqs_answer_next_token(struct sqs_answer *a, struct slice token)
{
    append_text(&a->failed, "NextToken", token);
}

void sqs_answer_pair(struct sqs_answer *a, struct slice name, struct slice value)
{
    if (a->count++ == 0) {
        append_name(&a->body, a->action == SQS_ACTION_LIST_QUEUE_TAGS ? "Tags" : "Attributes");
        buffer_append_byte(&a->body, '{');
    } else {
        buffer_append_byte(&a->body, ',');
    }
    json_append_string(&a->body, name);
    buffer_append_byte(&a->body, ':');
    json_append_string(&a->body, value);
}

void sqs_answer_text(struct sqs_answer *a, const char *name, struct slice value)
{
    append_text(&a->body, name, value);
}

void sqs_answer_number(struct sqs_answer *a, const char *name, int64_t value)
{
    append_name(&a->body, name);
    buffer_append_i64(&a->body, value);
}

void sqs_answer_result_begin(struct sqs_answer *a)
{
    begin_element(&a->body, &a->count, "Results");
    buffer_append_byte(&a->body, '{');
}

void sqs_answer_result_end(struct sqs_answer *a)
{
    buffer_append_byte(&a->body, '}');
}

/* ---- the document ---- */

void sqs_answer_end(struct sqs_answer *a)
{
    bool map = a->action == SQS_ACTION_GET_QUEUE_ATTRIBUTES || a->action == SQS_ACTION_LIST_QUEUE_TAGS;

    if (!sqs_action_has_output(a->action)) {
        buffer_reset(&a->body); /* operations without output answer with no body */
        return;
    }
    if (a->count > 0)
        buffer_append_byte(&a->body, map ? '}' : ']');
    if (a->failed.len > 0) {
        if (a->body.len > 1)
            buffer_append_byte(&a->body, ',');
        buffer_append(&a->body, buffer_slice(&a->failed));
        if (a->failed_count > 0)
            buffer_append_byte(&a->body, ']');
    }
    buffer_append_byte(&a->body, '}');
}

void sqs_answer_error(struct sqs_answer *a, enum sqs_error error, const char *text)
{
    const char *own = sqs_error_text(error);

    a->error = error;
    buffer_reset(&a->body);
    buffer_append_byte(&a->body, '{');
    append_text(&a->body, "__type", slice_text(sqs_error_type(error)));
    append_text(&a->body, "message", slice_text(text ? text : own ? own : sqs_error_query_code(error)));
    buffer_append_byte(&a->body, '}');
}

void sqs_answer_fini(struct sqs_answer *a)
{
    buffer_fini(&a->body);
    buffer_fini(&a->failed);
}
