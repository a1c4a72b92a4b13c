/* SPDX-License-Identifier: Apache-2.0
 *
 * A consumer of a queue, by the C library as any program would use it: each message becomes a line on standard output, or a run of a command.
 *
 * Handlers are called in the library's threads. What bounds a stop is one timerfd that all of them watch and nobody reads: a signal sets it.
 */
#include "stream2sqs.h"

#include "app/command.h"
#include "app/handover.h"
#include "app/own_queue.h"
#include "aws/credentials.h"
#include "io/subprocess.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TIMEOUT_S 900 /* Lambda's longest (docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html) */
#define TIMEOUT_MAX_S 43200
#define STOP_TIMEOUT_S 10
#define GRACE_MS 3000      /* from SIGTERM to SIGKILL */
#define EMPTY_S 1
#define GIVE_UP_STATUS 65  /* EX_DATAERR of sysexits.h: bad input, which no trying again mends */
#define STATUS_FAILED 1    /* the command's own */

extern char **environ;

struct consume {
    const char *queue; /* as it was given */
    const char *command; /* NULL: lines on standard output */
    bool whole;        /* the whole message is handed over; else its body */
    int64_t timeout_ms;
    int64_t retry_after_s; /* -1: when its visibility ends */
    bool give_up;      /* there is a dead-letter queue of the consumer's */
    pthread_mutex_t lock; /* of the next two, and of standard output */
    bool failed;       /* it makes no sense to go on: `failure` says why */
    struct error failure;
};

/* For the signal handler. */
static struct s2q_consumer *consumer;
static int stop_fd;
static int64_t stop_timeout_s;
static volatile sig_atomic_t stops;

/* ---- stopping ---- */

static void stop_in(int64_t seconds)
{
    const struct itimerspec when = {.it_value = {.tv_sec = seconds, .tv_nsec = seconds == 0}};

    timerfd_settime(stop_fd, 0, &when, NULL);
    s2q_consumer_stop(consumer);
}

/* The first signal gives handlers their time, the second none. */
static void on_signal(int number)
{
    int before = errno;

    (void)number;
    stop_in(stops ? 0 : stop_timeout_s);
    stops = 1;
    errno = before;
}

/* What is ignored already (nohup, a shell's background) stays so. */
static void watch_signals(void (*handler)(int number))
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction action = {.sa_handler = handler};
    struct sigaction before;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

/* The first reason counts. Under the lock. */
static void note_failure(struct consume *c, const struct error *err)
{
    if (c->failed)
        return;
    c->failure = *err;
    c->failed = true;
    stop_in(stops ? 0 : stop_timeout_s);
}

/* It cannot go on: the message comes back at once, for others. */
static enum s2q_outcome leave(struct s2q_delivery *delivery)
{
    s2q_retry_after(delivery, 0);
    return S2Q_RETRY;
}

static enum s2q_outcome cannot_go_on(struct consume *c, struct s2q_delivery *delivery, const struct error *err)
{
    pthread_mutex_lock(&c->lock);
    note_failure(c, err);
    pthread_mutex_unlock(&c->lock);
    return leave(delivery);
}

/* ---- lines on standard output ---- */

/* Never blocks beyond a stop: what poll says is writable takes PIPE_BUF bytes. */
static bool write_line(struct slice line, struct error *err)
{
    while (line.len > 0) {
        struct pollfd fds[] = {{.fd = STDOUT_FILENO, .events = POLLOUT}, {.fd = stop_fd, .events = POLLIN}};
        ssize_t n;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return error_set(err, ERROR_SYSTEM, "poll: %s", strerror(errno));
        if (fds[0].revents == 0 && fds[1].revents != 0)
            return error_set(err, ERROR_SYSTEM, "nobody reads the output: what was not written is not deleted");
        if (fds[0].revents == 0)
            continue;
        n = write(STDOUT_FILENO, line.ptr, line.len < PIPE_BUF ? line.len : PIPE_BUF);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return error_set(err, ERROR_SYSTEM, "cannot write: %s: what was not written is not deleted", strerror(errno));
        line = slice_after(line, n < 0 ? 0 : (size_t)n);
    }
    return true;
}

