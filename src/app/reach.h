/* SPDX-License-Identifier: Apache-2.0
 *
 * reach: can what is configured be reached? Credentials, endpoints, tables and their streams; for `check`.
 */
#ifndef S2Q_APP_REACH_H
#define S2Q_APP_REACH_H

#include "app/config.h"

/* What was learned on the way; NULL where it was not told. */
struct reached {
    char **places; /* what each queue is on its server, for config_duplicate_warnings */
    char **views;  /* each pipeline's StreamViewType */
};

/* One line a problem. True: none. Blocks for as long as AWS takes to answer (at most half a minute a stream). Fills in *reached, also on failure. */
bool reach(const struct config *config, struct reached *reached, struct buffer *problems);
void reached_fini(struct reached *reached, const struct config *config);

#endif
