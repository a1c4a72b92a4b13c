/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_load: load on an SQS endpoint (AWS JSON 1.0, signed), by one thread with epoll and connections that are kept.
 *
 *     sqs_load --endpoint HOST:PORT --queue-url URL --keys FILE --mode MODE [--messages N] [--connections N] [--bytes N] [--wait S] [--region R]
 *
 *     send     SendMessageBatch, ten bodies of --bytes each
 *     consume  ReceiveMessage of ten, then DeleteMessageBatch of what came
 *     single   ReceiveMessage of ten, then one DeleteMessage for each
 *     watch    as consume; the latency is that from the stamp in a body ("sent_ns", CLOCK_MONOTONIC) to the answer that holds it
 *
 * --wait is the long polls' time: a server that does not see that their connections are gone hands messages to nobody after this program's end; 0 avoids that.
 * It ends when N messages are sent, or deleted, and prints one line of JSON: counts, time, its own CPU, and the latency of requests in microseconds.
 * Any answer but a whole success, and half a minute without an answer, end it with status 1. FILE holds a line ACCESS_KEY_ID:SECRET, so that no secret
 * stands on a command line.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "codec/json.h"
#include "codec/sigv4.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 10
#define SILENCE_MS 30000  /* without an answer: something is wrong */
#define STAMP "sent_ns"
#define SIGNED_HEADERS "content-type;host;x-amz-date;x-amz-target"
#define READ_BYTES 65536

/* ---- a histogram: exact to 3 % ---- */

#define SUB_BITS 5
#define BUCKETS (64 << SUB_BITS)

struct histogram {
    uint64_t counts[BUCKETS];
    uint64_t total;
    uint64_t most;
};

static size_t bucket_of(uint64_t value)
{
    int msb = value ? 63 - __builtin_clzll(value) : 0;

    if (msb <= SUB_BITS)
        return (size_t)value;
    return ((size_t)(msb - SUB_BITS) << SUB_BITS) + (size_t)(value >> (msb - SUB_BITS));
}

/* The greatest value that falls into it. */
static uint64_t bucket_end(size_t bucket)
{
    size_t shift = bucket >> SUB_BITS;

    if (shift <= 1)
        return bucket;
    return ((((uint64_t)bucket & ((1u << SUB_BITS) - 1)) | 1u << SUB_BITS) + 1) * (UINT64_C(1) << (shift - 1)) - 1;
}

static void histogram_add(struct histogram *h, uint64_t value)
{
    h->counts[bucket_of(value)]++;
    h->total++;
    h->most = value > h->most ? value : h->most;
}

static uint64_t histogram_at(const struct histogram *h, double part)
{
    uint64_t wanted = (uint64_t)((double)h->total * part + 0.5);
    uint64_t seen = 0;

    for (size_t i = 0; i < BUCKETS; i++) {
        seen += h->counts[i];
        if (seen > 0 && seen >= wanted)
            return bucket_end(i) < h->most ? bucket_end(i) : h->most;
    }
    return 0;
}

/* ---- the load ---- */

enum mode { MODE_SEND, MODE_CONSUME, MODE_SINGLE, MODE_WATCH, MODE_COUNT };
static const char *const mode_names[MODE_COUNT] = {"send", "consume", "single", "watch"};

