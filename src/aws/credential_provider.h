/* SPDX-License-Identifier: Apache-2.0
 *
 * credential_provider: credentials that stay fresh, driven by the loop; nothing blocks.
 *
 * A set has the default provider (the source that credential_source_find chose) and one for each role that a stream or queue is used in; a role's provider
 * stands on the default one. Providers begin to fetch when they are made.
 *
 * - Refreshed when the smaller of 15 minutes and a third of their life is left, a bit earlier by chance, so that a fleet does not ask at once.
 * - What there is stays in use while refreshing fails (again after 1 s, doubling to 60 s, by chance a bit less), until it expires; EC2's even beyond:
 *   AWS keeps honouring those while its metadata service is down (docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html).
 * - Lives are counted on the monotonic clock, from the issuer's own Date: a wrong or stepped clock here changes nothing.
 * - A role that cannot be had is asked for again as soon as there are new credentials below it.
 */
#ifndef S2Q_AWS_CREDENTIAL_PROVIDER_H
#define S2Q_AWS_CREDENTIAL_PROVIDER_H

#include "aws/credential_source.h"
#include "base/clock.h"
#include "io/loop.h"

struct credential_set;
struct credential_provider;

struct credential_options {
    struct loop *loop;
    const struct aws_profile *profile;
    const char *region; /* where STS is asked; NULL: roles fail, and say so */
    const char *(*lookup)(const char *);
    struct instant (*clock)(void); /* clock_now, but in tests */
    uint64_t seed;                 /* of the jitter */
};

/* Options are borrowed for the set's life (not the struct itself). NULL: *err: a source is configured wrongly, or there is none at all. */
struct credential_set *credential_set_new(const struct credential_options *options, struct error *err);
/* With all its providers. */
void credential_set_free(struct credential_set *set);

struct credential_provider *credential_set_default(struct credential_set *set);
/* The provider of that role on top of the default one; the same for the same role and external id (NULL: none). */
struct credential_provider *credential_set_role(struct credential_set *set, const char *role_arn, const char *external_id);
/* Does what is due by the set's clock. The loop does it by itself: for tests with a clock of their own. */
void credential_set_tick(struct credential_set *set);
/* When that is, on the monotonic clock; INT64_MAX: nothing is planned. */
int64_t credential_set_due(const struct credential_set *set);

/* Credentials to sign with, borrowed until the loop runs again. NULL: there are none; *why (may be NULL) then says why, for people. */
const struct credentials *credential_provider_get(const struct credential_provider *p, const char **why);
/* What is wrong with refreshing them, though they may still be good; "": nothing. */
const char *credential_provider_trouble(const struct credential_provider *p);
/* For people: environment, profile "work", a role's ARN. */
const char *credential_provider_name(const struct credential_provider *p);
/* Rises whenever the credentials change. */
uint64_t credential_provider_generation(const struct credential_provider *p);
/* A service says that they have expired, or are not known (any more): they are fetched again now, at most once in half a minute. */
void credential_provider_refused(struct credential_provider *p);
/* Runs the loop until there are credentials, or getting them failed, or the time is up. For commands, and for the start of the daemon. False: *err, of code
 * UNAVAILABLE when it may pass by itself, else CREDENTIALS. */
MUST_USE bool credential_provider_wait(struct credential_provider *p, int64_t timeout_ms, struct error *err);
/* Are there credentials only if this turns out to be an EC2 instance, nothing else being configured? */
bool credential_provider_by_default(const struct credential_provider *p);

/* A provider outside of any set, of keys that never change (copied). For tests and for servers that take any. */
struct credential_provider *credential_provider_fixed(const struct credentials *keys);
void credential_provider_fixed_free(struct credential_provider *p);

#endif
