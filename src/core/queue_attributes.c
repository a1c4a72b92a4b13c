/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue_attributes.h"

#include "base/memory.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define POLICY_BYTES_MAX 65536
#define RETENTION_OF_KEPT "1209600" /* what is told of a queue without a retention: SQS knows no longer one */
#define SOURCE_ARNS_MAX 10

/* ---- the kinds of values ---- */

struct row;
/* The canonical form of a value, to be freed; NULL: it is none, and *failure says so. */
typedef char *(*reader)(const struct row *row, struct slice value, struct sqs_failure *failure);

static char *read_number(const struct row *row, struct slice value, struct sqs_failure *failure);
static char *read_choice(const struct row *row, struct slice value, struct sqs_failure *failure);
static char *read_text(const struct row *row, struct slice value, struct sqs_failure *failure);
static char *read_policy(const struct row *row, struct slice value, struct sqs_failure *failure);
static char *read_redrive(const struct row *row, struct slice value, struct sqs_failure *failure);
static char *read_redrive_allow(const struct row *row, struct slice value, struct sqs_failure *failure);

static const struct row {
    const char *name;
    reader read;
    int64_t least;
    int64_t most;
    const char *choices;      /* "a|b" */
    const char *default_text; /* NULL: not told unless it was given */
    bool fifo_only;
    bool removable;           /* "" takes it away */
} rows[QUEUE_ATTRIBUTE_COUNT] = {
    [QUEUE_DELAY_SECONDS] = {"DelaySeconds", read_number, 0, SQS_DELAY_MAX_S, NULL, "0", false, false},
    [QUEUE_MAXIMUM_MESSAGE_SIZE] = {"MaximumMessageSize", read_number, SQS_MAXIMUM_MESSAGE_SIZE_MIN, SQS_MESSAGE_BYTES_MAX, NULL, "1048576", false, false},
    [QUEUE_MESSAGE_RETENTION_PERIOD] = {"MessageRetentionPeriod", read_number, SQS_RETENTION_MIN_S, SQS_RETENTION_MAX_S, NULL, "345600", false, false},
    [QUEUE_RECEIVE_WAIT_SECONDS] = {"ReceiveMessageWaitTimeSeconds", read_number, 0, SQS_WAIT_MAX_S, NULL, "0", false, false},
    [QUEUE_VISIBILITY_TIMEOUT] = {"VisibilityTimeout", read_number, 0, SQS_VISIBILITY_MAX_S, NULL, "30", false, false},
    [QUEUE_POLICY] = {"Policy", read_policy, 0, 0, NULL, NULL, false, true},
    [QUEUE_REDRIVE_POLICY] = {"RedrivePolicy", read_redrive, 0, 0, NULL, NULL, false, true},
    [QUEUE_REDRIVE_ALLOW_POLICY] = {"RedriveAllowPolicy", read_redrive_allow, 0, 0, NULL, NULL, false, true},
    [QUEUE_KMS_MASTER_KEY_ID] = {"KmsMasterKeyId", read_text, 0, 2048, NULL, NULL, false, true},
    [QUEUE_KMS_REUSE_PERIOD] = {"KmsDataKeyReusePeriodSeconds", read_number, 60, 86400, NULL, NULL, false, false},
    [QUEUE_MANAGED_SSE] = {"SqsManagedSseEnabled", read_choice, 0, 0, "true|false", "true", false, false},
    [QUEUE_FIFO_QUEUE] = {"FifoQueue", read_choice, 0, 0, "true", "true", true, false},
    [QUEUE_CONTENT_BASED_DEDUPLICATION] = {"ContentBasedDeduplication", read_choice, 0, 0, "true|false", "false", true, false},
    [QUEUE_DEDUPLICATION_SCOPE] = {"DeduplicationScope", read_choice, 0, 0, "queue|messageGroup", "queue", true, false},
    [QUEUE_FIFO_THROUGHPUT_LIMIT] = {"FifoThroughputLimit", read_choice, 0, 0, "perQueue|perMessageGroupId", "perQueue", true, false},
};

/* Told, never set. */
static const char *const told[] = {
    "All", "QueueArn", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed", "CreatedTimestamp",
    "LastModifiedTimestamp",
};

const char *queue_attribute_name(enum queue_attribute attribute)
{
    return rows[attribute].name;
}

static int find(struct slice name)
{
    int i = 0;

    while (i < QUEUE_ATTRIBUTE_COUNT && !slice_is(name, rows[i].name))
        i++;
    return i;
}

bool queue_attribute_known(struct slice name)
{
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        if (slice_is(name, told[i]))
            return true;
    return find(name) < QUEUE_ATTRIBUTE_COUNT;
}