/* One at a time; after one that failed, none: it may have been written in part. */
static bool print(struct consume *c, struct slice line)
{
    struct error err;
    bool good;

    pthread_mutex_lock(&c->lock);
    good = !c->failed && write_line(line, &err);
    if (!good && !c->failed)
        note_failure(c, &err);
    pthread_mutex_unlock(&c->lock);
    return good;
}

static enum s2q_outcome handle_by_line(void *context, struct s2q_delivery *delivery, const struct s2q_message *m)
{
    struct consume *c = context;
    struct buffer line = {0};
    bool good;

    if (c->whole)
        handover_message(&line, m);
    else
        handover_body(&line, m);
    good = print(c, buffer_slice(&line));
    buffer_fini(&line);
    return good ? S2Q_DONE : leave(delivery);
}

/* ---- runs of a command ---- */

struct handler_run {
    struct loop *loop;
    struct subprocess *process;
    struct watch stop;
    bool stopped;
    bool over;
    bool exited;
    int status;
    const char *failure;
};

static void run_over(void *context, const struct subprocess_result *result)
{
    struct handler_run *r = context;

    loop_unwatch(r->loop, &r->stop); /* it may be due in this very turn of the loop */
    r->over = true;
    r->exited = result->exited;
    r->status = result->status;
    r->failure = result->failure;
}

static void stop_is_due(struct watch *w, uint32_t events)
{
    struct handler_run *r = w->context;

    (void)events;
    r->stopped = true;
    loop_unwatch(r->loop, w); /* it stays readable, for the others */
    subprocess_end(r->process, "it was still running when the stop's time was up");
}

static bool run_command(const struct consume *c, struct slice input, char *const *environment, struct handler_run *r, struct error *err)
{
    char *argv[] = {(char *)(uintptr_t)"/bin/sh", (char *)(uintptr_t)"-c", (char *)(uintptr_t)c->command, NULL};
    const struct subprocess_options options = {.argv = argv, .environment = environment, .input = input, .inherit = true, .timeout_ms = c->timeout_ms,
                                               .grace_ms = GRACE_MS};

    *r = (struct handler_run){.stop = {.fd = stop_fd, .ready = stop_is_due, .context = r}};
    if ((r->loop = loop_new(err)) == NULL)
        return false;
    r->process = subprocess_new(r->loop, &options, run_over, r, err);
    if (r->process)
        loop_watch(r->loop, &r->stop, EPOLLIN);
    while (r->process && !r->over)
        loop_wait(r->loop, -1);
    subprocess_free(r->process);
    loop_free(r->loop);
    return r->process != NULL;
}

static void complain(const struct s2q_message *m, const char *why)
{
    fprintf(stderr, "stream2sqs consume: message %.*s, receive %llu: %s\n", (int)m->message_id.len, m->message_id.ptr ? m->message_id.ptr : "",
            (unsigned long long)m->receive_count, why);
}

/* A shell's own words for a command that is not there, or cannot be run (POSIX, Shell Command Language, 2.8.2). */
static bool is_no_command(const struct handler_run *r)
{
    return r->exited && (r->status == 126 || r->status == 127);
}

static enum s2q_outcome judge(struct consume *c, struct s2q_delivery *delivery, const struct s2q_message *m, const struct handler_run *r)
{
    struct error err;
    char why[80];

    if (r->exited && r->status == 0)
        return S2Q_DONE;
    if (is_no_command(r)) {
        error_set(&err, ERROR_CONFIG, "the handler cannot be run: the shell ended with status %d for `%s`; its message is not deleted", r->status, c->command);
        return cannot_go_on(c, delivery, &err);
    }
    if (r->exited)
        snprintf(why, sizeof(why), "exit status %d", r->status);
    complain(m, r->exited ? why : r->failure);
    if (c->give_up && r->exited && r->status == GIVE_UP_STATUS) {
        s2q_give_up(delivery, "the handler's exit status was 65: bad data");
        return S2Q_GIVE_UP;
    }
    if (r->stopped)
        return leave(delivery);
    if (c->retry_after_s >= 0)
        s2q_retry_after(delivery, (unsigned)c->retry_after_s);
    return S2Q_RETRY;
}

