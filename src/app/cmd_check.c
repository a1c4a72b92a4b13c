/* SPDX-License-Identifier: Apache-2.0 */
#include "app/access_keys.h"
#include "app/command.h"
#include "app/filter_advice.h"
#include "app/output.h"
#include "app/reach.h"
#include "app/reading.h"
#include "aws/credentials.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/http_server.h"
#include "io/tls_files.h"

#include <errno.h>
#include <jansson.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_plan(const struct config *config, bool offline)
{
    for (size_t i = 0; i < config->pipeline_count; i++) {
        const struct config_pipeline *p = &config->pipelines[i];

        printf("%s ->", p->stream);
        for (size_t k = 0; k < p->queue_count; k++)
            printf("%s %s", k ? "," : "", p->queues[k]);
        printf(" (start: %s)\n", p->start == CONFIG_START_LATEST ? "latest" : "trim_horizon");
    }
    for (size_t i = 0; i < config->queue_count; i++)
        if (config->queues[i].dead_letter_queue && config->queues[i].target == CONFIG_TARGET_EMBEDDED)
            printf("%s -> %s after %lld receives\n", config->queues[i].name, config->queues[i].dead_letter_queue,
                   (long long)config->queues[i].max_receive_count);
    printf("%sgood%s: the configuration%s\n", style_on(STYLE_GOOD), style_off(),
           config->pipeline_count == 0 ? " (no pipelines: a plain SQS server)" : offline ? "" : ", the credentials, the streams and the queues");
}

/* That of all streams which feed the queue; NULL: they differ, or it is not known. views: of each pipeline, or NULL. */
static const char *view_for(const struct config *config, char *const *views, const char *queue)
{
    const char *view = NULL;

    for (size_t i = 0; views && i < config->pipeline_count; i++) {
        if (!config_pipeline_feeds(&config->pipelines[i], queue))
            continue;
        if (views[i] == NULL || (view && strcmp(view, views[i]) != 0))
            return NULL;
        view = views[i];
    }
    return view;
}

static void look_at_filters(const struct config *config, char *const *views, struct buffer *warnings)
{
    for (size_t i = 0; i < config->queue_count; i++) {
        const struct config_queue *queue = &config->queues[i];
        struct buffer who = {0};

        buffer_printf(&who, "queue \"%s\": its filter", queue->name);
        if (queue->filter)
            filter_advice(queue->filter, view_for(config, views, queue->name), who.ptr, warnings);
        buffer_fini(&who);
    }
}

/* ---- files and folders ---- */

static bool problem(struct buffer *problems, const char *where, const char *text)
{
    buffer_printf(problems, "%s: %s\n", where, text);
    return false;
}

/* The files and folders that `run` will want. True: all are there, and good. */
static bool files_good(const struct config *config, struct buffer *problems)
{
    struct keyring *keys = keyring_new();
    struct error err;
    char *ledger = memory_strdup(config->ledger);
    const char *folder = dirname(ledger);
    char *control = config_control_path(config->ledger);
    bool good = true;

    if (config->access_keys_file && !access_keys_read(keys, config->access_keys_file, &err))
        good = problem(problems, "access_keys_file", err.text);
    if (config->tls_certificate) {
        struct tls_files *tls = tls_files_new(config->tls_certificate, config->tls_key, &err);

        if (tls == NULL)
            good = problem(problems, "tls_certificate, tls_key", err.text);
        tls_files_free(tls);
    }
    if (access(folder, W_OK | X_OK) != 0) {
        buffer_printf(problems, "ledger: %s: %s\n", folder, strerror(errno));
        good = false;
    }
    if (!http_server_path_fits(control, &err))
        good = problem(problems, "ledger", err.text);
    keyring_free(keys);
    free(control);
    free(ledger);
    return good;
}

static int run(struct invocation *in)
{
    bool offline = invocation_flag(in, "offline", 0) != NULL;
    struct buffer problems = {0};
    struct buffer warnings = {0};
    struct config config;
    int status = error_exit_status(ERROR_CONFIG);

    log_init(STDERR_FILENO, LOG_FORMAT_AUTO, LOG_ERROR); /* what is wrong is in the answer */
    if (config_load(&config, &in->line, environment_lookup, &problems)) {
        bool good = files_good(&config, &problems);
        struct reached reached = {0};

        status = (offline || reach(&config, &reached, &problems)) && good ? 0 : status;
        look_at_filters(&config, reached.views, &warnings);
        config_duplicate_warnings(&config, reached.places, &warnings);
        invocation_warnings(in, &config, &warnings);
        reached_fini(&reached, &config);
    }
    if (in->json)
        print_json(json_pack("{s:b,s:o,s:o}", "good", problems.len == 0, "problems", json_lines(buffer_slice(&problems)), "warnings",
                             json_lines(buffer_slice(&warnings))));
    else if (status == 0)
        print_plan(&config, offline);
    else
        fputs(problems.ptr, stderr);
    if (!in->json && warnings.len > 0)
        fputs(warnings.ptr, stderr);
    config_fini(&config);
    buffer_fini(&warnings);
    buffer_fini(&problems);
    return status;
}

static const struct command_flag flags[] = {
    {"offline", NULL, "look at the configuration only, not at AWS"},
    {NULL, NULL, NULL},
};

const struct command cmd_check = {
    .name = "check",
    .arguments = "",
    .summary = "say all that is wrong with a configuration, without running it",
    .help = "Reads the configuration as `run` would, says every mistake with its place, looks whether the files that it names are there and good, and asks\n"
            "AWS for each stream, and for each queue there. It warns of filters that name or want what no record has.\n\n"
            "  stream2sqs check --config stream2sqs.yaml",
    .flags = flags,
    .takes_options = true,
    .run = run,
};
