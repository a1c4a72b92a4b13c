/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP server against raw bytes, and the client against the server and against servers that misbehave; all in one loop and one thread.
 */
#include "support/temporary.h"
#include "support/test.h"

#include "base/clock.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/tls_files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 5000

struct world {
    struct loop *loop;
    struct http_server *server;
    bool hold;                     /* requests are not answered at once */
    struct http_exchange *held[8]; /* not answered yet */
    int held_count;
    int requests;
    int gone;
    char path[200];
    char query[200];
    size_t body_bytes;
    size_t header_count;
};

static void answer(struct http_exchange *exchange, const char *text)
{
    static const struct header header = {{"X-Test", 6}, {"yes", 3}};
    const struct http_reply reply = {.status = 200, .content_type = "text/plain", .headers = &header, .header_count = 1};
    struct buffer body = {0};

    buffer_append_text(&body, text);
    http_reply(exchange, &reply, &body);
}

static void answer_bytes(struct http_exchange *exchange, size_t bytes)
{
    const struct http_reply reply = {.status = 200, .content_type = "text/plain"};
    struct buffer body = {0};

    buffer_reserve(&body, bytes);
    memset(body.ptr, 'x', bytes);
    body.len = bytes;
    http_reply(exchange, &reply, &body);
}

static void on_request(void *context, const struct http_request *r)
{
    struct world *w = context;

    w->requests++;
    snprintf(w->path, sizeof(w->path), "%.*s", SLICE_ARG(r->signed_part.path));
    snprintf(w->query, sizeof(w->query), "%.*s", SLICE_ARG(r->signed_part.query));
    w->body_bytes = r->signed_part.body.len;
    w->header_count = r->signed_part.header_count;
    http_exchange_set(r->exchange, w);
    if (w->hold)
        w->held[w->held_count++] = r->exchange;
    else
        answer(r->exchange, "hello");
}

static void on_gone(void *context, struct http_exchange *exchange)
{
    struct world *w = context;

    assert_ptr_equal(http_exchange_get(exchange), w);
    w->gone++;
    w->held_count = 0;
}

static struct http_server_options options(const char *listen_at)
{
    return (struct http_server_options){.listen = listen_at, .body_max = 100000, .memory_max = 250000, .connections_max = 50, .request_timeout_s = 1};
}

static void world_init_as(struct world *w, struct http_server_options o)
{
    const struct http_handlers handlers = {.request = on_request, .gone = on_gone, .context = w};
    struct error err;

    *w = (struct world){.hold = false};
    w->loop = loop_new(&err);
    w->server = http_server_new(w->loop, &o, &handlers, &err);
    if (w->server == NULL)
        fail_msg("%s", err.text);
}

static void world_init(struct world *w, const char *listen_at)
{
    world_init_as(w, options(listen_at));
}

static void world_fini(struct world *w)
{
    http_server_free(w->server);
    loop_free(w->loop);
}

static void turn(struct world *w, int64_t most_ms)
{
    int64_t wait = http_server_prepare(w->server);

    loop_wait(w->loop, wait < 0 || wait > most_ms ? most_ms : wait);
}

static int dial(const struct world *w)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http_server_port(w->server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void say(struct world *w, int fd, struct slice bytes)
{
    int64_t end = clock_now().mono_ms + PATIENCE_MS;

    while (bytes.len > 0 && clock_now().mono_ms < end) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        if (n > 0)
            bytes = slice_after(bytes, (size_t)n);
        else if (errno != EAGAIN)
            return; /* it was closed on us */
        turn(w, 1);
    }
}

/* Reads until `part` has come (NULL: until the connection is closed). */
static char *hear(struct world *w, int fd, const char *part)
{
    static char text[65536];
    int64_t end = clock_now().mono_ms + PATIENCE_MS;
    size_t len = 0;

    text[0] = '\0';
    while (clock_now().mono_ms < end) {
        ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);

        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            if (part)
                fail_msg("closed before \"%s\" came: %s", part, text);
            return text;
        }
        if (n > 0) {
            len += (size_t)n;
            text[len] = '\0';
            if (part && strstr(text, part))
                return text;
        }
        turn(w, 2);
    }
    fail_msg("%s did not come: %s", part ? part : "the end", text);
    return text;
}

#define GET "GET /a%20b?x=%41&y HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nx-two: 2\r\n\r\n"

