/* SPDX-License-Identifier: Apache-2.0
 *
 * subscriptions: which queues get what a shard reads, in the ledger's tallies. While a queue is not in the configuration, or not fed by the shard's stream, the
 * shard's reading does not count for it, so that `audit` adds up when it is taken out and put in again.
 */
#ifndef S2Q_CORE_SUBSCRIPTIONS_H
#define S2Q_CORE_SUBSCRIPTIONS_H

#include "store/ledger.h"

enum fed { NOT_FED, FED, FED_OTHERWISE /* leave its tally alone */ };
/* Inside the ledger's transaction. fed: does the source of that name feed the queue? */
void subscriptions_update(struct database *db, enum fed (*fed)(void *context, const char *source, int64_t queue), void *context);

#endif
