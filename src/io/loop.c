/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop.h"

#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 256

struct loop {
    int epoll_fd;
    struct epoll_event events[EVENTS_AT_ONCE];
    int count; /* of the events being dispatched */
    int at;
};

struct loop *loop_new(struct error *err)
{
    struct loop *l = memory_zeroed(1, sizeof(*l));

    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd >= 0)
        return l;
    error_set(err, ERROR_SYSTEM, "epoll_create1: %s", strerror(errno));
    free(l);
    return NULL;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    close(l->epoll_fd);
    free(l);
}

void loop_watch(struct loop *l, struct watch *w, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};

    if (w->watched && epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &event) == 0)
        return;
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, w->fd, &event) != 0)
        panic("cannot watch descriptor %d: %s", w->fd, strerror(errno));
    w->watched = true;
}

void loop_unwatch(struct loop *l, struct watch *w)
{
    if (!w->watched)
        return;
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL); /* closed already: then there is nothing to remove */
    w->watched = false;
    for (int i = l->at; i < l->count; i++)
        if (l->events[i].data.ptr == w)
            l->events[i].data.ptr = NULL;
}

int loop_wait(struct loop *l, int64_t timeout_ms)
{
    int timeout = timeout_ms < 0 ? -1 : timeout_ms > 60000 ? 60000 : (int)timeout_ms;
    int got;

    l->count = epoll_wait(l->epoll_fd, l->events, EVENTS_AT_ONCE, timeout);
    if (l->count < 0 && errno != EINTR)
        panic("epoll_wait: %s", strerror(errno));
    for (l->at = 0; l->at < l->count;) {
        struct epoll_event *event = &l->events[l->at++];
        struct watch *w = event->data.ptr;

        if (w)
            w->ready(w, event->events);
    }
    got = l->count > 0 ? l->count : 0;
    l->count = l->at = 0;
    return got;
}
