/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sqs_members.h"

#include "codec/sqs_request.h"

#include <stddef.h>
#include <stdio.h>

#define BIT(action) (UINT32_C(1) << SQS_ACTION_##action)
#define SENDS (BIT(SEND_MESSAGE) | BIT(SEND_MESSAGE_BATCH))
#define DELETES (BIT(DELETE_MESSAGE) | BIT(DELETE_MESSAGE_BATCH))
#define CHANGES (BIT(CHANGE_MESSAGE_VISIBILITY) | BIT(CHANGE_MESSAGE_VISIBILITY_BATCH))
#define BATCHES (BIT(SEND_MESSAGE_BATCH) | BIT(DELETE_MESSAGE_BATCH) | BIT(CHANGE_MESSAGE_VISIBILITY_BATCH))
#define OF_NO_QUEUE                                                                                                                      \
    (BIT(CREATE_QUEUE) | BIT(GET_QUEUE_URL) | BIT(LIST_QUEUES) | BIT(CANCEL_MESSAGE_MOVE_TASK) | BIT(LIST_MESSAGE_MOVE_TASKS) |          \
     BIT(START_MESSAGE_MOVE_TASK))
#define EVERY ((UINT32_C(1) << SQS_ACTION_COUNT) - 1)
#define REQUEST(field) offsetof(struct sqs_request, field)
#define ENTRY(field) offsetof(struct sqs_entry, field)

static const struct sqs_member members[] = {
    {EVERY & ~OF_NO_QUEUE, false, true, SQS_MEMBER_QUEUE_URL, "QueueUrl", NULL, 0, 0, 0},
    {BIT(CREATE_QUEUE) | BIT(GET_QUEUE_URL), false, true, SQS_MEMBER_TEXT, "QueueName", NULL, REQUEST(queue_name), 0, 0},
    {BIT(GET_QUEUE_URL), false, false, SQS_MEMBER_TEXT, "QueueOwnerAWSAccountId", NULL, REQUEST(owner_account_id), 0, 0},
    {BIT(CREATE_QUEUE), false, false, SQS_MEMBER_PAIRS, "Attributes", "Attribute", REQUEST(queue_attributes), 0, 0},
    {BIT(SET_QUEUE_ATTRIBUTES), false, true, SQS_MEMBER_PAIRS, "Attributes", "Attribute", REQUEST(queue_attributes), 0, 0},
    {BIT(CREATE_QUEUE), false, false, SQS_MEMBER_TAGS, "tags", "Tag", REQUEST(tags), 0, 0},
    {BIT(TAG_QUEUE), false, true, SQS_MEMBER_TAGS, "Tags", "Tag", REQUEST(tags), 0, 0},
    {BIT(UNTAG_QUEUE), false, true, SQS_MEMBER_TEXTS, "TagKeys", "TagKey", REQUEST(names), 0, 0},
    {BIT(GET_QUEUE_ATTRIBUTES), false, false, SQS_MEMBER_TEXTS, "AttributeNames", "AttributeName", REQUEST(names), 0, 0},
    /* receiving */
    {BIT(RECEIVE_MESSAGE), false, false, SQS_MEMBER_INT, "MaxNumberOfMessages", NULL, REQUEST(max_messages), 1, SQS_BATCH_MAX},
    {BIT(RECEIVE_MESSAGE), false, false, SQS_MEMBER_INT, "WaitTimeSeconds", NULL, REQUEST(wait_s), 0, SQS_WAIT_MAX_S},
    {BIT(RECEIVE_MESSAGE), false, false, SQS_MEMBER_INT, "VisibilityTimeout", NULL, REQUEST(visibility_s), 0, SQS_VISIBILITY_MAX_S},
    {BIT(RECEIVE_MESSAGE), false, false, SQS_MEMBER_SYSTEM_NAMES, "AttributeNames", "AttributeName", 0, 0, 0},
    {BIT(RECEIVE_MESSAGE), false, false, SQS_MEMBER_SYSTEM_NAMES, "MessageSystemAttributeNames", "MessageSystemAttributeName", 0, 0, 0},
    {BIT(RECEIVE_MESSAGE), false, false, SQS_MEMBER_TEXTS, "MessageAttributeNames", "MessageAttributeName", REQUEST(names), 0, 0},
    {BIT(RECEIVE_MESSAGE), false, false, SQS_MEMBER_TEXT, "ReceiveRequestAttemptId", NULL, REQUEST(attempt_id), 0, 0},
    /* single messages, alone or in batches */
    {BATCHES, false, true, SQS_MEMBER_ENTRIES, "Entries", "", 0, 0, 0},
    {BATCHES, true, false, SQS_MEMBER_TEXT, "Id", NULL, ENTRY(id), 0, 0},
    {SENDS, true, false, SQS_MEMBER_TEXT, "MessageBody", NULL, ENTRY(body), 0, 0},
    {SENDS, true, false, SQS_MEMBER_INT, "DelaySeconds", NULL, ENTRY(delay_s), 0, SQS_DELAY_MAX_S},
    {SENDS, true, false, SQS_MEMBER_ATTRIBUTES, "MessageAttributes", "MessageAttribute", 0, 0, 0},
    {SENDS, true, false, SQS_MEMBER_SYSTEM_ATTRIBUTES, "MessageSystemAttributes", "MessageSystemAttribute", 0, 0, 0},
    {SENDS, true, false, SQS_MEMBER_TEXT, "MessageGroupId", NULL, ENTRY(group_id), 0, 0},
    {SENDS, true, false, SQS_MEMBER_TEXT, "MessageDeduplicationId", NULL, ENTRY(deduplication_id), 0, 0},
    {DELETES | CHANGES, true, false, SQS_MEMBER_TEXT, "ReceiptHandle", NULL, ENTRY(receipt_handle), 0, 0},
    {CHANGES, true, false, SQS_MEMBER_INT, "VisibilityTimeout", NULL, ENTRY(visibility_s), 0, SQS_VISIBILITY_MAX_S},
    /* lists */
    {BIT(LIST_QUEUES), false, false, SQS_MEMBER_TEXT, "QueueNamePrefix", NULL, REQUEST(prefix), 0, 0},
    {BIT(LIST_QUEUES) | BIT(LIST_DEAD_LETTER_SOURCE_QUEUES), false, false, SQS_MEMBER_INT, "MaxResults", NULL, REQUEST(max_results), 1, 1000},
    {BIT(LIST_QUEUES) | BIT(LIST_DEAD_LETTER_SOURCE_QUEUES), false, false, SQS_MEMBER_TEXT, "NextToken", NULL, REQUEST(next_token), 0, 0},
    /* dead letters */
    {BIT(START_MESSAGE_MOVE_TASK) | BIT(LIST_MESSAGE_MOVE_TASKS), false, true, SQS_MEMBER_TEXT, "SourceArn", NULL, REQUEST(source_arn), 0, 0},
    {BIT(START_MESSAGE_MOVE_TASK), false, false, SQS_MEMBER_TEXT, "DestinationArn", NULL, REQUEST(destination_arn), 0, 0},
    {BIT(START_MESSAGE_MOVE_TASK), false, false, SQS_MEMBER_INT, "MaxNumberOfMessagesPerSecond", NULL, REQUEST(messages_per_second), 1, 500},
    {BIT(LIST_MESSAGE_MOVE_TASKS), false, false, SQS_MEMBER_INT, "MaxResults", NULL, REQUEST(max_results), 1, 10},
    {BIT(CANCEL_MESSAGE_MOVE_TASK), false, true, SQS_MEMBER_TEXT, "TaskHandle", NULL, REQUEST(task_handle), 0, 0},
    /* policy */
    {BIT(ADD_PERMISSION) | BIT(REMOVE_PERMISSION), false, true, SQS_MEMBER_TEXT, "Label", NULL, REQUEST(label), 0, 0},
    {BIT(ADD_PERMISSION), false, true, SQS_MEMBER_TEXTS, "AWSAccountIds", "AWSAccountId", REQUEST(account_ids), 0, 0},
    {BIT(ADD_PERMISSION), false, true, SQS_MEMBER_TEXTS, "Actions", "ActionName", REQUEST(names), 0, 0},
};

