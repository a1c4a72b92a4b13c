/* SPDX-License-Identifier: Apache-2.0
 *
 * Shell completions and the manual page, from the same tables as --help.
 */
#include "app/command.h"

#include <stdio.h>
#include <string.h>

/* ---- what can be completed ---- */

#define GLOBAL_FLAGS "--config --ledger --json --color --help"

static void flag_word(void *context, const struct option_text *option)
{
    if (strcmp(option->flag, "ledger") != 0)
        fprintf(context, " --%s", option->flag);
}

static void print_flags(const struct command *c)
{
    fputs(GLOBAL_FLAGS, stdout);
    for (const struct command_flag *f = c->flags; f && f->name; f++)
        printf(" --%s", f->name);
    if (c->takes_options)
        config_options(flag_word, stdout);
}

static void print_commands(void)
{
    fputs("help", stdout);
    for (const struct command *const *c = commands; *c; c++)
        printf(" %s", (*c)->name);
}

/* The words that may stand first among a command's arguments: "list show" of "[list | show QUEUE]". Returns how many; print: false only counts. */
static int print_first_words(const struct command *c, bool print)
{
    const char *p = c->arguments;
    int count = 0;

    while (*p) {
        size_t len;

        p += strspn(p, "[| ");
        len = strspn(p, "abcdefghijklmnopqrstuvwxyz");
        if (len > 0 && print)
            printf("%s%.*s", count ? " " : "", (int)len, p);
        count += len > 0;
        p += strcspn(p, "|");
    }
    return count;
}

/* "auto|text|json": a choice of words. */
static bool is_choice(const char *takes)
{
    return takes && strchr(takes, '|') && takes[strspn(takes, "abcdefghijklmnopqrstuvwxyz0123456789_|")] == '\0';
}

static void print_choice(const char *takes)
{
    for (; *takes; takes++)
        putchar(*takes == '|' ? ' ' : *takes);
}

/* For each flag that takes one of a few words, once. */
static void each_choice(void (*each)(void *context, const struct option_text *option))
{
    each(NULL, &(struct option_text){.flag = "color", .takes = "auto|always|never"});
    for (const struct command *const *c = commands; *c; c++)
        for (const struct command_flag *f = (*c)->flags; f && f->name; f++)
            each(NULL, &(struct option_text){.flag = f->name, .takes = f->takes});
    config_options(each, NULL);
}

/* ---- shells ---- */

static void bash_choice(void *context, const struct option_text *option)
{
    (void)context;
    if (!is_choice(option->takes))
        return;
    printf("        --%s) words=\"", option->flag);
    print_choice(option->takes);
    fputs("\"; files= ;;\n", stdout);
}

static void print_bash(void)
{
    fputs("_stream2sqs() {\n    local words= files=-f word=\"${COMP_WORDS[COMP_CWORD]}\"\n    case \"${COMP_WORDS[1]}\" in\n", stdout);
    for (const struct command *const *c = commands; *c; c++) {
        printf("        %s) words=\"", (*c)->name);
        print_flags(*c);
        fputs("\"", stdout);
        if (print_first_words(*c, false) > 0) {
            fputs("; [ \"$COMP_CWORD\" -eq 2 ] && words=\"$words ", stdout);
            print_first_words(*c, true);
            fputs("\" && files=", stdout);
        }
        fputs(" ;;\n", stdout);
    }
    fputs("    esac\n    case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n", stdout);
    each_choice(bash_choice);
    fputs("        help) words=\"", stdout);
    print_commands();
    fputs("\"; files= ;;\n    esac\n    if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"", stdout);
    print_commands();
    fputs("\"; files=; fi\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" $files -- \"$word\")\n"
          "    [ -z \"$files\" ] || compopt -o filenames 2>/dev/null\n}\ncomplete -F _stream2sqs stream2sqs\n", stdout);
}

static void zsh_choice(void *context, const struct option_text *option)
{
    (void)context;
    if (!is_choice(option->takes))
        return;
    printf("        --%s) compadd -- ", option->flag);
    print_choice(option->takes);
    fputs("; return ;;\n", stdout);
}

static void print_zsh(void)
{
    fputs("#compdef stream2sqs\n_stream2sqs() {\n    local -a list\n    if (( CURRENT == 2 )) || [[ ${words[2]} == help ]]; then\n        compadd -- ", stdout);
    print_commands();
    fputs("\n        return\n    fi\n    case ${words[CURRENT-1]} in\n", stdout);
    each_choice(zsh_choice);
    fputs("    esac\n    case ${words[2]} in\n", stdout);
    for (const struct command *const *c = commands; *c; c++) {
        printf("        %s) list=(", (*c)->name);
        print_flags(*c);
        fputs(")", stdout);
        if (print_first_words(*c, false) > 0) {
            fputs("; (( CURRENT == 3 )) && list+=(", stdout);
            print_first_words(*c, true);
            fputs(")", stdout);
        }
        fputs(" ;;\n", stdout);
    }
    fputs("    esac\n    compadd -a list\n    _files\n}\n"
          "if [[ ${funcstack[1]} == _stream2sqs ]]; then _stream2sqs \"$@\"; else compdef _stream2sqs stream2sqs; fi\n",
          stdout);
}

/* Between apostrophes. */
static void fish_text(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        printf("%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
    putchar('\'');
}

static void fish_option(void *context, const struct option_text *option)
{
    printf("complete -c stream2sqs -n '__fish_seen_subcommand_from %s' -l %s", (const char *)context, option->flag);
    if (is_choice(option->takes)) {
        fputs(" -x -a '", stdout);
        print_choice(option->takes);
        putchar('\'');
    } else if (option->takes && option->takes[0]) {
        fputs(" -r", stdout);
    }
    fputs(" -d ", stdout);
    fish_text(option->help);
    putchar('\n');
}

static void print_fish(void)
{
    fputs("complete -c stream2sqs -f -n __fish_use_subcommand -a help -d 'say what a command does'\n"
          "complete -c stream2sqs -f -n '__fish_seen_subcommand_from help' -a '", stdout);
    print_commands();
    puts("'");
    for (const struct command *const *c = commands; *c; c++) {
        printf("complete -c stream2sqs -f -n __fish_use_subcommand -a %s -d ", (*c)->name);
        fish_text((*c)->summary);
        putchar('\n');
        if (print_first_words(*c, false) > 0) {
            printf("complete -c stream2sqs -f -n '__fish_seen_subcommand_from %s' -a '", (*c)->name);
            print_first_words(*c, true);
            puts("'");
        }
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
         "variables: STREAM2SQS_LEDGER and so on. [reload]: a reload takes up a change; [new]: only for a stream that the ledger does not know, or a "
         "queue that no stream has fed; "
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
