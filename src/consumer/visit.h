/* SPDX-License-Identifier: Apache-2.0
 *
 * visit: what the library has to set right in a caller's thread, and to put back as it was: where log lines go, this thread's digests, and SIGPIPE, which
 * writing to a TLS connection that was closed would raise.
 */
#ifndef S2Q_CONSUMER_VISIT_H
#define S2Q_CONSUMER_VISIT_H

#include "base/log.h"

#include <signal.h>

struct visit {
    const struct log_sink *log_before;
    sigset_t mask_before;
    bool pipe_pending_before;
};

/* Visits may be nested (a log callback that makes another consumer), in one thread. */
void visit_begin(struct visit *v, const struct log_sink *log);
void visit_end(struct visit *v);

#endif
