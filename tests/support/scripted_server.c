/* SPDX-License-Identifier: Apache-2.0 */
#include "support/scripted_server.h"

#include "support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void hang_up(struct scripted_connection *c)
{
    loop_unwatch(c->server->loop, &c->watch);
    close(c->watch.fd);
    c->watch.fd = -1;
    buffer_fini(&c->heard);
}

/* Is all of it there: the headers, and as many bytes as Content-Length says? */
static bool whole(const struct buffer *heard)
{
    const char *end = strstr(heard->ptr, "\r\n\r\n");
    const char *length = strcasestr(heard->ptr, "\r\nContent-Length:");
    size_t want = length && length < end ? strtoul(length + 17, NULL, 10) : 0;

    return end && heard->len >= (size_t)(end + 4 - heard->ptr) + want;
}

static void ready(struct watch *w, uint32_t events)
{
    struct scripted_connection *c = w->context;
    struct scripted_server *s = c->server;
    struct buffer answer = {0};
    char chunk[4096];
    ssize_t n = recv(w->fd, chunk, sizeof(chunk), 0);

    (void)events;
    if (n <= 0) {
        hang_up(c);
        return;
    }
    buffer_append(&c->heard, slice_from(chunk, (size_t)n));
    if (!whole(&c->heard))
        return;
    s->requests++;
    snprintf(s->last, sizeof(s->last), "%s", c->heard.ptr);
    s->script(s->context, s->last, &answer);
    if (answer.len > 0)
        assert_int_equal(send(w->fd, answer.ptr, answer.len, MSG_NOSIGNAL), answer.len);
    buffer_fini(&answer);
    hang_up(c);
}

static void accepted(struct watch *w, uint32_t events)
{
    struct scripted_server *s = w->context;
    int fd = accept(w->fd, NULL, NULL);

    (void)events;
    assert_true(fd >= 0);
    for (int i = 0; i < SCRIPTED_CONNECTIONS; i++) {
        struct scripted_connection *c = &s->connections[i];

        if (c->watch.fd >= 0)
            continue;
        *c = (struct scripted_connection){.server = s, .watch = {.fd = fd, .ready = ready, .context = c}};
        loop_watch(s->loop, &c->watch, EPOLLIN);
        return;
    }
    fail_msg("too many connections");
}

void scripted_server_init(struct scripted_server *s, struct loop *loop, void (*script)(void *context, const char *request, struct buffer *answer),
                          void *context)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    *s = (struct scripted_server){.loop = loop, .script = script, .context = context};
    for (int i = 0; i < SCRIPTED_CONNECTIONS; i++)
        s->connections[i].watch.fd = -1;
    s->listener = (struct watch){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .ready = accepted, .context = s};
    assert_int_equal(bind(s->listener.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(s->listener.fd, 8), 0);
    assert_int_equal(getsockname(s->listener.fd, (struct sockaddr *)&address, &len), 0);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    loop_watch(loop, &s->listener, EPOLLIN);
}

void scripted_server_fini(struct scripted_server *s)
{
    for (int i = 0; i < SCRIPTED_CONNECTIONS; i++)
        if (s->connections[i].watch.fd >= 0)
            hang_up(&s->connections[i]);
    loop_unwatch(s->loop, &s->listener);
    close(s->listener.fd);
}

void scripted_answer(struct buffer *answer, int status, const char *headers, const char *body)
{
    buffer_printf(answer, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, headers, strlen(body), body);
}
