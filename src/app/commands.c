/* SPDX-License-Identifier: Apache-2.0
 *
 * commands: the table of commands, in the order in which `help` lists them.
 */
#include "app/command.h"

extern const struct command cmd_run, cmd_check, cmd_version;

const struct command *const commands[] = {
    &cmd_run, &cmd_check, &cmd_version, NULL,
};
