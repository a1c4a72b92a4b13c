/* SPDX-License-Identifier: Apache-2.0
 *
 * reach: can what is configured be reached? Credentials, endpoints, tables and their streams; for `check`.
 */
#ifndef S2Q_APP_REACH_H
#define S2Q_APP_REACH_H

#include "app/config.h"

/* One line a problem. True: none. Blocks for as long as AWS takes to answer (at most half a minute a stream). */
bool reach(const struct config *config, struct buffer *problems);

#endif
