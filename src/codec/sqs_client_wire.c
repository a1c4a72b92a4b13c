/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sqs_client_wire.h"

/* ---- requests ---- */

/* U+FFFE and U+FFFF in UTF-8. */
static const char *find_refused(const char *at, const char *end)
{
    while ((at = memchr(at, '\xef', (size_t)(end - at))) != NULL) {
        if (end - at >= 3 && at[1] == '\xbf' && (at[2] == '\xbe' || at[2] == '\xbf'))
            return at;
        at++;
    }
    return NULL;
}

void sqs_escape_refused(struct buffer *json)
{
    const char *end = json->ptr + json->len;
    const char *at = json->len > 0 ? json->ptr : NULL;
    const char *hit = at ? find_refused(at, end) : NULL;
    struct buffer out = {0};

    if (hit == NULL)
        return;
    for (; hit; at = hit + 3, hit = find_refused(at, end)) {
        buffer_append(&out, slice_from(at, (size_t)(hit - at)));
        buffer_append_text(&out, hit[2] == '\xbe' ? "\\ufffe" : "\\uffff");
    }
    buffer_append(&out, slice_from(at, (size_t)(end - at)));
    buffer_fini(json);
    *json = out;
}

size_t sqs_outgoing_bytes(const struct sqs_outgoing *m)
{
    size_t bytes = m->body.len;

    for (size_t i = 0; i < m->attribute_count; i++)
        bytes += m->attributes[i].name.len + m->attributes[i].type.len + m->attributes[i].value.len;
    return bytes;
}

static void append_member(struct buffer *out, const char *name, struct slice value)
{
    buffer_append_text(out, name);
    json_append_string(out, value);
}

void sqs_send_begin(struct buffer *out, struct slice queue_url)
{
    append_member(out, "{\"QueueUrl\":", queue_url);
    buffer_append_text(out, ",\"Entries\":[");
}

void sqs_send_entry(struct buffer *out, size_t index, const struct sqs_outgoing *m)
{
    buffer_reserve(out, m->body.len + m->body.len / 4 + 512);
    buffer_append_text(out, index > 0 ? ",{\"Id\":\"" : "{\"Id\":\"");
    buffer_append_u64(out, index);
    append_member(out, "\",\"MessageBody\":", m->body);
    if (m->attribute_count > 0) {
        buffer_append_text(out, ",\"MessageAttributes\":");
        sqs_attributes_encode(out, m->attributes, m->attribute_count);
    }
    if (slice_present(m->group_id))
        append_member(out, ",\"MessageGroupId\":", m->group_id);
    if (slice_present(m->deduplication_id))
        append_member(out, ",\"MessageDeduplicationId\":", m->deduplication_id);
    buffer_append_byte(out, '}');
}

void sqs_send_end(struct buffer *out)
{
    buffer_append_text(out, "]}");
}

void sqs_get_queue_url(struct buffer *out, struct slice name, struct slice owner_account_id)
{
    append_member(out, "{\"QueueName\":", name);
    if (slice_present(owner_account_id))
        append_member(out, ",\"QueueOwnerAWSAccountId\":", owner_account_id);
    buffer_append_byte(out, '}');
}

void sqs_get_queue_attributes(struct buffer *out, struct slice queue_url)
{
    append_member(out, "{\"QueueUrl\":", queue_url);
    buffer_append_text(out, ",\"AttributeNames\":[\"All\"]}");
}

/* ---- answers ---- */

static struct slice text_or_none(struct scanner *j)
{
    if (scan_peek(j) == SCAN_STRING)
        return scan_string(j);
    scan_skip(j);
    return SLICE_NONE;
}

static void entry_member(struct scanner *j, struct slice key, struct slice *id, struct sqs_entry_result *r)
{
    if (json_raw_equal(key, "Id"))
        *id = text_or_none(j);
    else if (json_raw_equal(key, "MessageId"))
        r->message_id = text_or_none(j);
    else if (json_raw_equal(key, "MD5OfMessageBody"))
        r->body_md5 = text_or_none(j);
    else if (json_raw_equal(key, "MD5OfMessageAttributes"))
        r->attributes_md5 = text_or_none(j);
    else if (json_raw_equal(key, "Code"))
        r->code = text_or_none(j);
    else if (json_raw_equal(key, "Message"))
        r->message = text_or_none(j);
    else if (json_raw_equal(key, "SenderFault") && (scan_peek(j) == SCAN_TRUE || scan_peek(j) == SCAN_FALSE))
        r->senders_fault = scan_bool(j);
    else
        scan_skip(j);
}

static void decode_list(struct scanner *j, enum sqs_entry_state state, struct sqs_entry_result *results, size_t count)
{
    if (scan_peek(j) == SCAN_NULL) {
        scan_null(j);
        return;
    }
    scan_array_begin(j);
    while (scan_element(j)) {
        struct sqs_entry_result r = {.state = state};
        struct slice id = SLICE_NONE;
        struct slice key;
        uint64_t at;

        scan_object_begin(j);
        while (scan_member(j, &key))
            entry_member(j, key, &id, &r);
        if (!slice_present(id) || !slice_to_u64(id, &at) || at >= count)
            continue; /* an id that we did not send says nothing of those that we did */
        if (results[at].state != SQS_ENTRY_ABSENT)
            r.state = SQS_ENTRY_CONTRADICTORY;
        results[at] = r;
    }
}

bool sqs_batch_result_decode(struct slice body, struct sqs_entry_result *results, size_t count)
{
    struct scanner j;
    struct slice key;

    memset(results, 0, count * sizeof(*results));
    scan_init(&j, body);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (json_raw_equal(key, "Successful"))
            decode_list(&j, SQS_ENTRY_SUCCESSFUL, results, count);
        else if (json_raw_equal(key, "Failed"))
            decode_list(&j, SQS_ENTRY_FAILED, results, count);
        else
            scan_skip(&j);
    }
    if (scan_end(&j))
        return true;
    memset(results, 0, count * sizeof(*results));
    return false;
}

bool sqs_queue_url_decode(struct slice body, struct buffer *url)
{
    struct scanner j;
    struct slice key;
    struct slice raw = SLICE_NONE;

    scan_init(&j, body);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (json_raw_equal(key, "QueueUrl"))
            raw = text_or_none(&j);
        else
            scan_skip(&j);
    }
    return scan_end(&j) && slice_present(raw) && raw.len > 0 && json_unescape(url, raw);
}

struct slice sqs_queue_attribute_find(struct slice body, const char *name)
{
    struct scanner j;
    struct slice key;
    struct slice found = SLICE_NONE;

    scan_init(&j, body);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (!json_raw_equal(key, "Attributes") || scan_peek(&j) != SCAN_OBJECT) {
            scan_skip(&j);
            continue;
        }
        scan_object_begin(&j);
        while (scan_member(&j, &key)) {
            struct slice value = text_or_none(&j);

            if (json_raw_equal(key, name))
                found = value;
        }
    }
    return scan_end(&j) ? found : SLICE_NONE;
}
