/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_aws: DynamoDB Streams, and DynamoDB's DescribeTable, as a scripted model that misbehaves to order.
 *
 * Sans I/O and deterministic: the same seed and the same calls give the same bytes. It opens no socket and reads no clock: time is the
 * `now_ms` of fake_service_call plus what fake_time_advance added. Everything belongs to the fake and dies with fake_service_free, except answers.
 * One thread at a time. Wrong use panics.
 *
 * What is true of every answer without a fault: DescribeStream gives options.page_shards shards a page; GetRecords gives at most Limit (1,000)
 * records and options.page_bytes of them; NextShardIterator is null or absent at the end of a closed shard only; iterators die after
 * options.iterator_life_ms; reading below what was trimmed is TrimmedDataAccessException
 * (docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html).
 */
#ifndef S2Q_TESTS_SUPPORT_FAKE_AWS_H
#define S2Q_TESTS_SUPPORT_FAKE_AWS_H

#include "base/buffer.h"
#include "base/slice.h"

struct fake_aws;
struct fake_stream;
struct fake_shard;

/* ---- the service ---- */

struct fake_options {
    size_t page_shards;       /* DescribeStream; 100 */
    size_t page_streams;      /* ListStreams; 100 */
    size_t page_records;      /* GetRecords, as a cap below Limit; 1,000 */
    size_t page_bytes;        /* GetRecords; 1 MiB. One record is given in any case */
    int64_t iterator_life_ms; /* 15 minutes */
    int64_t retention_ms;     /* records older than this are trimmed by themselves; 0: only by fake_shard_trim_oldest */
    int reads_per_second;     /* GetRecords a shard; above: LimitExceededException; 0: no limit */
    int describes_per_second; /* DescribeStream and ListStreams; above: ThrottlingException; 0: no limit */
    int64_t skew_ms;          /* how far the service's clock, as seen in Date, is ahead of now_ms */
    int64_t slow_ms;          /* delay of FAULT_SLOW and FAULT_STALLED; 10 s */
    bool plain_records;       /* no odd payloads and no odd blanks: for sizes that must be exact */
    bool odd_times;           /* ApproximateCreationDateTime rounded to minutes at times, and out of order */
};

/* Nothing in it yet. */
struct fake_aws *fake_service_new(uint64_t seed);
void fake_service_free(struct fake_aws *fake);
/* To be changed at any time. */
struct fake_options *fake_service_options(struct fake_aws *fake);
/* Moves the service's time on, over now_ms: what was issued ages. */
void fake_time_advance(struct fake_aws *fake, int64_t ms);
/* Records put from now on are of this time, as if a call with it had been made. */
void fake_time_set(struct fake_aws *fake, int64_t now_ms);

struct fake_answer {
    int status;            /* of HTTP; also filled in when lost */
    struct slice body;     /* in `memory`, or in the fake */
    struct buffer memory;  /* the caller's: fake_answer_fini */
    bool html;             /* Content-Type: text/html */
    bool has_crc32;
    uint32_t crc32;        /* x-amz-crc32 */
    bool lost;             /* the connection is cut: the caller learns nothing but that */
    size_t cut_bytes;      /* when lost: so many bytes of the body still come (0: not even headers) */
    int64_t delay_ms;      /* until the answer, or the cut, arrives */
    int64_t server_date_ms; /* Date */
    struct fake_shard *shard; /* GetRecords' */
    size_t first_record;   /* the records of the shard that it holds: [first, first + count) */
    size_t record_count;
};

/* target: X-Amz-Target. What the answer holds counts as returned at once, unless it is lost or damaged; see fake_answer_dropped. */
struct fake_answer fake_service_call(struct fake_aws *fake, int64_t now_ms, struct slice target, struct slice body);
/* The caller threw this answer away before the bridge saw it (a crash, say): its records were not returned after all. */
void fake_answer_dropped(struct fake_answer *answer);
void fake_answer_fini(struct fake_answer *answer);
/* How many calls of this operation were made; "GetRecords". */
uint64_t fake_calls(const struct fake_aws *fake, const char *operation);

/* ---- streams and shards ---- */

