/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_request: a request of one of Amazon SQS's operations, decoded from AWS JSON 1.0 (the Query protocol is brought into that form by sqs_query).
 *
 * Decoding checks all that can be checked without a ledger: types, ranges, batch rules, characters, sizes as AWS counts them
 * (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
 */
#ifndef S2Q_CODEC_SQS_REQUEST_H
#define S2Q_CODEC_SQS_REQUEST_H

#include "base/buffer.h"
#include "codec/sqs_attributes.h"

/* The system attributes of a message that a receive may ask for, as bits. */
enum sqs_system_attribute {
    SQS_SENDER_ID = 1,
    SQS_SENT_TIMESTAMP = 2,
    SQS_RECEIVE_COUNT = 4,
    SQS_FIRST_RECEIVE_TIMESTAMP = 8,
    SQS_DEAD_LETTER_SOURCE_ARN = 16,
    SQS_TRACE_HEADER = 32,
    SQS_SEQUENCE_NUMBER = 64,
    SQS_DEDUPLICATION_ID = 128,
    SQS_GROUP_ID = 256,
    SQS_ALL_SYSTEM_ATTRIBUTES = 511,
};

struct sqs_entry {
    struct slice id; /* in batches */
    struct slice receipt_handle;
    struct slice body;
    struct slice trace_header; /* AWSTraceHeader, absent: none */
    struct slice group_id;     /* absent: none */
    struct slice deduplication_id;
    int delay_s;      /* -1: the queue's */
    int visibility_s; /* -1: not given */
    size_t first_attribute;
    size_t attribute_count;
    size_t bytes;          /* body and attributes, as AWS counts them */
    enum sqs_error error;  /* what is wrong with this entry alone; SQS_OK: nothing */
    char error_text[200];
};

struct sqs_texts {
    struct slice *list;
    size_t count;
};

struct sqs_pair {
    struct slice name;
    struct slice value;
};

struct sqs_pairs {
    struct sqs_pair *list;
    size_t count;
};

struct sqs_request {
    enum sqs_action action;
    struct slice queue_name;       /* from QueueUrl's last path segment, or QueueName */
    struct slice owner_account_id; /* GetQueueUrl; absent: not given */
    struct slice prefix;           /* ListQueues */
    struct slice next_token;
    struct slice attempt_id;       /* ReceiveRequestAttemptId */
    struct slice source_arn;
    struct slice destination_arn;
    struct slice task_handle;
    struct slice label;
    int max_results;         /* 0: not given */
    int max_messages;        /* 1-10 */
    int wait_s;              /* -1: the queue's */
    int visibility_s;        /* -1: the queue's */
    int messages_per_second; /* 0: not given */
    unsigned system_attributes;
    bool all_attributes;
    struct sqs_texts names;  /* MessageAttributeNames (may end in ".*"), AttributeNames, TagKeys, Actions */
    struct sqs_texts account_ids;
    struct sqs_pairs queue_attributes;
    struct sqs_pairs tags;
    struct sqs_entry *entries;
    size_t entry_count;
    struct sqs_attribute *attributes;
    size_t attribute_count;
    size_t attribute_cap;
    struct buffer arena; /* decoded texts */
};

/* What a refused request is told. */
struct sqs_failure {
    enum sqs_error error;
    char text[400];
};
/* format NULL: AWS's own text of that error. */
void sqs_fail(struct sqs_failure *failure, enum sqs_error error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Decodes a JSON request; target is what follows "AmazonSQS." in X-Amz-Target. A zeroed struct or one used before; slices point into its
 * arena and into `body`, which has to live as long as they are used. False: *failure. Errors of single batch entries are in the entries. */
bool sqs_request_decode(struct sqs_request *r, struct slice target, struct slice body, struct sqs_failure *failure);
void sqs_request_fini(struct sqs_request *r);
/* Does a receive that asked with these names want this attribute? */
bool sqs_wants_attribute(const struct sqs_request *r, struct slice name);

#endif