static char *invalid(const struct row *row, struct sqs_failure *failure)
{
    sqs_fail(failure, SQS_INVALID_ATTRIBUTE_VALUE, "Invalid value for the parameter %s.", row->name);
    return NULL;
}

static char *read_number(const struct row *row, struct slice value, struct sqs_failure *failure)
{
    uint64_t number;
    char text[24];

    if (!slice_to_u64(value, &number) || (int64_t)number < row->least || (int64_t)number > row->most)
        return invalid(row, failure);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return memory_strdup(text);
}

static char *read_choice(const struct row *row, struct slice value, struct sqs_failure *failure)
{
    struct slice rest = slice_text(row->choices);

    while (rest.len > 0) {
        struct slice choice = slice_from(rest.ptr, slice_index(rest, '|'));

        rest = slice_after(rest, choice.len + 1);
        if (choice.len == value.len && strncasecmp(value.ptr, choice.ptr, value.len) == 0)
            return slice_dup(choice);
    }
    return invalid(row, failure);
}

static char *read_text(const struct row *row, struct slice value, struct sqs_failure *failure)
{
    return (int64_t)value.len <= row->most ? slice_dup(value) : invalid(row, failure);
}

static char *read_policy(const struct row *row, struct slice value, struct sqs_failure *failure)
{
    json_t *policy = value.len <= POLICY_BYTES_MAX ? json_loadb(value.ptr, value.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_t *statement = json_object_get(policy, "Statement");
    bool good = json_is_array(statement) || json_is_object(statement);

    json_decref(policy);
    return good ? slice_dup(value) : invalid(row, failure);
}

static char *refuse_redrive(struct slice value, struct sqs_failure *failure, const char *reason)
{
    sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE, "Value %.*s for parameter RedrivePolicy is invalid. Reason: %s", value.len > 200 ? 200 : (int)value.len,
             value.ptr, reason);
    return NULL;
}

/* maxReceiveCount is written as a number or as a text. */
static bool read_count(json_t *value, uint64_t *count)
{
    if (json_is_integer(value)) {
        *count = (uint64_t)json_integer_value(value);
        return json_integer_value(value) >= 0;
    }
    return json_is_string(value) && slice_to_u64(slice_text(json_string_value(value)), count);
}

