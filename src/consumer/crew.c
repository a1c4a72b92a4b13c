/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/crew.h"

#include "base/log.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#define REASON_MAX 1024
#define RETRY_MAX_S 43200 /* SQS's */

/* In order. */
struct line {
    struct job *first;
    struct job *last;
};

struct crew {
    enum s2q_outcome (*handler)(void *context, struct s2q_delivery *delivery, const struct s2q_message *message);
    void *context;
    int bell_fd;
    pthread_t *threads;
    size_t thread_count;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct line waiting; /* these three under the lock */
    struct line handled;
    bool closing;
};

struct s2q_delivery {
    struct job *job;
};

static void line_append(struct line *line, struct job *job)
{
    job->next_shared = NULL;
    *(line->last ? &line->last->next_shared : &line->first) = job;
    line->last = job;
}

static struct job *line_take(struct line *line)
{
    struct job *job = line->first;

    if (job && (line->first = job->next_shared) == NULL)
        line->last = NULL;
    return job;
}

/* ---- the handler ---- */

/* SQS takes neither control characters nor U+FFFE and U+FFFF, which are rare enough to escape all of such a text. */
static char *reason_text(struct slice given)
{
    struct buffer text = {0};

    text_append_printable(&text, given);
    if (text.len > 0 && !sqs_characters_valid(buffer_slice(&text))) {
        buffer_reset(&text);
        for (size_t i = 0; i < given.len; i++) {
            unsigned char byte = (unsigned char)given.ptr[i];

            buffer_printf(&text, byte < 0x20 || byte > 0x7e ? "\\x%02x" : "%c", byte);
        }
    }
    return buffer_take(&text);
}

void s2q_give_up(struct s2q_delivery *delivery, const char *reason)
{
    free(delivery->job->reason);
    delivery->job->reason = reason ? reason_text(slice_from(reason, strnlen(reason, REASON_MAX))) : NULL;
}

void s2q_retry_after(struct s2q_delivery *delivery, unsigned seconds)
{
    delivery->job->retry_said = true;
    delivery->job->retry_s = seconds < RETRY_MAX_S ? seconds : RETRY_MAX_S;
}

static struct s2q_text text_of(struct slice s)
{
    return (struct s2q_text){s.ptr, s.len};
}

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void handle(const struct crew *crew, struct job *job)
{
    const struct sqs_received *m = &job->m;
    struct s2q_attribute attributes[SQS_ATTRIBUTES_MAX];
    struct s2q_delivery delivery = {job};
    const struct s2q_message message = {
        .body = text_of(m->body),
        .message_id = text_of(m->message_id),
        .group_id = text_of(m->group_id),
        .stream = text_of(sqs_received_attribute(m, "stream2sqs.stream")),
        .shard = text_of(sqs_received_attribute(m, "stream2sqs.shard")),
        .sequence_number = text_of(sqs_received_attribute(m, "stream2sqs.sequence_number")),
        .event_id = text_of(sqs_received_attribute(m, "stream2sqs.event_id")),
        .receive_count = m->receive_count,
        .attributes = attributes,
        .attribute_count = m->attribute_count,
    };
    int64_t started_us = now_us();

    for (size_t i = 0; i < m->attribute_count; i++)
        attributes[i] = (struct s2q_attribute){text_of(m->attributes[i].name), text_of(m->attributes[i].type), text_of(m->attributes[i].value)};
    job->outcome = crew->handler(crew->context, &delivery, &message);
    job->handled_us = now_us() - started_us;
}

static void *work(void *context)
{
    struct crew *crew = context;
    struct job *job;

    pthread_mutex_lock(&crew->lock);
    for (;;) {
        while ((job = line_take(&crew->waiting)) == NULL && !crew->closing)
            pthread_cond_wait(&crew->work, &crew->lock);
        if (job == NULL)
            break;
        pthread_mutex_unlock(&crew->lock);
        handle(crew, job);
        pthread_mutex_lock(&crew->lock);
        if (crew->handled.first == NULL)
            eventfd_write(crew->bell_fd, 1); /* fails only when it rings already */
        line_append(&crew->handled, job);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* ---- the network's side ---- */

void crew_give(struct crew *crew, struct job *job)
{
    pthread_mutex_lock(&crew->lock);
    line_append(&crew->waiting, job);
    pthread_cond_signal(&crew->work);
    pthread_mutex_unlock(&crew->lock);
}

struct job *crew_take_back(struct crew *crew)
{
    struct job *job;

    pthread_mutex_lock(&crew->lock);
    job = line_take(&crew->waiting);
    pthread_mutex_unlock(&crew->lock);
    return job;
}

struct job *crew_handled(struct crew *crew)
{
    struct job *all;

    pthread_mutex_lock(&crew->lock);
    all = crew->handled.first;
    crew->handled = (struct line){0};
    pthread_mutex_unlock(&crew->lock);
    return all;
}

static int start_threads(struct crew *crew, size_t workers)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t blocked;
    sigset_t before;
    int failed = 0;

    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    while (failed == 0 && crew->thread_count < workers && (failed = pthread_create(&crew->threads[crew->thread_count], NULL, work, crew)) == 0)
        crew->thread_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

struct crew *crew_start(const struct s2q_options *options, size_t workers, int bell_fd, struct error *err)
{
    struct crew *crew = memory_zeroed(1, sizeof(*crew));
    int failed;

    crew->handler = options->handler;
    crew->context = options->context;
    crew->bell_fd = bell_fd;
    crew->threads = memory_zeroed(workers, sizeof(*crew->threads));
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->work, NULL);
    failed = start_threads(crew, workers);
    if (failed == 0)
        return crew;
    error_set(err, ERROR_SYSTEM, "cannot start worker %zu of %zu: %s", crew->thread_count + 1, workers, strerror(failed));
    crew_end(crew);
    return NULL;
}

void crew_end(struct crew *crew)
{
    if (crew == NULL)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->closing = true;
    pthread_cond_broadcast(&crew->work);
    pthread_mutex_unlock(&crew->lock);
    for (size_t i = 0; i < crew->thread_count; i++)
        pthread_join(crew->threads[i], NULL);
    pthread_cond_destroy(&crew->work);
    pthread_mutex_destroy(&crew->lock);
    free(crew->threads);
    free(crew);
}
