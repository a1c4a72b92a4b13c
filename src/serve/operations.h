/* SPDX-License-Identifier: Apache-2.0
 *
 * operations: what an operator may ask a bridge to change, in JSON; the same through a running daemon's control socket and on a ledger that nobody serves.
 *
 * dead/redrive, dead/drop: {"queue": NAME, "ids": [message ids]} or {"queue": NAME, "all": true} -> {"moved": n, "not_dead": [ids]}
 * gaps/acknowledge: {} -> {"acknowledged": n}
 */
#ifndef S2Q_SERVE_OPERATIONS_H
#define S2Q_SERVE_OPERATIONS_H

#include "core/bridge.h"

#include <jansson.h>

/* Applies it to the open cycle: it holds after the next commit. NULL, and *answer is the caller's; or what is wrong (a literal). */
const char *operation_apply(struct bridge *b, struct slice operation, json_t *request, struct instant now, json_t **answer);

#endif
