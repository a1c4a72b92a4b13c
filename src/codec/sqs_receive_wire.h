/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_receive_wire: a consumer's half of SQS in AWS JSON 1.0: requests that receive, delete and hide messages, and the answer to the first.
 * Answers to the batches are read by sqs_client_wire's sqs_batch_result_decode.
 *
 * What a server sends is hostile: sizes are bounded by the answer's own, digests are compared, and one message that is wrong does not spoil the others.
 */
#ifndef S2Q_CODEC_SQS_RECEIVE_WIRE_H
#define S2Q_CODEC_SQS_RECEIVE_WIRE_H

#include "codec/sqs_client_wire.h"

#define SQS_RECEIVED_MAX 10 /* messages in one answer; entries of one batch */

/* A message as it came, decoded. All texts are in `arena`: moving the struct is fine, changing the arena is not. */
struct sqs_received {
    struct buffer arena;
    struct slice message_id;
    struct slice receipt_handle;
    struct slice body;
    struct slice group_id; /* absent: none, as the next */
    struct slice sequence_number;
    uint64_t receive_count; /* 0: the server did not say */
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX]; /* sorted by name */
    size_t attribute_count;
    const char *fault; /* why it must not be handled (a literal); NULL: it is as it was sent */
};

void sqs_received_fini(struct sqs_received *m);
/* An attribute's value; absent: there is none of that name. */
struct slice sqs_received_attribute(const struct sqs_received *m, const char *name);

/* visibility_s < 0: the queue's own. */
void sqs_receive_request(struct buffer *out, struct slice queue_url, int count, int wait_s, int visibility_s);
/* Reads at most SQS_RECEIVED_MAX messages; the caller ends each. Messages without a receipt handle are left out: nothing can be done about them. -1: it is no
 * such answer, and there are none. */
int sqs_receive_decode(struct slice body, struct sqs_received out[SQS_RECEIVED_MAX]);

/* DeleteMessageBatch, and ChangeMessageVisibilityBatch: begin, one entry after the other (their ids are "0", "1", ...), end. */
void sqs_handles_begin(struct buffer *out, struct slice queue_url);
void sqs_delete_entry(struct buffer *out, size_t index, struct slice receipt_handle);
void sqs_visibility_entry(struct buffer *out, size_t index, struct slice receipt_handle, int visibility_s);
void sqs_handles_end(struct buffer *out);

#endif
