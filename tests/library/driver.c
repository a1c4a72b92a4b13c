/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that uses the installed library as any other would, and does what its messages say: for tests/e2e/test_consumer_library.py.
 *
 *     driver QUEUE_URL|QUEUE_NAME [dead_name=QUEUE_NAME] [max=N] [empty=SECONDS] [endpoint=URL] [workers=N] [visibility=SECONDS] [retry_at_once=1] [dead=QUEUE_URL] [region=R] [key=ID] [secret=S] [ca_bundle=FILE] [runs=N] [consumers=N]
 *
 * A body "NAME:WHAT" is done by WHAT: retry (always), retry1 (the first time), afterSECONDS (again so much later, the first time), giveup, sleepMS, stop; all
 * else is done well. To standard output goes a line for each beginning and end of a handler, for each end of a run, and for its counts; to standard error what the library logs.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stream2sqs.h>

#define CONSUMERS_MAX 4

static struct s2q_consumer *consumers[CONSUMERS_MAX];
static int consumer_count = 1;

static void stop_all(int number)
{
    (void)number;
    for (int i = 0; i < consumer_count; i++)
        s2q_consumer_stop(consumers[i]);
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static enum s2q_outcome act(struct s2q_delivery *delivery, const char *what, unsigned long long receive_count)
{
    if (strcmp(what, "retry") == 0 || (strcmp(what, "retry1") == 0 && receive_count == 1))
        return S2Q_RETRY;
    if (strncmp(what, "after", 5) == 0 && receive_count == 1) {
        s2q_retry_after(delivery, (unsigned)atoi(what + 5));
        return S2Q_RETRY;
    }
    if (strcmp(what, "giveup") == 0) {
        s2q_give_up(delivery, "not this one");
        s2q_give_up(delivery, "no\tgood \xff");
        return S2Q_GIVE_UP;
    }
    if (strncmp(what, "sleep", 5) == 0)
        sleep_ms(atol(what + 5));
    if (strcmp(what, "stop") == 0)
        stop_all(0);
    return S2Q_DONE;
}

static enum s2q_outcome handle(void *context, struct s2q_delivery *delivery, const struct s2q_message *m)
{
    char name[200] = "record";
    char *what;
    enum s2q_outcome outcome;

    (void)context;
    if (m->body.len < sizeof(name) && m->body.len > 0 && m->body.ptr[0] != '{') {
        memcpy(name, m->body.ptr, m->body.len);
        name[m->body.len] = '\0';
    }
    printf("begin\t%s\t%llu\t%.*s\t%.*s\t%zu\n", name, (unsigned long long)m->receive_count, (int)m->event_id.len, m->event_id.ptr ? m->event_id.ptr : "",
           (int)m->group_id.len, m->group_id.ptr ? m->group_id.ptr : "", m->attribute_count);
    fflush(stdout);
    what = strchr(name, ':');
    outcome = act(delivery, what ? what + 1 : "", (unsigned long long)m->receive_count);
    printf("end\t%s\t%d\n", name, (int)outcome);
    fflush(stdout);
    return outcome;
}

static void say(void *context, enum s2q_log_level level, const char *text)
{
    (void)context;
    fprintf(stderr, "%d %s\n", (int)level, text);
}

static void set(struct s2q_options *o, const char *name, size_t len, const char *value, int *runs)
{
    const struct {
        const char *name;
        const char **text;
        unsigned *number;
    } known[] = {{"endpoint", &o->endpoint_url, NULL}, {"dead", &o->dead_letter_queue_url, NULL}, {"region", &o->region, NULL}, {"key", &o->access_key_id, NULL},
                 {"secret", &o->secret_access_key, NULL}, {"ca_bundle", &o->ca_bundle, NULL}, {"workers", NULL, &o->workers}, {"visibility", NULL, &o->visibility_timeout_s},
                 {"retry_at_once", NULL, (unsigned *)&o->retry_at_once}, {"runs", NULL, (unsigned *)runs},
                 {"dead_name", &o->dead_letter_queue_name, NULL}, {"empty", NULL, &o->stop_when_empty_s}, {"consumers", NULL, (unsigned *)&consumer_count}};

    if (len == 3 && strncmp(name, "max", 3) == 0) {
        o->messages_max = (uint64_t)atoll(value);
        return;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) != len || strncmp(known[i].name, name, len) != 0)
            continue;
        if (known[i].text)
            *known[i].text = value;
        else
            *known[i].number = (unsigned)atoi(value);
        return;
    }
    fprintf(stderr, "driver: unknown option %s\n", name);
    exit(64);
}

static void *run(void *context)
{
    struct s2q_error error = {S2Q_OK, ""};
    struct s2q_counts counts = S2Q_COUNTS_INIT;
    enum s2q_status status = s2q_consumer_run(context, &error);

    s2q_consumer_counts(context, &counts);
    printf("counts\t%llu\t%llu\t%llu\t%llu\n", (unsigned long long)counts.done, (unsigned long long)counts.retried,
           (unsigned long long)counts.dead_lettered, (unsigned long long)counts.deleted);
    printf("status\t%d\t%s\n", (int)status, error.text);
    fflush(stdout);
    return (void *)(size_t)status;
}

int main(int argc, char **argv)
{
    struct s2q_options options = S2Q_OPTIONS_INIT;
    struct s2q_error error = {S2Q_OK, ""};
    struct sigaction action = {.sa_handler = stop_all};
    pthread_t threads[CONSUMERS_MAX];
    int runs = 1;
    void *status = NULL;

    if (argc < 2)
        return 64;
    *(strchr(argv[1], '/') ? &options.queue_url : &options.queue_name) = argv[1];
    options.handler = handle;
    options.log = say;
    for (int i = 2; i < argc; i++) {
        size_t len = strcspn(argv[i], "=");

        set(&options, argv[i], len, argv[i] + len + (argv[i][len] == '='), &runs);
    }
    for (int i = 0; i < consumer_count && i < CONSUMERS_MAX; i++) {
        consumers[i] = s2q_consumer_new(&options, &error);
        if (consumers[i] == NULL) {
            printf("status\t%d\t%s\n", (int)error.status, error.text);
            return (int)error.status;
        }
    }
    sigaction(SIGTERM, &action, NULL);
    printf("ready\t%s\n", s2q_version());
    fflush(stdout);
    for (; runs > 0; runs--) {
        for (int i = 0; i < consumer_count; i++)
            pthread_create(&threads[i], NULL, run, consumers[i]);
        for (int i = 0; i < consumer_count; i++)
            pthread_join(threads[i], &status);
    }
    for (int i = 0; i < consumer_count; i++)
        s2q_consumer_free(consumers[i]);
    return (int)(size_t)status;
}
