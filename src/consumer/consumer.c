/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's functions. Two sides: the thread in s2q_consumer_run, which owns the loop, every call and each message's state (jobs.h), and the crew, which
 * calls the handler. A bell wakes the first: when a worker is done, and when somebody wants it to stop.
 */
#include "consumer/calls.h"
#include "consumer/crew.h"
#include "consumer/visit.h"

#include "base/clock.h"
#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct s2q_consumer {
    struct settings settings;
    struct log_sink log;
    struct loop *loop;
    struct watch bell;
    atomic_bool stop_wanted;
    struct jobs jobs; /* these while it runs */
    struct calls calls;
    struct crew *crew;
};

static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "s2q_consumer_stop is called in signal handlers");

/* ---- between their words and ours ---- */

static void log_line(void *context, enum log_level level, const char *text)
{
    const struct s2q_options *o = context;

    if (o->log)
        o->log(o->context, (enum s2q_log_level)level, text);
}

static enum s2q_status status_of(enum error_code code)
{
    if (code == ERROR_CREDENTIALS)
        return S2Q_CREDENTIALS;
    if (code == ERROR_NOT_FOUND)
        return S2Q_NOT_FOUND;
    return error_class(code) == CLASS_REJECT ? S2Q_CONFIG : S2Q_SYSTEM;
}

static enum s2q_status tell(struct s2q_error *error, enum s2q_status status, const char *text)
{
    if (error) {
        error->status = status;
        snprintf(error->text, sizeof(error->text), "%.*s", (int)sizeof(error->text) - 1, text);
    }
    return status;
}

/* ---- making one ---- */

static void bell_rings(struct watch *bell, uint32_t events)
{
    eventfd_t count;

    (void)events;
    eventfd_read(bell->fd, &count); /* what it rang for is looked at after every wait */
}

static bool prepare(struct s2q_consumer *c, const struct s2q_options *options, struct error *err)
{
    if ((c->loop = loop_new(err)) == NULL)
        return false;
    c->bell = (struct watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = bell_rings};
    if (c->bell.fd < 0)
        return error_set(err, ERROR_SYSTEM, "eventfd: %s", strerror(errno));
    loop_watch(c->loop, &c->bell, EPOLLIN);
    return settings_init(&c->settings, options, c->loop, err);
}

static void dispose(struct s2q_consumer *c)
{
    settings_fini(&c->settings);
    if (c->bell.fd >= 0)
        close(c->bell.fd);
    loop_free(c->loop);
    free(c);
}

struct s2q_consumer *s2q_consumer_new(const struct s2q_options *options, struct s2q_error *error)
{
    struct s2q_consumer *c;
    struct log_sink log = {log_line, (void *)(uintptr_t)options};
    struct visit visit;
    struct error err;
    bool good;

    if (options == NULL) {
        tell(error, S2Q_CONFIG, "options is NULL");
        return NULL;
    }
    visit_begin(&visit, &log);
    c = memory_zeroed(1, sizeof(*c));
    c->bell.fd = -1;
    good = prepare(c, options, &err);
    if (!good) {
        dispose(c);
        tell(error, status_of(err.code), err.text);
    }
    visit_end(&visit);
    if (!good)
        return NULL;
    c->log = (struct log_sink){log_line, &c->settings.options};
    return c;
}

void s2q_consumer_free(struct s2q_consumer *c)
{
    struct log_sink log;
    struct s2q_options options;
    struct visit visit;

    if (c == NULL)
        return;
    options = c->settings.options;
    log = (struct log_sink){log_line, &options}; /* outlives the consumer */
    visit_begin(&visit, &log);
    dispose(c);
    visit_end(&visit);
}

void s2q_consumer_stop(struct s2q_consumer *c)
{
    int before = errno;

    atomic_store(&c->stop_wanted, true);
    eventfd_write(c->bell.fd, 1);
    errno = before;
}

const char *s2q_version(void)
{
    return S2Q_VERSION;
}

/* ---- running ---- */

static void take_handled(struct s2q_consumer *c, int64_t now_ms)
{
    struct job *next;

    for (struct job *job = crew_handled(c->crew); job; job = next) {
        next = job->next_shared;
        jobs_handled(&c->jobs, job, now_ms);
    }
}

/* It has done what it was to do, cannot go on, or was told to stop. */
static bool is_over(const struct s2q_consumer *c)
{
    return c->calls.failed || c->calls.empty || jobs_exhausted(&c->jobs) || atomic_load(&c->stop_wanted);
}

/* Nothing new; what no worker has begun with goes back. */
static void wind_down(struct s2q_consumer *c, int64_t now_ms)
{
    struct job *job;

    calls_stop_receiving(&c->calls);
    while ((job = crew_take_back(c->crew)) != NULL)
        jobs_untouched(&c->jobs, job);
    jobs_stop(&c->jobs, now_ms);
}

static void turn(struct s2q_consumer *c)
{
    int64_t now_ms = clock_now().mono_ms;
    struct job *job;

    take_handled(c, now_ms);
    if (!c->jobs.stopping && is_over(c))
        wind_down(c, now_ms);
    while ((job = jobs_next(&c->jobs, now_ms)) != NULL)
        crew_give(c->crew, job);
    calls_start(&c->calls, now_ms);
}

static void wait(struct s2q_consumer *c)
{
    int64_t now_ms = clock_now().mono_ms;
    int64_t due_ms = calls_due(&c->calls, now_ms);

    loop_wait(c->loop, due_ms == INT64_MAX ? -1 : due_ms > now_ms ? due_ms - now_ms : 0);
}

static bool begin(struct s2q_consumer *c, struct error *err)
{
    uint64_t seed;

    random_secret(&seed, sizeof(seed));
    jobs_init(&c->jobs, &c->settings.jobs, seed);
    if (!calls_init(&c->calls, &c->settings, &c->jobs, c->loop, err))
        return false;
    c->crew = crew_start(&c->settings.options, c->settings.jobs.workers, c->bell.fd, err);
    return c->crew != NULL;
}

static enum s2q_status run(struct s2q_consumer *c, struct s2q_error *error)
{
    struct error err;
    enum s2q_status status = S2Q_OK;

    if (!begin(c, &err)) {
        status = tell(error, status_of(err.code), err.text);
    } else {
        for (turn(c); !(c->jobs.stopping && c->jobs.count == 0 && calls_idle(&c->calls)); turn(c))
            wait(c);
        if (c->calls.failed && !atomic_load(&c->stop_wanted))
            status = tell(error, c->calls.status, c->calls.failure.text);
    }
    crew_end(c->crew);
    c->crew = NULL;
    calls_fini(&c->calls);
    jobs_fini(&c->jobs);
    return status;
}

void s2q_consumer_counts(const struct s2q_consumer *c, struct s2q_counts *counts)
{
    struct s2q_counts all = c->jobs.counts;
    size_t size = counts->size < sizeof(all) ? counts->size : sizeof(all);

    all.size = counts->size;
    memcpy(counts, &all, size);
}

enum s2q_status s2q_consumer_run(struct s2q_consumer *c, struct s2q_error *error)
{
    struct visit visit;
    enum s2q_status status;

    visit_begin(&visit, &c->log);
    status = run(c, error);
    visit_end(&visit);
    return status;
}
