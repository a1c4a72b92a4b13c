/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_streams: DynamoDB Streams as it is described, and as it misbehaves. Sans I/O and deterministic: a call and a time give an answer.
 *
 * One account, any number of tables, each with one stream at a time and the streams it had before. Nothing is random but what the faults' odds decide.
 */
#ifndef S2Q_TESTS_SUPPORT_FAKE_STREAMS_H
#define S2Q_TESTS_SUPPORT_FAKE_STREAMS_H

#include "base/buffer.h"
#include "base/random.h"

struct fake_record {
    char sequence[32];
    char key[24]; /* the item's key: one letter and a number, unique for the record */
    char *body;   /* as it stands in a page */
    int64_t created_ms;
    bool returned; /* an answer that reached the caller unharmed had it */
    bool trimmed;
};

struct fake_shard {
    char id[64];
    struct fake_shard *parent;
    struct fake_stream *stream;
    struct fake_record *records;
    size_t len;
    size_t trimmed; /* so many are gone from the beginning */
    char starting[32];
    bool closed;
    bool vanished;          /* not listed, not found */
    int64_t listed_from_ms; /* DescribeStream shows it, and its end, from then on */
    int64_t end_listed_from_ms;
};

struct fake_stream {
    char arn[160];
    char table[64];
    struct fake_shard **shards;
    size_t len;
    bool disabled;
    bool vanished;
};

/* Odds of 1000 of each call, by kind; all zero: AWS at its best. */
struct fake_faults {
    int lost;          /* no answer */
    int throttled;     /* one of the throttling names */
    int failed;        /* 500, 503 with HTML */
    int cut;           /* 200 with half a body */
    int wrong_crc;
    int odd_page;      /* Records missing, or null; NextShardIterator "" */
    int expired;       /* ExpiredIteratorException */
    int empty;         /* an empty page with data ahead */
    int skewed;        /* one of the clock-skew names */
    int stale_listing; /* the newest shard is left out */
};

struct fake_aws {
    struct fake_stream **streams; /* oldest first */
    size_t len;
    struct fake_faults faults;
    struct random random;
    uint64_t next_sequence;
    uint64_t next_key;
    uint64_t next_shard;
    size_t page_max;      /* records, at random up to so many; 0: always 1,000 */
    size_t listing_max;   /* shards a page of DescribeStream; 0: 100 */
    bool no_list_streams; /* AccessDeniedException */
    int64_t calls;
};

struct fake_answer {
    int status; /* 0: none came */
    struct buffer body;
    bool has_crc32;
    uint32_t crc32;
};

struct fake_aws *fake_aws_new(uint64_t seed);
void fake_aws_free(struct fake_aws *aws);
/* Enables a stream on the table (again): the one before is disabled, and its shards are closed. It has one shard. */
struct fake_stream *fake_stream_enable(struct fake_aws *aws, const char *table, int64_t now_ms);
void fake_stream_disable(struct fake_stream *stream, int64_t now_ms);
struct fake_shard *fake_shard_add(struct fake_aws *aws, struct fake_stream *stream, struct fake_shard *parent, int64_t now_ms);
/* Closes it and adds two children, visible (like its end) only after lag_ms. */
void fake_shard_split(struct fake_aws *aws, struct fake_shard *shard, int64_t now_ms, int64_t lag_ms);
/* Writes a record with all that must survive: long numbers, escapes, emoji, binary, empty strings. filler_bytes: so much more text in it. */
const struct fake_record *fake_put(struct fake_aws *aws, struct fake_shard *shard, size_t filler_bytes, int64_t now_ms);
/* The first `count` records are gone. */
void fake_shard_trim(struct fake_shard *shard, size_t count);
/* The caller takes the body. target: X-Amz-Target. */
void fake_aws_call(struct fake_aws *aws, const char *target, struct slice body, int64_t now_ms, struct fake_answer *answer);

#endif
