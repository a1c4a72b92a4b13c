/* SPDX-License-Identifier: Apache-2.0
 *
 * reach: can what is configured be reached? Credentials, endpoints, tables and their streams; for `check`.
 */
#ifndef S2Q_APP_REACH_H
#define S2Q_APP_REACH_H

#include "app/config.h"

/* One line a problem. True: none. Blocks for as long as AWS takes to answer (at most half a minute a stream). places[i]: what queue i is on its server, for
 * config_duplicate_warnings; NULL where that was not told. The caller frees each. */
bool reach(const struct config *config, char **places, struct buffer *problems);

#endif
