/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_model: the names and limits of Amazon SQS (service model 2012-11-05): operations, errors, quotas
 * (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-quotas.html).
 */
#ifndef S2Q_CODEC_SQS_MODEL_H
#define S2Q_CODEC_SQS_MODEL_H

#include "base/slice.h"

#define SQS_BATCH_MAX 10
#define SQS_MESSAGE_BYTES_MAX (1024 * 1024)
#define SQS_WAIT_MAX_S 20
#define SQS_VISIBILITY_MAX_S 43200
#define SQS_DELAY_MAX_S 900
#define SQS_ATTRIBUTES_MAX 10
#define SQS_ATTRIBUTES_STORED_MAX 14 /* trace header, group id, deduplication id and sender are stored among them */
#define SQS_IN_FLIGHT_MAX 120000
#define SQS_RETENTION_MIN_S 60
#define SQS_RETENTION_MAX_S 1209600
#define SQS_RETENTION_DEFAULT_S 345600
#define SQS_MAXIMUM_MESSAGE_SIZE_MIN 1024
#define SQS_TAGS_MAX 50
#define SQS_NAME_MAX 80
#define SQS_GROUP_ID_MAX 128 /* and deduplication ids, and receive attempt ids */

/* name, JSON error type, Query code, HTTP status, AWS's text (NULL: each place has its own) */
#define SQS_ERROR_LIST(X)                                                                                                                \
    X(QUEUE_DOES_NOT_EXIST, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400,                       \
      "The specified queue does not exist.")                                                                                             \
    X(RECEIPT_HANDLE_IS_INVALID, "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 400, NULL)                        \
    X(MESSAGE_NOT_INFLIGHT, "com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400, NULL)              \
    X(INVALID_PARAMETER_VALUE, "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue", 400, NULL)            \
    X(MISSING_PARAMETER, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter", 400, NULL)                    \
    X(INVALID_ATTRIBUTE_VALUE, "com.amazonaws.sqs#InvalidAttributeValue", "InvalidAttributeValue", 400, NULL)                            \
    X(QUEUE_NAME_EXISTS, "com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists", 400, NULL)                                           \
    X(QUEUE_DELETED_RECENTLY, "com.amazonaws.sqs#QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", 400,              \
      "You must wait 60 seconds after deleting a queue before you can create another with the same name.")                               \
    X(PURGE_IN_PROGRESS, "com.amazonaws.sqs#PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403, NULL)             \
    X(RESOURCE_NOT_FOUND, "com.amazonaws.sqs#ResourceNotFoundException", "ResourceNotFoundException", 404, NULL)                         \
    X(ACCESS_DENIED, "com.amazon.coral.service#AccessDeniedException", "AccessDenied", 403, NULL)                                        \
    X(INVALID_ADDRESS, "com.amazonaws.sqs#InvalidAddress", "InvalidAddress", 404, NULL)                                                  \
    X(INVALID_ATTRIBUTE_NAME, "com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName", 400, NULL)                               \
    X(INVALID_MESSAGE_CONTENTS, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents", 400,                               \
      "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF") \
    X(EMPTY_BATCH_REQUEST, "com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400, NULL)                 \
    X(TOO_MANY_ENTRIES, "com.amazonaws.sqs#TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400, NULL) \
    X(BATCH_IDS_NOT_DISTINCT, "com.amazonaws.sqs#BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400, NULL) \
    X(INVALID_BATCH_ENTRY_ID, "com.amazonaws.sqs#InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400,                \
      "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")          \
    X(BATCH_REQUEST_TOO_LONG, "com.amazonaws.sqs#BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400, NULL)          \
    X(OVER_LIMIT, "com.amazonaws.sqs#OverLimit", "OverLimit", 403, NULL)                                                                 \
    X(UNSUPPORTED_OPERATION, "com.amazonaws.sqs#UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400, NULL)         \
    X(UNKNOWN_OPERATION, "com.amazon.coral.service#UnknownOperationException", "InvalidAction", 400, NULL)                               \
    X(MISSING_ACTION, "com.amazon.coral.service#MissingAction", "MissingAction", 400,                                                    \
      "The request must contain the parameter Action.")                                                                                  \
    X(SERIALIZATION, "com.amazon.coral.service#SerializationException", "SerializationException", 400, NULL)                             \
    X(MISSING_AUTHENTICATION, "com.amazon.coral.service#MissingAuthenticationTokenException", "MissingAuthenticationToken", 403, NULL)   \
    X(INCOMPLETE_SIGNATURE, "com.amazon.coral.service#IncompleteSignatureException", "IncompleteSignature", 400, NULL)                   \
    X(UNKNOWN_KEY, "com.amazon.coral.service#UnrecognizedClientException", "InvalidClientTokenId", 403, NULL)                            \
    X(SIGNATURE_MISMATCH, "com.amazon.coral.service#InvalidSignatureException", "SignatureDoesNotMatch", 403, NULL)                      \
    X(SERVICE_UNAVAILABLE, "com.amazon.coral.service#ServiceUnavailableException", "ServiceUnavailable", 503,                            \
      "The service has no room at present: its disk or its ledger's budget is full.")                                                    \
    X(INTERNAL, "com.amazon.coral.service#InternalFailure", "InternalFailure", 500, "The service stopped before the request was stored.")

enum sqs_error {
    SQS_OK,
#define SQS_ERROR_ENUM(name, type, query, status, text) SQS_##name,
    SQS_ERROR_LIST(SQS_ERROR_ENUM)
#undef SQS_ERROR_ENUM
    SQS_ERROR_COUNT
};

/* operation, its name, does it have an output (service model: botocore sqs/2012-11-05) */
#define SQS_ACTION_LIST(X)                                                                                                               \
    X(ADD_PERMISSION, "AddPermission", false)                                                                                            \
    X(CANCEL_MESSAGE_MOVE_TASK, "CancelMessageMoveTask", true)                                                                           \
    X(CHANGE_MESSAGE_VISIBILITY, "ChangeMessageVisibility", false)                                                                       \
    X(CHANGE_MESSAGE_VISIBILITY_BATCH, "ChangeMessageVisibilityBatch", true)                                                             \
    X(CREATE_QUEUE, "CreateQueue", true)                                                                                                 \
    X(DELETE_MESSAGE, "DeleteMessage", false)                                                                                            \
    X(DELETE_MESSAGE_BATCH, "DeleteMessageBatch", true)                                                                                  \
    X(DELETE_QUEUE, "DeleteQueue", false)                                                                                                \
    X(GET_QUEUE_ATTRIBUTES, "GetQueueAttributes", true)                                                                                  \
    X(GET_QUEUE_URL, "GetQueueUrl", true)                                                                                                \
    X(LIST_DEAD_LETTER_SOURCE_QUEUES, "ListDeadLetterSourceQueues", true)                                                                \
    X(LIST_MESSAGE_MOVE_TASKS, "ListMessageMoveTasks", true)                                                                             \
    X(LIST_QUEUE_TAGS, "ListQueueTags", true)                                                                                            \
    X(LIST_QUEUES, "ListQueues", true)                                                                                                   \
    X(PURGE_QUEUE, "PurgeQueue", false)                                                                                                  \
    X(RECEIVE_MESSAGE, "ReceiveMessage", true)                                                                                           \
    X(REMOVE_PERMISSION, "RemovePermission", false)                                                                                      \
    X(SEND_MESSAGE, "SendMessage", true)                                                                                                 \
    X(SEND_MESSAGE_BATCH, "SendMessageBatch", true)                                                                                      \
    X(SET_QUEUE_ATTRIBUTES, "SetQueueAttributes", false)                                                                                 \
    X(START_MESSAGE_MOVE_TASK, "StartMessageMoveTask", true)                                                                             \
    X(TAG_QUEUE, "TagQueue", false)                                                                                                      \
    X(UNTAG_QUEUE, "UntagQueue", false)

enum sqs_action {
#define SQS_ACTION_ENUM(name, text, output) SQS_ACTION_##name,
    SQS_ACTION_LIST(SQS_ACTION_ENUM)
#undef SQS_ACTION_ENUM
    SQS_ACTION_COUNT
};

const char *sqs_action_name(enum sqs_action action);
/* SQS_ACTION_COUNT: there is none of that name. */
enum sqs_action sqs_action_find(struct slice name);
/* Has it a result beyond that it succeeded? */
bool sqs_action_has_output(enum sqs_action action);
bool sqs_action_is_batch(enum sqs_action action);
/* The operation whose permission it needs: a batch that of its single operation (API_AddPermission.html). */
enum sqs_action sqs_action_permission(enum sqs_action action);
/* The JSON protocol's error type, with its namespace. */
const char *sqs_error_type(enum sqs_error error);
/* AWS's text; NULL: each place has its own. */
const char *sqs_error_text(enum sqs_error error);
int sqs_error_status(enum sqs_error error);
/* "AWS.SimpleQueueService.NonExistentQueue": also the value of x-amzn-query-error, before ";Sender" or ";Receiver". */
const char *sqs_error_query_code(enum sqs_error error);

#endif
