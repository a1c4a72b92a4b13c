/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_wire: the requests and answers of DynamoDB Streams (DynamoDBStreams_20120810) and DynamoDB's DescribeTable.
 *
 * Pages of GetRecords are cut into slices without building a tree (docs/decisions.md): the record that a
 * consumer gets is the very bytes that DynamoDB sent. The small answers go the same way. Whatever is not exactly as expected is malformed:
 * an answer is never half understood (pitfalls 2, 3).
 */
#ifndef S2Q_CODEC_STREAM_WIRE_H
#define S2Q_CODEC_STREAM_WIRE_H

#include "base/buffer.h"
#include "base/slice.h"
#include "codec/json.h"

#define TARGET_DESCRIBE_TABLE "DynamoDB_20120810.DescribeTable"
#define TARGET_LIST_STREAMS "DynamoDBStreams_20120810.ListStreams"
#define TARGET_DESCRIBE_STREAM "DynamoDBStreams_20120810.DescribeStream"
#define TARGET_GET_SHARD_ITERATOR "DynamoDBStreams_20120810.GetShardIterator"
#define TARGET_GET_RECORDS "DynamoDBStreams_20120810.GetRecords"

enum iterator_type { ITERATOR_TRIM_HORIZON, ITERATOR_LATEST, ITERATOR_AT_SEQUENCE_NUMBER, ITERATOR_AFTER_SEQUENCE_NUMBER };

/* Requests: each appends the JSON body. Absent slices are left out. */
void describe_table_encode(struct buffer *out, struct slice table);
void list_streams_encode(struct buffer *out, struct slice table, struct slice exclusive_start_arn);
void describe_stream_encode(struct buffer *out, struct slice arn, struct slice exclusive_start_shard_id);
void get_shard_iterator_encode(struct buffer *out, struct slice arn, struct slice shard_id, enum iterator_type type, struct slice sequence_number);
void get_records_encode(struct buffer *out, struct slice iterator);

/* One record of a page; all slices point into the page. */
struct stream_record {
    struct slice body;            /* the whole object, '{' to '}' */
    struct slice sequence_number; /* as sent */
    struct slice event_id;        /* raw JSON string; absent if the record has none */
    struct slice event_name;      /* raw JSON string */
    struct slice keys;            /* the Keys object, '{' to '}'; absent if there is none */
    int64_t created_ms;           /* ApproximateCreationDateTime; 0: none. Rounded by AWS: never for order or identity (pitfall 29) */
};

enum next_iterator {
    NEXT_ITERATOR_GIVEN,
    NEXT_ITERATOR_NONE,  /* absent or null: the shard is closed and read to its end, says the server */
    NEXT_ITERATOR_EMPTY, /* "": says nothing (pitfall 3) */
};

/* Zeroed: empty. Reused from page to page; page_fini frees. */
struct stream_page {
    struct stream_record *records;
    size_t len;
    size_t cap;
    enum next_iterator next;
    struct slice iterator; /* raw; only when NEXT_ITERATOR_GIVEN */
};

/* False: malformed, and *error says why (a literal). Sequence numbers must be 1 to 56 digits. */
bool get_records_decode(struct stream_page *page, struct slice text, const char **error);
void stream_page_fini(struct stream_page *page);

/* An attribute of a Keys object: name and value text, decoded (a binary key: its base64 text). */
struct key_attribute {
    struct slice name;
    char type; /* 'S', 'N' or 'B' */
    struct slice value;
};
/* At most two attributes (a key has a partition part and perhaps a sort part). `arena` holds the decoded texts; it is reset first. Returns their
 * number, -1: malformed. */
int keys_decode(struct slice keys, struct key_attribute out[2], struct buffer *arena);

/* Small answers. Decoded slices are raw JSON strings, which hold no escapes in practice; one that does is malformed. */
bool describe_table_decode(struct slice text, struct slice *stream_arn, const char **error); /* absent: the table has no stream */
bool get_shard_iterator_decode(struct slice text, struct slice *iterator, const char **error);

struct stream_shard {
    struct slice shard_id;
    struct slice parent_id; /* absent: none */
    struct slice starting_sequence;
    struct slice ending_sequence; /* absent: open */
};

struct stream_description {
    struct stream_shard *shards;
    size_t len;
    size_t cap;
    struct slice status; /* ENABLING, ENABLED, DISABLING, DISABLED */
    struct slice last_evaluated_shard_id; /* absent or empty: no further page */
};
bool describe_stream_decode(struct stream_description *d, struct slice text, const char **error);
void stream_description_fini(struct stream_description *d);

struct stream_listing {
    struct slice *arns;
    size_t len;
    size_t cap;
    struct slice last_evaluated_arn;
};
bool list_streams_decode(struct stream_listing *l, struct slice text, const char **error);
void stream_listing_fini(struct stream_listing *l);

/* The error answer's name without its namespace ("ResourceNotFoundException") and its message, raw; false: not an error document. */
bool aws_error_decode(struct slice text, struct slice *name, struct slice *message);

#endif
