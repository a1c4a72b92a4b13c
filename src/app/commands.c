/* SPDX-License-Identifier: Apache-2.0
 *
 * commands: the table of commands, in the order in which `help` lists them.
 */
#include "app/command.h"

extern const struct command cmd_run, cmd_check, cmd_status, cmd_trace, cmd_audit, cmd_records, cmd_filter, cmd_queue, cmd_consume, cmd_dead, cmd_replay,
    cmd_reload, cmd_policy, cmd_completion, cmd_man, cmd_version;

const struct command *const commands[] = {
    &cmd_run,  &cmd_check,  &cmd_status, &cmd_trace,  &cmd_audit,      &cmd_records, &cmd_filter,  &cmd_queue, &cmd_consume,
    &cmd_dead, &cmd_replay, &cmd_reload, &cmd_policy, &cmd_completion, &cmd_man,     &cmd_version, NULL,
};
