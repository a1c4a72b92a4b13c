/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_api: the SQS endpoint: one gate (SigV4) ahead of everything, then AWS JSON 1.0 or the Query protocol to exchanges of the bridge and back. What a
 * key's limits do not allow is refused before the bridge hears of it.
 *
 * Nothing is answered before its commit: replies leave by sqs_api_release, after bridge_commit. Refusals that touch no ledger leave at once.
 */
#ifndef S2Q_SERVE_SQS_API_H
#define S2Q_SERVE_SQS_API_H

#include "core/bridge.h"
#include "io/http_server.h"

struct sqs_api;
/* All are borrowed for its life. account_id: the bridge's own; keys of other accounts are guests. */
struct sqs_api *sqs_api_new(struct bridge *bridge, struct keyring *keys, const char *account_id);
/* Its clients come by TLS: queue URLs begin with https. */
void sqs_api_set_secure(struct sqs_api *api);
/* Other keys from now on; borrowed. Requests that were let in before, long polls too, are answered. */
void sqs_api_set_keys(struct sqs_api *api, struct keyring *keys);
/* After the HTTP server is gone. */
void sqs_api_free(struct sqs_api *api);
/* What to give to http_server_new. */
struct http_handlers sqs_api_handlers(struct sqs_api *api);
/* A request of the operator, who has come by the control socket and needs no signature: `action` in AWS JSON 1.0, on the bridge's own account and region. Its
 * client is gone: sqs_api_handlers' `gone`, as for the others. */
void sqs_api_operator(struct sqs_api *api, const struct http_request *request, struct slice action, const char *base_url);
/* Sends what the bridge has answered. */
void sqs_api_release(struct sqs_api *api);

struct sqs_api_counts {
    uint64_t requests[SQS_ACTION_COUNT];
    /* By operation (SQS_ACTION_COUNT: refused before it was known) and error ([SQS_OK]: none). */
    uint64_t replies[SQS_ACTION_COUNT + 1][SQS_ERROR_COUNT];
};
const struct sqs_api_counts *sqs_api_counts(const struct sqs_api *api);

#endif