static char *read_redrive(const struct row *row, struct slice value, struct sqs_failure *failure)
{
    json_t *policy = json_loadb(value.ptr, value.len, JSON_REJECT_DUPLICATES, NULL);
    const char *arn = json_string_value(json_object_get(policy, "deadLetterTargetArn"));
    json_t *max = json_object_get(policy, "maxReceiveCount");
    char *text = NULL;
    uint64_t count = 0;
    bool plain = true; /* the name is a part of a canonical text */

    (void)row;
    for (const char *c = arn; c && *c; c++)
        plain = plain && *c > ' ' && *c <= '~' && *c != '"' && *c != '\\';
    if (!json_is_object(policy))
        refuse_redrive(value, failure, "Redrive policy is not a valid JSON map.");
    else if (arn == NULL)
        refuse_redrive(value, failure, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.");
    else if (!plain)
        refuse_redrive(value, failure, "Dead letter target does not exist.");
    else if (max == NULL)
        refuse_redrive(value, failure, "Redrive policy does not contain mandatory attribute: maxReceiveCount.");
    else if (!read_count(max, &count) || count < 1 || count > 1000)
        refuse_redrive(value, failure, "Invalid value for maxReceiveCount: valid values are from 1 to 1000 both inclusive.");
    else
        text = redrive_policy_text(arn, (int64_t)count);
    json_decref(policy);
    return text;
}

static char *read_redrive_allow(const struct row *row, struct slice value, struct sqs_failure *failure)
{
    json_t *policy = json_loadb(value.ptr, value.len, JSON_REJECT_DUPLICATES, NULL);
    const char *permission = json_string_value(json_object_get(policy, "redrivePermission"));
    json_t *arns = json_object_get(policy, "sourceQueueArns");
    bool by_queue = permission && strcmp(permission, "byQueue") == 0;
    bool good = permission && (by_queue ? json_is_array(arns) && json_array_size(arns) >= 1 && json_array_size(arns) <= SOURCE_ARNS_MAX
                                        : arns == NULL && (strcmp(permission, "allowAll") == 0 || strcmp(permission, "denyAll") == 0));

    for (size_t i = 0; i < json_array_size(arns); i++)
        good = good && json_is_string(json_array_get(arns, i));
    json_decref(policy);
    return good ? slice_dup(value) : invalid(row, failure);
}

/* ---- all of them ---- */

void queue_attributes_fini(struct queue_attributes *a)
{
    for (int i = 0; i < QUEUE_ATTRIBUTE_COUNT; i++)
        free(a->values[i]);
    *a = (struct queue_attributes){0};
}

void queue_attributes_copy(struct queue_attributes *to, const struct queue_attributes *from)
{
    for (int i = 0; i < QUEUE_ATTRIBUTE_COUNT; i++)
        to->values[i] = memory_strdup(from->values[i]);
}

static bool unknown(struct slice name, struct sqs_failure *failure)
{
    sqs_fail(failure, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.", name.len > 100 ? 100 : (int)name.len, name.ptr);
    return false;
}

static bool read_one(struct queue_attributes *a, const struct sqs_pair *pair, bool fifo, bool creating, struct sqs_failure *failure)
{
    int i = find(pair->name);
    const struct row *row = &rows[i < QUEUE_ATTRIBUTE_COUNT ? i : 0];
    char *value = NULL;

    if (i == QUEUE_ATTRIBUTE_COUNT || (row->fifo_only && !fifo))
        return unknown(pair->name, failure);
    if (i == QUEUE_FIFO_QUEUE && !creating) {
        sqs_fail(failure, SQS_INVALID_ATTRIBUTE_VALUE, "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.");
        return false;
    }
    if (!(row->removable && pair->value.len == 0)) {
        value = row->read(row, pair->value, failure);
        if (value == NULL)
            return false;
    }
    free(a->values[i]);
    a->values[i] = value;
    return true;
}

static const char *given_or_default(const struct queue_attributes *a, enum queue_attribute attribute)
{
    return a->values[attribute] ? a->values[attribute] : rows[attribute].default_text;
}

static bool agree(const struct queue_attributes *a, bool fifo, struct sqs_failure *failure)
{
    if (fifo && strcmp(given_or_default(a, QUEUE_FIFO_THROUGHPUT_LIMIT), "perMessageGroupId") == 0 &&
        strcmp(given_or_default(a, QUEUE_DEDUPLICATION_SCOPE), "messageGroup") != 0) {
        sqs_fail(failure, SQS_INVALID_ATTRIBUTE_VALUE, "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed "
                                                       "only when the value for DeduplicationScope is messageGroup.");
        return false;
    }
    if (a->values[QUEUE_KMS_MASTER_KEY_ID] && a->values[QUEUE_MANAGED_SSE] && strcmp(a->values[QUEUE_MANAGED_SSE], "true") == 0) {
        sqs_fail(failure, SQS_INVALID_ATTRIBUTE_VALUE, "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or "
                                                       "SQS SSE.");
        return false;
    }
    return true;
}

void queue_attributes_default_retention(struct queue_attributes *a)
{
    if (!a->values[QUEUE_MESSAGE_RETENTION_PERIOD])
        a->values[QUEUE_MESSAGE_RETENTION_PERIOD] = memory_strdup(rows[QUEUE_MESSAGE_RETENTION_PERIOD].default_text);
}

bool queue_attributes_read(struct queue_attributes *a, const struct sqs_pairs *pairs, bool fifo, bool creating, struct sqs_failure *failure)
{
    struct queue_attributes next = {0};
    bool good = true;

    *failure = (struct sqs_failure){0};
    queue_attributes_copy(&next, a);
    for (size_t i = 0; good && i < pairs->count; i++)
        good = read_one(&next, &pairs->list[i], fifo, creating, failure);
    good = good && agree(&next, fifo, failure);
    if (good) {
        queue_attributes_fini(a);
        *a = next;
    } else {
        queue_attributes_fini(&next);
    }
    return good;
}

const char *queue_attribute_value(const struct queue_attributes *a, enum queue_attribute attribute, bool fifo)
{
    bool kms = a->values[QUEUE_KMS_MASTER_KEY_ID] != NULL;

    if (rows[attribute].fifo_only && !fifo)
        return NULL;
    if (attribute == QUEUE_MESSAGE_RETENTION_PERIOD && !a->values[attribute])
        return RETENTION_OF_KEPT; /* nothing expires */
    if (attribute == QUEUE_MANAGED_SSE && kms)
        return "false";
    if (attribute == QUEUE_KMS_REUSE_PERIOD && kms && !a->values[attribute])
        return "300";
    return given_or_default(a, attribute);
}

enum queue_attribute queue_attributes_differ(const struct queue_attributes *a, const struct queue_attributes *given, bool fifo)
{
    for (int i = 0; i < QUEUE_ATTRIBUTE_COUNT; i++) {
        const char *there = queue_attribute_value(a, (enum queue_attribute)i, fifo);

        if (given->values[i] && (there == NULL || strcmp(there, given->values[i]) != 0))
            return (enum queue_attribute)i;
    }
    return QUEUE_ATTRIBUTE_COUNT;
}

/* ---- in the ledger ---- */

void queue_attributes_encode(const struct queue_attributes *a, struct buffer *out)
{
    bool first = true;

    buffer_append_byte(out, '{');
    for (int i = 0; i < QUEUE_ATTRIBUTE_COUNT; i++) {
        if (a->values[i] == NULL)
            continue;
        if (!first)
            buffer_append_byte(out, ',');
        first = false;
        json_append_string(out, slice_text(rows[i].name));
        buffer_append_byte(out, ':');
        json_append_string(out, slice_text(a->values[i]));
    }
    buffer_append_byte(out, '}');
}

void queue_attributes_decode(struct queue_attributes *a, struct slice json)
{
    struct scanner j;
    struct slice key;

    scan_init(&j, slice_present(json) ? json : SLICE("{}"));
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        int i = find(key);
        struct buffer value = {0};

        json_unescape(&value, scan_string(&j));
        if (i < QUEUE_ATTRIBUTE_COUNT && !a->values[i])
            a->values[i] = buffer_take(&value);
        buffer_fini(&value);
    }
}

/* ---- what they mean ---- */

static int64_t number_of(const struct queue_attributes *a, enum queue_attribute attribute)
{
    uint64_t number = 0;

    slice_to_u64(slice_text(given_or_default(a, attribute)), &number);
    return (int64_t)number;
}

static bool is(const struct queue_attributes *a, enum queue_attribute attribute, const char *text)
{
    return strcmp(given_or_default(a, attribute), text) == 0;
}

void queue_attributes_apply(const struct queue_attributes *a, bool fifo, struct queue_options *options)
{
    struct slice target;

    options->visibility_timeout_ms = number_of(a, QUEUE_VISIBILITY_TIMEOUT) * 1000;
    options->delay_ms = number_of(a, QUEUE_DELAY_SECONDS) * 1000;
    options->wait_ms = number_of(a, QUEUE_RECEIVE_WAIT_SECONDS) * 1000;
    options->retention_ms = a->values[QUEUE_MESSAGE_RETENTION_PERIOD] ? number_of(a, QUEUE_MESSAGE_RETENTION_PERIOD) * 1000 : 0;
    options->message_bytes_max = number_of(a, QUEUE_MAXIMUM_MESSAGE_SIZE);
    options->fifo = fifo;
    options->content_based_deduplication = fifo && is(a, QUEUE_CONTENT_BASED_DEDUPLICATION, "true");
    options->deduplicate_by_group = fifo && is(a, QUEUE_DEDUPLICATION_SCOPE, "messageGroup");
    options->max_receive_count = 0;
    if (a->values[QUEUE_REDRIVE_POLICY])
        redrive_policy_parts(a->values[QUEUE_REDRIVE_POLICY], &target, &options->max_receive_count);
}

char *redrive_policy_text(const char *target_arn, int64_t max_receive_count)
{
    struct buffer out = {0};

    buffer_printf(&out, "{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":%lld}", target_arn, (long long)max_receive_count);
    return buffer_take(&out);
}

bool redrive_policy_parts(const char *policy, struct slice *target_arn, int64_t *max_receive_count)
{
    static const char before[] = "{\"deadLetterTargetArn\":\"";
    static const char between[] = "\",\"maxReceiveCount\":";
    const char *arn = policy + sizeof(before) - 1;
    const char *end = strstr(policy, between);

    if (strncmp(policy, before, sizeof(before) - 1) != 0 || end == NULL || end < arn)
        return false;
    *target_arn = slice_from(arn, (size_t)(end - arn));
    *max_receive_count = strtoll(end + sizeof(between) - 1, NULL, 10);
    return true;
}

bool redrive_allowed(const char *allow_policy, struct slice source_arn)
{
    json_t *policy = allow_policy ? json_loads(allow_policy, 0, NULL) : NULL;
    const char *permission = json_string_value(json_object_get(policy, "redrivePermission"));
    json_t *arns = json_object_get(policy, "sourceQueueArns");
    bool allowed = permission == NULL || strcmp(permission, "allowAll") == 0;

    for (size_t i = 0; i < json_array_size(arns); i++)
        allowed = allowed || slice_is(source_arn, json_string_value(json_array_get(arns, i)));
    json_decref(policy);
    return allowed;
}
