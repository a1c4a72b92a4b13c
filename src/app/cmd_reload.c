/* SPDX-License-Identifier: Apache-2.0 */
#include "app/control.h"
#include "app/output.h"
#include "app/reading.h"
#include "base/log.h"

/* What the process said to its log: a line of what changed, of what wants a restart, and of a certificate that ends. */
static void print_outcome(const json_t *outcome)
{
    const char *restart = text_of(outcome, "restart");
    struct buffer out = {0};

    buffer_append_text(&out, "the configuration was reloaded: ");
    text_append_printable(&out, slice_text(text_of(outcome, "changes")));
    puts(out.ptr);
    buffer_fini(&out);
    if (restart[0])
        printf("these options have changed, and want a restart: %s\n", restart);
    if (text_of(outcome, "certificate")[0])
        printf("%s\n", text_of(outcome, "certificate"));
}

static int run(struct invocation *in)
{
    struct config config;
    struct error err;
    json_t *request;
    json_t *outcome;
    bool good;

    if (in->argument_count > 0)
        return invocation_usage(in, "reload wants nothing more");
    if (!invocation_config(in, &config))
        return error_exit_status(ERROR_CONFIG);
    request = json_object();
    good = control_call(config.ledger, "reload", request, &outcome, &err);
    json_decref(request);
    config_fini(&config);
    if (!good)
        return invocation_fail(in, &err);
    if (in->json) {
        print_json(outcome);
        return 0;
    }
    print_outcome(outcome);
    json_decref(outcome);
    return 0;
}

const struct command cmd_reload = {
    .name = "reload",
    .arguments = "",
    .summary = "let the running process read its configuration and keys again, and say what came of it",
    .help = "Asks the process that runs on this ledger to do what it does at SIGHUP, and waits for the outcome: what was added, changed and removed.\n"
            "A bad file changes nothing; each mistake is said with its place, and the exit status is 78. The process reads the files, flags and\n"
            "environment that it was started with; --config and --ledger only say which process is meant.\n\n"
            "  stream2sqs reload --config stream2sqs.yaml",
    .run = run,
};
