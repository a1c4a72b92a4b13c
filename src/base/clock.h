/* SPDX-License-Identifier: Apache-2.0
 *
 * clock: the two times that the core is given; it never reads a clock itself.
 */
#ifndef S2Q_BASE_CLOCK_H
#define S2Q_BASE_CLOCK_H

#include <stdint.h>

/* One instant. Stamps that are stored or shown use the wall clock; everything that waits uses the monotonic one, so that a step of
 * the wall clock (minutes or years, either way) neither shows nor hides a message early. */
struct instant {
    int64_t wall_ms; /* since 1970, UTC */
    int64_t mono_ms; /* since some point in the past; never goes back */
};

/* The operating system's clocks now. */
struct instant clock_now(void);

#endif
