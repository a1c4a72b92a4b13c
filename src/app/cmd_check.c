/* SPDX-License-Identifier: Apache-2.0 */
#include "app/access_keys.h"
#include "app/command.h"
#include "app/output.h"
#include "app/reach.h"
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

static void print_json(struct slice problems, struct slice warnings)
{
    json_t *document = json_pack("{s:b,s:o,s:o}", "good", problems.len == 0, "problems", problem_list(problems), "warnings", problem_list(warnings));

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

/* ---- filters that can let nothing pass ---- */

static const char *const record_fields[] = {"eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN", "userIdentity",
                                            "$or", NULL};
static const char *const dynamodb_fields[] = {"ApproximateCreationDateTime", "Keys", "NewImage", "OldImage", "SequenceNumber", "SizeBytes", "StreamViewType",
                                              "$or", NULL};

static const char *const event_names[] = {"INSERT", "MODIFY", "REMOVE", NULL};
static const char *const types[] = {"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS", NULL};

static bool is_one_of(const char *const *words, const char *word)
{
    while (*words && strcmp(*words, word) != 0)
        words++;
    return *words != NULL;
}

static void look_at_event_names(json_t *wanted, const char *queue, struct buffer *warnings)
{
    size_t i;
    json_t *one;

    json_array_foreach(wanted, i, one)
        if (json_is_string(one) && !is_one_of(event_names, json_string_value(one)))
            buffer_printf(warnings, "queue \"%s\": its filter wants the eventName \"%s\": records have INSERT, MODIFY and REMOVE\n", queue,
                          json_string_value(one));
}

static bool has_operator(json_t *wanted, const char *name)
{
    size_t i;
    json_t *one;

    json_array_foreach(wanted, i, one)
        if (json_object_get(one, name))
            return true;
    return false;
}

static void look_at_item(json_t *item, const char *above, const char *queue, struct buffer *warnings, int depth);

/* {"S": [...]}: an attribute's value is an object whose one member is named by its type. */
static void look_at_value(json_t *value, const char *above, const char *queue, struct buffer *warnings, int depth)
{
    const char *type;
    json_t *wanted;

    if (json_is_array(value) && !has_operator(value, "exists"))
        buffer_printf(warnings, "queue \"%s\": its filter compares %s, which is no text but has its type below it: {\"S\": [...]}\n", queue, above);
    json_object_foreach(value, type, wanted) {
        char below[300];

        snprintf(below, sizeof(below), "%.250s.%.40s", above, type);
        if (!is_one_of(types, type) && strcmp(type, "$or") != 0)
            buffer_printf(warnings, "queue \"%s\": its filter names %s: DynamoDB has no type \"%s\"\n", queue, below, type);
        if ((strcmp(type, "N") == 0 || strcmp(type, "NS") == 0) && has_operator(wanted, "numeric"))
            buffer_printf(warnings, "queue \"%s\": its filter has a numeric range on %s, which is a text in a record: nothing passes\n", queue, below);
        if (strcmp(type, "M") == 0)
            look_at_item(wanted, below, queue, warnings, depth + 1);
        else if (strcmp(type, "L") == 0)
            look_at_value(wanted, below, queue, warnings, depth + 1);
    }
}

/* Keys, an image, a map: attributes by their names. */
static void look_at_item(json_t *item, const char *above, const char *queue, struct buffer *warnings, int depth)
{
    const char *name;
    json_t *value;

    json_object_foreach(item, name, value) {
        char below[300];

        snprintf(below, sizeof(below), "%.250s.%.40s", above, name);
        if (strcmp(name, "$or") != 0 && depth < 32)
            look_at_value(value, below, queue, warnings, depth);
    }
}

/* A pattern on a field that no record has matches none (or, with exists: false, all). */
static void look_at_fields(json_t *pattern, const char *const *fields, const char *above, const char *queue, struct buffer *warnings)
{
    const char *name;
    json_t *value;
    size_t i;
    json_t *one;

    json_object_foreach(pattern, name, value) {
        if (!is_one_of(fields, name))
            buffer_printf(warnings, "queue \"%s\": its filter names %s%s, which no record has\n", queue, above, name);
        if (strcmp(name, "$or") == 0)
            json_array_foreach(value, i, one)
                look_at_fields(one, fields, above, queue, warnings);
        else if (fields == record_fields && strcmp(name, "dynamodb") == 0)
            look_at_fields(value, dynamodb_fields, "dynamodb.", queue, warnings);
        else if (fields == record_fields && strcmp(name, "eventName") == 0)
            look_at_event_names(value, queue, warnings);
        else if (fields == dynamodb_fields && (strcmp(name, "Keys") == 0 || strcmp(name, "NewImage") == 0 || strcmp(name, "OldImage") == 0)) {
            char below[40];

            snprintf(below, sizeof(below), "dynamodb.%s", name);
            look_at_item(value, below, queue, warnings, 0);
        }
    }
}

static void look_at_filter(const struct config_queue *queue, struct buffer *warnings)
{
    json_t *filter = queue->filter ? json_loads(queue->filter, 0, NULL) : NULL;
    json_t *list = json_object_get(filter, "Filters");
    size_t i;
    json_t *one;

    json_array_foreach(list, i, one) {
        const char *text = json_string_value(json_object_get(one, "Pattern"));
        json_t *pattern = json_loads(text ? text : "{}", 0, NULL);

        look_at_fields(pattern, record_fields, "", queue->name, warnings);
        json_decref(pattern);
    }
    if (list == NULL)
        look_at_fields(filter, record_fields, "", queue->name, warnings);
    json_decref(filter);
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

        for (size_t i = 0; i < config.queue_count; i++)
            look_at_filter(&config.queues[i], &warnings);
        config_duplicate_warnings(&config, &warnings);
        invocation_warnings(in, &config, &warnings);
        status = (offline || reach(&config, &problems)) && good ? 0 : status;
    }
    if (in->json)
        print_json(buffer_slice(&problems), buffer_slice(&warnings));
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
