/* SPDX-License-Identifier: Apache-2.0 */
#include "app/command.h"
#include "app/daemon.h"
#include "aws/profile.h"
#include "base/log.h"

static bool load_again(void *context, struct config *config, struct buffer *problems)
{
    struct invocation *in = context;

    return config_load(config, &in->line, environment_lookup, problems);
}

static void say_warnings(const struct invocation *in, const struct config *config)
{
    struct buffer warnings = {0};

    invocation_warnings(in, config, &warnings);
    for (struct slice rest = buffer_slice(&warnings); rest.len > 0;) {
        struct slice line = slice_from(rest.ptr, slice_index(rest, '\n'));

        log_warning("something is passed over", LOG_FIELDS(LOG_SLICE("warning", line)));
        rest = slice_after(rest, line.len + 1);
    }
    buffer_fini(&warnings);
    if (config->pipeline_count == 0)
        log_info("no stream is named: this is a plain SQS server", NULL);
}

static int run(struct invocation *in)
{
    const struct daemon_reload reload = {load_again, in};
    struct config config;
    struct error err;
    int status = 0;

    if (!invocation_load(in, &config))
        return error_exit_status(ERROR_CONFIG);
    log_init(2, (enum log_format)config.log_format, (enum log_level)config.log_level);
    say_warnings(in, &config);
    if (!daemon_run(&config, &reload, &err))
        status = invocation_fail(in, &err);
    config_fini(&config);
    return status;
}

const struct command cmd_run = {
    .name = "run",
    .arguments = "",
    .summary = "read streams, and serve their records as messages",
    .help = "Reads the streams of its pipelines into the ledger, and serves the queues on an SQS-compatible endpoint until SIGTERM.\n"
            "Once it is ready, LEDGER.addresses says where it listens. At SIGHUP (or by `stream2sqs reload`) the configuration file and the access\n"
            "keys are read again: what changed takes effect, the rest goes on undisturbed, and a bad file changes nothing.\n\n"
            "  stream2sqs run --stream orders --queue orders-events --max-receive-count 5 --dead-letter-queue orders-dead\n"
            "  stream2sqs run --config stream2sqs.yaml",
    .takes_options = true,
    .run = run,
};
