/* SPDX-License-Identifier: Apache-2.0 */
#include "app/command.h"

#include "app/output.h"
#include "aws/credentials.h"
#include "base/log.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

static const struct command_flag global_flags[] = {
    {"config", "FILE", "the configuration file (YAML)"},
    {"ledger", "FILE", "the ledger (default: stream2sqs.db)"},
    {"json", NULL, "one JSON document instead of a table"},
    {"color", "auto|always|never", "colour; auto: on a terminal"},
    {"help", NULL, "this text"},
    {NULL, NULL, NULL},
};

/* ---- help ---- */

static void print_flag(FILE *out, const struct option_text *o)
{
    char left[80];

    snprintf(left, sizeof(left), "--%s%s%s", o->flag, o->takes && o->takes[0] ? " " : "", o->takes ? o->takes : "");
    fprintf(out, "  %-34s %s", left, o->help);
    if (o->default_text && o->default_text[0])
        fprintf(out, " (default: %s)", o->default_text);
    if (o->at_reload)
        fprintf(out, " [%s]", o->at_reload);
    fputc('\n', out);
}

static void print_flags(FILE *out, const struct command_flag *flags)
{
    for (const struct command_flag *f = flags; f && f->name; f++)
        print_flag(out, &(struct option_text){.flag = f->name, .takes = f->takes, .help = f->help});
}

static void print_option(void *context, const struct option_text *option)
{
    if (strcmp(option->flag, "ledger") != 0)
        print_flag(context, option);
}

static void print_help(FILE *out, const struct command *c)
{
    fprintf(out, "stream2sqs %s: %s\n\nusage: stream2sqs %s [flags]%s%s\n\n%s\n\nflags:\n", c->name, c->summary, c->name, c->arguments[0] ? " " : "",
            c->arguments, c->help);
    print_flags(out, c->flags);
    print_flags(out, global_flags);
    if (c->takes_options) {
        fputs("\noptions (as flags, as names of the configuration file, and the first ones also as STREAM2SQS_<NAME>).\n"
              "[reload]: `stream2sqs reload` takes up a change; [new]: only for a stream that the ledger does not know, or a queue that no stream\n"
              "has fed; [restart]: it does not, and says so.\n",
              out);
        config_options(print_option, out);
    }
}

static void print_overview(FILE *out)
{
    fputs("stream2sqs: the bridge from DynamoDB Streams to queues, one message a record\n\n"
          "usage: stream2sqs COMMAND [flags]\n\ncommands:\n", out);
    for (const struct command *const *c = commands; *c; c++)
        fprintf(out, "  %-12s %s\n", (*c)->name, (*c)->summary);
    fputs("\nbegin with: stream2sqs run --stream TABLE --queue NAME\nmore: stream2sqs help COMMAND\n\n"
          "exit statuses: 0 done; 64 usage, 65 bad input, 66 not there, 69 no answer, 70 ledger of a newer version, 71 system, 73 no room, 74 a write of\n"
          "the ledger failed, 75 ledger in use, 77 credentials, 78 configuration; audit: 1 whole but for named gaps, 2 it does not add up\n", out);
}

