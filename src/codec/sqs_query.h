/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_query: Amazon SQS's older protocol (Query requests as a form, XML answers), brought into AWS JSON and back.
 *
 * A form becomes the JSON document that means the same, by the table of sqs_members, and is decoded like any other; a JSON answer becomes XML. So
 * operations, checks and texts exist once, and the two protocols cannot drift apart.
 * Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html, and botocore 1.29's model.
 */
#ifndef S2Q_CODEC_SQS_QUERY_H
#define S2Q_CODEC_SQS_QUERY_H

#include "codec/sqs_answer.h"
#include "codec/sqs_request.h"

/* A request brought into JSON; zeroed is ready, sqs_query_fini frees it. */
struct sqs_query {
    struct slice action;     /* "SendMessage" */
    struct buffer json;
    struct buffer texts;     /* decoded names and values */
    struct sqs_query_parameter {
        struct slice name;   /* "Attribute.1.Name" */
        struct slice value;
    } *parameters;           /* sorted by name, numbers in it by value */
    size_t count;
    size_t cap;
};

/* form: the body, or the query string of a GET. path: when there is no QueueUrl parameter, the path of a queue URL stands for it. Unknown parameters are passed
 * over, as SQS does. False: *failure. */
bool sqs_query_to_json(struct sqs_query *q, struct slice form, struct slice path, struct sqs_failure *failure);
void sqs_query_fini(struct sqs_query *q);

/* Appends the XML of an answer that was built for JSON (a->error decides whether it is an error's). action: SQS_ACTION_COUNT if it is not known. */
void sqs_answer_to_xml(struct buffer *out, const struct sqs_answer *a, enum sqs_action action, struct slice request_id);

#endif
