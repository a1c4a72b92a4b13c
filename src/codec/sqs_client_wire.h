/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_client_wire: the client's half of SQS in AWS JSON 1.0 (service model 2012-11-05): requests that are written, answers that are read.
 * Message attributes and digests are sqs_wire's.
 */
#ifndef S2Q_CODEC_SQS_CLIENT_WIRE_H
#define S2Q_CODEC_SQS_CLIENT_WIRE_H

#include "codec/sqs_wire.h"

/* What is sent as one message. */
struct sqs_outgoing {
    struct slice body;
    struct sqs_attribute *attributes; /* sorted by the MD5 */
    size_t attribute_count;
    struct slice group_id; /* absent: none */
    struct slice deduplication_id;
};

/* SQS refuses U+FFFE and U+FFFF: where they stand raw in a JSON text, they can only be in strings, and are written as escapes there, which means the
 * same to whoever parses it. (All else that SQS refuses JSON cannot hold raw either.) */
void sqs_escape_refused(struct buffer *json);
/* Body and attributes, as AWS counts them for its limits. */
size_t sqs_outgoing_bytes(const struct sqs_outgoing *m);

/* A SendMessageBatch: begin, one entry after the other (their ids are "0", "1", ...), end. */
void sqs_send_begin(struct buffer *out, struct slice queue_url);
void sqs_send_entry(struct buffer *out, size_t index, const struct sqs_outgoing *m);
void sqs_send_end(struct buffer *out);

void sqs_get_queue_url(struct buffer *out, struct slice name, struct slice owner_account_id);
void sqs_get_queue_attributes(struct buffer *out, struct slice queue_url);

/* What became of an entry of a batch. Slices point into the answer, strings raw as JSON has them unless said otherwise. */
enum sqs_entry_state { SQS_ENTRY_ABSENT, SQS_ENTRY_SUCCESSFUL, SQS_ENTRY_FAILED, SQS_ENTRY_CONTRADICTORY /* in both lists, or twice */ };
struct sqs_entry_result {
    enum sqs_entry_state state;
    struct slice message_id;
    struct slice body_md5;       /* absent: the server did not say */
    struct slice attributes_md5;
    bool senders_fault;
    struct slice code;
    struct slice message;
};
/* Reads a batch's answer into results[0..count), by the entries' ids. False: it is not such an answer; nothing is known of any entry. */
bool sqs_batch_result_decode(struct slice body, struct sqs_entry_result *results, size_t count);

bool sqs_queue_url_decode(struct slice body, struct buffer *url);
/* The value of one attribute of a GetQueueAttributes answer; absent: not there. */
struct slice sqs_queue_attribute_find(struct slice body, const char *name);

#endif