static enum s2q_outcome handle_by_command(void *context, struct s2q_delivery *delivery, const struct s2q_message *m)
{
    struct consume *c = context;
    char **environment = handover_environment(m, c->queue, environ);
    struct buffer line = {0};
    struct handler_run run;
    struct error err;
    bool ran;

    if (c->whole)
        handover_message(&line, m);
    ran = run_command(c, c->whole ? buffer_slice(&line) : slice_from(m->body.ptr ? m->body.ptr : "", m->body.len), environment, &run, &err);
    handover_environment_free(environment);
    buffer_fini(&line);
    return ran ? judge(c, delivery, m, &run) : cannot_go_on(c, delivery, &err);
}

/* ---- the whole ---- */

static void say(void *context, enum s2q_log_level level, const char *text)
{
    (void)context;
    if (level >= S2Q_LOG_WARNING)
        fprintf(stderr, "stream2sqs consume: %s\n", text);
}

static enum error_code code_of(enum s2q_status status)
{
    return status == S2Q_CREDENTIALS ? ERROR_CREDENTIALS : status == S2Q_NOT_FOUND ? ERROR_NOT_FOUND : status == S2Q_CONFIG ? ERROR_CONFIG : ERROR_SYSTEM;
}

static void summarise(const struct invocation *in, const struct s2q_counts *n)
{
    fprintf(stderr, in->json ? "{\"handled\":%llu,\"failed\":%llu,\"dead_lettered\":%llu,\"deleted\":%llu}\n"
                             : "stream2sqs consume: %llu handled, %llu failed, %llu to the dead-letter queue, %llu deleted\n",
            (unsigned long long)n->done, (unsigned long long)n->retried, (unsigned long long)n->dead_lettered, (unsigned long long)n->deleted);
}

/* When somebody stopped it, the rest is not its affair. */
static int status_of(const struct s2q_counts *n)
{
    return !stops && (n->retried > 0 || n->dead_lettered > 0 || n->deleted < n->done) ? STATUS_FAILED : 0;
}

static int run_consumer(const struct invocation *in, struct consume *c, const struct s2q_options *options)
{
    struct s2q_counts counts = S2Q_COUNTS_INIT;
    struct s2q_error error;
    enum s2q_status status = S2Q_OK;

    consumer = s2q_consumer_new(options, &error);
    if (consumer) {
        watch_signals(on_signal);
        status = s2q_consumer_run(consumer, &error);
        watch_signals(SIG_DFL); /* nothing may be left to say that is worth waiting for */
        s2q_consumer_counts(consumer, &counts);
        summarise(in, &counts);
    } else {
        status = error.status;
    }
    s2q_consumer_free(consumer);
    if (!c->failed && status != S2Q_OK) {
        c->failed = true;
        error_set(&c->failure, code_of(status), "%s", error.text);
    }
    return c->failed ? invocation_fail(in, &c->failure) : status_of(&counts);
}

/* Is another server meant, as the environment says it? Not where there is a ledger, or one was named: its process is down, and messages of a queue of the same
 * name elsewhere are none of its. */
static bool elsewhere(const struct invocation *in, const struct config *config)
{
    if (environment_lookup("AWS_ENDPOINT_URL_SQS") == NULL && environment_lookup("AWS_ENDPOINT_URL") == NULL)
        return false;
    for (size_t i = 0; i < in->line.flag_count; i++)
        if (strcmp(in->line.flags[i].name, "ledger") == 0)
            return false;
    return in->line.config_file == NULL && environment_lookup("STREAM2SQS_LEDGER") == NULL && access(config->ledger, F_OK) != 0 && errno == ENOENT;
}

/* Where the queue is, and with which key: of the process that runs on the ledger, unless --endpoint-url or a URL say otherwise; where there is no ledger,
 * what the environment says. */
static bool find_queue(const struct invocation *in, const struct config *config, const struct aws_profile *profile, struct own_queue *own,
                       struct s2q_options *o, struct error *err)
{
    const char *queue = in->arguments[0];
    bool named = strstr(queue, "://") == NULL;

