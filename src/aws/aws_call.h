/* SPDX-License-Identifier: Apache-2.0
 *
 * aws_call: one request in AWS JSON 1.0 or the Query protocol: signed, and started.
 *
 * Clock skew: when AWS refuses a signature for its time, the offset to the answer's Date is learned (at most a day), and later calls are signed with it;
 * whoever called tries again by itself.
 */
#ifndef S2Q_AWS_AWS_CALL_H
#define S2Q_AWS_AWS_CALL_H

#include "aws/credential_provider.h"
#include "io/http_client.h"

struct clock_skew {
    int64_t ms; /* AWS's clock - ours */
};

struct aws_call {
    const char *url;
    const char *method;       /* NULL: POST */
    bool s3;                  /* signed as S3 wants it: with the payload's hash in a header, the path as it is sent */
    const char *host;         /* for the Host header, with the port when it is not the scheme's own */
    const char *target;       /* X-Amz-Target: "DynamoDBStreams_20120810.GetRecords"; NULL: none */
    const char *content_type; /* NULL: AWS JSON 1.0 */
    const char *service;      /* in the signature's scope */
    const char *region;
    const struct credentials *credentials;
    struct slice body;        /* copied */
    int64_t timeout_ms;
    size_t answer_max;
    bool secret;              /* see http_call */
    uint64_t token;
    void *tag;                /* see http_call; aws_call_start_as sets it */
};

void aws_call_start(struct http_client *http, const struct aws_call *call, const struct clock_skew *skew, int64_t now_wall_ms);
/* In the name of a provider, whatever `credentials` says; while it has none, the call is withheld (see http_client_withhold), with the provider's words. */
void aws_call_start_as(struct http_client *http, struct aws_call *call, struct credential_provider *provider, const struct clock_skew *skew,
                       int64_t now_wall_ms);
/* After each answer to such a call, if it is in JSON: learns the skew, and tells the provider of credentials that were refused. */
void aws_call_learn(const struct http_answer *answer, struct clock_skew *skew, int64_t now_wall_ms);
/* After an answer that is an error of this name, whatever it is written in. */
void clock_skew_learn_error(struct clock_skew *skew, struct slice error_name, const struct http_answer *answer, int64_t now_wall_ms);

#endif
