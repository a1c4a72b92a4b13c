/* SPDX-License-Identifier: Apache-2.0 */
#include "app/filter_advice.h"
#include "app/output.h"
#include "app/reading.h"
#include "base/memory.h"
#include "codec/event_pattern.h"
#include "core/record.h"
#include "core/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILTER_MAX (256 * 1024)
#define AT_ONCE 1000 /* records looked at by one query */

struct trial {
    const struct reading *reading;
    const char *queue;    /* only records of streams that feed it by the configuration; NULL: of all */
    int64_t wanted;       /* so many more records are to be tried */
    int64_t oldest;       /* the last record that was looked at */
    const struct filter *filter;
    struct buffer whole;
    struct buffer scratch;
    json_t *records;   /* all, with "pattern": which one matched, or null */
    int64_t *passed;   /* by pattern */
    int64_t filtered;
};

static bool feeds(const struct config *config, const char *arn, const char *queue)
{
    for (size_t i = 0; i < config->pipeline_count; i++)
        if (config_pipeline_feeds(&config->pipelines[i], queue) && source_names(config->pipelines[i].stream, arn))
            return true;
    return false;
}

static void try_record(void *context, const struct stored_record *record)
{
    struct trial *t = context;
    const struct shard_name *shard = reading_shard(t->reading, record->shard);
    json_t *out;
    int pattern;

    t->oldest = record->id;
    if (record->shard == 0) /* SendMessage: filters are for records */
        return;
    if (t->wanted == 0 || (t->queue && shard && shard->arn && !feeds(&t->reading->config, shard->arn, t->queue)))
        return;
    t->wanted--;
    buffer_reset(&t->whole);
    record_lambda_body(&t->whole, record->body, slice_text(shard && shard->arn ? shard->arn : ""));
    pattern = filter_match(t->filter, buffer_slice(&t->whole), &t->scratch);
    if (pattern >= 0)
        t->passed[pattern]++;
    else
        t->filtered++;
    out = reading_record(t->reading, record, false);
    json_object_set_new(out, "passes", json_boolean(pattern >= 0));
    json_object_set_new(out, "pattern", pattern >= 0 ? json_integer(pattern + 1) : json_null());
    json_array_append_new(t->records, out);
}

/* The newest records, until as many were tried as are wanted, or there are no more. */
static void try_all(struct trial *t)
{
    int64_t before;

    t->oldest = INT64_MAX;
    do {
        before = t->oldest;
        question_newest(t->reading->db, before, AT_ONCE, try_record, t);
    } while (t->wanted > 0 && t->oldest < before);
}

static bool read_file(const char *path, struct buffer *out, struct error *err)
{
    FILE *file = fopen(path, "re");
    char chunk[4096];
    size_t n;

    if (file == NULL)
        return error_set(err, ERROR_NOT_FOUND, "%s: %s", path, strerror(errno));
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0 && out->len <= FILTER_MAX)
        buffer_append(out, slice_from(chunk, n));
    fclose(file);
    return out->len <= FILTER_MAX || error_set(err, ERROR_INPUT, "%s: a filter of more than %d bytes", path, FILTER_MAX);
}

/* From the queue of that name, a file, or the command line. advice: what it wants in vain, a line each. */
static struct filter *find_filter(const struct invocation *in, const struct config *config, struct buffer *advice, struct error *err)
{
    const char *queue = invocation_flag(in, "for-queue", 0);
    const char *path = invocation_flag(in, "file", 0);
    struct buffer text = {0};
    struct filter *filter = NULL;

    if (queue) {
        for (size_t i = 0; i < config->queue_count; i++)
            if (strcmp(config->queues[i].name, queue) == 0 && config->queues[i].filter)
                buffer_append_text(&text, config->queues[i].filter);
        if (text.len == 0)
            error_set(err, ERROR_NOT_FOUND, "%s \"%s\" with a filter",
                      config->queue_count > 0 ? "the configuration has no queue" : "say --config FILE: without it there is no queue", queue);
    } else if (path && in->argument_count > 1) {
        error_set(err, ERROR_USAGE, "the filter is given twice: as an argument, and by --file");
    } else if (path) {
        if (!read_file(path, &text, err))
            buffer_reset(&text);
    } else if (in->argument_count > 1) {
        buffer_append_text(&text, in->arguments[1]);
    } else {
        error_set(err, ERROR_USAGE, "say the filter: as an argument, or by --file or --for-queue");
    }
    if (text.len > 0)
        filter = filter_new(buffer_slice(&text), err);
    if (filter)
        filter_advice(text.ptr, NULL, "the filter", advice);
    buffer_fini(&text);
    return filter;
}

