/* SPDX-License-Identifier: Apache-2.0
 *
 * Three descriptors are watched: the two pipes, a pidfd that becomes readable when the program ends, and a timerfd. The result is handed over when the
 * program has ended and both pipes are at their end; a grandchild that keeps a pipe open is therefore waited for until the time is up.
 */
#include "io/subprocess.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define ERROR_TEXT_MAX 2048

extern char **environ;

struct channel {
    struct watch watch; /* fd -1: at its end */
    struct buffer text;
    size_t most;
    bool keep_reading; /* beyond `most`, throwing the rest away; else too much is a failure */
};

struct subprocess {
    struct loop *loop;
    pid_t pid;
    bool ended;
    bool reaped;         /* not before the end: until then its id, and its group's, are nobody else's */
    int status;          /* as waitpid gives it */
    const char *failure; /* NULL: none */
    struct channel output;
    struct channel error_text;
    struct watch process;
    struct watch timer;
    void (*done)(void *context, const struct subprocess_result *result);
    void *context;
};

static void drop(struct subprocess *s, struct watch *w)
{
    if (w->fd < 0)
        return;
    loop_unwatch(s->loop, w);
    close(w->fd);
    w->fd = -1;
}

static void kill_group(const struct subprocess *s)
{
    if (!s->reaped)
        kill(-s->pid, SIGKILL);
}

/* It has ended, or is being killed: this takes no time. */
static void reap(struct subprocess *s)
{
    while (!s->reaped && waitpid(s->pid, &s->status, 0) < 0 && errno == EINTR)
        ;
    s->reaped = true;
}

static void fail(struct subprocess *s, const char *failure)
{
    if (s->failure == NULL)
        s->failure = failure;
    kill_group(s);
    drop(s, &s->output.watch);
    drop(s, &s->error_text.watch);
}

static void finish_if_over(struct subprocess *s)
{
    struct subprocess_result result = {.failure = s->failure, .output = buffer_slice(&s->output.text), .error_text = buffer_slice(&s->error_text.text)};

    if (!s->ended || s->output.watch.fd >= 0 || s->error_text.watch.fd >= 0)
        return;
    reap(s);
    if (result.failure == NULL && !WIFEXITED(s->status))
        result.failure = "it was killed by a signal";
    result.exited = result.failure == NULL;
    result.status = result.exited ? WEXITSTATUS(s->status) : -1;
    drop(s, &s->timer);
    s->done(s->context, &result);
}

static void take_output(struct subprocess *s, struct channel *c)
{
    char chunk[4096];
    ssize_t n = read(c->watch.fd, chunk, sizeof(chunk));
    size_t room = c->most - c->text.len;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(s, &c->watch);
    } else if ((size_t)n > room && !c->keep_reading) {
        fail(s, "it wrote more than is expected");
    } else {
        buffer_append(&c->text, slice_from(chunk, (size_t)n < room ? (size_t)n : room));
    }
    explicit_bzero(chunk, sizeof(chunk));
}

static void output_ready(struct watch *w, uint32_t events)
{
    struct subprocess *s = w->context;

    (void)events;
    take_output(s, w == &s->output.watch ? &s->output : &s->error_text);
    finish_if_over(s);
}

static void process_ready(struct watch *w, uint32_t events)
{
    struct subprocess *s = w->context;

    (void)events;
    s->ended = true;
    drop(s, &s->process);
    finish_if_over(s);
}

static void timer_ready(struct watch *w, uint32_t events)
{
    struct subprocess *s = w->context;

    (void)events;
    drop(s, w);
    fail(s, "it did not end in time, and was killed");
    finish_if_over(s);
}

/* ---- the start ---- */

static bool spawn(struct subprocess *s, char *const *argv, int output, int error_text, struct error *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    int failed;

    sigemptyset(&none);
    sigfillset(&all); /* SIGPIPE is ignored by us, SIGHUP and SIGINT perhaps by whoever started us */
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, error_text, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    failed = posix_spawnp(&s->pid, argv[0], &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed == 0 || error_set(err, ERROR_CREDENTIALS, "cannot run \"%s\": %s", argv[0], strerror(failed));
}

static void watch(struct subprocess *s, struct watch *w, int fd, void (*ready)(struct watch *w, uint32_t events))
{
    *w = (struct watch){.fd = fd, .ready = ready, .context = s};
    loop_watch(s->loop, w, EPOLLIN);
}

static void watch_all(struct subprocess *s, int output, int error_text, int timer, int64_t timeout_ms)
{
    const struct itimerspec when = {.it_value = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000 + (timeout_ms == 0)}};
    int process = pidfd_open(s->pid, 0);

    if (process < 0 || timerfd_settime(timer, 0, &when, NULL) != 0)
        panic("cannot watch a process: %s", strerror(errno));
    fcntl(process, F_SETFD, FD_CLOEXEC);
    watch(s, &s->output.watch, output, output_ready);
    watch(s, &s->error_text.watch, error_text, output_ready);
    watch(s, &s->process, process, process_ready);
    watch(s, &s->timer, timer, timer_ready);
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
    pair[0] = pair[1] = -1;
}

/* A pipe whose reading end does not block. */
static bool open_pipe(int pair[2])
{
    return pipe2(pair, O_CLOEXEC) == 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0;
}

static bool begin(struct subprocess *s, char *const *argv, int64_t timeout_ms, struct error *err)
{
    int output[2] = {-1, -1};
    int error_text[2] = {-1, -1};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    bool good = timer >= 0 && open_pipe(output) && open_pipe(error_text);

    good = good ? spawn(s, argv, output[1], error_text[1], err) : error_set(err, ERROR_SYSTEM, "cannot run \"%s\": %s", argv[0], strerror(errno));
    if (good) {
        watch_all(s, output[0], error_text[0], timer, timeout_ms);
        output[0] = error_text[0] = timer = -1;
    }
    close_pair(output);
    close_pair(error_text);
    if (timer >= 0)
        close(timer);
    return good;
}

struct subprocess *subprocess_new(struct loop *loop, char *const *argv, int64_t timeout_ms, size_t output_max,
                                  void (*done)(void *context, const struct subprocess_result *result), void *context, struct error *err)
{
    struct subprocess *s = memory_zeroed(1, sizeof(*s));

    s->loop = loop;
    s->done = done;
    s->context = context;
    s->output.most = output_max;
    s->error_text.most = ERROR_TEXT_MAX;
    s->error_text.keep_reading = true;
    s->output.watch.fd = s->error_text.watch.fd = s->process.fd = s->timer.fd = -1;
    buffer_reserve(&s->output.text, output_max); /* growing would leave copies behind */
    if (begin(s, argv, timeout_ms, err))
        return s;
    buffer_fini(&s->output.text);
    free(s);
    return NULL;
}

void subprocess_free(struct subprocess *s)
{
    if (s == NULL)
        return;
    kill_group(s);
    drop(s, &s->output.watch);
    drop(s, &s->error_text.watch);
    drop(s, &s->timer);
    drop(s, &s->process);
    reap(s);
    explicit_bzero(s->output.text.ptr, s->output.text.cap);
    buffer_fini(&s->output.text);
    buffer_fini(&s->error_text.text);
    free(s);
}
