/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_wire: Amazon SQS's requests and answers (service model 2012-11-05), in AWS JSON 1.0; the Query protocol fits in beside it.
 *
 * Decoding checks all that can be checked without a ledger: types, ranges, batch rules, characters, sizes as AWS counts them
 * (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html). Answers are built by functions that know the protocol, so
 * that the core does not.
 */
#ifndef S2Q_CODEC_SQS_WIRE_H
#define S2Q_CODEC_SQS_WIRE_H

#include "base/buffer.h"
#include "base/slice.h"
#include "codec/json.h"

#define SQS_BATCH_MAX 10
#define SQS_MESSAGE_BYTES_MAX (1024 * 1024)
#define SQS_WAIT_MAX_S 20
#define SQS_VISIBILITY_MAX_S 43200
#define SQS_DELAY_MAX_S 900
#define SQS_ATTRIBUTES_MAX 10
#define SQS_ATTRIBUTES_STORED_MAX 11 /* AWSTraceHeader is stored among them */
#define SQS_IN_FLIGHT_MAX 120000

/* name, JSON error type, Query code, HTTP status, AWS's text (NULL: each place has its own) */
#define SQS_ERROR_LIST(X)                                                                                                                \
    X(QUEUE_DOES_NOT_EXIST, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400,                       \
      "The specified queue does not exist.")                                                                                             \
    X(RECEIPT_HANDLE_IS_INVALID, "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 400, NULL)                        \
    X(MESSAGE_NOT_INFLIGHT, "com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400, NULL)              \
    X(INVALID_PARAMETER_VALUE, "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue", 400, NULL)            \
    X(MISSING_PARAMETER, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter", 400, NULL)                    \
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

#define SQS_ACTION_LIST(X)                                                                                                               \
    X(CHANGE_MESSAGE_VISIBILITY, "ChangeMessageVisibility")                                                                              \
    X(CHANGE_MESSAGE_VISIBILITY_BATCH, "ChangeMessageVisibilityBatch")                                                                   \
    X(DELETE_MESSAGE, "DeleteMessage")                                                                                                   \
    X(DELETE_MESSAGE_BATCH, "DeleteMessageBatch")                                                                                        \
    X(GET_QUEUE_ATTRIBUTES, "GetQueueAttributes")                                                                                        \
    X(GET_QUEUE_URL, "GetQueueUrl")                                                                                                      \
    X(LIST_QUEUES, "ListQueues")                                                                                                         \
    X(RECEIVE_MESSAGE, "ReceiveMessage")                                                                                                 \
    X(SEND_MESSAGE, "SendMessage")                                                                                                       \
    X(SEND_MESSAGE_BATCH, "SendMessageBatch")

enum sqs_action {
#define SQS_ACTION_ENUM(name, text) SQS_ACTION_##name,
    SQS_ACTION_LIST(SQS_ACTION_ENUM)
#undef SQS_ACTION_ENUM
    SQS_ACTION_COUNT
};

const char *sqs_action_name(enum sqs_action action);
int sqs_error_status(enum sqs_error error);
/* "AWS.SimpleQueueService.NonExistentQueue": also the value of x-amzn-query-error, before ";Sender" or ";Receiver". */
const char *sqs_error_query_code(enum sqs_error error);

/* A message attribute, decoded; binary values are bytes. */
struct sqs_attribute {
    struct slice name;
    struct slice type; /* "String", "Number.int", "Binary", ... */
    struct slice value;
};

/* The system attributes of a message that a receive may ask for, as bits. */
enum sqs_system_attribute {
    SQS_SENDER_ID = 1,
    SQS_SENT_TIMESTAMP = 2,
    SQS_RECEIVE_COUNT = 4,
    SQS_FIRST_RECEIVE_TIMESTAMP = 8,
    SQS_DEAD_LETTER_SOURCE_ARN = 16,
    SQS_TRACE_HEADER = 32,
    SQS_ALL_SYSTEM_ATTRIBUTES = 63,
};

struct sqs_entry {
    struct slice id; /* in batches */
    struct slice receipt_handle;
    struct slice body;
    struct slice trace_header; /* AWSTraceHeader, absent: none */
    int delay_s;      /* -1: the queue's */
    int visibility_s; /* -1: not given */
    size_t first_attribute;
    size_t attribute_count;
    size_t bytes;          /* body and attributes, as AWS counts them */
    enum sqs_error error;  /* what is wrong with this entry alone; SQS_OK: nothing */
    char error_text[200];
};

struct sqs_request {
    enum sqs_action action;
    struct slice queue_name; /* from QueueUrl's last path segment, or QueueName */
    struct slice prefix;     /* ListQueues */
    int max_results;         /* 0: not given */
    struct slice next_token;
    int max_messages;        /* 1-10 */
    int wait_s;              /* -1: the queue's */
    int visibility_s;        /* -1: the queue's */
    unsigned system_attributes;
    bool all_attributes;
    struct slice *names; /* MessageAttributeNames, or GetQueueAttributes' AttributeNames; may end in ".*" */
    size_t name_count;
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
void sqs_fail(struct sqs_failure *failure, enum sqs_error error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Decodes a JSON request; target is what follows "AmazonSQS." in X-Amz-Target. A zeroed struct or one used before; slices point into its
 * arena and into `body`, which has to live as long as they are used. False: *failure. Errors of single batch entries are in the entries. */
bool sqs_request_decode(struct sqs_request *r, struct slice target, struct slice body, struct sqs_failure *failure);
void sqs_request_fini(struct sqs_request *r);
/* Does a receive that asked with these names want this attribute? */
bool sqs_wants_attribute(const struct sqs_request *r, struct slice name);
/* Does SQS take this text (a body, a String attribute's value)? The text must be valid UTF-8. */
bool sqs_characters_valid(struct slice s);
/* Letters, digits, _ - and single dots inside; up to 256. */
bool sqs_attribute_name_valid(struct slice name);
/* `[A-Za-z0-9_-]{1,80}` */
bool sqs_queue_name_valid(struct slice name);

/* Message attributes as they are stored with a record: {"name":{"DataType":..,"StringValue" or "BinaryValue":..},...}. */
void sqs_attributes_encode(struct buffer *out, const struct sqs_attribute *attributes, size_t count);
/* Decodes that form. Texts go to `arena` (reset first). Returns the count, -1: malformed. */
int sqs_attributes_decode(struct slice text, struct sqs_attribute out[SQS_ATTRIBUTES_STORED_MAX], struct buffer *arena);
/* MD5OfMessageAttributes (docs.aws.amazon.com/.../sqs-message-metadata.html): sorts the array by name. hex: 33 bytes. */
void sqs_attributes_md5(struct sqs_attribute *attributes, size_t count, char hex[33]);

struct sqs_message {
    const char *message_id;
    struct slice receipt_handle;
    struct slice body;
    struct sqs_attribute *attributes; /* those wanted; sorted by the writer */
    size_t attribute_count;
    unsigned system_attributes; /* which of the following to give */
    struct slice sender_id;
    int64_t sent_ms;
    int64_t receive_count;
    int64_t first_receive_ms;
    struct slice dead_letter_source_arn; /* absent: not given */
    struct slice trace_header;
};

/* An answer under construction; zeroed is ready for sqs_answer_begin. Its owner frees `body` and `failed`. */
struct sqs_answer {
    enum sqs_action action;
    enum sqs_error error;
    size_t count;
    size_t failed_count;
    struct buffer body;
    struct buffer failed;
};

void sqs_answer_begin(struct sqs_answer *a, enum sqs_action action);
void sqs_answer_message(struct sqs_answer *a, const struct sqs_message *m);
/* id: absent outside batches. md5 of attributes: NULL, none. */
void sqs_answer_sent(struct sqs_answer *a, struct slice id, const char *message_id, const char *body_md5, const char *attributes_md5);
void sqs_answer_done(struct sqs_answer *a, struct slice id);
void sqs_answer_failed(struct sqs_answer *a, struct slice id, enum sqs_error error, const char *text);
void sqs_answer_queue_url(struct sqs_answer *a, struct slice url);
void sqs_answer_next_token(struct sqs_answer *a, struct slice token);
void sqs_answer_attribute(struct sqs_answer *a, const char *name, struct slice value);
/* Closes the document. */
void sqs_answer_end(struct sqs_answer *a);
/* Replaces whatever was built by an error. */
void sqs_answer_error(struct sqs_answer *a, enum sqs_error error, const char *text);
void sqs_answer_fini(struct sqs_answer *a);

#endif
