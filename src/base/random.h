/* SPDX-License-Identifier: Apache-2.0
 *
 * random: a small seeded generator for jitter and simulation (SplitMix64), and the system's randomness for secrets.
 */
#ifndef S2Q_BASE_RANDOM_H
#define S2Q_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 random_wide; /* the one typedef: ISO C has no name for it */

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 <= result < limit; limit > 0. */
static inline uint64_t random_below(struct random *r, uint64_t limit)
{
    return (uint64_t)(((random_wide)random_next(r) * limit) >> 64);
}

/* Fills `bytes` from getrandom(2); panics where the system has none. */
void random_secret(void *out, size_t bytes);

#endif
