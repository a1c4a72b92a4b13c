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
/* <Error><Code>, <Message>: STS's in an <ErrorResponse>, S3's by itself, with a <Region> where a signature was for another one. region: NULL, if that is of no
 * interest. */
bool xml_error_decode(struct slice xml, struct buffer *code, struct buffer *message, struct buffer *region);

/* ---- JSON ---- */

/* docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html: Version 1. */
bool process_answer_decode(struct issued *out, struct slice text, const char **error);
/* Containers and EC2: docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html. `refusal`: the Message (or Code) of an answer that is an
 * error in JSON, whatever its HTTP status was; then false, and *error is NULL. */
bool metadata_answer_decode(struct issued *out, struct slice text, struct buffer *refusal, const char **error);
/* SSO's GetRoleCredentials. */
bool sso_answer_decode(struct issued *out, struct slice text, const char **error);
/* An answer that is an error: its message (SSO-OIDC's error_description or error), or "". */
void json_error_decode(struct buffer *message, struct slice text);

/* ---- SSO's token: the file that `aws sso login` leaves, and its renewal by SSO-OIDC's CreateToken:
 * docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html; the file's members as in botocore's tokens.py ---- */

struct sso_token {
    struct buffer access_token;
    struct buffer refresh_token; /* empty, as the next two: it cannot be renewed */
    struct buffer client_id;
    struct buffer client_secret;
    int64_t expires_ms;
    int64_t registration_expires_ms; /* the client's; 0: not named */
};

/* Wipes and frees. */
void sso_token_fini(struct sso_token *t);
/* A cached file. */
bool sso_token_decode(struct sso_token *out, struct slice text, const char **error);
/* The request that renews it. `out` must be empty: it is made large enough at once, so that growing leaves no copy of a secret. */
void sso_renewal_encode(struct buffer *out, const struct sso_token *t);
/* The answer, into the token that was renewed; its refresh token stays when the answer has none (RFC 6749, 6). False: it is as it was. */
bool sso_renewal_decode(struct sso_token *t, struct slice text, int64_t now_ms, const char **error);
/* Appends the cached file's text with the access token, its end and the refresh token of `t`; every other member as it stands. False: no JSON object. */
bool sso_token_rewrite(struct buffer *out, struct slice cached, const struct sso_token *t);

#endif
