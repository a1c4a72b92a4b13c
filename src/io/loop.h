/* SPDX-License-Identifier: Apache-2.0
 *
 * loop: epoll. The one thread of the daemon waits here, for sockets and for the time that the core names.
 *
 * A watch is a file descriptor and a callback; the caller owns both. Callbacks run inside loop_wait, in the caller's thread.
 */
#ifndef S2Q_IO_LOOP_H
#define S2Q_IO_LOOP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
/* events: EPOLLIN, EPOLLOUT, EPOLLRDHUP, ... (sys/epoll.h) */
struct watch {
    int fd;
    void (*ready)(struct watch *w, uint32_t events);
    void *context;
    bool watched; /* by the loop, which sets it */
};

struct loop *loop_new(struct error *err);
void loop_free(struct loop *l);
/* Adds a watch, or changes what it waits for. A watch must be removed before its descriptor is closed. */
void loop_watch(struct loop *l, struct watch *w, uint32_t events);
/* Removes it; safe inside any callback: no event that was already collected reaches it afterwards. */
void loop_unwatch(struct loop *l, struct watch *w);
/* Waits at most `timeout_ms` (-1: for ever; 0: does not wait; more than a minute counts as a minute) and runs the callbacks of what is ready. Returns how many
 * descriptors were. */
int loop_wait(struct loop *l, int64_t timeout_ms);

#endif
