/* SPDX-License-Identifier: Apache-2.0
 *
 * handover: what a program is given of a message by `consume`: a line of JSON, and an environment. Whatever is in the message, a line stays one line, and
 * only variables that begin with S2Q_ are made of it. Pure.
 */
#ifndef S2Q_APP_HANDOVER_H
#define S2Q_APP_HANDOVER_H

#include "stream2sqs.h"

#include "base/buffer.h"

#define HANDOVER_VALUE_MAX 32768 /* bytes of a variable: an environment is bounded (execve(2)) */

/* Appends the body as one line of JSON with its end: a JSON document as it is, but for line breaks between its parts, which become blanks; any other text as
 * a JSON string. */
void handover_body(struct buffer *out, const struct s2q_message *m);
/* Appends the whole message in the form in which Lambda gives one of SQS to a handler (messageId, body, attributes, messageAttributes), as one line with its
 * end. */
void handover_message(struct buffer *out, const struct s2q_message *m);

/* `base` without its S2Q_ variables, and those of the message: S2Q_QUEUE, S2Q_MESSAGE_ID, S2Q_RECEIVE_COUNT, S2Q_GROUP_ID, S2Q_STREAM, S2Q_SHARD,
 * S2Q_SEQUENCE_NUMBER, S2Q_EVENT_ID, S2Q_EVENT_NAME and S2Q_KEYS (of a body that is a record), and S2Q_ATTRIBUTE_<NAME> for each message attribute, with _ for
 * what is neither letter nor digit (of two that become the same, the first counts). Binary values are base64. What is absent, holds a NUL, or is longer than
 * HANDOVER_VALUE_MAX is left out. NULL-terminated; handover_environment_free frees it. */
char **handover_environment(const struct s2q_message *m, const char *queue, char *const *base);
void handover_environment_free(char **environment);

#endif
