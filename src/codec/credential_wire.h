/* SPDX-License-Identifier: Apache-2.0
 *
 * credential_wire: the requests for credentials, and the answers, of everything that hands some out: STS (Query and XML), SSO, containers and EC2
 * (JSON), and a credential_process' output.
 *
 * Decoders: false means that the text is not what its source promises; *error says why (a literal, or nothing secret). Nothing that they return is in an
 * error text.
 */
#ifndef S2Q_CODEC_CREDENTIAL_WIRE_H
#define S2Q_CODEC_CREDENTIAL_WIRE_H

#include "base/buffer.h"
#include "base/slice.h"

struct issued {
    struct buffer access_key_id;
    struct buffer secret;
    struct buffer session_token; /* empty: none */
    int64_t expires_ms;          /* 0: none was named */
};

/* Wipes and frees. */
void issued_fini(struct issued *i);

/* ---- STS: docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, API_AssumeRoleWithWebIdentity.html ---- */

struct role_request {
    const char *role_arn;
    const char *session_name;
    const char *external_id; /* NULL: none */
    int64_t duration_s;      /* 0: the service's own (an hour) */
};

void assume_role_encode(struct buffer *out, const struct role_request *request);
void assume_role_with_web_identity_encode(struct buffer *out, const struct role_request *request, struct slice token);
bool sts_answer_decode(struct issued *out, struct slice xml, const char **error);
/* <ErrorResponse><Error><Code>, <Message>. */
bool sts_error_decode(struct slice xml, struct buffer *code, struct buffer *message);

/* ---- JSON ---- */

/* docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html: Version 1. */
bool process_answer_decode(struct issued *out, struct slice text, const char **error);
/* Containers and EC2: docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html. `refusal`: the Message (or Code) of an answer that is an
 * error in JSON, whatever its HTTP status was; then false, and *error is NULL. */
bool metadata_answer_decode(struct issued *out, struct slice text, struct buffer *refusal, const char **error);
/* SSO's GetRoleCredentials. */
bool sso_answer_decode(struct issued *out, struct slice text, const char **error);
/* A cached SSO token. */
bool sso_token_decode(struct buffer *access_token, int64_t *expires_ms, struct slice text, const char **error);
/* An answer that is an error: its message, or "". */
void json_error_decode(struct buffer *message, struct slice text);

#endif
