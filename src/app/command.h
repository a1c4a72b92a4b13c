/* SPDX-License-Identifier: Apache-2.0
 *
 * command: the command line: which command, with which flags, and how each explains itself.
 *
 * Exit statuses: 0, or that of the error's code (base/error.h, after sysexits.h); audit has its own (0, 1, 2).
 */
#ifndef S2Q_APP_COMMAND_H
#define S2Q_APP_COMMAND_H

#include "app/config.h"

struct command_flag {
    const char *name;  /* without dashes; NULL ends the list */
    const char *takes; /* NULL: nothing */
    const char *help;
};

struct invocation;
struct command {
    const char *name;
    const char *arguments; /* for the usage line: "[QUEUE]"; "" : none */
    const char *summary;   /* one line */
    const char *help;      /* paragraphs, with an example */
    const struct command_flag *flags; /* of its own; NULL: none */
    bool takes_options;    /* every option of the configuration is a flag; else only --config and --ledger are */
    int (*run)(struct invocation *in); /* the exit status */
};

struct invocation {
    const struct command *command;
    struct command_line line; /* flags of the configuration */
    const char **arguments;
    size_t argument_count;
    struct config_flag *own;  /* the command's own flags */
    size_t own_count;
    bool json;
    const char *color;        /* auto, always, never */
};

extern const struct command *const commands[]; /* NULL-terminated */

int command_main(int argc, char **argv);

/* The value of one of the command's own flags ("" for one that takes nothing); NULL: not given. `at`: 0 for the first time it was given, ... */
const char *invocation_flag(const struct invocation *in, const char *name, size_t at);
/* A flag that is a number from least to most; false: it is not, and that was said. */
bool invocation_number(const struct invocation *in, const char *name, int64_t least, int64_t most, int64_t *value);
/* Loads the configuration of a command, and says its warnings; false: it was said what is wrong, exit with 78. */
bool invocation_config(const struct invocation *in, struct config *config);
/* Appends lines: names in the environment that are no options, a stream2sqs.yaml in this directory that nobody named. */
void invocation_warnings(const struct invocation *in, const struct config *config, struct buffer *out);
/* The same for one that has a log for warnings (config_environment_warnings). */
bool invocation_load(const struct invocation *in, struct config *config);
/* Says the error on standard error (or as JSON on standard output with --json), and returns its exit status. */
int invocation_fail(const struct invocation *in, const struct error *err);
/* Says how the command is used, and returns 64. */
int invocation_usage(const struct invocation *in, const char *what);

#endif