static void requests_are_handed_over_as_they_were_sent(void **state)
{
    struct world w;
    int fd;

    (void)state;
    world_init(&w, "127.0.0.1:0");
    fd = dial(&w);
    say(&w, fd, SLICE(GET));
    assert_non_null(strstr(hear(&w, fd, "hello"), "HTTP/1.1 200 OK\r\n"));
    assert_string_equal(w.path, "/a%20b");
    assert_string_equal(w.query, "x=%41&y");
    assert_int_equal(w.header_count, 3);
    say(&w, fd, SLICE("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345")); /* the connection is kept */
    assert_non_null(strstr(hear(&w, fd, "hello"), "X-Test: yes\r\n"));
    assert_int_equal(w.body_bytes, 5);
    say(&w, fd, SLICE("\r\nPOST / HTTP/1.1\r\nHOST:[::1]:80\r\nX-Empty:\r\nX-Blank: \t a  b \t\r\nX-Far: \xc3\xa9\r\ncontent-length:\t003\r\n\r\nabc"));
    hear(&w, fd, "hello"); /* odd, but as the RFC allows it */
    assert_int_equal(w.body_bytes, 3);
    say(&w, fd, SLICE("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_null(strstr(hear(&w, fd, "\r\n\r\n"), "hello"));
    say(&w, fd, SLICE("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
    hear(&w, fd, "100 Continue\r\n\r\n");
    say(&w, fd, SLICE("ab"));
    hear(&w, fd, "hello");
    close(fd);
    world_fini(&w);
}

#define LITERAL(text) {text, sizeof(text) - 1}

static void what_is_malformed_or_too_much_is_refused(void **state)
{
    static const struct {
        struct slice what;
        const char *status; /* NULL: closed, whatever is said */
    } cases[] = {
        {LITERAL("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), " 400 "},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), " 400 "},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"), " 400 "},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), " 400 "},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"), NULL},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx"), NULL},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n"), NULL},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n"), " 413 "},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), " 411 "},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"), " 411 "},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"), " 411 "},
        {LITERAL("GET / HTTP/1.1\nHost: a\r\n\r\n"), " 400 "}, /* bare line feeds, in each place */
        {LITERAL("GET / HTTP/1.1\r\nHost: a\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\r\n\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"), " 400 "}, /* folded */
        {LITERAL("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"), " 400 "}, /* NULs: what is behind them others would read */
        {LITERAL("GET / HTTP/1.1\r\nHost: a\r\nX: a\0\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"), " 400 "},
        {LITERAL("GET /\0b HTTP/1.1\r\nHost: a\r\n\r\n"), " 400 "},
        {LITERAL("GET\0 / HTTP/1.1\r\nHost: a\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\0\r\nHost: a\r\n\r\n"), " 400 "},
        {LITERAL("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\0 2\r\n\r\nx"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"), " 400 "},
        {LITERAL("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), " 400 "},
        {LITERAL("GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n"), " 400 "},
        {LITERAL("GET / HTTP/1.1\r\nHost:\r\n\r\n"), " 400 "},
        {LITERAL("PUT / HTTP/1.1\r\nHost: a\r\n\r\n"), " 405 "},
        {LITERAL("CONNECT h:1 HTTP/1.1\r\nHost: a\r\n\r\n"), " 405 "},
        {LITERAL("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n"), NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        char *said;
        int fd;

        world_init(&w, "127.0.0.1:0");
        fd = dial(&w);
        say(&w, fd, cases[i].what);
        said = hear(&w, fd, NULL);
        if (w.requests > 0 || (cases[i].status && strstr(said, cases[i].status) == NULL) || strstr(said, " 200 "))
            fail_msg("case %zu: %.*s\n-> %s", i, SLICE_ARG(cases[i].what), said);
        close(fd);
        world_fini(&w);
    }
}

static void floods_and_slow_senders_are_cut_off(void **state)
{
    struct world w;
    struct buffer flood = {0};
    int fd;

    (void)state;
    world_init(&w, "127.0.0.1:0");
    buffer_append_text(&flood, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 101; i++)
        buffer_printf(&flood, "H%d: x\r\n", i);
    buffer_append_text(&flood, "\r\n");
    fd = dial(&w);
    say(&w, fd, buffer_slice(&flood));
    assert_non_null(strstr(hear(&w, fd, NULL), " 431 "));
    close(fd);
    buffer_reset(&flood);
    buffer_append_text(&flood, "GET / HTTP/1.1\r\nHost: ");
    for (int i = 0; i < 100000; i++)
        buffer_append_byte(&flood, 'x');
    fd = dial(&w);
    say(&w, fd, buffer_slice(&flood)); /* one header that never ends */
    assert_null(strstr(hear(&w, fd, NULL), " 200 "));
    close(fd);
    fd = dial(&w);
    say(&w, fd, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")); /* and then nothing: the time-out is a second */
    hear(&w, fd, NULL);
    close(fd);
    assert_int_equal(w.requests, 0);
    assert_true(http_server_counts(w.server).refused > 0);
    buffer_fini(&flood);
    world_fini(&w);
}

/* Each sends or takes a byte now and then, so that no connection is ever idle for long. */
static void who_drips_is_cut_off_all_the_same(void **state)
{
    enum { FIRST_LINE, HEADERS, BODY, ANSWER, CLIENTS };
    static const int64_t due_ms[CLIENTS] = {2000, 1000, 1000, 5000};
    struct http_server_options o = options("127.0.0.1:0");
    int64_t ended_ms[CLIENTS] = {0};
    int64_t began;
    struct world w;
    int fds[CLIENTS];

    (void)state;
    o.memory_max = 64 * 1024 * 1024;
    world_init_as(&w, o);
    w.hold = true;
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = dial(&w);
    say(&w, fds[ANSWER], SLICE(GET));
    for (int64_t end = clock_now().mono_ms + PATIENCE_MS; w.held_count == 0 && clock_now().mono_ms < end;)
        turn(&w, 5);
    assert_int_equal(w.held_count, 1);
    answer_bytes(w.held[0], 32 * 1024 * 1024); /* more than sockets hold */
    began = clock_now().mono_ms;
    say(&w, fds[FIRST_LINE], SLICE("GET /"));
    say(&w, fds[HEADERS], SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: "));
    say(&w, fds[BODY], SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n"));
    for (int64_t now = began; now - began < 8000 && (ended_ms[ANSWER] == 0 || ended_ms[FIRST_LINE] == 0); now = clock_now().mono_ms) {
        for (int64_t end = now + 100; clock_now().mono_ms < end;)
            turn(&w, 20);
        for (int i = 0; i < CLIENTS; i++) {
            static char text[200 * 1000]; /* of the answer: 2 MB/s, so that it always goes on */

            if (ended_ms[i] == 0 && (i == ANSWER ? recv(fds[i], text, sizeof(text), 0) == 0 : send(fds[i], "x", 1, MSG_NOSIGNAL) < 0))
                ended_ms[i] = clock_now().mono_ms - began;
            if (i == ANSWER && ended_ms[i] == 0 && http_server_counts(w.server).connections_open == 0)
                ended_ms[i] = clock_now().mono_ms - began; /* what is in its socket still comes */
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (ended_ms[i] < due_ms[i] - 100 || ended_ms[i] > due_ms[i] + 2000)
            fail_msg("client %d was cut off after %lld ms, not %lld", i, (long long)ended_ms[i], (long long)due_ms[i]);
        close(fds[i]);
    }
    assert_int_equal(http_server_counts(w.server).cut_off, CLIENTS);
    assert_int_equal(w.requests, 1);
    world_fini(&w);
}

static void one_address_has_only_so_many_connections(void **state)
{
    struct http_server_options o = options("127.0.0.1:0");
    struct world w;
    int fds[4];

    (void)state;
    o.connections_per_address_max = 3;
    world_init_as(&w, o);
    for (int i = 0; i < 4; i++) {
        fds[i] = dial(&w);
        say(&w, fds[i], SLICE(GET));
        if (i < 3)
            hear(&w, fds[i], "hello");
    }
    assert_null(strstr(hear(&w, fds[3], NULL), "200")); /* closed */
    close(fds[0]);
    for (int64_t end = clock_now().mono_ms + PATIENCE_MS; http_server_counts(w.server).connections_open > 2 && clock_now().mono_ms < end;)
        turn(&w, 5);
    close(fds[3]);
    fds[3] = dial(&w);
    say(&w, fds[3], SLICE(GET));
    hear(&w, fds[3], "hello");
    for (int i = 1; i < 4; i++)
        close(fds[i]);
    world_fini(&w);
}

static void all_bodies_together_are_bounded(void **state)
{
    struct world w;
    char body[90000];
    int fds[3];

    (void)state;
    memset(body, 'x', sizeof(body));
    world_init(&w, "127.0.0.1:0");
    w.hold = true;
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(&w);
        say(&w, fds[i], SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n"));
        if (i < 2)
            say(&w, fds[i], slice_from(body, sizeof(body)));
        for (int64_t end = clock_now().mono_ms + PATIENCE_MS; i < 2 && w.held_count <= i && clock_now().mono_ms < end;)
            turn(&w, 5);
    }
    assert_non_null(strstr(hear(&w, fds[2], NULL), "Retry-After: 1\r\n")); /* 180,000 of 250,000 are in hand */
    for (int i = 0; i < 2; i++) {
        answer(w.held[i], "later");
        hear(&w, fds[i], "later");
        close(fds[i]);
    }
    close(fds[2]);
    world_fini(&w);
}

static void an_answer_may_come_later_or_find_nobody(void **state)
{
    struct world w;
    int fds[2];

    (void)state;
    world_init(&w, "127.0.0.1:0");
    w.hold = true;
    fds[0] = dial(&w);
    say(&w, fds[0], SLICE(GET));
    while (w.held_count == 0)
        turn(&w, 5);
    for (int i = 0; i < 5; i++)
        turn(&w, 5);
    answer(w.held[0], "later");
    w.held_count = 0;
    hear(&w, fds[0], "later");
    say(&w, fds[0], SLICE(GET));
    while (w.held_count == 0)
        turn(&w, 5);
    close(fds[0]); /* before the answer */
    for (int64_t end = clock_now().mono_ms + PATIENCE_MS; w.gone == 0 && clock_now().mono_ms < end;)
        turn(&w, 5);
    assert_int_equal(w.gone, 1);
    fds[1] = dial(&w);
    say(&w, fds[1], SLICE(GET));
    while (w.held_count == 0)
        turn(&w, 5);
    assert_int_equal(http_server_drain(w.server), 1);
    world_fini(&w); /* with a request open */
    close(fds[1]);
}

/* A start that fails after it took the address: who knocked meanwhile is answered by nobody, and nothing falls. */
static void without_handlers_nothing_is_taken_in(void **state)
{
    const struct http_server_options o = options("127.0.0.1:0");
    struct world w = {.hold = false};
    struct error err;
    char byte;
    int fd;

    (void)state;
    w.loop = loop_new(&err);
    w.server = http_server_new(w.loop, &o, NULL, &err);
    assert_non_null(w.server);
    fd = dial(&w);
    assert_int_equal(send(fd, GET, strlen(GET), MSG_NOSIGNAL), strlen(GET));
    for (int64_t end = clock_now().mono_ms + PATIENCE_MS; recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN && clock_now().mono_ms < end;)
        turn(&w, 5);
    assert_int_equal(w.requests, 0);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
    close(fd);
    world_fini(&w);
}

/* It reads until the end, as nc -N does, and is not to wait for a time-out. */
static void who_ends_its_side_is_answered_and_then_let_go(void **state)
{
    static const char three[] = GET GET GET;
    struct http_server_options o = options("127.0.0.1:0");
    struct world w;

    (void)state;
    o.request_timeout_s = 60;
    world_init_as(&w, o);
    for (int i = 0; i < 2; i++) {
        size_t most = i == 0 ? strlen(GET) : strlen(three);
        int fd = dial(&w);
        char byte;

        w.requests = 0;
        assert_int_equal(send(fd, three, most, MSG_NOSIGNAL), most);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        for (int64_t end = clock_now().mono_ms + PATIENCE_MS; clock_now().mono_ms < end;) {
            ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

            if (n == 0 || (n < 0 && errno != EAGAIN))
                break;
            if (n < 0)
                turn(&w, 5);
        }
        assert_int_equal(w.requests, i == 0 ? 1 : 3);
        assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
        close(fd);
    }
    world_fini(&w);
}

/* As an abort does: the connection is reset at once. */
static void reset(int fd)
{
    static const struct linger at_once = {.l_onoff = 1};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
}

/* Between being handed over and the end of its turn a request is in libmicrohttpd's hands; later it is suspended. */
static void a_request_of_this_turn_is_answered_left_open_or_given_up(void **state)
{
    struct world w;
    int fd;

    (void)state;
    world_init(&w, "127.0.0.1:0");
    w.hold = true;
    fd = dial(&w);
    for (int i = 0; i < 3; i++) { /* answered before the next prepare, on one connection */
        say(&w, fd, SLICE(GET));
        while (w.held_count == 0)
            turn(&w, 5);
        answer(w.held[0], "at once");
        w.held_count = 0;
        hear(&w, fd, "at once");
    }
    say(&w, fd, SLICE(GET)); /* left open: nothing is to be done, so the loop may sleep */
    while (w.held_count == 0)
        turn(&w, 5);
    for (int i = 0; i < 20; i++) { /* at once, and from then on */
        assert_true(http_server_prepare(w.server) != 0 || i < 3);
        loop_wait(w.loop, 0);
    }
    answer(w.held[0], "later");
    w.held_count = 0;
    hear(&w, fd, "later");
    close(fd);
    for (int i = 0; i < 2; i++) { /* reset right after it was handed over: told once, and answered by nobody */
        fd = dial(&w);
        say(&w, fd, SLICE(GET));
        while (w.held_count == 0)
            turn(&w, 5);
        reset(fd);
        if (i == 1)
            loop_wait(w.loop, 5); /* libmicrohttpd hears of it before the turn ends */
        for (int64_t end = clock_now().mono_ms + PATIENCE_MS; w.gone <= i && clock_now().mono_ms < end;)
            turn(&w, 5);
        assert_int_equal(w.gone, i + 1);
    }
    world_fini(&w);
}

static void a_unix_socket_is_private_and_a_stale_one_is_replaced(void **state)
{
    struct world w;
    struct http_server_options o;
    const struct http_handlers handlers = {.request = on_request, .gone = on_gone, .context = &w};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct error err;
    struct stat info;
    char listen_at[4200];
    char path[4096];
    int fd;

    snprintf(path, sizeof(path), "%s", temporary_path(state, "s"));
    snprintf(listen_at, sizeof(listen_at), "unix:%s", path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0); /* left behind: nobody listens */
    close(fd);
    world_init(&w, listen_at);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700 & 0777 & ~077);
    o = options(listen_at);
    assert_null(http_server_new(w.loop, &o, &handlers, &err));
    assert_non_null(strstr(err.text, "in use by another program"));
    world_fini(&w);
    assert_int_equal(stat(path, &info), -1);
}

static void addresses_are_told_apart(void **state)
{
    static const struct {
        const char *listen_at;
        const char *text;
    } cases[] = {
        {"here", "give host:port"}, {":80", "give host:port"}, {"127.0.0.1:", "give host:port"}, {"127.0.0.1:99999999", "give host:port"},
        {"no.such.host.invalid:80", "cannot listen on"},
    };
    struct loop *loop;
    struct error err;

    (void)state;
    loop = loop_new(&err);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_server_options o = options(cases[i].listen_at);
        const struct http_handlers handlers = {.request = on_request};

        assert_null(http_server_new(loop, &o, &handlers, &err));
        if (strstr(err.text, cases[i].text) == NULL)
            fail_msg("%s", err.text);
    }
    loop_free(loop);
}

/* ---- the client ---- */

struct answers {
    int count;
    int status;
    bool withheld;
    bool unsent;
    char body[200];
    char failure[200];
    uint32_t crc32;
    int64_t date_ms;
};

static void on_answer(void *context, const struct http_answer *a)
{
    struct answers *answers = context;

    answers->count++;
    answers->status = a->status;
    answers->crc32 = a->has_crc32 ? a->crc32 : 0;
    answers->date_ms = http_answer_date_ms(a);
    answers->withheld = a->withheld;
    answers->unsent = a->unsent;
    assert_int_equal(a->token, 42);
    if (a->status)
        snprintf(answers->body, sizeof(answers->body), "%.*s", SLICE_ARG(a->body));
    snprintf(answers->failure, sizeof(answers->failure), "%s", a->failure ? a->failure : "");
}

/* A server of one connection that says `what` to whatever it hears, and hangs up (or stays silent). */
struct rude {
    struct watch listener;
    struct watch connection;
    struct loop *loop;
    const char *what;
    char heard[4096];
};

static void rude_heard(struct watch *c, uint32_t events)
{
    struct rude *r = c->context;
    ssize_t n = recv(c->fd, r->heard, sizeof(r->heard) - 1, 0);

    (void)events;
    if (n < 0)
        return;
    r->heard[n] = '\0';
    if (r->what == NULL)
        return;
    assert_int_equal(send(c->fd, r->what, strlen(r->what), MSG_NOSIGNAL), strlen(r->what));
    loop_unwatch(r->loop, c);
    close(c->fd);
    c->fd = -1;
}

static void rude_accept(struct watch *w, uint32_t events)
{
    struct rude *r = w->context;

    (void)events;
    r->connection = (struct watch){.fd = accept(w->fd, NULL, NULL), .ready = rude_heard, .context = r};
    loop_watch(r->loop, &r->connection, EPOLLIN);
}

static void rude_init(struct rude *r, const char *what, bool listen_at_all, char url[64])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    struct error err;

    *r = (struct rude){.what = what, .connection.fd = -1};
    r->loop = loop_new(&err);
    r->listener = (struct watch){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .ready = rude_accept, .context = r};
    assert_int_equal(bind(r->listener.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(r->listener.fd, (struct sockaddr *)&address, &len), 0);
    if (listen_at_all) {
        listen(r->listener.fd, 4);
        loop_watch(r->loop, &r->listener, EPOLLIN);
    }
    snprintf(url, 64, "http://127.0.0.1:%d/", ntohs(address.sin_port));
}

static void rude_fini(struct rude *r)
{
    if (r->connection.fd >= 0)
        close(r->connection.fd);
    close(r->listener.fd);
    loop_free(r->loop);
}

static void wait_for(struct loop *loop, struct answers *answers, int count)
{
    for (int64_t end = clock_now().mono_ms + PATIENCE_MS; answers->count < count && clock_now().mono_ms < end;)
        loop_wait(loop, 100);
    assert_int_equal(answers->count, count);
}

/* One call by a client of its own. */
static struct answers one_call(struct rude *r, const struct http_call *http)
{
    struct answers answers = {0};
    struct error err;
    struct http_client *client = http_client_new(r->loop, on_answer, &answers, &err);

    http_client_start(client, http);
    assert_int_equal(answers.count, 0); /* never inside the call */
    wait_for(r->loop, &answers, 1);
    assert_int_equal(http_client_active(client), 0);
    http_client_free(client);
    return answers;
}

static struct answers call(const char *what, int64_t timeout_ms, bool listen_at_all)
{
    const char *headers[] = {"X-A: b", NULL};
    struct http_call http = {.headers = headers, .body = SLICE("{}"), .timeout_ms = timeout_ms, .answer_max = 100, .token = 42};
    struct answers answers;
    struct rude rude;
    char url[64];

    rude_init(&rude, what, listen_at_all, url);
    http.url = url;
    answers = one_call(&rude, &http);
    rude_fini(&rude);
    return answers;
}

static void the_client_gives_whole_answers_or_none(void **state)
{
    static const struct {
        const char *what;
        int status;
        const char *text; /* of the body, or of the failure */
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
        {"HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nbad", 400, "bad"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut", 0, "transfer closed"},
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"
         "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890", 0, "longer than expected"},
        {"garbage", 0, ""},
        {"", 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct answers a = call(cases[i].what, 3000, true);

        if (a.status != cases[i].status || strstr(a.status ? a.body : a.failure, cases[i].text) == NULL || (a.status == 0 && a.failure[0] == '\0'))
            fail_msg("%s -> %d %s %s", cases[i].what, a.status, a.body, a.failure);
    }
}

static void the_client_reads_crc_and_date_and_gives_up_in_time(void **state)
{
    struct answers a = call("HTTP/1.1 200 OK\r\nDate: Sat, 31 Jan 2026 12:34:56 GMT\r\nx-amz-crc32: 4294967295\r\nContent-Length: 0\r\n\r\n", 3000, true);

    (void)state;
    assert_int_equal(a.crc32, UINT32_MAX);
    assert_int_equal(a.date_ms, INT64_C(1769862896000));
    a = call(NULL, 200, true); /* silence */
    assert_int_equal(a.status, 0);
    assert_non_null(strstr(a.failure, "timed out"));
    a = call(NULL, 3000, false); /* nobody listens */
    assert_int_equal(a.status, 0);
    assert_non_null(strstr(a.failure, "onnect"));
}

#define SHORT_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* One client for all: a pooled request must not keep the method of the one before. */
static void the_client_knows_get_put_and_post(void **state)
{
    static const struct {
        const char *method;
        const char *body;
        const char *first_line;
        const char *last; /* what the request ends with */
    } cases[] = {
        {NULL, "{}", "POST / HTTP/1.1\r\n", "\r\n\r\n{}"},
        {"GET", "", "GET / HTTP/1.1\r\n", "\r\n\r\n"},
        {"PUT", "whole", "PUT / HTTP/1.1\r\n", "\r\n\r\nwhole"},
        {"PUT", "", "PUT / HTTP/1.1\r\n", "\r\n\r\n"},
        {"GET", "", "GET / HTTP/1.1\r\n", "\r\n\r\n"},
        {"POST", "x", "POST / HTTP/1.1\r\n", "\r\n\r\nx"},
    };
    const char *headers[] = {"X-A: b", NULL};
    struct answers answers = {0};
    struct http_client *client;
    struct rude rude;
    struct error err;
    char url[64];

    (void)state;
    rude_init(&rude, SHORT_ANSWER, true, url);
    client = http_client_new(rude.loop, on_answer, &answers, &err);
    for (int i = 0; i < (int)COUNT_OF(cases); i++) {
        const struct http_call http = {.url = url, .method = cases[i].method, .headers = headers, .body = slice_text(cases[i].body), .timeout_ms = 3000,
                                       .answer_max = 100, .token = 42, .secret = i % 2 == 0};

        http_client_start(client, &http);
        wait_for(rude.loop, &answers, i + 1);
        assert_int_equal(answers.status, 200);
        if (!slice_starts_with(slice_text(rude.heard), slice_text(cases[i].first_line)) ||
            !slice_ends_with(slice_text(rude.heard), slice_text(cases[i].last)) || strstr(rude.heard, "X-A: b\r\n") == NULL)
            fail_msg("case %d: %s", i, rude.heard);
        assert_null(strstr(rude.heard, "Content-Type"));
        assert_true((strstr(rude.heard, "Content-Length: ") != NULL) == (cases[i].method == NULL || strcmp(cases[i].method, "GET") != 0));
    }
    http_client_free(client);
    rude_fini(&rude);
}

/* A server that keeps its connections, and answers once it has heard `wanted` calls. */
#define CALLS_AT_ONCE 24

struct patient {
    struct watch listener;
    struct loop *loop;
    struct watch connections[4 * CALLS_AT_ONCE];
    int accepted;
    int waiting[CALLS_AT_ONCE];
    int waiting_count;
};

static void patient_heard(struct watch *c, uint32_t events)
{
    static const char said[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct patient *p = c->context;
    char request[4096];
    ssize_t n = recv(c->fd, request, sizeof(request), 0);

    (void)events;
    if (n <= 0) { /* the client gave it up */
        loop_unwatch(p->loop, c);
        close(c->fd);
        c->fd = -1;
        return;
    }
    if (request[n - 1] != '}') /* the head alone */
        return;
    p->waiting[p->waiting_count++] = c->fd;
    if (p->waiting_count < CALLS_AT_ONCE)
        return;
    while (p->waiting_count > 0)
        assert_int_equal(send(p->waiting[--p->waiting_count], said, sizeof(said) - 1, MSG_NOSIGNAL), sizeof(said) - 1);
}

static void patient_accept(struct watch *w, uint32_t events)
{
    struct patient *p = w->context;
    struct watch *c = &p->connections[p->accepted++];

    (void)events;
    assert_in_range(p->accepted, 1, 4 * CALLS_AT_ONCE);
    *c = (struct watch){.fd = accept(w->fd, NULL, NULL), .ready = patient_heard, .context = p};
    loop_watch(p->loop, c, EPOLLIN);
}

/* Many answers that come together must not cost their connections. */
static void connections_are_kept_however_many_answers_come_together(void **state)
{
    const char *headers[] = {NULL};
    struct http_call http = {.headers = headers, .body = SLICE("{}"), .timeout_ms = PATIENCE_MS, .answer_max = 100, .token = 42};
    struct patient patient = {.accepted = 0};
    struct answers answers = {0};
    struct http_client *client;
    struct rude listener;
    struct error err;
    char url[64];

    (void)state;
    rude_init(&listener, NULL, true, url);
    patient.loop = listener.loop;
    listener.listener.ready = patient_accept;
    listener.listener.context = &patient;
    http.url = url;
    client = http_client_new(listener.loop, on_answer, &answers, &err);
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < CALLS_AT_ONCE; i++)
            http_client_start(client, &http);
        wait_for(listener.loop, &answers, round * CALLS_AT_ONCE);
        assert_int_equal(answers.status, 200);
    }
    assert_int_equal(patient.accepted, CALLS_AT_ONCE);
    http_client_free(client);
    for (int i = 0; i < patient.accepted; i++)
        if (patient.connections[i].fd >= 0)
            close(patient.connections[i].fd);
    rude_fini(&listener);
}

/* ---- over TLS ---- */

struct secure_world {
    struct world world;
    struct tls_files *tls;
    struct http_client *client;
    struct answers answers;
    char certificate[256];
    char url[64];
};

static void secure_world_init(struct secure_world *s, void **state)
{
    struct http_server_options o = options("127.0.0.1:0");
    struct buffer command = {0};
    struct error err;
    char key[256];

    *s = (struct secure_world){.tls = NULL};
    snprintf(s->certificate, sizeof(s->certificate), "%s", temporary_path(state, "certificate.pem"));
    snprintf(key, sizeof(key), "%s", temporary_path(state, "key.pem"));
    buffer_printf(&command, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout %s -out %s -days 2 -subj /CN=127.0.0.1 "
                  "-addext subjectAltName=IP:127.0.0.1 2>/dev/null", key, s->certificate);
    assert_int_equal(system(command.ptr), 0);
    buffer_fini(&command);
    o.tls = s->tls = tls_files_new(s->certificate, key, &err);
    if (s->tls == NULL)
        fail_msg("%s", err.text);
    world_init_as(&s->world, o);
    s->client = http_client_new(s->world.loop, on_answer, &s->answers, &err);
    http_client_set_ca_bundle(s->client, s->certificate);
    snprintf(s->url, sizeof(s->url), "https://127.0.0.1:%u/", http_server_port(s->world.server));
}

static void secure_world_fini(struct secure_world *s)
{
    http_client_free(s->client);
    world_fini(&s->world);
    tls_files_free(s->tls);
}

static void secure_call(struct secure_world *s)
{
    const char *headers[] = {NULL};
    const struct http_call http = {.url = s->url, .headers = headers, .body = SLICE("{}"), .timeout_ms = 3000, .answer_max = 100, .token = 42};

    http_client_start(s->client, &http);
}

static void secure_wait(struct secure_world *s, const int *counter, int count)
{
    for (int64_t end = clock_now().mono_ms + PATIENCE_MS; *counter < count && clock_now().mono_ms < end;)
        turn(&s->world, 100);
    if (*counter < count)
        fail_msg("%d of %d; %s", *counter, count, s->answers.failure);
}

/* Two connections, one after the other; the bundle is gone before the second, which is trusted by what was read for the first. Reading the system's bundle for
 * each connection took 17 ms of CPU. */
static void a_bundle_of_certificates_is_read_once_and_not_for_each_connection(void **state)
{
    struct secure_world s;

    secure_world_init(&s, state);
    s.world.hold = true; /* both requests are open at once: they cannot share a connection */
    for (int connection = 1; connection <= 2; connection++) {
        secure_call(&s);
        secure_wait(&s, &s.world.requests, connection);
        unlink(s.certificate);
    }
    for (int i = 0; i < 2; i++)
        answer(s.world.held[i], "hello");
    secure_wait(&s, &s.answers.count, 2);
    assert_int_equal(s.answers.status, 200);
    secure_world_fini(&s);
}

/* Each of them kept the whole process from everything else, for a minute. */
static void who_begins_a_greeting_and_stops_holds_up_nobody(void **state)
{
    struct slice began = SLICE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    struct secure_world s;
    int clients[3];
    int idle_turns = 0;

    secure_world_init(&s, state);
    for (int i = 0; i < (int)COUNT_OF(clients); i++) {
        clients[i] = dial(&s.world);
        say(&s.world, clients[i], slice_from(began.ptr, i == 0 ? 1 : began.len));
    }
    for (int i = 0; i < 20; i++) {
        int64_t wait = http_server_prepare(s.world.server);

        idle_turns += wait > 0;
        loop_wait(s.world.loop, wait);
    }
    assert_true(idle_turns >= 15); /* it waits, instead of asking all the time */
    secure_call(&s);
    secure_wait(&s, &s.answers.count, 1);
    assert_int_equal(s.answers.status, 200);
    for (int i = 0; i < (int)COUNT_OF(clients); i++)
        close(clients[i]);
    secure_wait(&s, &s.world.requests, 1);
    secure_world_fini(&s);
}

static void a_call_withheld_is_answered_from_the_loop(void **state)
{
    struct answers answers = {0};
    struct http_client *client;
    struct loop *loop;
    struct error err;

    (void)state;
    loop = loop_new(&err);
    client = http_client_new(loop, on_answer, &answers, &err);
    http_client_withhold(client, 42, "no credentials");
    http_client_withhold(client, 42, "none yet");
    assert_int_equal(answers.count, 0);
    wait_for(loop, &answers, 2);
    assert_string_equal(answers.failure, "none yet");
    assert_true(answers.withheld && answers.unsent && answers.status == 0);
    http_client_withhold(client, 42, "dropped with the client");
    http_client_free(client);
    assert_int_equal(answers.count, 2);
    loop_free(loop);
}

static void addresses_of_this_machine_and_of_metadata_are_known(void **state)
{
    static const struct {
        const char *address;
        bool local;
    } cases[] = {
        {"127.0.0.1", true}, {"127.255.0.9", true}, {"169.254.169.254", true}, {"169.254.170.2", true}, {"169.254.170.23", true},
        {"169.254.169.253", false}, {"169.254.170.3", false}, {"10.0.0.1", false}, {"128.0.0.1", false}, {"0.0.0.0", false},
        {"::1", true}, {"::ffff:127.0.0.1", true}, {"::ffff:10.0.0.1", false}, {"fd00:ec2::254", true}, {"fd00:ec2::23", true},
        {"fd00:ec2::24", false}, {"fe80::1", false}, {"::", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        bool is_v6 = strchr(cases[i].address, ':') != NULL;

        assert_int_equal(inet_pton(is_v6 ? AF_INET6 : AF_INET, cases[i].address, is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr), 1);
        if (http_address_local(is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4) != cases[i].local)
            fail_msg("%s", cases[i].address);
    }
}

static void a_local_call_goes_nowhere_else(void **state)
{
    const char *headers[] = {NULL};
    struct http_call http = {.url = "http://192.0.2.1:80/", .method = "GET", .headers = headers, .timeout_ms = 3000, .answer_max = 100, .token = 42,
                             .local_only = true};
    struct answers answers;
    struct rude rude;
    char by_name[80];
    char url[64];

    (void)state;
    rude_init(&rude, SHORT_ANSWER, true, url);
    for (int by_proxy = 0; by_proxy < 2; by_proxy++) { /* a proxy on this machine would be a local address, and lead anywhere */
        if (by_proxy)
            setenv("http_proxy", url, 1);
        answers = one_call(&rude, &http);
        unsetenv("http_proxy");
        assert_non_null(strstr(answers.failure, "neither loopback nor"));
        assert_true(answers.unsent);
    }
    snprintf(by_name, sizeof(by_name), "http://localhost:%s", strrchr(url, ':') + 1); /* judged once resolved */
    http.url = by_name;
    answers = one_call(&rude, &http);
    assert_int_equal(answers.status, 200);
    rude_fini(&rude);
}

/* The rude server as HTTPS_PROXY: what is for elsewhere reaches it as CONNECT, what is for this machine never. */
static void proxies_are_for_what_is_far_away(void **state)
{
    static const struct {
        const char *url;
        const char *no_proxy;
        const char *heard; /* by the proxy; "" : nothing */
    } cases[] = {
        {"https://sqs.eu-west-1.amazonaws.com/", NULL, "CONNECT sqs.eu-west-1.amazonaws.com:443 HTTP/1.1\r\n"},
        {"https://localhost:1/", NULL, ""},
        {"https://127.0.0.2:1/", NULL, ""},
        {"http://127.0.0.1:1/", NULL, ""},
        {"https://sub.example.invalid/", "example.org, .example.invalid", ""},
        {"https://sub.example.invalid/", "*", ""},
        {"https://sub.example.invalid/", "other.invalid", "CONNECT sub.example.invalid:443"},
    };
    const char *headers[] = {NULL};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_call http = {.url = cases[i].url, .headers = headers, .timeout_ms = 3000, .answer_max = 100, .token = 42};
        struct answers answers;
        struct rude rude;
        char url[64];

        rude_init(&rude, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", true, url);
        setenv("HTTPS_PROXY", url, 1);
        if (cases[i].no_proxy)
            setenv("NO_PROXY", cases[i].no_proxy, 1);
        answers = one_call(&rude, &http);
        unsetenv("HTTPS_PROXY");
        unsetenv("NO_PROXY");
        assert_int_equal(answers.status, 0);
        if (cases[i].heard[0] ? !slice_starts_with(slice_text(rude.heard), slice_text(cases[i].heard)) : rude.heard[0] != '\0')
            fail_msg("case %zu: the proxy heard \"%s\"", i, rude.heard);
        rude_fini(&rude);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_handed_over_as_they_were_sent),
        cmocka_unit_test(what_is_malformed_or_too_much_is_refused),
        cmocka_unit_test(floods_and_slow_senders_are_cut_off),
        cmocka_unit_test(who_drips_is_cut_off_all_the_same),
        cmocka_unit_test(one_address_has_only_so_many_connections),
        cmocka_unit_test(all_bodies_together_are_bounded),
        cmocka_unit_test(an_answer_may_come_later_or_find_nobody),
        cmocka_unit_test(who_ends_its_side_is_answered_and_then_let_go),
        cmocka_unit_test(without_handlers_nothing_is_taken_in),
        cmocka_unit_test(a_request_of_this_turn_is_answered_left_open_or_given_up),
        with_directory(a_unix_socket_is_private_and_a_stale_one_is_replaced),
        cmocka_unit_test(addresses_are_told_apart),
        cmocka_unit_test(the_client_gives_whole_answers_or_none),
        cmocka_unit_test(the_client_reads_crc_and_date_and_gives_up_in_time),
        cmocka_unit_test(the_client_knows_get_put_and_post),
        cmocka_unit_test(connections_are_kept_however_many_answers_come_together),
        with_directory(a_bundle_of_certificates_is_read_once_and_not_for_each_connection),
        with_directory(who_begins_a_greeting_and_stops_holds_up_nobody),
        cmocka_unit_test(a_call_withheld_is_answered_from_the_loop),
        cmocka_unit_test(addresses_of_this_machine_and_of_metadata_are_known),
        cmocka_unit_test(a_local_call_goes_nowhere_else),
        cmocka_unit_test(proxies_are_for_what_is_far_away),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
