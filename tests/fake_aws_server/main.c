/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_aws_server: the model of support/fake_aws.h over HTTP, on loopback, for tests that run the real program.
 *
 *     fake_aws_server --port 0 --port-file F [--seed N] [--prepare table:shards:records:bytes]
 *
 * POST / is AWS (signatures are not checked, but there must be an Authorization header); POST /_fake/COMMAND and GET /_fake/truth are
 * control.c's. One thread a connection, so that a slow answer holds up nobody; one lock around the model.
 */
#include "fake_aws_server/control.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static struct {
    struct fake_aws *fake;
    pthread_mutex_t lock;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* An answer whose connection is cut in the middle of the body. */
struct cut_body {
    struct buffer body;
    size_t cut_bytes;
};

static void wait_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};

    while (nanosleep(&left, &left) != 0)
        ;
}

static ssize_t read_cut_body(void *context, uint64_t at, char *out, size_t room)
{
    struct cut_body *cut = context;
    size_t bytes = cut->cut_bytes - (size_t)at;

    if (at >= cut->cut_bytes)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    bytes = bytes < room ? bytes : room;
    memcpy(out, cut->body.ptr + at, bytes);
    return (ssize_t)bytes;
}

static void free_cut_body(void *context)
{
    struct cut_body *cut = context;

    buffer_fini(&cut->body);
    free(cut);
}

static struct MHD_Response *cut_response(const struct fake_answer *answer)
{
    struct cut_body *cut = memory_zeroed(1, sizeof(*cut));

    buffer_append(&cut->body, answer->body);
    cut->cut_bytes = answer->cut_bytes;
    return MHD_create_response_from_callback(answer->body.len, 65536, read_cut_body, cut, free_cut_body);
}

/* A prepared page is given by pointer: it lives as long as the fake. */
static struct MHD_Response *whole_response(const struct fake_answer *answer)
{
    enum MHD_ResponseMemoryMode mode = answer->body.ptr == answer->memory.ptr ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT;

    return MHD_create_response_from_buffer(answer->body.len, (void *)(uintptr_t)answer->body.ptr, mode);
}

static enum MHD_Result queue_and_drop(struct MHD_Connection *connection, int status, struct MHD_Response *response)
{
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)status, response);

    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct fake_answer *answer)
{
    struct MHD_Response *response;
    char text[64];
    time_t date = (time_t)(answer->server_date_ms / 1000);
    struct tm parts;

    wait_ms(answer->delay_ms);
    if (answer->lost && answer->cut_bytes == 0)
        return MHD_NO; /* libmicrohttpd then closes the connection */
    response = answer->lost ? cut_response(answer) : whole_response(answer);
    MHD_add_response_header(response, "Content-Type", answer->html ? "text/html" : "application/x-amz-json-1.0");
    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&date, &parts));
    MHD_add_response_header(response, "Date", text);
    snprintf(text, sizeof(text), "%u", answer->crc32);
    if (answer->has_crc32)
        MHD_add_response_header(response, "x-amz-crc32", text);
    return queue_and_drop(connection, answer->status, response);
}

static enum MHD_Result send_text(struct MHD_Connection *connection, int status, struct slice text)
{
    return queue_and_drop(connection, status,
                          MHD_create_response_from_buffer(text.len, (void *)(uintptr_t)text.ptr, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result serve_aws(struct MHD_Connection *connection, struct slice body)
{
    const char *target = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Amz-Target");
    struct fake_answer answer;
    enum MHD_Result result;

    if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization") == NULL)
        return send_text(connection, 400, SLICE("{\"__type\":\"com.amazon.coral.service#MissingAuthenticationTokenException\","
                                                "\"message\":\"Request is missing Authentication Token\"}"));
    pthread_mutex_lock(&server.lock);
    answer = fake_service_call(server.fake, clock_now().wall_ms, slice_text(target ? target : ""), body);
    pthread_mutex_unlock(&server.lock);
    result = send_answer(connection, &answer);
    fake_answer_fini(&answer);
    return result;
}

static enum MHD_Result serve_control(struct MHD_Connection *connection, const char *command, struct slice body)
{
    struct buffer out = {0};
    enum MHD_Result result;
    bool ok;

    pthread_mutex_lock(&server.lock);
    fake_time_set(server.fake, clock_now().wall_ms);
    ok = control_run(server.fake, command, body, &out);
    pthread_mutex_unlock(&server.lock);
    result = send_text(connection, ok ? 200 : 400, buffer_slice(&out));
    buffer_fini(&out);
    return result;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *data, size_t *bytes, void **state)
{
    struct buffer *body = *state;

    (void)context;
    (void)version;
    (void)method;
    if (body == NULL) {
        *state = memory_zeroed(1, sizeof(struct buffer));
        return MHD_YES;
    }
    if (*bytes > 0) {
        buffer_append(body, slice_from(data, *bytes));
        *bytes = 0;
        return MHD_YES;
    }
    if (strncmp(url, "/_fake/", 7) == 0)
        return serve_control(connection, url + 7, buffer_slice(body));
    return serve_aws(connection, buffer_slice(body));
}

static void completed(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
    (void)context;
    (void)connection;
    (void)how;
    if (*state)
        buffer_fini(*state);
    free(*state);
}

static bool prepare(struct fake_aws *fake, const char *text)
{
    char table[128];
    size_t shards;
    size_t records;
    size_t bytes;

    if (sscanf(text, "%127[^:]:%zu:%zu:%zu", table, &shards, &records, &bytes) != 4)
        return false;
    fake_stream_prepare(fake_stream_add(fake, table), shards, records, bytes);
    return true;
}

static bool write_port(const char *path, unsigned port)
{
    FILE *file = path ? fopen(path, "w") : NULL;

    printf("%u\n", port);
    fflush(stdout);
    if (path == NULL)
        return true;
    if (file == NULL)
        return false;
    fprintf(file, "%u\n", port);
    return fclose(file) == 0;
}

static struct MHD_Daemon *listen_on(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR,
                            (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
}

static int serve_until_told(unsigned port, const char *port_file)
{
    struct MHD_Daemon *daemon;
    sigset_t stop;
    int signal_number;

    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    daemon = listen_on(port);
    if (daemon == NULL || !write_port(port_file, MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port)) {
        perror("fake_aws_server");
        return EXIT_FAILURE;
    }
    sigwait(&stop, &signal_number);
    _exit(EXIT_SUCCESS); /* answers that are still slow are not waited for */
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'}, {"port-file", required_argument, NULL, 'f'}, {"seed", required_argument, NULL, 's'},
        {"prepare", required_argument, NULL, 'r'}, {0}};
    const char *port_file = NULL;
    const char *prepared = NULL;
    unsigned port = 0;
    uint64_t seed = 1;
    int option;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            port = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'f':
            port_file = optarg;
            break;
        case 's':
            seed = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            prepared = optarg;
            break;
        default:
            return 64;
        }
    }
    server.fake = fake_service_new(seed);
    if (prepared && !prepare(server.fake, prepared)) {
        fputs("--prepare table:shards:records:bytes\n", stderr);
        return 64;
    }
    return serve_until_told(port, port_file);
}