enum operation { SEND_BATCH, RECEIVE, DELETE_BATCH, DELETE_ONE };
static const char *const operation_names[] = {"SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "DeleteMessage"};

struct options {
    const char *endpoint;
    const char *queue_url;
    const char *keys;
    const char *region;
    enum mode mode;
    uint64_t messages;
    uint64_t connections;
    uint64_t bytes;
    uint64_t wait_s;
};

struct connection {
    int fd;
    enum operation operation; /* that is under way */
    struct buffer out;
    size_t written;
    struct buffer in;
    int64_t began_ns;
    struct buffer handles; /* receipt handles that came last, raw JSON, each followed by a NUL */
    size_t handle_at;      /* the first that is not deleted yet */
};

struct load {
    const struct options *o;
    int poll;
    struct sockaddr_in address;
    char key_id[129];
    char secret[129];
    char date[9]; /* that `key` is of */
    struct hmac_key key;
    struct connection *connections;
    struct buffer body; /* scratch */
    struct buffer text;
    struct buffer authorization;
    uint64_t asked; /* messages put into requests (send) */
    uint64_t sent;
    uint64_t received;
    uint64_t deleted;
    uint64_t empty;
    uint64_t requests;
    struct histogram latency; /* microseconds */
};

static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void fail(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    fprintf(stderr, "sqs_load: ");
    vfprintf(stderr, format, values);
    fprintf(stderr, "\n");
    va_end(values);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t settled(const struct load *l)
{
    return l->o->mode == MODE_SEND ? l->sent : l->deleted;
}

/* ---- requests ---- */

static void sign(struct load *l, const struct header *headers, size_t count, struct slice stamp, int64_t now_ms)
{
    struct sigv4_request request = {.method = SLICE("POST"), .path = SLICE("/"), .query = SLICE(""), .body = buffer_slice(&l->body), .headers = headers,
                                    .header_count = count};
    struct buffer *text = &l->text;
    unsigned char bytes[SHA256_BYTES];
    char scope[128];
    char hex[2 * SHA256_BYTES + 1];
    char expected[17];

    sigv4_stamp(now_ms, expected);
    if (memcmp(expected, l->date, 8) != 0) { /* the first time, and at midnight */
        memcpy(l->date, expected, 8);
        sigv4_derive_key(slice_text(l->secret), slice_text(l->date), slice_text(l->o->region), SLICE("sqs"), bytes);
        hmac_key_fini(&l->key);
        hmac_key_init(&l->key, slice_from((const char *)bytes, sizeof(bytes)));
    }
    snprintf(scope, sizeof(scope), "%s/%s/sqs/aws4_request", l->date, l->o->region);
    buffer_reset(text);
    sigv4_canonical_request(text, &request, SLICE(SIGNED_HEADERS));
    buffer_reset(&l->authorization);
    sigv4_string_to_sign(&l->authorization, stamp, slice_text(scope), buffer_slice(text));
    hmac_key_sign(&l->key, buffer_slice(&l->authorization), bytes);
    hex_encode(bytes, sizeof(bytes), hex);
    buffer_reset(&l->authorization);
    buffer_printf(&l->authorization, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=" SIGNED_HEADERS ", Signature=%s", l->key_id, scope, hex);
}

/* Frames l->body as the connection's next request. */
static void frame(struct load *l, struct connection *c)
{
    int64_t now_ms = clock_now().wall_ms;
    char stamp[17];
    char target[64];
    struct header headers[4];

    sigv4_stamp(now_ms, stamp);
    snprintf(target, sizeof(target), "AmazonSQS.%s", operation_names[c->operation]);
    headers[0] = (struct header){SLICE("Content-Type"), SLICE("application/x-amz-json-1.0")};
    headers[1] = (struct header){SLICE("Host"), slice_text(l->o->endpoint)};
    headers[2] = (struct header){SLICE("X-Amz-Date"), slice_text(stamp)};
    headers[3] = (struct header){SLICE("X-Amz-Target"), slice_text(target)};
    sign(l, headers, 4, slice_text(stamp), now_ms);
    buffer_reset(&c->out);
    buffer_append_text(&c->out, "POST / HTTP/1.1\r\n");
    for (size_t i = 0; i < 4; i++)
        buffer_printf(&c->out, "%.*s: %.*s\r\n", SLICE_ARG(headers[i].name), SLICE_ARG(headers[i].value));
    buffer_printf(&c->out, "Authorization: %s\r\nContent-Length: %zu\r\n\r\n", l->authorization.ptr, l->body.len);
    buffer_append(&c->out, buffer_slice(&l->body));
    c->written = 0;
}

static void send_body(struct load *l)
{
    uint64_t left = l->o->messages - l->asked;
    uint64_t count = left < BATCH ? left : BATCH;

    buffer_append_text(&l->body, ",\"Entries\":[");
    for (uint64_t i = 0; i < count; i++) {
        size_t end;

        buffer_printf(&l->body, "%s{\"Id\":\"%llu\",\"MessageBody\":\"", i ? "," : "", (unsigned long long)i);
        end = l->body.len + (size_t)l->o->bytes + 8; /* the eight backslashes do not count */
        buffer_printf(&l->body, "{\\\"id\\\":\\\"order-%012llu\\\",\\\"note\\\":\\\"", (unsigned long long)(l->asked + i));
        while (l->body.len + 3 < end)
            buffer_append_byte(&l->body, '.');
        buffer_append_text(&l->body, "\\\"}\"}");
    }
    buffer_append_text(&l->body, "]");
    l->asked += count;
}

static const char *next_handle(struct connection *c)
{
    const char *handle = c->handles.ptr + c->handle_at;

    c->handle_at += strlen(handle) + 1;
    return handle;
}

static void delete_body(struct load *l, struct connection *c)
{
    buffer_append_text(&l->body, ",\"Entries\":[");
    for (int i = 0; c->handle_at < c->handles.len; i++)
        buffer_printf(&l->body, "%s{\"Id\":\"%d\",\"ReceiptHandle\":\"%s\"}", i ? "," : "", i, next_handle(c));
    buffer_append_text(&l->body, "]");
}

static enum operation next_operation(const struct load *l, const struct connection *c)
{
    if (l->o->mode == MODE_SEND)
        return SEND_BATCH;
    if (c->handle_at == c->handles.len)
        return RECEIVE;
    return l->o->mode == MODE_SINGLE ? DELETE_ONE : DELETE_BATCH;
}

static void flush_out(struct load *l, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    while (c->written < c->out.len) {
        ssize_t n = write(c->fd, c->out.ptr + c->written, c->out.len - c->written);

        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            fail("write: %s", strerror(errno));
        c->written += (size_t)n;
    }
    if (c->written < c->out.len)
        event.events |= EPOLLOUT;
    epoll_ctl(l->poll, EPOLL_CTL_MOD, c->fd, &event);
}

/* Starts the connection's next request; nothing when all that was to be sent is under way. */
static void proceed(struct load *l, struct connection *c)
{
    c->operation = next_operation(l, c);
    if (c->operation == SEND_BATCH && l->asked == l->o->messages)
        return;
    buffer_reset(&l->body);
    buffer_printf(&l->body, "{\"QueueUrl\":\"%s\"", l->o->queue_url);
    if (c->operation == SEND_BATCH)
        send_body(l);
    else if (c->operation == RECEIVE)
        buffer_printf(&l->body, ",\"MaxNumberOfMessages\":%d,\"WaitTimeSeconds\":%llu", BATCH, (unsigned long long)l->o->wait_s);
    else if (c->operation == DELETE_BATCH)
        delete_body(l, c);
    else
        buffer_printf(&l->body, ",\"ReceiptHandle\":\"%s\"", next_handle(c));
    buffer_append_byte(&l->body, '}');
    frame(l, c);
    c->began_ns = now_ns();
    flush_out(l, c);
}

/* ---- answers ---- */

/* The number that follows the stamp's name in a raw JSON string, whatever quoting lies between. */
static void note_stamp(struct load *l, struct slice body, int64_t at_ns)
{
    const char *hit = memmem(body.ptr, body.len, STAMP, strlen(STAMP));
    const char *end = body.ptr + body.len;
    int64_t sent_ns = 0;

    if (hit == NULL)
        fail("a message without a stamp: %.*s", SLICE_ARG(body));
    hit += strlen(STAMP);
    while (hit < end && (*hit < '0' || *hit > '9'))
        hit++;
    while (hit < end && *hit >= '0' && *hit <= '9')
        sent_ns = sent_ns * 10 + (*hit++ - '0');
    if (sent_ns <= 0 || sent_ns > at_ns)
        fail("a stamp that is not of the past: %.*s", SLICE_ARG(body));
    histogram_add(&l->latency, (uint64_t)(at_ns - sent_ns) / 1000);
}

static void take_message(struct load *l, struct connection *c, struct scanner *j, int64_t at_ns)
{
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (slice_is(key, "ReceiptHandle")) {
            buffer_append(&c->handles, scan_string(j));
            buffer_append_byte(&c->handles, '\0');
        } else if (l->o->mode == MODE_WATCH && slice_is(key, "Body")) {
            note_stamp(l, scan_string(j), at_ns);
        } else {
            scan_skip(j);
        }
    }
}

static uint64_t take_messages(struct load *l, struct connection *c, struct scanner *j, int64_t at_ns)
{
    struct slice key;
    uint64_t count = 0;

    buffer_reset(&c->handles);
    c->handle_at = 0;
    scan_object_begin(j);
    while (scan_member(j, &key)) {
        if (!slice_is(key, "Messages")) {
            scan_skip(j);
            continue;
        }
        scan_array_begin(j);
        for (; scan_element(j); count++)
            take_message(l, c, j, at_ns);
    }
    return count;
}

/* How many entries of a batch succeeded; all must. */
static uint64_t take_batch(struct scanner *j, struct slice text)
{
    struct slice key;
    uint64_t good = 0;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        bool success = slice_is(key, "Successful");

        if (!success && !slice_is(key, "Failed")) {
            scan_skip(j);
            continue;
        }
        scan_array_begin(j);
        for (; scan_element(j); scan_skip(j)) {
            if (!success)
                fail("entries failed: %.*s", SLICE_ARG(text));
            good++;
        }
    }
    return good;
}

static void answered(struct load *l, struct connection *c, int status, struct slice text)
{
    int64_t at_ns = now_ns();
    struct scanner j;
    uint64_t count;

    if (status != 200)
        fail("%s: HTTP %d: %.*s", operation_names[c->operation], status, SLICE_ARG(text));
    l->requests++;
    if (l->o->mode != MODE_WATCH)
        histogram_add(&l->latency, (uint64_t)(at_ns - c->began_ns) / 1000);
    scan_init(&j, text);
    switch (c->operation) {
    case SEND_BATCH:
        l->sent += take_batch(&j, text);
        break;
    case RECEIVE:
        count = take_messages(l, c, &j, at_ns);
        l->received += count;
        l->empty += count == 0;
        break;
    case DELETE_BATCH:
        l->deleted += take_batch(&j, text);
        break;
    default:
        l->deleted++;
        return;
    }
    if (!scan_end(&j))
        fail("%s: malformed answer: %.*s", operation_names[c->operation], SLICE_ARG(text));
}

/* The value of a header in a NUL-terminated block of headers, or NULL. */
static const char *header_value(const char *block, const char *name)
{
    const char *hit = strcasestr(block, name);

    return hit ? hit + strlen(name) : NULL;
}

/* Takes the chunks' lengths out, in place. Returns the body's length, -1: not whole yet. */
static ssize_t join_chunks(char *text, size_t len)
{
    size_t at = 0;
    size_t total = 0;

    for (bool apply = false;; apply = true) { /* a first round looks, a second one moves */
        at = total = 0;
        for (;;) {
            const char *line_end = memmem(text + at, len - at, "\r\n", 2);
            size_t bytes;

            if (line_end == NULL)
                return -1;
            bytes = strtoul(text + at, NULL, 16);
            at = (size_t)(line_end - text) + 2;
            if (len - at < bytes + 2)
                return -1;
            if (bytes == 0)
                break;
            if (apply)
                memmove(text + total, text + at, bytes);
            total += bytes;
            at += bytes + 2;
        }
        if (apply)
            return (ssize_t)total;
    }
}

/* Is a whole answer there? One request at a time is under way, so it is all there is. */
static bool whole(struct connection *c, int *status, struct slice *body)
{
    char *end = c->in.len ? strstr(c->in.ptr, "\r\n\r\n") : NULL;
    const char *length;
    size_t start;
    ssize_t bytes;

    if (end == NULL)
        return false;
    start = (size_t)(end - c->in.ptr) + 4;
    *end = '\0';
    length = header_value(c->in.ptr, "\r\nContent-Length:");
    if (length)
        bytes = c->in.len - start >= strtoul(length, NULL, 10) ? (ssize_t)strtoul(length, NULL, 10) : -1;
    else if (header_value(c->in.ptr, "\r\nTransfer-Encoding: chunked"))
        bytes = join_chunks(c->in.ptr + start, c->in.len - start);
    else
        fail("an answer without a length: %s", c->in.ptr);
    *status = c->in.len > 12 ? atoi(c->in.ptr + 9) : 0;
    *end = '\r';
    *body = slice_from(c->in.ptr + start, bytes < 0 ? 0 : (size_t)bytes);
    return bytes >= 0;
}

static void take_in(struct load *l, struct connection *c)
{
    struct slice body;
    ssize_t n;
    int status;

    buffer_reserve(&c->in, READ_BYTES);
    n = read(c->fd, c->in.ptr + c->in.len, READ_BYTES);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        fail("the connection was closed in the middle of %s: %s", operation_names[c->operation], n < 0 ? strerror(errno) : "end of file");
    c->in.len += (size_t)n;
    c->in.ptr[c->in.len] = '\0';
    if (!whole(c, &status, &body))
        return;
    answered(l, c, status, body);
    buffer_reset(&c->in);
    proceed(l, c);
}

/* ---- connections ---- */

static void connection_open(struct load *l, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&l->address, sizeof(l->address)) != 0)
        fail("cannot connect to %s: %s", l->o->endpoint, strerror(errno));
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 || ioctl(c->fd, FIONBIO, &on) != 0 ||
        epoll_ctl(l->poll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        fail("socket: %s", strerror(errno));
}

