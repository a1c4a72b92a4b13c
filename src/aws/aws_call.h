/* SPDX-License-Identifier: Apache-2.0
 *
 * aws_call: one request in AWS JSON 1.0: signed, and started.
 *
 * Clock skew: when AWS refuses a signature for its time, the offset to the answer's Date is learned (at most a day), and later calls are signed with it;
 * whoever called tries again by itself.
 */
#ifndef S2Q_AWS_AWS_CALL_H
#define S2Q_AWS_AWS_CALL_H

#include "aws/credentials.h"
#include "io/http_client.h"

struct clock_skew {
    int64_t ms; /* AWS's clock - ours */
};

struct aws_call {
    const char *url;
    const char *host;         /* for the Host header, with the port when it is not the scheme's own */
    const char *target;       /* X-Amz-Target: "DynamoDBStreams_20120810.GetRecords" */
    const char *service;      /* in the signature's scope */
    const char *region;
    const struct credentials *credentials;
    struct slice body;        /* copied */
    int64_t timeout_ms;
    size_t answer_max;
    uint64_t token;
};

void aws_call_start(struct http_client *http, const struct aws_call *call, const struct clock_skew *skew, int64_t now_wall_ms);
/* After each answer. */
void clock_skew_learn(struct clock_skew *skew, const struct http_answer *answer, int64_t now_wall_ms);

#endif