/* A new stream of the table, which is made if need be; it becomes the table's latest. */
struct fake_stream *fake_stream_add(struct fake_aws *fake, const char *table);
/* A table without a stream. */
void fake_table_add(struct fake_aws *fake, const char *table);
/* Deleted and made again, or its stream disabled and enabled: the latest stream is disabled, and a new one without shards is given. */
struct fake_stream *fake_table_recreate(struct fake_aws *fake, const char *table);
/* Its shards are closed, it stays readable. */
void fake_stream_turn_off(struct fake_stream *stream);
bool fake_stream_is_off(const struct fake_stream *stream);
/* A day after it was disabled: no call finds it, no iterator works. */
void fake_stream_delete(struct fake_stream *stream);
const char *fake_stream_arn(const struct fake_stream *stream);
/* By ARN; NULL. */
struct fake_stream *fake_stream_find(struct fake_aws *fake, struct slice arn);
/* i-th, oldest first; NULL: no more. Deleted streams and shards stay in these lists, for their truth. */
struct fake_stream *fake_stream_at(const struct fake_aws *fake, size_t i);
struct fake_shard *fake_shard_at(const struct fake_stream *stream, size_t i);
/* The next record of the stream gets this number, which must be above all given so far (21 to 38 digits); for "99..9 -> 100..0". */
void fake_sequence_set(struct fake_stream *stream, const char *sequence_number);

/* parent: a shard id, which need not exist (any more), or NULL. */
struct fake_shard *fake_shard_new(struct fake_stream *stream, const char *parent);
/* By id; NULL. */
struct fake_shard *fake_shard_find(const struct fake_stream *stream, const char *id);
const char *fake_shard_id(const struct fake_shard *shard);
const char *fake_shard_parent(const struct fake_shard *shard); /* NULL: none */
const char *fake_shard_start(const struct fake_shard *shard);  /* StartingSequenceNumber: at or below its first record's */
const char *fake_shard_end(const struct fake_shard *shard);    /* EndingSequenceNumber: at or above its last record's; NULL: open */
void fake_shard_close(struct fake_shard *shard);
/* Closes it and adds so many children (AWS: 1, a rotation, or 2); returns the first: the others follow it in fake_shard_at. */
struct fake_shard *fake_shard_split_into(struct fake_shard *shard, size_t children);
/* The n oldest records that are still there are trimmed (older than 24 hours); returns how many there were to trim. */
size_t fake_shard_trim_oldest(struct fake_shard *shard, size_t n);
/* Vanishes: from DescribeStream, and ResourceNotFoundException for GetShardIterator and GetRecords. */
void fake_shard_delete(struct fake_shard *shard);
bool fake_shard_is_open(const struct fake_shard *shard);
/* The open shard that writes of this key go to: roots by hash, then children by hash, so that a key's records are in one line of shards
 * (add the roots before the first use). NULL: no open shard. */
struct fake_shard *fake_shard_of_key(const struct fake_stream *stream, const char *key);

/* ---- records ---- */

enum fake_event { FAKE_INSERT, FAKE_MODIFY, FAKE_REMOVE, FAKE_TTL_REMOVE };

struct fake_put {
    const char *key;    /* value of pk (S); NULL: one by the seed */
    enum fake_event event;
    size_t pad_bytes;   /* of filling in each image, over what the seed puts there */
    int64_t created_ms; /* 0: the fake's time */
};

/* One record as it is, whatever became of it. */
struct fake_record {
    char sequence[41];
    char event_id[33];
    char *key;
    enum fake_event event;
    struct slice body;   /* as it stands in pages, '{' to '}' */
    int64_t created_ms;  /* exact */
    uint32_t returned;   /* in so many answers that arrived whole */
    bool trimmed;
    bool visible;        /* false: trimmed, or its shard or stream deleted, before any answer held it: a gap must tell of it */
};

/* put: NULL for all defaults. The shard must be open. Returns its sequence number. */
const char *fake_record_put(struct fake_shard *shard, const struct fake_put *put);
/* Truth: all that were ever put, in order. The array moves with the next put. */
const struct fake_record *fake_shard_records(const struct fake_shard *shard, size_t *count);

/* ---- faults ---- */