static void connection_close(struct connection *c)
{
    close(c->fd);
    buffer_fini(&c->out);
    buffer_fini(&c->in);
    buffer_fini(&c->handles);
}

static void read_key(struct load *l)
{
    FILE *file = fopen(l->o->keys, "re");

    if (file == NULL || fscanf(file, "%128[^:\n]:%128[^\n]", l->key_id, l->secret) != 2)
        fail("no line ACCESS_KEY_ID:SECRET in %s", l->o->keys);
    fclose(file);
}

static void load_init(struct load *l, const struct options *o)
{
    const char *colon = strrchr(o->endpoint, ':');
    char host[64];

    *l = (struct load){.o = o, .poll = epoll_create1(EPOLL_CLOEXEC), .address = {.sin_family = AF_INET}};
    if (colon == NULL || (size_t)(colon - o->endpoint) >= sizeof(host))
        fail("--endpoint wants HOST:PORT");
    snprintf(host, sizeof(host), "%.*s", (int)(colon - o->endpoint), o->endpoint);
    l->address.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &l->address.sin_addr) != 1)
        fail("--endpoint wants an IPv4 address");
    read_key(l);
    hmac_key_init(&l->key, SLICE("none yet"));
    l->connections = memory_zeroed(o->connections, sizeof(*l->connections));
    for (uint64_t i = 0; i < o->connections; i++)
        connection_open(l, &l->connections[i]);
}

