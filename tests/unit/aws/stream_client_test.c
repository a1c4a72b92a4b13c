/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls to AWS against a server that says prepared texts, one a connection, and keeps what it heard.
 */
#include "support/digests.h"
#include "support/test.h"

#include "aws/stream_client.h"
#include "base/clock.h"
#include "base/log.h"
#include "codec/sigv4.h"
#include "codec/stream_wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct watch listener;
    struct watch connection;
    char answer[1000]; /* to the next request */
    char heard[4096];
    struct credential_provider *credentials;
    struct endpoint endpoint;
    struct stream_client *client;
    int answered;
    int status;
    char url[64];
    char host[32];
};

static void heard(struct watch *c, uint32_t events)
{
    struct world *w = c->context;
    ssize_t n = recv(c->fd, w->heard, sizeof(w->heard) - 1, 0);

    (void)events;
    if (n > 0) {
        w->heard[n] = '\0';
        assert_int_equal(send(c->fd, w->answer, strlen(w->answer), MSG_NOSIGNAL), strlen(w->answer));
    }
    loop_unwatch(w->loop, c);
    close(c->fd);
}

static void accepted(struct watch *l, uint32_t events)
{
    struct world *w = l->context;

    (void)events;
    w->connection = (struct watch){.fd = accept(l->fd, NULL, NULL), .ready = heard, .context = w};
    loop_watch(w->loop, &w->connection, EPOLLIN);
}

static void on_answer(void *context, const struct stream_answer *answer)
{
    struct world *w = context;

    w->answered++;
    w->status = answer->status;
    assert_int_equal(answer->token, 7);
}

static void world_init(struct world *w)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    struct credentials keys = {.access_key_id = "AKIDEXAMPLE", .secret = "secret", .session_token = "the-token"};
    struct stream_client_options options = {credential_provider_fixed(&keys), "eu-west-1", &w->endpoint, &w->endpoint, NULL};
    struct error err;

    *w = (struct world){.credentials = options.credentials};
    w->loop = loop_new(&err);
    w->listener = (struct watch){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .ready = accepted, .context = w};
    assert_int_equal(bind(w->listener.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(w->listener.fd, 4), 0);
    assert_int_equal(getsockname(w->listener.fd, (struct sockaddr *)&address, &len), 0);
    loop_watch(w->loop, &w->listener, EPOLLIN);
    snprintf(w->host, sizeof(w->host), "127.0.0.1:%d", ntohs(address.sin_port));
    snprintf(w->url, sizeof(w->url), "http://%s", w->host);
    w->endpoint = (struct endpoint){.url = w->url, .host = w->host, .custom = true};
    w->client = stream_client_new(w->loop, &options, on_answer, w, &err);
    assert_non_null(w->client);
}

static void world_fini(struct world *w)
{
    stream_client_free(w->client);
    credential_provider_fixed_free(w->credentials);
    close(w->listener.fd);
    loop_free(w->loop);
}

static void call(struct world *w, int64_t now_ms)
{
    struct stream_call c = {.token = 7, .target = TARGET_GET_RECORDS};
    int before = w->answered;

    get_records_encode(&c.body, SLICE("an iterator"));
    stream_client_start(w->client, &c, now_ms);
    for (int64_t end = clock_now().mono_ms + 5000; w->answered == before && clock_now().mono_ms < end;)
        loop_wait(w->loop, 100);
    assert_int_equal(w->answered, before + 1);
}

/* An answer whose Date is so far from now. */
static void prepare(struct world *w, int status, const char *error, int64_t date_offset_s)
{
    time_t at = (time_t)(clock_now().wall_ms / 1000 + date_offset_s);
    struct tm tm;
    char date[64];
    char body[200];

    gmtime_r(&at, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    snprintf(body, sizeof(body), "{\"__type\":\"com.amazon.coral.service#%s\",\"message\":\"m\"}", error);
    snprintf(w->answer, sizeof(w->answer), "HTTP/1.1 %d X\r\nDate: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, date, strlen(body), body);
}

static void assert_signed_at(struct world *w, int64_t at_ms, int64_t give_ms)
{
    char stamp[17];
    bool found = false;

    for (int64_t ms = at_ms - give_ms; ms <= at_ms + give_ms; ms += 1000) {
        char header[64];

        sigv4_stamp(ms, stamp);
        snprintf(header, sizeof(header), "X-Amz-Date: %s\r\n", stamp);
        found = found || strstr(w->heard, header);
    }
    if (!found)
        fail_msg("not signed at about %s: %s", stamp, w->heard);
}

static void calls_are_signed_posts_with_their_token(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    prepare(&w, 200, "", 0);
    call(&w, INT64_C(1769862896000));
    assert_int_equal(w.status, 200);
    assert_non_null(strstr(w.heard, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(w.heard, "X-Amz-Target: DynamoDBStreams_20120810.GetRecords\r\n"));
    assert_non_null(strstr(w.heard, "X-Amz-Security-Token: the-token\r\n"));
    assert_non_null(strstr(w.heard, "X-Amz-Date: 20260131T123456Z\r\n"));
    assert_non_null(strstr(w.heard, "Credential=AKIDEXAMPLE/20260131/eu-west-1/dynamodb/aws4_request, "
                                    "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature="));
    assert_non_null(strstr(w.heard, "\r\n\r\n{\"ShardIterator\":\"an iterator\"}"));
    world_fini(&w);
}

/* Pitfall 26: whatever name the error has, the next call is signed with the server's time; but not for any error, and not beyond a day. */
static void a_skewed_clock_is_corrected_by_the_servers_date(void **state)
{
    static const struct {
        const char *error;
        int64_t date_offset_s;
        int64_t want_offset_s;
    } cases[] = {
        {"RequestTimeTooSkewed", 3600, 3600},
        {"InvalidSignatureException", -7200, -7200},
        {"SignatureDoesNotMatch", 900, 900},
        {"RequestExpired", 86000, 86000},
        {"ThrottlingException", 3600, 0},
        {"RequestTimeTooSkewed", 90000, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;

        world_init(&w);
        prepare(&w, 400, cases[i].error, cases[i].date_offset_s);
        call(&w, clock_now().wall_ms);
        assert_signed_at(&w, clock_now().wall_ms, 2000);
        call(&w, clock_now().wall_ms);
        assert_signed_at(&w, clock_now().wall_ms + cases[i].want_offset_s * 1000, 3000);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_signed_posts_with_their_token),
        cmocka_unit_test(a_skewed_clock_is_corrected_by_the_servers_date),
    };

    log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_JSON, LOG_ERROR);
    return cmocka_run_group_tests_name("stream_client", tests, digests_setup, digests_teardown);
}
