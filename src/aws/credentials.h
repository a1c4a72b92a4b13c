/* SPDX-License-Identifier: Apache-2.0
 *
 * credentials: whose name requests to AWS are signed in. Where they come from: credential_source.h; keeping them fresh: credential_provider.h.
 * Never logged, in no error text; secrets are wiped when they are let go.
 */
#ifndef S2Q_AWS_CREDENTIALS_H
#define S2Q_AWS_CREDENTIALS_H

#include "aws/profile.h"
#include "base/error.h"
#include "base/slice.h"
#include "codec/sigv4.h"

#include <stdint.h>

struct credentials {
    char *access_key_id;
    char *secret;
    char *session_token; /* NULL: none */
    int64_t expires_ms;  /* wall clock, of whoever issued them; 0: never */
    struct signing_keys *signing; /* derived from the secret: as old as it is */
};

/* Copies. False, and *err: they hold blanks or control characters (`source` says whose they are), or the id or secret is empty; *out is then empty. */
MUST_USE bool credentials_set(struct credentials *out, struct slice access_key_id, struct slice secret, struct slice session_token, const char *source,
                              struct error *err);
/* The same of what credentials_set has passed before; their signing keys are not copied. */
void credentials_copy(struct credentials *out, const struct credentials *from);
/* Wipes and frees; *c is empty afterwards. */
void credentials_fini(struct credentials *c);
/* Wipes and frees a text (NULL: nothing). */
void secret_free(char *text);

/* AWS_REGION, AWS_DEFAULT_REGION, the profile's region; NULL: none set. Borrowed. */
const char *region_find(const struct aws_profile *profile, const char *(*lookup)(const char *));

#endif