static void load_fini(struct load *l)
{
    for (uint64_t i = 0; i < l->o->connections; i++)
        connection_close(&l->connections[i]);
    free(l->connections);
    close(l->poll);
    hmac_key_fini(&l->key);
    buffer_fini(&l->body);
    buffer_fini(&l->text);
    buffer_fini(&l->authorization);
    explicit_bzero(l->secret, sizeof(l->secret));
}

static void load_run(struct load *l)
{
    struct epoll_event events[64];

    for (uint64_t i = 0; i < l->o->connections; i++)
        proceed(l, &l->connections[i]);
    while (settled(l) < l->o->messages) {
        int n = epoll_wait(l->poll, events, 64, SILENCE_MS);

        if (n < 0 && errno != EINTR)
            fail("epoll_wait: %s", strerror(errno));
        if (n == 0)
            fail("no answer for %d ms; %llu of %llu done", SILENCE_MS, (unsigned long long)settled(l), (unsigned long long)l->o->messages);
        for (int i = 0; i < n && settled(l) < l->o->messages; i++) {
            struct connection *c = events[i].data.ptr;

            if (events[i].events & EPOLLOUT)
                flush_out(l, c);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                take_in(l, c);
        }
    }
}

static int64_t cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void report(const struct load *l, double seconds)
{
    printf("{\"mode\":\"%s\",\"connections\":%llu,\"sent\":%llu,\"received\":%llu,\"deleted\":%llu,\"empty_receives\":%llu,\"requests\":%llu,"
           "\"seconds\":%.6f,\"per_second\":%.1f,\"own_cpu_us\":%.3f,",
           mode_names[l->o->mode], (unsigned long long)l->o->connections, (unsigned long long)l->sent, (unsigned long long)l->received,
           (unsigned long long)l->deleted, (unsigned long long)l->empty, (unsigned long long)l->requests, seconds, (double)settled(l) / seconds,
           (double)cpu_us() / (double)settled(l));
    printf("\"latency_us\":{\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"max\":%llu}}\n", (unsigned long long)histogram_at(&l->latency, 0.5),
           (unsigned long long)histogram_at(&l->latency, 0.9), (unsigned long long)histogram_at(&l->latency, 0.99), (unsigned long long)l->latency.most);
}

