/* SPDX-License-Identifier: Apache-2.0
 *
 * Shell completions and the manual page, from the same tables as --help.
 */
#include "app/command.h"

#include <stdio.h>

/* ---- completions ---- */

static void flag_word(void *context, const struct option_text *option)
{
    fprintf(context, " --%s", option->flag);
}

static void command_words(const struct command *c)
{
    fputs("--config --ledger --json --color --help", stdout);
    for (const struct command_flag *f = c->flags; f && f->name; f++)
        printf(" --%s", f->name);
    if (c->takes_options)
        config_options(flag_word, stdout);
}

static void print_bash(void)
{
    fputs("_stream2sqs() {\n    local words\n    if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"help", stdout);
    for (const struct command *const *c = commands; *c; c++)
        printf(" %s", (*c)->name);
    fputs("\"\n    else\n        case \"${COMP_WORDS[1]}\" in\n", stdout);
    for (const struct command *const *c = commands; *c; c++) {
        printf("        %s) words=\"", (*c)->name);
        command_words(*c);
        fputs("\" ;;\n", stdout);
    }
    fputs("        esac\n    fi\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" -f -- \"${COMP_WORDS[COMP_CWORD]}\")\n}\n"
          "complete -F _stream2sqs stream2sqs\n",
          stdout);
}

static void print_zsh(void)
{
    fputs("#compdef stream2sqs\nautoload -U +X bashcompinit && bashcompinit\n", stdout);
    print_bash();
}

static void fish_option(void *context, const struct option_text *option)
{
    printf("complete -c stream2sqs -n '__fish_seen_subcommand_from %s' -l %s%s -d '", (const char *)context, option->flag,
           option->takes && option->takes[0] ? " -r" : "");
    for (const char *help = option->help; *help; help++) /* an apostrophe would end the text */
        putchar(*help == '\'' ? ' ' : *help);
    puts("'");
}

static void print_fish(void)
{
    for (const struct command *const *c = commands; *c; c++) {
        printf("complete -c stream2sqs -f -n __fish_use_subcommand -a %s -d '%s'\n", (*c)->name, (*c)->summary);
        for (const struct command_flag *f = (*c)->flags; f && f->name; f++)
            fish_option((void *)(uintptr_t)(*c)->name, &(struct option_text){.flag = f->name, .takes = f->takes, .help = f->help});
        if ((*c)->takes_options)
            config_options(fish_option, (void *)(uintptr_t)(*c)->name);
    }
}

static int run_completion(struct invocation *in)
{
    const char *shell = in->argument_count == 1 ? in->arguments[0] : "";

    if (strcmp(shell, "bash") == 0)
        print_bash();
    else if (strcmp(shell, "zsh") == 0)
        print_zsh();
    else if (strcmp(shell, "fish") == 0)
        print_fish();
    else
        return invocation_usage(in, "wanted bash, zsh or fish");
    return 0;
}

const struct command cmd_completion = {
    .name = "completion",
    .arguments = "bash|zsh|fish",
    .summary = "print a shell's completions",
    .help = "Prints completions to be sourced, or installed where the shell looks for them.\n\n  source <(stream2sqs completion bash)",
    .run = run_completion,
};

/* ---- the manual page ---- */

static void roff(const char *text)
{
    for (; *text; text++) {
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
    }
}

static void man_flag(void *context, const struct option_text *option)
{
    (void)context;
    fputs(".TP\n.B \\-\\-", stdout);
    roff(option->flag);
    putchar(' ');
    roff(option->takes ? option->takes : "");
    putchar('\n');
    roff(option->help);
    if (option->default_text && option->default_text[0]) {
        fputs(" (default: ", stdout);
        roff(option->default_text);
        putchar(')');
    }
    if (option->at_reload)
        printf(" [%s]", option->at_reload);
    putchar('\n');
}

static void man_help(const char *help)
{
    for (const char *line = help; *line;) {
        size_t n = strcspn(line, "\n");

        if (n == 0) {
            puts(".PP");
        } else {
            char text[400];

            snprintf(text, sizeof(text), "%.*s", (int)n, line);
            if (strncmp(text, "  ", 2) == 0)
                fputs(".nf\n", stdout);
            roff(text);
            putchar('\n');
            if (strncmp(text, "  ", 2) == 0)
                fputs(".fi\n", stdout);
        }
        line += n + (line[n] == '\n');
    }
}

static int run_man(struct invocation *in)
{
    (void)in;
    puts(".TH STREAM2SQS 1 \"\" \"stream2sqs " S2Q_VERSION "\" \"User Commands\"\n.SH NAME\nstream2sqs \\- the bridge from DynamoDB Streams to queues\n"
         ".SH SYNOPSIS\n.B stream2sqs\n.I COMMAND\n[flags]\n.SH COMMANDS");
    for (const struct command *const *c = commands; *c; c++) {
        printf(".SS %s %s\n", (*c)->name, (*c)->arguments);
        roff((*c)->summary);
        puts("\n.PP");
        man_help((*c)->help);
        for (const struct command_flag *f = (*c)->flags; f && f->name; f++)
            man_flag(NULL, &(struct option_text){.flag = f->name, .takes = f->takes, .help = f->help});
    }
    puts(".SH OPTIONS\nEach is a flag, and a name of the configuration file (with _ for \\-); those that concern no stream and no queue are also environment "
         "variables: STREAM2SQS_LEDGER and so on. [reload]: a reload takes up a change; [new]: only for a stream or queue that is new to the ledger; "
         "[restart]: it does not.");
    config_options(man_flag, NULL);
    puts(".SH EXIT STATUS\n0: done. 64: usage. 65: bad data, or a damaged ledger. 66: not found. 69: a server does not answer. 70: the ledger is of a newer "
         "version. 71: the operating system refused something. 73: no room. 74: a write failed. 75: the ledger is in use. 77: credentials. 78: configuration. "
         "audit: 0 whole, 1 with gaps, 2 does not add up.");
    return 0;
}

const struct command cmd_man = {
    .name = "man",
    .arguments = "",
    .summary = "print the manual page (roff)",
    .help = "Prints the manual page.\n\n  stream2sqs man | man -l -",
    .run = run_man,
};