    o->endpoint_url = invocation_flag(in, "endpoint-url", 0);
    if (o->endpoint_url == NULL && !own_queue_find(own, config, queue, err)) {
        if (err->code != ERROR_UNAVAILABLE)
            return false;
        if (!elsewhere(in, config))
            return error_set(err, ERROR_UNAVAILABLE, "no stream2sqs runs on %s (--ledger names another); of another server say the queue's URL, or its name "
                             "and --endpoint-url", config->ledger);
    }
    if (own->url == NULL) {
        *(named ? &o->queue_name : &o->queue_url) = queue;
        return true;
    }
    o->queue_url = own->url;
    o->endpoint_url = own->endpoint_url;
    o->region = o->region ? o->region : config->region ? config->region : region_find(profile, environment_lookup);
    o->region = o->region ? o->region : "us-east-1"; /* as the process does */
    o->ca_bundle = own->certificate; /* it is the one that counts here, whatever AWS_CA_BUNDLE says of other servers */
    if (invocation_flag(in, "profile", 0)) /* whoever says it wants it */
        return true;
    if (!own_queue_find_key(own, config, err))
        return false;
    o->access_key_id = own->access_key_id;
    o->secret_access_key = own->secret;
    return true;
}

/* False: it was said what is wrong. */
static bool read_numbers(const struct invocation *in, struct consume *c, struct s2q_options *o)
{
    int64_t workers = 1;
    int64_t max = 0;
    int64_t visibility_s = 30;
    int64_t timeout_s = TIMEOUT_S;

    stop_timeout_s = STOP_TIMEOUT_S;
    c->retry_after_s = -1;
    if (!invocation_number(in, "workers", 1, 1024, &workers) || !invocation_number(in, "max", 1, INT64_MAX / 2, &max) ||
        !invocation_number(in, "visibility", 1, 43200, &visibility_s) || !invocation_number(in, "timeout", 0, TIMEOUT_MAX_S, &timeout_s) ||
        !invocation_number(in, "stop-timeout", 0, TIMEOUT_MAX_S, &stop_timeout_s) || !invocation_number(in, "retry-after", 0, 43200, &c->retry_after_s))
        return false;
    o->workers = (unsigned)workers;
    o->messages_max = (uint64_t)max;
    o->visibility_timeout_s = (unsigned)visibility_s;
    o->stop_when_empty_s = invocation_flag(in, "until-empty", 0) ? EMPTY_S : 0;
    c->timeout_ms = timeout_s * 1000;
    return true;
}

static int consume(const struct invocation *in, const struct config *config, const struct aws_profile *profile, struct consume *c, struct s2q_options *o)
{
    const char *dead = invocation_flag(in, "dead-letter-queue", 0);
    struct own_queue own = {0};
    struct error err;
    int status;

    o->region = invocation_flag(in, "region", 0); /* else the library finds it */
    o->plain_http_beyond_loopback = config->plain_http_beyond_loopback;
    if (dead)
        *(strstr(dead, "://") ? &o->dead_letter_queue_url : &o->dead_letter_queue_name) = dead;
    c->give_up = dead != NULL;
    o->handler = c->command ? handle_by_command : handle_by_line;
    o->context = c;
    o->log = say;
    stop_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (stop_fd < 0) {
        error_set(&err, ERROR_SYSTEM, "timerfd_create: %s", strerror(errno));
        return invocation_fail(in, &err);
    }
    signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is of that body's file in memory, too: an error, not our end */
    status = find_queue(in, config, profile, &own, o, &err) ? run_consumer(in, c, o) : invocation_fail(in, &err);
    own_queue_fini(&own);
    close(stop_fd);
    return status;
}

