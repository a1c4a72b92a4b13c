/* SPDX-License-Identifier: Apache-2.0
 *
 * ca_bundle: the CA certificates that servers of AWS's API are judged by, where they are not the system's.
 */
#ifndef S2Q_AWS_CA_BUNDLE_H
#define S2Q_AWS_CA_BUNDLE_H

#include "aws/profile.h"
#include "base/error.h"

/* AWS_CA_BUNDLE, or the profile's ca_bundle: the CA certificates to trust instead of the system's. *out: NULL when neither is set; borrowed. False: *err, as of
 * ca_bundle_check. */
MUST_USE bool ca_bundle_find(const char **out, const struct aws_profile *profile, const char *(*lookup)(const char *), struct error *err);
/* False: the file cannot be read, or holds no certificate (PEM); *err says so, and that `source` names it. */
MUST_USE bool ca_bundle_check(const char *path, const char *source, struct error *err);

#endif