/* For a program that reads what --json prints. */
static void print_error(enum error_code code, const char *text)
{
    struct buffer shown = {0};
    json_t *document;

    text_append_printable(&shown, slice_text(text)); /* what was given on a command line need not be UTF-8 */
    document = json_pack("{s:{s:s,s:s}}", "error", "code", error_name(code), "message", shown.ptr ? shown.ptr : "");
    json_dumpf(document, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(document);
    buffer_fini(&shown);
}

static const struct command *find_command(const char *name)
{
    for (const struct command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

static bool has_json(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static int unknown_command(const char *name, bool json)
{
    const char *names[32];
    size_t count = 0;
    const char *nearest;
    struct buffer shown = {0};

    for (const struct command *const *c = commands; *c && count < 31; c++)
        names[count++] = (*c)->name;
    names[count] = NULL;
    nearest = nearest_name(name, names);
    buffer_append_text(&shown, "there is no command \"");
    text_append_printable(&shown, slice_text(name));
    buffer_printf(&shown, "\"%s%s%s; `stream2sqs help` lists them", nearest ? " (nearest: " : "", nearest ? nearest : "", nearest ? ")" : "");
    if (json)
        print_error(ERROR_USAGE, shown.ptr);
    fprintf(stderr, "stream2sqs: %s\n", shown.ptr);
    buffer_fini(&shown);
    return error_exit_status(ERROR_USAGE);
}

/* ---- flags ---- */

static const struct command_flag *find_flag(const struct command_flag *flags, const char *name)
{
    for (; flags && flags->name; flags++)
        if (strcmp(flags->name, name) == 0)
            return flags;
    return NULL;
}

static void note_name(void *context, const struct option_text *option)
{
    const char **names = context;

    while (*names)
        names++;
    *names = memory_strdup(option->flag);
}

static const char *nearest_flag(const struct command *c, const char *name, char out[64])
{
    const char *names[64] = {0};
    size_t borrowed = 0;
    const char *nearest;

    for (const struct command_flag *f = c->flags; f && f->name; f++)
        names[borrowed++] = f->name;
    for (const struct command_flag *f = global_flags; f->name; f++)
        names[borrowed++] = f->name;
    if (c->takes_options)
        config_options(note_name, names);
    nearest = nearest_name(name, names);
    snprintf(out, 64, "%s", nearest ? nearest : "");
    for (size_t i = borrowed; names[i]; i++)
        free((void *)(uintptr_t)names[i]);
    return nearest ? out : NULL;
}

/* One flag and, if it takes one, its value. */
struct given {
    char name[64];
    const char *value; /* after '=', or the next argument */
};

static int bad_flag(const struct invocation *in, const char *name, const char *what)
{
    struct buffer shown = {0};
    char nearest[64];
    bool near = what == NULL && nearest_flag(in->command, name, nearest) != NULL;

    buffer_append_text(&shown, "--");
    text_append_printable(&shown, slice_text(name));
    buffer_printf(&shown, " %s%s%s%s", what ? what : "is no flag of this command", near ? " (nearest: --" : "", near ? nearest : "", near ? ")" : "");
    if (in->json)
        print_error(ERROR_USAGE, shown.ptr);
    fprintf(stderr, "stream2sqs %s: %s; see `stream2sqs help %s`\n", in->command->name, shown.ptr, in->command->name);
    buffer_fini(&shown);
    return error_exit_status(ERROR_USAGE);
}

/* Files a flag where it belongs. 0, or the exit status. */
static int file_flag(struct invocation *in, const char *name, const char *value)
{
    if (strcmp(name, "json") == 0) {
        in->json = true;
    } else if (strcmp(name, "color") == 0) {
        if (strcmp(value, "auto") != 0 && strcmp(value, "always") != 0 && strcmp(value, "never") != 0)
            return bad_flag(in, name, "wants auto, always or never");
        in->color = value;
    } else if (strcmp(name, "config") == 0) {
        if (in->line.config_file)
            return bad_flag(in, name, "is given twice");
        in->line.config_file = value;
    } else if (find_flag(in->command->flags, name)) {
        in->own[in->own_count++] = (struct config_flag){name, value ? value : ""};
    } else {
        in->line.flags[in->line.flag_count++] = (struct config_flag){name, value};
    }
    return 0;
}

static bool flag_known(const struct command *c, const char *name, bool *takes)
{
    const struct command_flag *f = find_flag(c->flags, name);

    f = f ? f : find_flag(global_flags, name);
    *takes = f && f->takes;
    return f || (c->takes_options && config_option_exists(name, takes));
}

/* argv[*at] begins with "--". */
static int read_flag(struct invocation *in, char **argv, int *at)
{
    char *text = argv[*at] + 2;
    char *equals = strchr(text, '=');
    const char *value = equals ? equals + 1 : NULL;
    bool takes;

    if (equals)
        *equals = '\0';
    if (!flag_known(in->command, text, &takes))
        return bad_flag(in, text, NULL);
    if (takes && value == NULL) {
        value = argv[*at + 1];
        if (value == NULL || (value[0] == '-' && value[1] == '-'))
            return bad_flag(in, text, "wants a value");
        (*at)++;
    }
    return file_flag(in, text, value);
}

static int read_arguments(struct invocation *in, int argc, char **argv)
{
    bool only_arguments = false;

    for (int i = 0; i < argc; i++) {
        int status;

        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            print_help(stdout, in->command);
            return -1;
        } else if (!only_arguments && argv[i][0] == '-' && argv[i][1] == '-') {
            if ((status = read_flag(in, argv, &i)) != 0)
                return status;
        } else {
            in->arguments[in->argument_count++] = argv[i];
        }
    }
    return 0;
}

/* What was not written was not done: a full disk, a pipe that nobody reads. */
static int end_output(const char *name, int status)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || status != 0)
        return status;
    fprintf(stderr, "stream2sqs %s: standard output cannot be written\n", name);
    return error_exit_status(ERROR_SYSTEM);
}

static const char *no_arguments(const char *first)
{
    static const char *const answers[] = {"true", "false", "yes", "no", "on", "off"};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (strcmp(first, answers[i]) == 0)
            return "it takes no arguments (what is on or off is said with \"=\", as --gateway=false)";
    return "it takes no arguments";
}

static int run_command(const struct command *c, int argc, char **argv)
{
    size_t most = (size_t)argc + 1;
    struct invocation in = {.command = c, .color = "auto", .json = has_json(argc, argv)}; /* a mistake in the flags before it is said so, too */
    int status;

    in.arguments = memory_zeroed(most, sizeof(*in.arguments));
    in.own = memory_zeroed(most, sizeof(*in.own));
    in.line.flags = memory_zeroed(most, sizeof(*in.line.flags));
    status = read_arguments(&in, argc, argv);
    if (status == 0) {
        style_init(stdout, in.color);
        if (c->arguments[0] == '\0' && in.argument_count > 0)
            status = invocation_usage(&in, no_arguments(in.arguments[0]));
        else
            status = c->run(&in);
    } else if (status < 0) {
        status = 0;
    }
    status = end_output(c->name, status);
    free(in.arguments);
    free(in.own);
    free(in.line.flags);
    return status;
}

int command_main(int argc, char **argv)
{
    const struct command *c;

    if (argc < 2) {
        print_overview(stderr);
        return error_exit_status(ERROR_USAGE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        c = argc > 2 ? find_command(argv[2]) : NULL;
        if (argc > 2 && c == NULL)
            return unknown_command(argv[2], has_json(argc, argv));
        if (c)
            print_help(stdout, c);
        else
            print_overview(stdout);
        return end_output("help", 0);
    }
    c = find_command(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    return c ? run_command(c, argc - 2, argv + 2) : unknown_command(argv[1], has_json(argc, argv));
}

/* ---- for the commands ---- */

const char *invocation_flag(const struct invocation *in, const char *name, size_t at)
{
    for (size_t i = 0; i < in->own_count; i++)
        if (strcmp(in->own[i].name, name) == 0 && at-- == 0)
            return in->own[i].value;
    return NULL;
}

bool invocation_number(const struct invocation *in, const char *name, int64_t least, int64_t most, int64_t *value)
{
    const char *text = invocation_flag(in, name, 0);
    uint64_t number;
    char what[80];

    if (text == NULL)
        return true;
    if (slice_to_u64(slice_text(text), &number) && (int64_t)number >= least && (int64_t)number <= most) {
        *value = (int64_t)number;
        return true;
    }
    snprintf(what, sizeof(what), "wants a number from %lld to %lld", (long long)least, (long long)most);
    bad_flag(in, name, what);
    return false;
}

/* A command that only has to find the ledger does its work while the configuration has mistakes: an operator must not lose the tools by a slip in an editor. */
static bool finds_its_ledger(const struct invocation *in, const struct config *config)
{
    if (in->command->takes_options || !config->ledger_named)
        return false;
    fprintf(stderr, "stream2sqs %s: the configuration has mistakes (`stream2sqs check` says them): only its ledger, %s, is looked at\n", in->command->name,
            config->ledger);
    return true;
}

bool invocation_load(const struct invocation *in, struct config *config)
{
    struct buffer problems = {0};
    bool good = config_load(config, &in->line, environment_lookup, &problems);

    if (!good && finds_its_ledger(in, config)) {
        buffer_fini(&problems);
        return true;
    }
    if (!good && in->json)
        print_error(ERROR_CONFIG, problems.ptr);
    if (!good)
        fprintf(stderr, "%s", problems.ptr);
    buffer_fini(&problems);
    if (!good)
        config_fini(config);
    return good;
}

void invocation_warnings(const struct invocation *in, const struct config *config, struct buffer *out)
{
    bool nothing = in->line.config_file == NULL && config->pipeline_count == 0 && config->queue_count == 0;

    config_environment_warnings(environ, out);
    if (nothing && in->command->takes_options && access("stream2sqs.yaml", F_OK) == 0)
        buffer_append_text(out, "stream2sqs.yaml is here, and is not read: --config stream2sqs.yaml would\n");
}

bool invocation_config(const struct invocation *in, struct config *config)
{
    struct buffer warnings = {0};

    if (!invocation_load(in, config))
        return false;
    invocation_warnings(in, config, &warnings);
    if (warnings.len > 0)
        fputs(warnings.ptr, stderr);
    buffer_fini(&warnings);
    return true;
}

int invocation_fail(const struct invocation *in, const struct error *err)
{
    struct buffer text = {0};

    if (in->json)
        print_error(err->code, err->text);
    text_append_printable(&text, slice_text(err->text));
    fprintf(stderr, "stream2sqs %s: %s\n", in->command->name, text.ptr);
    buffer_fini(&text);
    return error_exit_status(err->code);
}

int invocation_usage(const struct invocation *in, const char *what)
{
    if (in->json)
        print_error(ERROR_USAGE, what);
    fprintf(stderr, "stream2sqs %s: %s\nusage: stream2sqs %s [flags]%s%s; more: stream2sqs help %s\n", in->command->name, what, in->command->name,
            in->command->arguments[0] ? " " : "", in->command->arguments, in->command->name);
    return error_exit_status(ERROR_USAGE);
}
