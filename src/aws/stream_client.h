/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_client: carries the core's calls to DynamoDB and DynamoDB Streams: signed, sent, answered.
 * The clock's skew is learned: see aws/aws_call.h.
 */
#ifndef S2Q_AWS_STREAM_CLIENT_H
#define S2Q_AWS_STREAM_CLIENT_H

#include "aws/credential_provider.h"
#include "aws/endpoint.h"
#include "core/stream_call.h"
#include "io/http_client.h"

struct stream_client_options {
    struct credential_provider *credentials; /* while it has none, calls are answered with its words */
    const char *region;
    const struct endpoint *dynamodb;
    const struct endpoint *streams;
    const char *ca_bundle; /* NULL: the system's */
};

struct stream_client;
/* `answered` is called inside loop_wait, once per call. Options are borrowed for the client's life. NULL: *err. */
struct stream_client *stream_client_new(struct loop *loop, const struct stream_client_options *options,
                                        void (*answered)(void *context, const struct stream_answer *answer), void *context, struct error *err);
void stream_client_free(struct stream_client *c);
/* Has every call been answered? Freed before, it would answer them never. */
bool stream_client_idle(const struct stream_client *c);
/* Takes the call's body. */
void stream_client_start(struct stream_client *c, struct stream_call *call, int64_t now_wall_ms);

#endif
