/* SPDX-License-Identifier: Apache-2.0 */
#include "app/command.h"
#include "app/output.h"
#include "app/reach.h"
#include "aws/credentials.h"

#include <jansson.h>

static json_t *problem_list(struct slice problems)
{
    json_t *list = json_array();

    while (problems.len > 0) {
        size_t n = slice_index(problems, '\n');

        json_array_append_new(list, json_stringn(problems.ptr, n));
        problems = slice_after(problems, n + 1);
    }
    return list;
}

static void print_json(struct slice problems)
{
    json_t *document = json_pack("{s:b,s:o}", "good", problems.len == 0, "problems", problem_list(problems));

    json_dumpf(document, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(document);
}

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

static int run(struct invocation *in)
{
    bool offline = invocation_flag(in, "offline", 0) != NULL;
    struct buffer problems = {0};
    struct config config;
    int status = error_exit_status(ERROR_CONFIG);

    if (config_load(&config, &in->line, environment_lookup, &problems) && (offline || reach(&config, &problems)))
        status = 0;
    if (in->json)
        print_json(buffer_slice(&problems));
    else if (status == 0)
        print_plan(&config, offline);
    else
        fputs(problems.ptr, stderr);
    config_fini(&config);
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
    .help = "Reads the configuration as `run` would, says every mistake with its place, and asks AWS for each stream, and for each queue there.\n\n"
            "  stream2sqs check --config stream2sqs.yaml",
    .flags = flags,
    .takes_options = true,
    .run = run,
};
