/* SPDX-License-Identifier: Apache-2.0
 *
 * credentials: whose name requests to AWS are signed in, and the settings of AWS's shared files.
 *
 * Order followed (that of the SDKs: docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html): environment, then the
 * profile's static keys (credentials file over config file). The rest of the chain is not built yet: a profile that asks for it (role_arn,
 * sso_*, credential_process, web identity) is an error that says so, never skipped in silence. Nothing here is ever logged.
 */
#ifndef S2Q_AWS_CREDENTIALS_H
#define S2Q_AWS_CREDENTIALS_H

#include "base/error.h"
#include "base/slice.h"

struct credentials {
    char *access_key_id;
    char *secret;        /* wiped by credentials_fini */
    char *session_token; /* NULL: none */
    char *source;        /* for people: "environment", "profile default in ~/.aws/credentials" */
};

/* The shared files, read once: ~/.aws/config and ~/.aws/credentials, or AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE. */
struct aws_profile;
/* profile: NULL for AWS_PROFILE or "default". A missing file is an empty one; a named profile in neither file is an error; so is a
 * file that cannot be read or parsed (with its line). `lookup` reads the environment (getenv in production). */
struct aws_profile *aws_profile_load(const char *profile, const char *(*lookup)(const char *), struct error *err);
void aws_profile_free(struct aws_profile *profile);
/* A setting of the profile, or NULL. `section`: NULL, or the name of a nested section ("dynamodb" inside `services = NAME`'s section, see
 * endpoint.h). Borrowed. */
const char *aws_profile_get(const struct aws_profile *profile, const char *section, const char *name);
const char *aws_profile_name(const struct aws_profile *profile);

MUST_USE bool credentials_find(struct credentials *out, const struct aws_profile *profile, const char *(*lookup)(const char *),
                               struct error *err);
void credentials_fini(struct credentials *c);

/* AWS_REGION, AWS_DEFAULT_REGION, the profile's region; NULL: none set. Borrowed. */
const char *region_find(const struct aws_profile *profile, const char *(*lookup)(const char *));

/* getenv, with an empty value counted as unset. */
const char *environment_lookup(const char *name);

#endif
