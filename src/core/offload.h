/* SPDX-License-Identifier: Apache-2.0
 *
 * offload: messages that are too large for their queue, and whose payload goes to S3 first (oversize: s3). The message that is sent then points to the
 * object, in the form of Amazon's SQS Extended Client, so that its consumers read it unchanged:
 *
 *     body       ["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"..","s3Key":".."}]
 *     attribute  ExtendedPayloadSize (Number): the payload's bytes
 *
 * The object is confirmed before the message is made. Its key is the message's own id, so that trying again, also after a crash, writes the same object
 * again. While an object is on its way only its own message (and, in a FIFO queue, its group) waits.
 */
#ifndef S2Q_CORE_OFFLOAD_H
#define S2Q_CORE_OFFLOAD_H

#include "base/clock.h"
#include "core/parcels.h"
#include "core/target.h"

#define OFFLOAD_AT_ONCE 8 /* objects on their way */

/* Zeroed but for random: nothing is to be stored. */
struct offload {
    struct random random;
    struct stowing *first; /* in the order in which they came */
    struct stowing *last;
    size_t waiting;
    size_t under_way;
    int64_t resume_ms;     /* none starts before then (monotonic) */
    int failures;          /* in a row */
    char trouble[TROUBLE_TEXT];
    uint64_t stored;
};

void offload_fini(struct offload *o);
/* The payload of this one has to be stored first. */
void offload_add(struct offload *o, struct parcel *parcel);
/* The next one to store now, under way by `token` from now on; NULL: none. */
struct parcel *offload_start(struct offload *o, uint64_t token, struct instant now);
/* It needs no object after all (parked, dropped): `parcel` is its caller's again. */
void offload_forget(struct offload *o, struct parcel *parcel);
/* Gives back the last one that is not settled, under way or not, and forgets what failed; NULL: there is none. Answers that come yet are of none of ours. */
struct parcel *offload_clear(struct offload *o);
/* An answer. NULL with *known: it failed, and is tried again; NULL: the token is not one of ours. Else: its object is there. */
struct parcel *offload_answer(struct offload *o, const struct target_answer *answer, struct instant now, bool *known);
/* When the next one may start; INT64_MAX: an answer comes first, or none waits. */
int64_t offload_due(const struct offload *o);
/* Appends the body of a message that points to the object. */
void offload_pointer(struct buffer *out, const char *bucket, struct slice key);

#endif
