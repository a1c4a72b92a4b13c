/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "io/loop.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct end {
    struct watch watch;
    struct loop *loop;
    struct end *other; /* unwatched when this one is ready */
    int calls;
    uint32_t events;
};

static void on_ready(struct watch *w, uint32_t events)
{
    struct end *e = w->context;

    e->calls++;
    e->events = events;
    if (e->other)
        loop_unwatch(e->loop, &e->other->watch);
}

static void end_init(struct end *e, struct loop *loop, int fd)
{
    *e = (struct end){.loop = loop};
    e->watch = (struct watch){.fd = fd, .ready = on_ready, .context = e};
}

static void what_is_ready_is_called_and_nothing_else(void **state)
{
    struct error err;
    struct loop *loop = loop_new(&err);
    struct end quiet;
    struct end loud;
    int a[2];
    int b[2];

    (void)state;
    assert_non_null(loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
    end_init(&quiet, loop, a[0]);
    end_init(&loud, loop, b[0]);
    loop_watch(loop, &quiet.watch, EPOLLIN);
    loop_watch(loop, &loud.watch, EPOLLIN | EPOLLRDHUP);
    loop_wait(loop, 0);
    assert_int_equal(loud.calls, 0);
    assert_int_equal(write(b[1], "x", 1), 1);
    loop_wait(loop, -1);
    assert_int_equal(loud.calls, 1);
    assert_int_equal(quiet.calls, 0);
    loop_watch(loop, &loud.watch, EPOLLRDHUP); /* changed: the byte that is still there does not count any more */
    loop_wait(loop, 0);
    assert_int_equal(loud.calls, 1);
    close(b[1]);
    loop_wait(loop, -1);
    assert_true(loud.events & EPOLLRDHUP);
    loop_unwatch(loop, &loud.watch);
    loop_wait(loop, 0);
    assert_int_equal(loud.calls, 2);
    close(a[0]);
    close(a[1]);
    close(b[0]);
    loop_free(loop);
}

/* Both are ready in the same round; the first to be called removes the other, which may be freed by then. */
static void an_unwatched_descriptor_is_not_called_in_the_same_round(void **state)
{
    struct error err;
    struct loop *loop = loop_new(&err);
    struct end first;
    struct end second;
    int a[2];
    int b[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
    end_init(&first, loop, a[0]);
    end_init(&second, loop, b[0]);
    first.other = &second;
    second.other = &first;
    loop_watch(loop, &first.watch, EPOLLIN);
    loop_watch(loop, &second.watch, EPOLLIN);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    loop_wait(loop, -1);
    assert_int_equal(first.calls + second.calls, 1);
    close(a[0]);
    close(a[1]);
    close(b[0]);
    close(b[1]);
    loop_free(loop);
}

static void a_wait_ends_in_time(void **state)
{
    struct error err;
    struct loop *loop = loop_new(&err);
    struct timespec before;
    struct timespec after;
    int64_t ms;

    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &before);
    loop_wait(loop, 20);
    clock_gettime(CLOCK_MONOTONIC, &after);
    ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    assert_in_range(ms, 19, 5000);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_ready_is_called_and_nothing_else),
        cmocka_unit_test(an_unwatched_descriptor_is_not_called_in_the_same_round),
        cmocka_unit_test(a_wait_ends_in_time),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