static int run(struct invocation *in)
{
    struct s2q_options options = S2Q_OPTIONS_INIT;
    struct consume c = {.command = invocation_flag(in, "exec", 0), .lock = PTHREAD_MUTEX_INITIALIZER};
    const char *form = invocation_flag(in, "form", 0);
    struct aws_profile *profile;
    struct config config;
    struct error err;
    int status;

    if (in->argument_count != 1)
        return invocation_usage(in, "consume wants one queue, by its name or URL");
    if (form && strcmp(form, "body") != 0 && strcmp(form, "message") != 0)
        return invocation_usage(in, "--form wants body or message");
    if (c.command && c.command[0] == '\0')
        return invocation_usage(in, "--exec wants a command");
    if (!read_numbers(in, &c, &options))
        return error_exit_status(ERROR_USAGE);
    c.queue = in->arguments[0];
    c.whole = form && strcmp(form, "message") == 0;
    if (!invocation_config(in, &config))
        return error_exit_status(ERROR_CONFIG);
    options.profile = invocation_flag(in, "profile", 0) ? invocation_flag(in, "profile", 0) : config.profile;
    profile = aws_profile_load(options.profile, environment_lookup, &err);
    status = profile ? consume(in, &config, profile, &c, &options) : invocation_fail(in, &err);
    aws_profile_free(profile);
    config_fini(&config);
    return status;
}

static const struct command_flag flags[] = {
    {"exec", "COMMAND", "run it by /bin/sh for each message, with the body as its standard input"},
    {"workers", "COUNT", "so many at the same time (default: 1)"},
    {"max", "COUNT", "stop after so many messages"},
    {"until-empty", NULL, "stop when everything is settled and no message is visible"},
    {"form", "body|message", "what a line, or standard input, holds: the body (default), or the whole message as Lambda gives one of SQS"},
    {"retry-after", "SECONDS", "when a message that failed comes again (default: when its visibility ends; 0: at once)"},
    {"dead-letter-queue", "NAME|URL", "where a message goes at once whose handler ends with status 65 (bad data)"},
    {"timeout", "SECONDS", "a handler that runs longer is ended, and has failed (default: 900; 0: none)"},
    {"stop-timeout", "SECONDS", "so long a stop waits for handlers that run (default: 10)"},
    {"visibility", "SECONDS", "how long others do not see a message, in place of the queue's own time; extended while its handler runs (default: 30)"},
    {"endpoint-url", "URL", "another server than the process that runs on the ledger"},
    {"region", "NAME", "of another server: else AWS_REGION, or what the queue's URL says"},
    {"profile", "NAME", "credentials of a profile in ~/.aws"},
    {NULL, NULL, NULL},
};

const struct command cmd_consume = {
    .name = "consume",
    .arguments = "QUEUE",
    .summary = "handle a queue's messages with any program, or print them",
    .help = "Without --exec each message is one line of JSON on standard output, and deleted when the line is written. With --exec the command gets each\n"
            "message's body as its standard input: status 0 deletes it, any other lets that message alone come again, until the queue's redrive policy moves\n"
            "it away. A message stays hidden while its handler runs. Status 126 or 127, a shell's words for a command that is not there, stop the whole. In\n"
            "the handler's environment: S2Q_MESSAGE_ID, S2Q_RECEIVE_COUNT, S2Q_EVENT_ID (the idempotency key), S2Q_EVENT_NAME, S2Q_KEYS, S2Q_STREAM,\n"
            "S2Q_SHARD, S2Q_SEQUENCE_NUMBER, S2Q_GROUP_ID, S2Q_QUEUE, and S2Q_ATTRIBUTE_<NAME> for each attribute (binary ones in base64; what is\n"
            "longer than 32 KiB, or holds a NUL, is left out).\n\n"
            "QUEUE is a queue of the process that runs on the ledger, with a key of its own file of keys; or a URL, such as Amazon SQS's; or a name at\n"
            "--endpoint-url (or, where no ledger is and none is named, at AWS_ENDPOINT_URL_SQS). There, credentials are found as the AWS\n"
            "command line finds them.\n\n"
            "SIGTERM and SIGINT stop it: handlers have --stop-timeout to end, a second signal ends them at once. In the end standard error has the counts.\n"
            "Exit status: 0 when all was handled, or a signal stopped it; 1 when it stopped by itself (--max, --until-empty) and some had failed, or their\n"
            "delete is not confirmed; 78 when the command cannot be run, 71 when a line cannot be written (that message is not deleted), else as for every\n"
            "command.\n\n"
            "  stream2sqs consume orders-events --exec 'node handler.js' --workers 4\n"
            "  stream2sqs consume orders-events --until-empty >orders.jsonl",
    .flags = flags,
    .run = run,
};
