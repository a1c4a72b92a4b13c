/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon: the process: wiring, and the loop. The place to begin reading.
 */
#ifndef S2Q_APP_DAEMON_H
#define S2Q_APP_DAEMON_H

#include "app/config.h"

/* How the configuration is read again at SIGHUP, and when `stream2sqs reload` asks for it: as config_load. */
struct daemon_reload {
    bool (*load)(void *context, struct config *config, struct buffer *problems);
    void *context;
};

/* Runs until SIGTERM or SIGINT. Returns the exit status; an error of the start is in *err (its code gives the status), and false. */
MUST_USE bool daemon_run(const struct config *config, const struct daemon_reload *reload, struct error *err);

#endif
