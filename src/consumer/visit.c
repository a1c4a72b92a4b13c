/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/visit.h"

#include "codec/digest.h"

#include <time.h>

static _Thread_local int depth;

static bool pipe_pending(void)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

static sigset_t only_pipe(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

void visit_begin(struct visit *v, const struct log_sink *log)
{
    sigset_t pipe = only_pipe();

    v->log_before = log_divert(log);
    v->pipe_pending_before = pipe_pending();
    pthread_sigmask(SIG_BLOCK, &pipe, &v->mask_before);
    if (depth++ == 0)
        digest_init();
}

void visit_end(struct visit *v)
{
    const struct timespec at_once = {0};
    sigset_t pipe = only_pipe();

    if (--depth == 0)
        digest_fini();
    if (!v->pipe_pending_before && pipe_pending())
        sigtimedwait(&pipe, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &v->mask_before, NULL);
    log_divert(v->log_before);
}
