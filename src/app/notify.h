/* SPDX-License-Identifier: Apache-2.0
 *
 * notify: tells systemd how it goes, where systemd asked for it (NOTIFY_SOCKET, WATCHDOG_USEC: sd_notify(3)); elsewhere it does nothing.
 */
#ifndef S2Q_APP_NOTIFY_H
#define S2Q_APP_NOTIFY_H

#include <stdbool.h>

struct notify {
    int fd; /* -1: nobody asked */
    bool watchdog;
};

void notify_init(struct notify *n);
void notify_ready(struct notify *n);
void notify_stopping(struct notify *n);
/* notify_ready follows when it is done (Type=notify-reload). */
void notify_reloading(struct notify *n);
/* To be called more often than half of WatchdogSec=; every second is. */
void notify_watchdog(struct notify *n);

#endif