#define MEMBER_COUNT (sizeof(members) / sizeof(members[0]))

static bool may_have(const struct sqs_member *m, enum sqs_action action, bool entry)
{
    return (m->actions & UINT32_C(1) << action) != 0 && (m->of_entry == entry || (m->of_entry && !sqs_action_is_batch(action)));
}

const struct sqs_member *sqs_member_find(enum sqs_action action, bool entry, struct slice name)
{
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (may_have(&members[i], action, entry) && slice_is(name, members[i].name))
            return &members[i];
    return NULL;
}

static bool query_name_is(const struct sqs_member *m, enum sqs_action action, struct slice name)
{
    char entry_name[64];

    if (m->kind != SQS_MEMBER_ENTRIES)
        return slice_is(name, m->query ? m->query : m->name);
    snprintf(entry_name, sizeof(entry_name), "%sRequestEntry", sqs_action_name(action));
    return slice_is(name, entry_name);
}

const struct sqs_member *sqs_member_find_query(enum sqs_action action, bool entry, struct slice name)
{
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (may_have(&members[i], action, entry) && query_name_is(&members[i], action, name))
            return &members[i];
    return NULL;
}

size_t sqs_member_place(const struct sqs_member *member)
{
    return (size_t)(member - members);
}

const struct sqs_member *sqs_member_lacking(enum sqs_action action, uint64_t given)
{
    _Static_assert(MEMBER_COUNT <= 64, "a bit for each member");
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (members[i].required && may_have(&members[i], action, false) && (given >> i & 1) == 0)
            return &members[i];
    return NULL;
}
