/* SPDX-License-Identifier: Apache-2.0
 *
 * What is watched: two pipes, a pidfd that becomes readable when the program ends, and a timerfd. The result is handed over when the program has ended and
 * both pipes are at their end; a grandchild that keeps one open is therefore waited for until the time is up.
 */
#include "io/subprocess.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define ERROR_TEXT_MAX 2048
#define NOEXEC_SEAL 0x0008U /* MFD_NOEXEC_SEAL of Linux 6.3: what strangers wrote is no program */

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
    int64_t grace_ms;    /* 0: none, or it is over */
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

/* What is due when its time is up: at first its grace, if it has one. */
static void set_timer(struct subprocess *s, int64_t ms)
{
    const struct itimerspec when = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};

    if (timerfd_settime(s->timer.fd, 0, &when, NULL) != 0)
        panic("cannot set a timer of %lld ms: %s", (long long)ms, strerror(errno));
}

static void time_is_up(struct subprocess *s, const char *failure)
{
    int64_t grace_ms = s->grace_ms;

    s->grace_ms = 0;
    if (grace_ms == 0) {
        fail(s, failure);
        return;
    }
    if (s->failure == NULL)
        s->failure = failure;
    kill(-s->pid, SIGTERM); /* not reaped yet: the timer is gone by then, and subprocess_end does nothing */
    set_timer(s, grace_ms);
}

static void finish_if_over(struct subprocess *s)
{
    struct subprocess_result result = {.failure = s->failure, .output = buffer_slice(&s->output.text), .error_text = buffer_slice(&s->error_text.text)};

    if (!s->ended || s->output.watch.fd >= 0 || s->error_text.watch.fd >= 0)
        return;
    if (s->failure)
        kill_group(s); /* what it has started may be deaf to SIGTERM */
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
    uint64_t count;

    (void)events;
    if (read(w->fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return; /* it was set anew */
    time_is_up(s, "it did not end in time, and was killed");
    finish_if_over(s);
}

void subprocess_end(struct subprocess *s, const char *failure)
{
    if (s->failure == NULL && !s->reaped)
        time_is_up(s, failure);
}

/* ---- the start ---- */

/* A descriptor of -1: standard input is empty, the others are ours. */
static bool spawn(struct subprocess *s, const struct subprocess_options *options, int input, int output, int error_text, struct error *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    int failed;

    sigemptyset(&none);
    sigfillset(&all); /* SIGPIPE is ignored by us, SIGHUP and SIGINT perhaps by whoever started us */
    posix_spawn_file_actions_init(&files);
    if (input < 0)
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    else
        posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    if (error_text >= 0)
        posix_spawn_file_actions_adddup2(&files, error_text, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    failed = posix_spawnp(&s->pid, options->argv[0], &files, &attributes, options->argv, options->environment ? options->environment : environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed == 0 || error_set(err, ERROR_SYSTEM, "cannot run \"%s\": %s", options->argv[0], strerror(failed));
}

/* A pipe's two ends; ours, which reads, does not block. */
struct ends {
    int ours;
    int its;
};
#define ENDS_NONE ((struct ends){-1, -1})

static void watch(struct subprocess *s, struct watch *w, int fd, uint32_t events, void (*ready)(struct watch *w, uint32_t events))
{
    *w = (struct watch){.fd = fd, .ready = ready, .context = s};
    if (fd >= 0)
        loop_watch(s->loop, w, events);
}

static void watch_all(struct subprocess *s, int output, int error_text, int timer, int64_t timeout_ms)
{
    int process = pidfd_open(s->pid, 0);

    if (process < 0)
        panic("cannot watch a process: %s", strerror(errno));
    fcntl(process, F_SETFD, FD_CLOEXEC);
    watch(s, &s->output.watch, output, EPOLLIN, output_ready);
    watch(s, &s->error_text.watch, error_text, EPOLLIN, output_ready);
    watch(s, &s->process, process, EPOLLIN, process_ready);
    watch(s, &s->timer, timer, EPOLLIN, timer_ready);
    set_timer(s, timeout_ms);
}

static void close_ends(struct ends *e)
{
    if (e->ours >= 0)
        close(e->ours);
    if (e->its >= 0)
        close(e->its);
    *e = ENDS_NONE;
}

static bool open_pipe(struct ends *e)
{
    int pair[2];

    if (pipe2(pair, O_CLOEXEC) != 0)
        return false;
    *e = (struct ends){.ours = pair[0], .its = pair[1]};
    return fcntl(e->ours, F_SETFL, O_NONBLOCK) == 0;
}

/* A file in memory that has all of it; *fd is -1 if there is none. By a pipe, a program whose parent is killed would take a part for the whole. */
static bool hold_input(struct slice text, int *fd, struct error *err)
{
    const size_t len = text.len;
    ssize_t n = 1;

    *fd = -1;
    if (!slice_present(text))
        return true;
    *fd = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING | NOEXEC_SEAL);
    if (*fd < 0 && errno == EINVAL) /* before Linux 6.3 */
        *fd = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    while (*fd >= 0 && text.len > 0 && n > 0) {
        n = write(*fd, text.ptr, text.len);
        text = slice_after(text, n > 0 ? (size_t)n : 0);
    }
    if (*fd >= 0 && n > 0 && fcntl(*fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0 && lseek(*fd, 0, SEEK_SET) == 0)
        return true;
    error_set(err, ERROR_SYSTEM, "cannot hold %zu bytes of a program's input: %s", len, strerror(errno));
    if (*fd >= 0)
        close(*fd);
    return false;
}

static bool begin(struct subprocess *s, const struct subprocess_options *options, struct error *err)
{
    struct ends output = ENDS_NONE;
    struct ends error_text = ENDS_NONE;
    int timer;
    int input;
    bool good;

    if (!hold_input(options->input, &input, err))
        return false;
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    good = timer >= 0 && (options->inherit || (open_pipe(&output) && open_pipe(&error_text)));
    good = good ? spawn(s, options, input, output.its, error_text.its, err)
                : error_set(err, ERROR_SYSTEM, "cannot run \"%s\": %s", options->argv[0], strerror(errno));
    if (good) {
        watch_all(s, output.ours, error_text.ours, timer, options->timeout_ms);
        output.ours = error_text.ours = timer = -1;
    }
    if (input >= 0)
        close(input);
    close_ends(&output);
    close_ends(&error_text);
    if (timer >= 0)
        close(timer);
    return good;
}

struct subprocess *subprocess_new(struct loop *loop, const struct subprocess_options *options,
                                  void (*done)(void *context, const struct subprocess_result *result), void *context, struct error *err)
{
    struct subprocess *s = memory_zeroed(1, sizeof(*s));

    s->loop = loop;
    s->done = done;
    s->context = context;
    s->grace_ms = options->grace_ms;
    s->output.most = options->output_max;
    s->error_text.most = ERROR_TEXT_MAX;
    s->error_text.keep_reading = true;
    s->output.watch.fd = s->error_text.watch.fd = s->process.fd = s->timer.fd = -1;
    buffer_reserve(&s->output.text, options->output_max); /* growing would leave copies behind */
    if (begin(s, options, err))
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
