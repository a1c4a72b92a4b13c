/* SPDX-License-Identifier: Apache-2.0 */
#include "base/glob.h"
#include "base/memory.h"
#include "base/random.h"
#include "codec/sigv4.h"

#include <stdlib.h>

struct access_key {
    struct slice id;     /* owned */
    struct slice secret; /* owned, wiped */
    struct access_key_limits limits; /* owned */
    struct signing_keys derived;
};

struct keyring {
    struct access_key **keys; /* keys[0] is nobody's, with a random secret */
    size_t len;
};

static struct slice keep(struct slice s)
{
    return slice_present(s) ? slice_from(slice_dup(s), s.len) : SLICE_NONE;
}

static struct access_key *add(struct keyring *ring, struct slice id, struct slice secret)
{
    struct access_key *key = memory_zeroed(1, sizeof(*key));

    ring->keys = memory_resize(ring->keys, (ring->len + 1) * sizeof(*ring->keys));
    ring->keys[ring->len++] = key;
    key->id = keep(id);
    key->secret = keep(secret);
    return key;
}

struct keyring *keyring_new(void)
{
    struct keyring *ring = memory_zeroed(1, sizeof(*ring));
    char secret[40];

    random_secret(secret, sizeof(secret));
    add(ring, SLICE(""), slice_from(secret, sizeof(secret)));
    explicit_bzero(secret, sizeof(secret));
    return ring;
}

static void wipe(struct slice s)
{
    char *bytes = (char *)(uintptr_t)s.ptr;

    if (bytes)
        explicit_bzero(bytes, s.len);
    free(bytes);
}

static void forget_limits(struct access_key *key)
{
    wipe(key->limits.account);
    wipe(key->limits.queues);
    wipe(key->limits.actions);
    key->limits = (struct access_key_limits){0};
}

void keyring_free(struct keyring *ring)
{
    if (ring == NULL)
        return;
    for (size_t i = 0; i < ring->len; i++) {
        signing_keys_fini(&ring->keys[i]->derived);
        forget_limits(ring->keys[i]);
        wipe(ring->keys[i]->id);
        wipe(ring->keys[i]->secret);
        free(ring->keys[i]);
    }
    free(ring->keys);
    free(ring);
}

static struct access_key *find(const struct keyring *ring, struct slice id)
{
    for (size_t i = 1; i < ring->len; i++)
        if (slice_equal(ring->keys[i]->id, id))
            return ring->keys[i];
    return NULL;
}

void keyring_add_limited(struct keyring *ring, struct slice id, struct slice secret, const struct access_key_limits *limits)
{
    struct access_key *key = find(ring, id);

    if (key == NULL) {
        key = add(ring, id, secret);
    } else {
        wipe(key->secret);
        key->secret = keep(secret);
        signing_keys_fini(&key->derived);
        forget_limits(key);
    }
    key->limits = (struct access_key_limits){keep(limits->account), keep(limits->queues), keep(limits->actions)};
}

void keyring_add(struct keyring *ring, struct slice id, struct slice secret)
{
    keyring_add_limited(ring, id, secret, &(struct access_key_limits){0});
}

size_t keyring_count(const struct keyring *ring)
{
    return ring->len - 1;
}

const struct access_key *keyring_at(const struct keyring *ring, size_t at)
{
    return at + 1 < ring->len ? ring->keys[at + 1] : NULL;
}

struct slice access_key_secret(const struct access_key *key)
{
    return key->secret;
}

const struct hmac_key *keyring_derive(struct keyring *ring, struct slice id, struct slice date, struct slice region, struct slice service,
                                      const struct access_key **found)
{
    struct access_key *key = find(ring, id);

    *found = key;
    key = key ? key : ring->keys[0];
    return signing_keys_get(&key->derived, key->secret, date, region, service);
}

/* ---- what a key may be used for ---- */

struct slice access_key_id(const struct access_key *key)
{
    return key->id;
}

struct slice access_key_account(const struct access_key *key)
{
    return key->limits.account;
}

static struct slice next_glob(struct slice *list)
{
    struct slice glob = slice_from(list->ptr, slice_index(*list, ','));

    *list = slice_after(*list, glob.len + 1);
    return glob;
}

/* Absent: no limit. */
static bool any_fits(struct slice globs, struct slice text, bool (*fits)(struct slice pattern, struct slice text))
{
    if (!slice_present(globs))
        return true;
    while (globs.len > 0)
        if (fits(next_glob(&globs), text))
            return true;
    return false;
}

static bool is_any(struct slice pattern, struct slice text)
{
    (void)text;
    return slice_is(pattern, "*");
}

bool access_key_limited(const struct access_key *key)
{
    return slice_present(key->limits.queues) || slice_present(key->limits.actions);
}

bool access_key_allows(const struct access_key *key, enum sqs_action action, struct slice queue_name)
{
    return any_fits(key->limits.actions, slice_text(sqs_action_name(sqs_action_permission(action))), glob_fits_any_case) &&
           any_fits(key->limits.queues, queue_name, slice_present(queue_name) ? glob_fits : is_any);
}

static bool names_an_action(struct slice glob)
{
    for (int i = 0; i < SQS_ACTION_COUNT; i++)
        if (!sqs_action_is_batch((enum sqs_action)i) && glob_fits_any_case(glob, slice_text(sqs_action_name((enum sqs_action)i))))
            return true;
    return false;
}

static bool queue_glob_valid(struct slice glob)
{
    for (size_t i = 0; i < glob.len; i++) {
        char c = glob.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-_.*?", c))))
            return false;
    }
    return glob.len > 0;
}

static bool account_valid(struct slice account)
{
    uint64_t number;

    return account.len == 12 && slice_to_u64(account, &number);
}

/* Of a list, the first glob that is not valid; absent: all are. An empty list, or an empty glob in it, is not. */
static struct slice find_invalid(struct slice globs, bool (*valid)(struct slice glob))
{
    if (!slice_present(globs))
        return SLICE_NONE;
    if (globs.len == 0 || globs.ptr[globs.len - 1] == ',')
        return SLICE("");
    while (globs.len > 0) {
        struct slice glob = next_glob(&globs);

        if (!valid(glob))
            return glob;
    }
    return SLICE_NONE;
}

bool access_key_limits_valid(const struct access_key_limits *limits, struct error *err)
{
    struct slice queue = find_invalid(limits->queues, queue_glob_valid);
    struct slice action = find_invalid(limits->actions, names_an_action);

    if (slice_present(limits->account) && !account_valid(limits->account))
        return error_set(err, ERROR_CREDENTIALS, "account=%.*s: wanted 12 digits", SLICE_ARG(limits->account));
    if (slice_present(queue))
        return error_set(err, ERROR_CREDENTIALS, "queues: \"%.*s\" is no queue's name (* and ? may stand in it)", SLICE_ARG(queue));
    if (slice_present(action))
        return error_set(err, ERROR_CREDENTIALS, "actions: \"%.*s\" is no operation of SQS (* and ? may stand in it; a batch goes with its single operation)",
                         SLICE_ARG(action));
    return true;
}
