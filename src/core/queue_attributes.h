/* SPDX-License-Identifier: Apache-2.0
 *
 * queue_attributes: the attributes of a queue that CreateQueue and SetQueueAttributes give and GetQueueAttributes tells: which there are, what each may
 * be, what it is when it was not given, and what it means for the queue.
 *
 * Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html and API_CreateQueue.html. Values are kept as canonical
 * texts; what other queues have to do with (does the dead-letter queue exist?) is the service's to check.
 */
#ifndef S2Q_CORE_QUEUE_ATTRIBUTES_H
#define S2Q_CORE_QUEUE_ATTRIBUTES_H

#include "codec/sqs_request.h"
#include "core/queue.h"

#define QUEUE_ATTRIBUTE_LIST(X)                                                                                                          \
    X(DELAY_SECONDS)                                                                                                                     \
    X(MAXIMUM_MESSAGE_SIZE)                                                                                                              \
    X(MESSAGE_RETENTION_PERIOD)                                                                                                          \
    X(RECEIVE_WAIT_SECONDS)                                                                                                              \
    X(VISIBILITY_TIMEOUT)                                                                                                                \
    X(POLICY)                                                                                                                            \
    X(REDRIVE_POLICY)                                                                                                                    \
    X(REDRIVE_ALLOW_POLICY)                                                                                                              \
    X(KMS_MASTER_KEY_ID)                                                                                                                 \
    X(KMS_REUSE_PERIOD)                                                                                                                  \
    X(MANAGED_SSE)                                                                                                                       \
    X(FIFO_QUEUE)                                                                                                                        \
    X(CONTENT_BASED_DEDUPLICATION)                                                                                                       \
    X(DEDUPLICATION_SCOPE)                                                                                                               \
    X(FIFO_THROUGHPUT_LIMIT)

enum queue_attribute {
#define QUEUE_ATTRIBUTE_ENUM(name) QUEUE_##name,
    QUEUE_ATTRIBUTE_LIST(QUEUE_ATTRIBUTE_ENUM)
#undef QUEUE_ATTRIBUTE_ENUM
    QUEUE_ATTRIBUTE_COUNT
};

/* What was given; zeroed: nothing was. */
struct queue_attributes {
    char *values[QUEUE_ATTRIBUTE_COUNT]; /* NULL: not given */
};

void queue_attributes_fini(struct queue_attributes *a);
void queue_attributes_copy(struct queue_attributes *to, const struct queue_attributes *from);
/* "VisibilityTimeout" */
const char *queue_attribute_name(enum queue_attribute attribute);
/* Is it one of those that are set, or only told (QueueArn, the counts and times)? */
bool queue_attribute_known(struct slice name);
/* Reads what a request gives on top of what is there. fifo: of the queue. creating: FifoQueue may be given. False: *failure, and *a is as it was. */
bool queue_attributes_read(struct queue_attributes *a, const struct sqs_pairs *pairs, bool fifo, bool creating, struct sqs_failure *failure);
/* A queue that a client makes has SQS's retention (4 days); one of the configuration has none unless it is given: what nobody settled is kept. */
void queue_attributes_default_retention(struct queue_attributes *a);
/* The value, or the default; NULL: it has none for such a queue (and is not told). */
const char *queue_attribute_value(const struct queue_attributes *a, enum queue_attribute attribute, bool fifo);
/* The first attribute among those given that `a` has otherwise; QUEUE_ATTRIBUTE_COUNT: none. */
enum queue_attribute queue_attributes_differ(const struct queue_attributes *a, const struct queue_attributes *given, bool fifo);
/* As the ledger keeps them: JSON. */
void queue_attributes_encode(const struct queue_attributes *a, struct buffer *out);
void queue_attributes_decode(struct queue_attributes *a, struct slice json);
/* Sets the options that follow from them: all but the dead-letter queue itself, the filter and hold_key. */
void queue_attributes_apply(const struct queue_attributes *a, bool fifo, struct queue_options *options);

/* A RedrivePolicy as it is kept. The caller frees it. */
char *redrive_policy_text(const char *target_arn, int64_t max_receive_count);
/* The parts of one; the ARN is a part of it. */
bool redrive_policy_parts(const char *policy, struct slice *target_arn, int64_t *max_receive_count);
/* May the queue of that ARN have the one with this RedriveAllowPolicy (NULL: none) as its dead-letter queue? */
bool redrive_allowed(const char *allow_policy, struct slice source_arn);

#endif
