/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/random.h"
#include "codec/sigv4.h"

#include <stdlib.h>

#define DERIVED_PER_KEY 4 /* a client names one region; more than these only cost themselves the derivation */
#define SCOPE_TEXT 80

/* A signing key of one date, region and service. */
struct derived {
    char scope[SCOPE_TEXT]; /* "" : unused */
    struct hmac_key key;
};

struct access_key {
    struct slice id;     /* owned */
    struct slice secret; /* owned, wiped */
    struct derived derived[DERIVED_PER_KEY];
    unsigned next; /* the slot to be used again first */
};

struct keyring {
    struct access_key *keys; /* keys[0] is nobody's, with a random secret */
    size_t len;
};

static void add(struct keyring *ring, struct slice id, struct slice secret)
{
    struct access_key *key;

    ring->keys = memory_resize(ring->keys, (ring->len + 1) * sizeof(*ring->keys));
    key = &ring->keys[ring->len++];
    *key = (struct access_key){.id = slice_from(slice_dup(id), id.len), .secret = slice_from(slice_dup(secret), secret.len)};
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

static void forget_derived(struct access_key *key)
{
    for (int i = 0; i < DERIVED_PER_KEY; i++) {
        if (key->derived[i].scope[0])
            hmac_key_fini(&key->derived[i].key);
        key->derived[i].scope[0] = '\0';
    }
}

static void wipe(struct slice s)
{
    char *bytes = (char *)(uintptr_t)s.ptr;

    explicit_bzero(bytes, s.len);
    free(bytes);
}

void keyring_free(struct keyring *ring)
{
    if (ring == NULL)
        return;
    for (size_t i = 0; i < ring->len; i++) {
        forget_derived(&ring->keys[i]);
        wipe(ring->keys[i].id);
        wipe(ring->keys[i].secret);
    }
    free(ring->keys);
    free(ring);
}

static struct access_key *find(const struct keyring *ring, struct slice id)
{
    for (size_t i = 1; i < ring->len; i++)
        if (slice_equal(ring->keys[i].id, id))
            return &ring->keys[i];
    return NULL;
}

void keyring_add(struct keyring *ring, struct slice access_key_id, struct slice secret)
{
    struct access_key *key = find(ring, access_key_id);

    if (key == NULL) {
        add(ring, access_key_id, secret);
        return;
    }
    wipe(key->secret);
    key->secret = slice_from(slice_dup(secret), secret.len);
    forget_derived(key);
}

size_t keyring_count(const struct keyring *ring)
{
    return ring->len - 1;
}

static void derive(struct derived *d, struct slice secret, struct slice date, struct slice region, struct slice service)
{
    unsigned char key[SHA256_BYTES];

    sigv4_derive_key(secret, date, region, service, key);
    hmac_key_init(&d->key, slice_from((const char *)key, sizeof(key)));
    explicit_bzero(key, sizeof(key));
}

const struct hmac_key *keyring_derive(struct keyring *ring, struct slice access_key_id, struct slice date, struct slice region, struct slice service,
                                      struct slice *key_id, bool *known)
{
    struct access_key *key = find(ring, access_key_id);
    struct buffer scope = {0};
    struct derived *d = NULL;

    *known = key != NULL;
    key = key ? key : &ring->keys[0];
    *key_id = key->id;
    buffer_printf(&scope, "%.*s/%.*s/%.*s", SLICE_ARG(date), SLICE_ARG(region), SLICE_ARG(service));
    if (scope.len >= SCOPE_TEXT)
        panic("a scope of %zu bytes was not refused", scope.len);
    for (int i = 0; i < DERIVED_PER_KEY && d == NULL; i++)
        if (strcmp(key->derived[i].scope, scope.ptr) == 0)
            d = &key->derived[i];
    if (d == NULL) {
        d = &key->derived[key->next++ % DERIVED_PER_KEY];
        if (d->scope[0])
            hmac_key_fini(&d->key);
        memcpy(d->scope, scope.ptr, scope.len + 1);
        derive(d, key->secret, date, region, service);
    }
    buffer_fini(&scope);
    return &d->key;
}
