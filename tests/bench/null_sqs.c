/* SPDX-License-Identifier: Apache-2.0
 *
 * null_sqs: an SQS that takes SendMessageBatch and SendMessage, answers with the right digests, and keeps nothing but a count: what the benchmark sends to.
 *
 * usage: null_sqs PORT-FILE [CERTIFICATE KEY]     with the two PEM files: TLS. Stops at the end of its standard input.
 * GET / tells how many messages and requests came.
 */
#include "base/memory.h"
#include "codec/digest.h"
#include "codec/sqs_wire.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    struct sqs_request request;
    struct sqs_answer answer;
    uint64_t messages;
    uint64_t requests;
} server;

static void answer_batch(void)
{
    for (size_t i = 0; i < server.request.entry_count; i++) {
        struct sqs_entry *e = &server.request.entries[i];
        unsigned char digest[MD5_BYTES];
        char body_md5[2 * MD5_BYTES + 1];
        char attributes_md5[33];
        char id[37];

        md5(e->body, digest);
        hex_encode(digest, sizeof(digest), body_md5);
        snprintf(id, sizeof(id), "%08llx-0000-4000-8000-000000000000", (unsigned long long)++server.messages);
        if (e->attribute_count > 0)
            sqs_attributes_md5(server.request.attributes + e->first_attribute, e->attribute_count, attributes_md5);
        sqs_answer_sent(&server.answer, &(struct sqs_sent){.id = e->id, .message_id = id, .body_md5 = body_md5,
                                                          .attributes_md5 = e->attribute_count > 0 ? attributes_md5 : NULL});
    }
}

static void handle(const char *target, struct slice body)
{
    struct sqs_failure failure;

    server.requests++;
    if (!sqs_request_decode(&server.request, slice_text(target), body, &failure)) {
        sqs_answer_begin(&server.answer, SQS_ACTION_SEND_MESSAGE_BATCH);
        sqs_answer_error(&server.answer, failure.error, failure.text);
        return;
    }
    sqs_answer_begin(&server.answer, server.request.action);
    if (server.request.action == SQS_ACTION_GET_QUEUE_URL) {
        struct buffer url = {0};

        buffer_printf(&url, "http://127.0.0.1/000000000000/%.*s", SLICE_ARG(server.request.queue_name));
        sqs_answer_queue_url(&server.answer, buffer_slice(&url));
        buffer_fini(&url);
    } else if (server.request.action == SQS_ACTION_GET_QUEUE_ATTRIBUTES) {
        sqs_answer_pair(&server.answer, SLICE("MaximumMessageSize"), SLICE("1048576"));
    } else {
        answer_batch();
    }
    sqs_answer_end(&server.answer);
}

static enum MHD_Result reply(struct MHD_Connection *connection, int status, const struct buffer *body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(body->len, body->ptr, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result queued;

    MHD_add_response_header(response, "Content-Type", "application/x-amz-json-1.0");
    queued = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *data,
                                  size_t *bytes, void **state)
{
    struct buffer *body = *state;
    const char *target = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Amz-Target");

    (void)context;
    (void)url;
    (void)version;
    digest_init(); /* libmicrohttpd's thread, not main's */
    if (body == NULL) {
        *state = memory_zeroed(1, sizeof(*body));
        return MHD_YES;
    }
    if (*bytes > 0) {
        buffer_append(body, slice_from(data, *bytes));
        *bytes = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") == 0) {
        buffer_printf(body, "{\"messages\":%llu,\"requests\":%llu}", (unsigned long long)server.messages, (unsigned long long)server.requests);
        return reply(connection, 200, body);
    }
    handle(target ? target + strlen("AmazonSQS.") : "", buffer_slice(body));
    return reply(connection, server.answer.error == SQS_OK ? 200 : 400, &server.answer.body);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
    struct buffer *body = *state;

    (void)context;
    (void)connection;
    (void)code;
    if (body)
        buffer_fini(body);
    free(body);
}

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    struct buffer text = {0};
    char chunk[4096];
    size_t n;

    if (file == NULL)
        panic("%s cannot be read", path);
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buffer_append(&text, slice_from(chunk, n));
    fclose(file);
    return buffer_take(&text);
}

int main(int argc, char **argv)
{
    bool tls = argc == 4;
    char *certificate = tls ? read_whole(argv[2]) : NULL;
    char *key = tls ? read_whole(argv[3]) : NULL;
    struct MHD_Daemon *daemon;
    FILE *file;
    char byte;

    if (argc != 2 && argc != 4) {
        fputs("usage: null_sqs PORT-FILE [CERTIFICATE KEY]\n", stderr);
        return 64;
    }
    daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | (tls ? MHD_USE_TLS : 0u), 0, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR,
                              (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                              MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(256 * 1024),
                              tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, certificate, MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_END);
    if (daemon == NULL)
        panic("the server cannot be started");
    file = fopen(argv[1], "we");
    fprintf(file, "%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fclose(file);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    MHD_stop_daemon(daemon);
    free(certificate);
    free(key);
    return 0;
}