static void print_people(const struct trial *t)
{
    static const char *const headings[] = {"PASSES", "EVENT", "KEY", "SEQUENCE NUMBER", "STREAM", NULL};
    struct table table = {.headings = headings};
    int64_t passed = 0;
    size_t i;
    json_t *record;

    json_array_foreach(t->records, i, record) {
        struct buffer key = {0};

        append_key(&key, json_object_get(record, "keys"));
        table_add_text(&table, json_is_true(json_object_get(record, "passes")) ? "yes" : "no");
        table_add_text(&table, text_of(record, "event_name"));
        table_add(&table, buffer_slice(&key));
        table_add_text(&table, text_of(record, "sequence_number"));
        table_add_stream(&table, text_of(record, "stream"));
        buffer_fini(&key);
    }
    if (table.count > 0)
        table_print(&table, stdout);
    for (i = 0; i < filter_count(t->filter); i++)
        passed += t->passed[i];
    printf("%lld of %lld records pass", (long long)passed, (long long)(passed + t->filtered));
    for (i = 0; i < filter_count(t->filter) && filter_count(t->filter) > 1; i++)
        printf("%s pattern %zu: %lld", i ? "," : ":", i + 1, (long long)t->passed[i]);
    putchar('\n');
}

static int run_test(const struct invocation *in)
{
    struct reading r;
    struct trial t = {.reading = &r};
    struct buffer advice = {0};
    struct filter *filter;
    struct error err;
    int64_t limit = 20;
    int status = 0;

    if (!invocation_number(in, "limit", 1, 1000000, &limit))
        return error_exit_status(ERROR_USAGE);
    if (!reading_open(&r, in, &status))
        return status;
    t.filter = filter = find_filter(in, &r.config, &advice, &err);
    if (filter == NULL) {
        reading_close(&r);
        return invocation_fail(in, &err);
    }
    t.passed = memory_zeroed(filter_count(filter), sizeof(*t.passed));
    t.records = json_array();
    t.queue = invocation_flag(in, "for-queue", 0);
    t.wanted = limit;
    try_all(&t);
    if (in->json)
        print_json(json_pack("{s:O,s:I,s:o}", "records", t.records, "filtered", (json_int_t)t.filtered, "warnings", json_lines(buffer_slice(&advice))));
    else
        print_people(&t);
    if (!in->json && advice.len > 0)
        fputs(advice.ptr, stderr);
    buffer_fini(&advice);
    json_decref(t.records);
    free(t.passed);
    buffer_fini(&t.whole);
    buffer_fini(&t.scratch);
    filter_free(filter);
    reading_close(&r);
    return 0;
}

static int run(struct invocation *in)
{
    struct error err;

    if (in->argument_count > 0 && strcmp(in->arguments[0], "test") == 0)
        return run_test(in);
    error_set(&err, ERROR_USAGE, "filter what? `stream2sqs filter test`");
    return invocation_fail(in, &err);
}

static const struct command_flag flags[] = {
    {"file", "FILE", "the filter is in this file"},
    {"for-queue", "NAME", "the filter that this queue of the configuration has, on records of the streams that feed it"},
    {"limit", "COUNT", "the newest so many records (default: 20)"},
    {NULL, NULL, NULL},
};

const struct command cmd_filter = {
    .name = "filter",
    .arguments = "test [FILTER]",
    .summary = "try a filter on the records that the ledger has",
    .help = "Shows which of the newest records would pass. Nothing is changed. A filter is Lambda's FilterCriteria, or one event pattern, as JSON;\n"
            "the answer of `aws lambda get-event-source-mapping` will do.\n\n"
            "  stream2sqs filter test '{\"eventName\": [\"INSERT\"]}' --limit 100\n"
            "  stream2sqs filter test --config stream2sqs.yaml --for-queue paid-orders",
    .flags = flags,
    .run = run,
};
