/* SPDX-License-Identifier: Apache-2.0
 *
 * access_key: a key of the endpoint, and what it may be used for. Owned by its keyring (codec/sigv4.h); borrowed until that changes.
 *
 * A key without limits may do everything that its account may. `queues` and `actions` are an identity's policy in IAM: what they do not name is denied.
 */
#ifndef S2Q_CODEC_ACCESS_KEY_H
#define S2Q_CODEC_ACCESS_KEY_H

#include "base/error.h"
#include "codec/sqs_model.h"

struct access_key;

/* All absent: no limits. */
struct access_key_limits {
    struct slice account; /* 12 digits; absent: the endpoint's own */
    struct slice queues;  /* globs of names, with commas between them; absent: all */
    struct slice actions; /* globs of operations, in any case; a batch follows its single operation; absent: all */
};

/* Is it all well formed, and does each glob of actions name an operation? False: *err says what is not. */
MUST_USE bool access_key_limits_valid(const struct access_key_limits *limits, struct error *err);

struct slice access_key_id(const struct access_key *key);
/* Absent: the endpoint's own. */
struct slice access_key_account(const struct access_key *key);
/* Has it `queues` or `actions`? */
bool access_key_limited(const struct access_key *key);
/* May the key be used for that operation on that queue? An absent name is "any queue": only what names no queues at all, or "*", allows that. */
bool access_key_allows(const struct access_key *key, enum sqs_action action, struct slice queue_name);

#endif
