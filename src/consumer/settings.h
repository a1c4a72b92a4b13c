/* SPDX-License-Identifier: Apache-2.0
 *
 * settings: a consumer's options, checked and copied, and what follows from them: the server, the region, and whose name requests are signed in.
 */
#ifndef S2Q_CONSUMER_SETTINGS_H
#define S2Q_CONSUMER_SETTINGS_H

#include "stream2sqs.h"

#include "aws/ca_bundle.h"
#include "aws/credential_provider.h"
#include "aws/endpoint.h"
#include "consumer/jobs.h"

struct settings {
    struct s2q_options options; /* its texts are the settings' own */
    struct endpoint endpoint;
    char *region;
    char *ca_bundle; /* NULL: the system's */
    struct aws_profile *profile;
    struct credential_set *set;           /* NULL: the keys were given */
    struct credential_provider *provider; /* the set's, or of its own */
    struct jobs_options jobs;
};

/* Zeroed before. False: *err; settings_fini frees what there is, in both cases. The loop outlives the settings. */
MUST_USE bool settings_init(struct settings *s, const struct s2q_options *options, struct loop *loop, struct error *err);
void settings_fini(struct settings *s);

#endif
