/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_internal: what the files of fake_aws share.
 */
#ifndef S2Q_TESTS_SUPPORT_FAKE_INTERNAL_H
#define S2Q_TESTS_SUPPORT_FAKE_INTERNAL_H

#include "support/fake_aws.h"

#include "base/random.h"

#define FAKE_REGION "eu-west-1"
#define FAKE_EPOCH_MS INT64_C(1767225600000) /* 2026-01-01: what the first stream's ARN says */
#define SEQUENCE_BYTES 41

/* So many calls in this second. */
struct fake_window {
    int64_t second;
    int calls;
};

struct fake_script {
    enum fake_operation operation;
    struct fake_shard *shard;
    enum fake_fault fault;
    unsigned count;
};

struct fake_table {
    char *name;
    struct fake_stream *latest; /* NULL: no stream */
};

struct fake_aws {
    struct fake_options options;
    struct random random;
    int64_t now_ms;    /* the last call's */
    int64_t offset_ms; /* fake_time_advance's */
    struct fake_stream **streams;
    size_t stream_count;
    struct fake_table *tables;
    size_t table_count;
    struct fake_script *scripts;
    size_t script_count;
    unsigned rates[FAULT_COUNT];
    uint64_t fault_counts[FAULT_COUNT];
    uint64_t calls[FAKE_ANY_OPERATION];
    struct fake_window describes;
};

struct fake_stream {
    struct fake_aws *fake;
    char *table;
    char *label; /* 2026-01-01T00:00:00.000 */
    char *arn;
    struct fake_shard **shards;
    size_t shard_count;
    size_t shard_cap;
    bool disabled;
    bool deleted;
    random_wide next_sequence;
};

/* A page that was written once: speed mode. */
struct fake_page {
    char *text;
    size_t len;
    size_t records;
    uint32_t crc32;
    char last[SEQUENCE_BYTES]; /* its last record's; "": no records */
};

struct fake_shard {
    struct fake_stream *stream;
    size_t index; /* in the stream's */
    char id[40];
    char *parent;
    char start[SEQUENCE_BYTES];
    char end[SEQUENCE_BYTES];
    bool closed;
    bool deleted;
    struct fake_record *records;
    size_t len;
    size_t cap;
    size_t first_kept;
    struct fake_window reads;
    struct fake_page *pages;
    size_t page_count; /* 0: not prepared */
};

/* A call on its way; slices point into the request. */
struct fake_call {
    struct fake_aws *fake;
    enum fake_operation operation;
    enum fake_fault fault;
    struct slice table;
    struct slice stream_arn;
    struct slice start_arn;
    struct slice start_shard;
    struct slice shard_id;
    struct slice type;
    struct slice sequence;
    struct slice iterator;
    struct slice filter_type;
    struct slice filter_shard;
    int64_t limit; /* -1: not given */
    struct fake_stream *stream;
    struct fake_shard *shard;
    size_t position; /* the iterator's: index of a record, or of a prepared page */
    int64_t issued_ms;
    struct fake_answer *answer;
};

/* ---- fake_aws.c ---- */

int64_t fake_now(const struct fake_aws *fake);
bool fake_chance(struct fake_aws *fake, unsigned per_10000);
/* Replaces the answer by an error; text NULL: the table's. */
void fake_fail(struct fake_call *call, enum fake_fault error, const char *text);
void fake_fail_validation(struct fake_call *call, const char *text);
/* One more call within the limit of so many a second (0: none)? */
bool fake_window_admits(struct fake_window *window, int64_t now_ms, int limit);

/* ---- fake_stream.c ---- */

void fake_streams_free(struct fake_aws *fake);
struct fake_table *fake_table_find(const struct fake_aws *fake, struct slice name);
/* The stream's next sequence number, and a step of the seed's on from it. */
void fake_sequence_next(struct fake_stream *stream, char out[SEQUENCE_BYTES]);
void fake_describe_table(struct fake_call *call);
void fake_list_streams(struct fake_call *call);
void fake_describe_stream(struct fake_call *call);

/* ---- fake_record.c ---- */

/* Appends the record of this number and key as it stands in pages. */
void fake_record_write(struct fake_aws *fake, struct buffer *out, const struct fake_record *record, size_t pad_bytes);

/* ---- fake_page.c ---- */

/* Reads the iterator; false: not one of ours. Sets stream, shard, position, issued_ms. */
bool fake_iterator_read(struct fake_call *call);
void fake_iterator_write(struct buffer *out, const struct fake_shard *shard, size_t position, int64_t issued_ms);
void fake_get_shard_iterator(struct fake_call *call);
void fake_get_records(struct fake_call *call);
/* Trims what is older than the retention. */
void fake_shard_age(struct fake_shard *shard);

/* ---- fake_faults.c ---- */

enum fake_fault fake_fault_choose(struct fake_aws *fake, enum fake_operation operation, const struct fake_shard *shard);
/* Is it an error answer, and of which status and type? */
bool fake_fault_is_error(enum fake_fault fault, int *status, const char **type, const char **text);
/* Does the service never see the request? */
bool fake_fault_is_before(enum fake_fault fault);
/* Does an answer under this fault bring its records to the caller? */
bool fake_fault_delivers(enum fake_fault fault);
/* What the fault does to a finished answer. */
void fake_fault_damage(struct fake_call *call);

#endif
