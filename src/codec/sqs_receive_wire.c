/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sqs_receive_wire.h"

/* ---- requests ---- */

void sqs_receive_request(struct buffer *out, struct slice queue_url, int count, int wait_s, int visibility_s)
{
    buffer_append_text(out, "{\"QueueUrl\":");
    json_append_string(out, queue_url);
    buffer_printf(out, ",\"MaxNumberOfMessages\":%d,\"WaitTimeSeconds\":%d", count, wait_s);
    if (visibility_s >= 0)
        buffer_printf(out, ",\"VisibilityTimeout\":%d", visibility_s);
    /* the older of the two names: servers that know the newer (MessageSystemAttributeNames) know this one, too */
    buffer_append_text(out, ",\"AttributeNames\":[\"All\"],\"MessageAttributeNames\":[\"All\"]}");
}

void sqs_handles_begin(struct buffer *out, struct slice queue_url)
{
    sqs_send_begin(out, queue_url);
}

static void begin_entry(struct buffer *out, size_t index, struct slice receipt_handle)
{
    buffer_append_text(out, index > 0 ? ",{\"Id\":\"" : "{\"Id\":\"");
    buffer_append_u64(out, index);
    buffer_append_text(out, "\",\"ReceiptHandle\":");
    json_append_string(out, receipt_handle);
}

void sqs_delete_entry(struct buffer *out, size_t index, struct slice receipt_handle)
{
    begin_entry(out, index, receipt_handle);
    buffer_append_byte(out, '}');
}

void sqs_visibility_entry(struct buffer *out, size_t index, struct slice receipt_handle, int visibility_s)
{
    begin_entry(out, index, receipt_handle);
    buffer_printf(out, ",\"VisibilityTimeout\":%d}", visibility_s);
}

void sqs_handles_end(struct buffer *out)
{
    sqs_send_end(out);
}

/* ---- the answer ---- */

void sqs_received_fini(struct sqs_received *m)
{
    buffer_fini(&m->arena);
    *m = (struct sqs_received){0};
}

struct slice sqs_received_attribute(const struct sqs_received *m, const char *name)
{
    for (size_t i = 0; i < m->attribute_count; i++)
        if (slice_is(m->attributes[i].name, name))
            return m->attributes[i].value;
    return SLICE_NONE;
}

/* Decoded texts are never longer than raw ones, so an arena of the message's own size does not move. */
static struct slice decoded(struct sqs_received *m, struct slice raw)
{
    size_t start = m->arena.len;

    json_unescape(&m->arena, raw);
    return slice_from(m->arena.ptr + start, m->arena.len - start);
}

static struct slice text_member(struct sqs_received *m, struct scanner *j)
{
    if (scan_peek(j) == SCAN_STRING)
        return decoded(m, scan_string(j));
    scan_skip(j);
    return SLICE_NONE;
}

static void read_system_attributes(struct sqs_received *m, struct scanner *j)
{
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        struct slice value = text_member(m, j);

        if (json_raw_equal(key, "ApproximateReceiveCount") && !slice_to_u64(value, &m->receive_count))
            m->receive_count = 0;
        else if (json_raw_equal(key, "MessageGroupId"))
            m->group_id = value;
        else if (json_raw_equal(key, "SequenceNumber"))
            m->sequence_number = value;
    }
}

static void read_attributes(struct sqs_received *m, struct scanner *j)
{
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        struct sqs_attribute *a = &m->attributes[m->attribute_count];

        if (m->attribute_count == SQS_ATTRIBUTES_MAX || scan_peek(j) != SCAN_OBJECT) {
            m->fault = "its message attributes are malformed";
            scan_skip(j);
            continue;
        }
        *a = (struct sqs_attribute){.name = decoded(m, key)};
        sqs_attribute_value_decode(j, a, &m->arena);
        m->attribute_count++;
    }
}

static void check(struct sqs_received *m, struct slice body_md5, struct slice attributes_md5)
{
    char hex[33];

    if (!slice_present(m->body)) {
        m->fault = "it has no body";
        return;
    }
    sqs_md5_hex(m->body, hex);
    if (slice_present(body_md5) && !slice_is(body_md5, hex))
        m->fault = "its body's MD5 is wrong";
    sqs_attributes_md5(m->attributes, m->attribute_count, hex);
    if (slice_present(attributes_md5) && !slice_is(attributes_md5, hex))
        m->fault = "its attributes' MD5 is wrong";
}

static void read_message(struct sqs_received *m, struct slice text)
{
    struct slice body_md5 = SLICE_NONE;
    struct slice attributes_md5 = SLICE_NONE;
    struct slice key;
    struct scanner j;

    buffer_reserve(&m->arena, text.len + 64);
    scan_init(&j, text);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (json_raw_equal(key, "MessageId"))
            m->message_id = text_member(m, &j);
        else if (json_raw_equal(key, "ReceiptHandle"))
            m->receipt_handle = text_member(m, &j);
        else if (json_raw_equal(key, "Body"))
            m->body = text_member(m, &j);
        else if (json_raw_equal(key, "MD5OfBody"))
            body_md5 = text_member(m, &j);
        else if (json_raw_equal(key, "MD5OfMessageAttributes"))
            attributes_md5 = text_member(m, &j);
        else if (json_raw_equal(key, "Attributes") && scan_peek(&j) == SCAN_OBJECT)
            read_system_attributes(m, &j);
        else if (json_raw_equal(key, "MessageAttributes") && scan_peek(&j) == SCAN_OBJECT)
            read_attributes(m, &j);
        else
            scan_skip(&j);
    }
    check(m, body_md5, attributes_md5);
    if (!scan_end(&j))
        m->fault = "its members are malformed";
}

static int read_messages(struct scanner *j, struct sqs_received out[SQS_RECEIVED_MAX])
{
    int count = 0;

    scan_array_begin(j);
    while (scan_element(j)) {
        bool object = scan_peek(j) == SCAN_OBJECT;
        struct slice text = scan_skip(j);

        if (!object || scan_failed(j) || count == SQS_RECEIVED_MAX)
            continue;
        out[count] = (struct sqs_received){0};
        read_message(&out[count], text);
        if (slice_present(out[count].receipt_handle) && out[count].receipt_handle.len > 0)
            count++;
        else
            sqs_received_fini(&out[count]);
    }
    return count;
}

int sqs_receive_decode(struct slice body, struct sqs_received out[SQS_RECEIVED_MAX])
{
    struct scanner j;
    struct slice key;
    int count = 0;

    scan_init(&j, body);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (json_raw_equal(key, "Messages") && scan_peek(&j) == SCAN_ARRAY && count == 0)
            count = read_messages(&j, out);
        else
            scan_skip(&j);
    }
    if (scan_end(&j))
        return count;
    while (count > 0)
        sqs_received_fini(&out[--count]);
    return -1;
}
