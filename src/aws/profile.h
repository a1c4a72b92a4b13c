/* SPDX-License-Identifier: Apache-2.0
 *
 * profile: the settings of AWS's shared files, read once: ~/.aws/config and ~/.aws/credentials, or AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE.
 *
 * The credentials file wins over the config file. A missing file is an empty one. Texts handed out are borrowed, and absent (NULL) when empty.
 */
#ifndef S2Q_AWS_PROFILE_H
#define S2Q_AWS_PROFILE_H

#include "base/error.h"
#include "base/slice.h"

struct aws_profile;
/* profile: NULL for AWS_PROFILE or "default". A named profile in neither file is an error; so is a file that cannot be read or parsed (with its line).
 * `lookup` reads the environment (environment_lookup in production). */
struct aws_profile *aws_profile_load(const char *profile, const char *(*lookup)(const char *), struct error *err);
void aws_profile_free(struct aws_profile *profile);
/* A setting of the profile. `section`: NULL, or the name of a nested section ("dynamodb" inside `services = NAME`'s section, see endpoint.h). */
const char *aws_profile_get(const struct aws_profile *profile, const char *section, const char *name);
/* The same of another profile in the files. */
const char *aws_profile_get_of(const struct aws_profile *profile, const char *other, const char *name);
bool aws_profile_exists(const struct aws_profile *profile, const char *other);
/* The same, from one of the two files only: so that keys of the one are never mixed with keys of the other. */
const char *aws_profile_get_from(const struct aws_profile *profile, const char *other, const char *name, bool credentials_file);
/* A setting of [sso-session NAME]. */
const char *aws_profile_sso_session(const struct aws_profile *profile, const char *session, const char *name);
const char *aws_profile_name(const struct aws_profile *profile);
/* Was it named when it was loaded (an option), not by the environment or as the default? */
bool aws_profile_was_named(const struct aws_profile *profile);
/* May servers of the user's own (an endpoint that was set) be reached in plain http beyond this machine? No, until it is said. */
void aws_profile_allow_plain_http(struct aws_profile *profile, bool allowed);
bool aws_profile_plain_http(const struct aws_profile *profile);
/* HOME, or "". */
const char *aws_profile_home(const struct aws_profile *profile);

/* getenv, with an empty value counted as unset. */
const char *environment_lookup(const char *name);

#endif