enum fake_operation { FAKE_DESCRIBE_TABLE, FAKE_LIST_STREAMS, FAKE_DESCRIBE_STREAM, FAKE_GET_SHARD_ITERATOR, FAKE_GET_RECORDS, FAKE_ANY_OPERATION };

/* Name; the operation that it fits; status and error type of those that are plain errors (status 0: the code does it); what is said. */
#define FAKE_FAULT_LIST(X)                                                                                                               \
    X(EMPTY_PAGE, FAKE_GET_RECORDS, 0, "", "")          /* no records, the iterator moves on over nothing */                              \
    X(NO_RECORDS, FAKE_GET_RECORDS, 0, "", "")          /* no Records member */                                                           \
    X(NULL_RECORDS, FAKE_GET_RECORDS, 0, "", "")                                                                                         \
    X(NEXT_EMPTY, FAKE_GET_RECORDS, 0, "", "")          /* NextShardIterator "", open or not */                                           \
    X(NEXT_NULL, FAKE_GET_RECORDS, 0, "", "")           /* null, open or not */                                                           \
    X(NEXT_ABSENT, FAKE_GET_RECORDS, 0, "", "")                                                                                          \
    X(REPEATED_PAGE, FAKE_GET_RECORDS, 0, "", "")       /* the next iterator gives this page again */                                     \
    X(BLANKS, FAKE_ANY_OPERATION, 0, "", "")            /* blanks and line feeds between the values */                                    \
    X(HIDDEN_NEWEST, FAKE_DESCRIBE_STREAM, 0, "", "")   /* as it was: newest shards missing, their parents open */                        \
    X(HIDDEN_CHILDREN, FAKE_DESCRIBE_STREAM, 0, "", "") /* newest shards missing, their parents closed leaves */                          \
    X(OPEN_PARENTS, FAKE_DESCRIBE_STREAM, 0, "", "")    /* no EndingSequenceNumber beside the children */                                 \
    X(ODD_ORDER, FAKE_DESCRIBE_STREAM, 0, "", "")       /* shuffled within the page */                                                    \
    X(FALSE_MORE, FAKE_DESCRIBE_STREAM, 0, "", "")      /* LastEvaluatedShardId on the last page; a page without shards follows */        \
    X(ENDLESS_PAGES, FAKE_DESCRIBE_STREAM, 0, "", "")   /* the LastEvaluatedShardId that was sent in, again */                            \
    X(CUT_JSON, FAKE_ANY_OPERATION, 0, "", "")          /* 200, half of the body, with the crc of that half */                            \
    X(CUT_BODY, FAKE_ANY_OPERATION, 0, "", "")          /* the connection is cut in the middle of the body */                             \
    X(WRONG_CRC, FAKE_ANY_OPERATION, 0, "", "")         /* one bit of the body turned, the crc of the right one */                        \
    X(GARBAGE, FAKE_ANY_OPERATION, 0, "", "")                                                                                            \
    X(HTML_503, FAKE_ANY_OPERATION, 0, "", "")                                                                                           \
    X(LOST_REQUEST, FAKE_ANY_OPERATION, 0, "", "")      /* cut before the service saw it */                                               \
    X(LOST_REPLY, FAKE_ANY_OPERATION, 0, "", "")        /* cut after it had its effect */                                                 \
    X(STALLED, FAKE_ANY_OPERATION, 0, "", "")           /* slow_ms of silence, then cut */                                                \
    X(SLOW, FAKE_ANY_OPERATION, 0, "", "")              /* whole, after slow_ms */                                                        \
    X(EXPIRED_ITERATOR, FAKE_GET_RECORDS, 400, "com.amazonaws.dynamodb.v20120810#ExpiredIteratorException", "Iterator expired")          \
    X(TRIMMED, FAKE_GET_RECORDS, 400, "com.amazonaws.dynamodb.v20120810#TrimmedDataAccessException",                                     \
      "The operation attempted to read past the oldest stream record in a shard.")                                                       \
    X(LIMIT_EXCEEDED, FAKE_ANY_OPERATION, 400, "com.amazonaws.dynamodb.v20120810#LimitExceededException",                                \
      "Too many operations for a given subscriber.")                                                                                     \
    X(THROUGHPUT_EXCEEDED, FAKE_ANY_OPERATION, 400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",           \
      "The level of configured provisioned throughput for the table was exceeded.")                                                      \
    X(THROTTLED, FAKE_ANY_OPERATION, 400, "com.amazon.coral.service#ThrottlingException", "Rate exceeded")                               \
    X(THROTTLED_SHORT, FAKE_ANY_OPERATION, 400, "Throttling", "Rate exceeded")                                                           \
    X(INTERNAL_ERROR, FAKE_ANY_OPERATION, 500, "com.amazonaws.dynamodb.v20120810#InternalServerError", "Internal server error")          \
    X(NOT_FOUND, FAKE_ANY_OPERATION, 400, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "Requested resource not found")  \
    X(ACCESS_DENIED, FAKE_ANY_OPERATION, 400, "com.amazon.coral.service#AccessDeniedException",                                          \
      "User: arn:aws:iam::000000000000:user/reader is not authorized to perform this operation")                                        \
    X(UNRECOGNIZED_CLIENT, FAKE_ANY_OPERATION, 400, "com.amazon.coral.service#UnrecognizedClientException",                              \
      "The security token included in the request is invalid.")                                                                          \
    X(EXPIRED_TOKEN, FAKE_ANY_OPERATION, 400, "com.amazon.coral.service#ExpiredTokenException",                                          \
      "The security token included in the request is expired")                                                                           \
    X(TIME_TOO_SKEWED, FAKE_ANY_OPERATION, 403, "RequestTimeTooSkewed",                                                                  \
      "The difference between the request time and the current time is too large.")                                                      \
    X(INVALID_SIGNATURE, FAKE_ANY_OPERATION, 400, "com.amazon.coral.service#InvalidSignatureException", "Signature expired")             \
    X(SIGNATURE_MISMATCH, FAKE_ANY_OPERATION, 403, "SignatureDoesNotMatch", "Signature not yet current")                                 \
    X(REQUEST_EXPIRED, FAKE_ANY_OPERATION, 400, "RequestExpired", "Request has expired.")

enum fake_fault {
    FAULT_NONE,
#define FAKE_FAULT_ENUM(name, operation, status, type, text) FAULT_##name,
    FAKE_FAULT_LIST(FAKE_FAULT_ENUM)
#undef FAKE_FAULT_ENUM
    FAULT_COUNT
};

const char *fake_fault_name(enum fake_fault fault);        /* "EMPTY_PAGE" */
enum fake_fault fake_fault_named(const char *name);        /* FAULT_NONE: there is none of that name */
enum fake_operation fake_operation_named(const char *name); /* "GetRecords"; FAKE_ANY_OPERATION: anything else */
/* May a call of this operation meet it? */
bool fake_fault_fits(enum fake_fault fault, enum fake_operation operation);
/* The next `count` calls of this operation (FAKE_ANY_OPERATION: of any that the fault fits) meet it, before any that are random; in the order
 * scripted. shard: only calls on that shard (GetShardIterator, GetRecords); NULL: all. */
void fake_fault_next(struct fake_aws *fake, enum fake_operation operation, struct fake_shard *shard, enum fake_fault fault, unsigned count);
/* From now on so many of 10,000 calls that the fault fits meet it, by the seed; 0: none. */
void fake_fault_rate(struct fake_aws *fake, enum fake_fault fault, unsigned per_10000);
/* Rates and scripts are forgotten: from now on all is well. */
void fake_faults_off(struct fake_aws *fake);
/* How often it was met. */
uint64_t fake_fault_count(const struct fake_aws *fake, enum fake_fault fault);

/* ---- speed ---- */

/* Makes the stream's shards: so many open ones of so many records with items of about item_bytes, as pages of 1,000 records or 1 MB that are
 * written once. GetRecords then gives pointers into them, whatever Limit says; an AFTER_ or AT_SEQUENCE_NUMBER iterator gives the whole page that
 * holds what comes next. Their records are not among the truth, nothing can be put beside them, and iterators do not expire. */
void fake_stream_prepare(struct fake_stream *stream, size_t shards, size_t records, size_t item_bytes);

#endif
