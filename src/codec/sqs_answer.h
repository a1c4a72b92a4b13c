/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_answer: answers of Amazon SQS's operations, written in AWS JSON 1.0 by functions that know the protocol, so that the core does not. (For the Query
 * protocol sqs_query turns them into XML.) Absent members are left out, and so are empty lists, as AWS does.
 */
#ifndef S2Q_CODEC_SQS_ANSWER_H
#define S2Q_CODEC_SQS_ANSWER_H

#include "base/buffer.h"
#include "codec/sqs_attributes.h"

#include <stdint.h>

struct sqs_message {
    const char *message_id;
    struct slice receipt_handle;
    struct slice body;
    struct slice body_md5;            /* MD5_BYTES, of the body; absent: it is made here */
    struct sqs_attribute *attributes; /* those wanted; sorted by the writer */
    size_t attribute_count;
    unsigned system_attributes; /* which of the following to give: enum sqs_system_attribute */
    struct slice sender_id;
    int64_t sent_ms;
    int64_t receive_count;
    int64_t first_receive_ms;
    struct slice dead_letter_source_arn; /* absent: not given, as all that follows */
    struct slice trace_header;
    struct slice sequence_number;
    struct slice deduplication_id;
    struct slice group_id;
};

/* What was sent. */
struct sqs_sent {
    struct slice id; /* in batches; absent outside */
    const char *message_id;
    const char *body_md5;
    const char *attributes_md5;        /* NULL: none, as the next two */
    const char *system_attributes_md5;
    const char *sequence_number;       /* FIFO */
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
/* A message that is written already, as a JSON object. */
void sqs_answer_raw_message(struct sqs_answer *a, struct slice message);
/* The whole answer, as another server wrote it (AWS JSON). */
void sqs_answer_whole(struct sqs_answer *a, struct slice document);
void sqs_answer_sent(struct sqs_answer *a, const struct sqs_sent *sent);
/* An entry that is done; id: absent outside batches. */
void sqs_answer_done(struct sqs_answer *a, struct slice id);
void sqs_answer_failed(struct sqs_answer *a, struct slice id, enum sqs_error error, const char *text);
/* One queue's URL: the answer's only one, or one of its list. */
void sqs_answer_queue_url(struct sqs_answer *a, struct slice url);
void sqs_answer_next_token(struct sqs_answer *a, struct slice token);
/* One of a map: an attribute of a queue, or a tag. */
void sqs_answer_pair(struct sqs_answer *a, struct slice name, struct slice value);
/* Members of the answer itself, or of the list element that is open. */
void sqs_answer_text(struct sqs_answer *a, const char *name, struct slice value);
void sqs_answer_number(struct sqs_answer *a, const char *name, int64_t value);
/* Elements of the list "Results": begin, its members, end. */
void sqs_answer_result_begin(struct sqs_answer *a);
void sqs_answer_result_end(struct sqs_answer *a);
/* Closes the document. */
void sqs_answer_end(struct sqs_answer *a);
/* Replaces whatever was built by an error. text NULL: AWS's own. */
void sqs_answer_error(struct sqs_answer *a, enum sqs_error error, const char *text);
void sqs_answer_fini(struct sqs_answer *a);

#endif
