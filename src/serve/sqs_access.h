/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_access: what a key's limits allow of a request (codec/access_key.h). Whether a guest may do it the queue's policy says, too: core/service_policy.c.
 */
#ifndef S2Q_SERVE_SQS_ACCESS_H
#define S2Q_SERVE_SQS_ACCESS_H

#include "codec/access_key.h"
#include "codec/sqs_request.h"

/* False: *failure is AccessDenied, in AWS's words for an identity whose policy does not allow it; whether the queue exists is not told. region: that the
 * request was signed for; own_account: whose the queues are. */
bool sqs_access_allows(const struct access_key *key, const struct sqs_request *request, struct slice region, const char *own_account,
                       struct sqs_failure *failure);

#endif
