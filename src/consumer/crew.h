/* SPDX-License-Identifier: Apache-2.0
 *
 * crew: the threads that call the handler. Jobs go in, and come back handled; a bell (an eventfd) rings when some have. While a job is with the crew, it
 * belongs to the crew, but for what jobs.h keeps of it (its state and times), which the crew does not look at.
 *
 * Workers have all signals blocked but those that a fault raises, so that the program's handlers run in its own threads.
 */
#ifndef S2Q_CONSUMER_CREW_H
#define S2Q_CONSUMER_CREW_H

#include "base/error.h"
#include "consumer/jobs.h"

struct crew;

/* bell_fd: written when jobs have come back. NULL: *err, a thread could not be started. */
struct crew *crew_start(const struct s2q_options *options, size_t workers, int bell_fd, struct error *err);
/* Waits for running handlers, and ends the threads. Nothing may be with it but what they run; that comes back to nobody: take it first. */
void crew_end(struct crew *crew);

void crew_give(struct crew *crew, struct job *job);
/* A job that no worker has begun with, in the order they were given; NULL: none. */
struct job *crew_take_back(struct crew *crew);
/* All that has been handled since, in that order, linked by next_shared; NULL: none. */
struct job *crew_handled(struct crew *crew);

#endif
