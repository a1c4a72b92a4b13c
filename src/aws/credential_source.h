/* SPDX-License-Identifier: Apache-2.0
 *
 * credential_source: which source credentials are to come from. Decided from the environment and the shared files alone; nothing is asked yet.
 *
 * The order is that of the AWS CLI and botocore (docs.aws.amazon.com/cli/latest/userguide/cli-chap-configure.html, "precedence"), so that
 * `aws sts get-caller-identity` shows who stream2sqs will be. docs/credentials.md has the table, and where we differ.
 * The first source that is configured counts: when it fails, the next is not tried.
 */
#ifndef S2Q_AWS_CREDENTIAL_SOURCE_H
#define S2Q_AWS_CREDENTIAL_SOURCE_H

#include "aws/credentials.h"

enum credential_kind {
    CREDENTIAL_KEYS,         /* as they stand in the environment or a file */
    CREDENTIAL_ROLE,         /* STS AssumeRole in the name of `base` */
    CREDENTIAL_WEB_IDENTITY, /* STS AssumeRoleWithWebIdentity with the token in a file (EKS service accounts) */
    CREDENTIAL_SSO,          /* IAM Identity Center, with the token that `aws sso login` left */
    CREDENTIAL_PROCESS,      /* what a program writes */
    CREDENTIAL_CONTAINER,    /* ECS, EKS Pod Identity */
    CREDENTIAL_METADATA,     /* EC2: IMDSv2 */
};

struct credential_source {
    enum credential_kind kind;
    char *name; /* for people: environment, profile "work", ... */
    struct credentials keys;
    char *role_arn; /* ROLE, WEB_IDENTITY */
    char *external_id;
    char *session_name;
    int64_t duration_s; /* 0: the service's own */
    struct credential_source *base;
    char *token_file; /* WEB_IDENTITY, SSO, CONTAINER (NULL: none) */
    char *token;      /* CONTAINER; NULL: none */
    char *url;        /* CONTAINER: whole; METADATA: "http://169.254.169.254" */
    char *command;    /* PROCESS */
    char *sso_region;
    char *sso_account_id;
    char *sso_role_name;
    char *sso_login; /* what to type when the token has expired */
    bool sso_session; /* the login is an [sso-session]'s: its token can be renewed, unlike one of the older kind */
    bool by_default; /* METADATA, because nothing else is configured: it need not be there at all */
};

/* NULL: *err (a source that is configured wrongly, or none: IMDS is switched off). */
struct credential_source *credential_source_find(const struct aws_profile *profile, const char *(*lookup)(const char *), struct error *err);
/* A role in the name of another source, which it takes over. external_id, session_name: NULL, or copied. */
struct credential_source *credential_source_role(struct credential_source **base, const char *role_arn, const char *external_id, const char *session_name);
void credential_source_free(struct credential_source *s);
/* Says that there are none, and where to put some. tried: what was tried last, and how it went; NULL: nothing. Returns false. */
bool credential_source_none(struct error *err, enum error_code code, const struct aws_profile *profile, const char *tried);

#endif