/* ---- the command line ---- */

enum flag { ENDPOINT = 1, QUEUE_URL, KEYS, REGION, MODE, MESSAGES, CONNECTIONS, BYTES, WAIT };

static const struct option options_known[] = {
    {"endpoint", required_argument, NULL, ENDPOINT}, {"queue-url", required_argument, NULL, QUEUE_URL}, {"keys", required_argument, NULL, KEYS},
    {"region", required_argument, NULL, REGION},     {"mode", required_argument, NULL, MODE},           {"messages", required_argument, NULL, MESSAGES},
    {"bytes", required_argument, NULL, BYTES},       {"connections", required_argument, NULL, CONNECTIONS}, {"wait", required_argument, NULL, WAIT},
    {NULL, 0, NULL, 0},
};

static bool set_mode(struct options *o, const char *name)
{
    for (int i = 0; i < MODE_COUNT; i++) {
        if (strcmp(mode_names[i], name) != 0)
            continue;
        o->mode = (enum mode)i;
        return true;
    }
    return false;
}

static bool set(struct options *o, int flag, const char *value)
{
    switch (flag) {
    case ENDPOINT:
        o->endpoint = value;
        return true;
    case QUEUE_URL:
        o->queue_url = value;
        return true;
    case KEYS:
        o->keys = value;
        return true;
    case REGION:
        o->region = value;
        return true;
    case MODE:
        return set_mode(o, value);
    case MESSAGES:
        return slice_to_u64(slice_text(value), &o->messages);
    case CONNECTIONS:
        return slice_to_u64(slice_text(value), &o->connections) && o->connections > 0;
    case BYTES:
        return slice_to_u64(slice_text(value), &o->bytes) && o->bytes >= 64 && o->bytes <= 100000;
    case WAIT:
        return slice_to_u64(slice_text(value), &o->wait_s) && o->wait_s <= 20;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    struct options o = {.region = "eu-west-1", .messages = 10000, .connections = 16, .bytes = 1024, .wait_s = 5};
    struct load l;
    int64_t began_ns;
    int flag;

    while ((flag = getopt_long(argc, argv, "", options_known, NULL)) != -1)
        if (!set(&o, flag, optarg))
            fail("cannot be understood: %s", argv[optind - 1]);
    if (!o.endpoint || !o.queue_url || !o.keys)
        fail("wants --endpoint, --queue-url and --keys");
    digest_init();
    load_init(&l, &o);
    began_ns = now_ns();
    load_run(&l);
    report(&l, (double)(now_ns() - began_ns) / 1e9);
    load_fini(&l);
    digest_fini();
    return 0;
}
