/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <stream2sqs.h>

static struct s2q_consumer *consumer;

static void on_signal(int number)
{
    (void)number;
    s2q_consumer_stop(consumer);
}

static enum s2q_outcome handle(void *context, struct s2q_delivery *delivery, const struct s2q_message *m)
{
    (void)context;
    if (m->body.len == 0 || m->body.ptr[0] != '{') {
        s2q_give_up(delivery, "this is no JSON");
        return S2Q_GIVE_UP;
    }
    printf("%.*s: %zu bytes, receive %llu\n", (int)m->event_id.len, m->event_id.ptr ? m->event_id.ptr : "", m->body.len, (unsigned long long)m->receive_count);
    return fflush(stdout) == 0 ? S2Q_DONE : S2Q_RETRY; /* what could not be written comes again */
}

static void say(void *context, enum s2q_log_level level, const char *text)
{
    (void)context;
    if (level >= S2Q_LOG_WARNING)
        fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv)
{
    struct s2q_options options = S2Q_OPTIONS_INIT;
    struct s2q_error error = {S2Q_OK, ""};
    struct sigaction action = {.sa_handler = on_signal};
    enum s2q_status status;

    options.queue_url = argc > 1 ? argv[1] : "http://127.0.0.1:9324/000000000000/orders-events";
    options.dead_letter_queue_url = argc > 2 ? argv[2] : NULL;
    options.workers = 4;
    options.handler = handle;
    options.log = say;
    consumer = s2q_consumer_new(&options, &error);
    if (consumer) {
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
    }
    status = consumer ? s2q_consumer_run(consumer, &error) : error.status;
    if (status != S2Q_OK)
        fprintf(stderr, "%s: %s\n", argv[0], error.text);
    signal(SIGINT, SIG_IGN); /* nothing may stop it while it is freed */
    signal(SIGTERM, SIG_IGN);
    s2q_consumer_free(consumer);
    return status;
}
