/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_client: carries the core's calls to the servers that remote queues are on: signed, sent, answered. One connection pool for all of them.
 */
#ifndef S2Q_AWS_SQS_CLIENT_H
#define S2Q_AWS_SQS_CLIENT_H

#include "aws/credential_provider.h"
#include "aws/endpoint.h"
#include "core/target.h"
#include "io/http_client.h"

/* Where a queue is, and in whose name it is used. All borrowed for the client's life. */
struct sqs_destination {
    const struct endpoint *endpoint;
    const struct endpoint *bucket; /* for payloads that are too large (endpoint_of_bucket); NULL: none are stored */
    const char *s3_region; /* of the bucket */
    const char *region;
    struct credential_provider *credentials; /* while it has none, calls are answered with its words */
};

struct sqs_client;
/* `answered` is called inside loop_wait, once per call. ca_bundle: NULL for the system's. NULL: *err. */
struct sqs_client *sqs_client_new(struct loop *loop, const char *ca_bundle, void (*answered)(void *context, const struct target_answer *answer), void *context,
                                  struct error *err);
void sqs_client_free(struct sqs_client *c);
/* Takes the call's body. */
void sqs_client_start(struct sqs_client *c, const struct sqs_destination *to, struct target_call *call, int64_t now_wall_ms);

#endif
