/* SPDX-License-Identifier: Apache-2.0 */
#include "app/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void notify_init(struct notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len;

    *n = (struct notify){.fd = -1, .watchdog = getenv("WATCHDOG_USEC") != NULL};
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, strlen(path));
    len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* an abstract name */
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (n->fd >= 0 && connect(n->fd, (struct sockaddr *)&address, len) != 0) {
        close(n->fd);
        n->fd = -1;
    }
}

/* Best effort, as sd_notify(3) says: systemd acts on what does not come. */
static void say(const struct notify *n, const char *text)
{
    if (n->fd >= 0 && send(n->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return;
}

void notify_ready(struct notify *n)
{
    say(n, "READY=1");
}

void notify_reloading(struct notify *n)
{
    struct timespec at;
    char text[80];

    clock_gettime(CLOCK_MONOTONIC, &at);
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)at.tv_sec * 1000000 + at.tv_nsec / 1000);
    say(n, text);
}

void notify_stopping(struct notify *n)
{
    say(n, "STOPPING=1");
}

void notify_watchdog(struct notify *n)
{
    if (n->watchdog)
        say(n, "WATCHDOG=1");
}
