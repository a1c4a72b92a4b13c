/* SPDX-License-Identifier: Apache-2.0
 *
 * control: how a command changes something: through the daemon when one runs on the ledger, else on the ledger itself.
 */
#ifndef S2Q_APP_CONTROL_H
#define S2Q_APP_CONTROL_H

#include "base/error.h"

#include <jansson.h>

/* operation: "status" and "reload" (a running daemon only; ERROR_UNAVAILABLE: none runs), "dead/redrive", "dead/drop", "gaps/acknowledge";
 * "sqs/<operation of SQS>" (a running daemon only, too). The request is borrowed; the answer is the caller's to json_decref. */
MUST_USE bool control_call(const char *ledger, const char *operation, json_t *request, json_t **answer, struct error *err);

#endif
