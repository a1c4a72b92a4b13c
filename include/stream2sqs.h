/* SPDX-License-Identifier: Apache-2.0
 *
 * stream2sqs.h: consume records from a queue of stream2sqs's endpoint, or of Amazon SQS, in C.
 *
 *     struct s2q_options options = S2Q_OPTIONS_INIT;
 *     options.queue_url = "http://127.0.0.1:9324/000000000000/orders-events";
 *     options.handler = handle;
 *     struct s2q_consumer *consumer = s2q_consumer_new(&options, &error);
 *     enum s2q_status status = consumer ? s2q_consumer_run(consumer, &error) : error.status;
 *     s2q_consumer_free(consumer);
 *
 * The handler is called once for each message received. What it accepts is deleted (in batches, behind the scenes); what it fails or gives up comes again, or
 * goes to a dead-letter queue, as the options say. While it runs, the message stays invisible to others. Delivery is at least once: keep event_id as the
 * idempotency key. docs/library.md says more.
 *
 * Of a FIFO queue, messages of one group are handled one after the other, in order; when one of them is to come again, the rest of its group that was received
 * with it is not handled, but comes again behind it.
 *
 * The library installs no signal handler. It writes to standard error only before it ends the process: when memory is short (it exits with status 71), and
 * when it meets a bug of its own (it aborts). All else goes to `log`. State of the process that it initialises: libcurl (curl_global_init, counted).
 * Not across fork: a consumer belongs to the process that made it.
 */
#ifndef STREAM2SQS_H
#define STREAM2SQS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define S2Q_PUBLIC __attribute__((visibility("default")))
#else
#define S2Q_PUBLIC
#endif

enum s2q_status {
    S2Q_OK = 0,
    S2Q_CONFIG = 1,      /* options that make no sense, or a server that was never to be trusted (its certificate); trying again changes nothing */
    S2Q_CREDENTIALS = 2, /* none, or refused, or not allowed what is needed */
    S2Q_NOT_FOUND = 3,   /* the queue, or the dead-letter queue, is not there */
    S2Q_SYSTEM = 4       /* the operating system refused something */
    /* A server that does not answer is no status: it is asked again, with back-off, until the consumer is stopped. */
};

struct s2q_error {
    enum s2q_status status;
    char text[512]; /* for people, NUL-terminated */
};

/* A text that need not end with a NUL; ptr NULL: absent. Borrowed. */
struct s2q_text {
    const char *ptr;
    size_t len;
};

struct s2q_attribute {
    struct s2q_text name;
    struct s2q_text type;  /* "String", "Number", "Binary", with the sender's custom part */
    struct s2q_text value; /* binary ones: their bytes */
};

/* One message. All of it is the library's, and ends when the handler returns: copy what is to be kept. */
struct s2q_message {
    struct s2q_text body;
    struct s2q_text message_id;
    struct s2q_text group_id;        /* absent: it has none */
    struct s2q_text stream;          /* these four: of the record it was made of, from the attributes stream2sqs.*; absent if the message has them not */
    struct s2q_text shard;
    struct s2q_text sequence_number;
    struct s2q_text event_id;
    uint64_t receive_count;          /* 0: the server did not say */
    const struct s2q_attribute *attributes;
    size_t attribute_count;
};

enum s2q_outcome {
    S2Q_DONE,   /* delete it */
    S2Q_RETRY,  /* let it come again, when its visibility ends or at once: options.retry_at_once, s2q_retry_after. So is any value that is none of these */
    S2Q_GIVE_UP /* it will never work: see s2q_give_up */
};

struct s2q_delivery; /* one call of a handler */

/* Says why the handler gives up; counts if it then returns S2Q_GIVE_UP. Does not block, and cannot fail. `reason` is copied: its first 1,024 bytes, control
 * characters and what is no UTF-8 escaped. Only inside the handler, in its thread. Called twice, the last reason counts.
 *
 * With options.dead_letter_queue_url the message is sent there, its body and attributes unchanged and the reason in the attribute "stream2sqs.reason"
 * (left out, and logged, when there are ten attributes already), and is deleted only when that queue has confirmed it, by its digests. If that queue refuses
 * it, it comes again as with S2Q_RETRY. A FIFO dead-letter queue gets it in its own group.
 * Without that option, SQS has no place for a reason: it is logged, and the message comes again as with S2Q_RETRY, until the queue's own redrive policy
 * moves it. */
S2Q_PUBLIC void s2q_give_up(struct s2q_delivery *delivery, const char *reason);

/* Says when the message comes again, if the handler then returns S2Q_RETRY: so many seconds from then on (0: at once; SQS takes 43,200 at most, counted from
 * its receive), whatever options.retry_at_once says. Of a FIFO queue, its group waits meanwhile. Does not block, and cannot fail. Only inside the handler, in
 * its thread. Called twice, the last time counts. */
S2Q_PUBLIC void s2q_retry_after(struct s2q_delivery *delivery, unsigned seconds);

enum s2q_log_level { S2Q_LOG_DEBUG, S2Q_LOG_INFO, S2Q_LOG_WARNING, S2Q_LOG_ERROR };

/* S2Q_OPTIONS_INIT is every default but for handler, and queue_url or queue_name. Texts are copied by s2q_consumer_new. */
struct s2q_options {
    size_t size; /* sizeof(struct s2q_options): a newer library knows an older caller by it */
    const char *queue_url;         /* plain http only to loopback, here and in the next, unless plain_http_beyond_loopback allows it */
    const char *endpoint_url;      /* the server, if queue_url does not say how to reach it (a VPC endpoint, a proxy); NULL: queue_url's */
    const char *region;            /* NULL: the URL's, if it is Amazon's own; AWS_REGION, AWS_DEFAULT_REGION, the profile's */
    const char *access_key_id;     /* NULL: environment, profile, container, instance, as the AWS command line */
    const char *secret_access_key;
    const char *session_token;     /* NULL: none */
    const char *profile;           /* NULL: AWS_PROFILE, "default" */
    const char *ca_bundle;         /* NULL: AWS_CA_BUNDLE, the profile's, the system's */
    const char *dead_letter_queue_url; /* on the same server; NULL: none; see s2q_give_up */
    unsigned workers;              /* threads that call the handler, of the library's own; 0: 1; at most 1,024 */
    unsigned visibility_timeout_s; /* 0: 30; at most 43,200; extended while a message waits for a worker, or its handler runs */
    int retry_at_once;             /* S2Q_RETRY: 0: the message comes again when its visibility ends; else: at once */
    /* Called in the workers' threads, which have all signals blocked but those of faults; by several at a time if there are several. May block as long as it
     * likes (SQS extends for 12 hours at most). Must return, and not call s2q_consumer_run or s2q_consumer_free on its own consumer. */
    enum s2q_outcome (*handler)(void *context, struct s2q_delivery *delivery, const struct s2q_message *message);
    void *context; /* the handler's and log's */
    /* NULL: nothing is logged. `text` is one line, with no end of line, and is the library's. Called in the thread that is in a function of the library's,
     * never in a worker's; it should not block. No secret, body or receipt handle is ever logged. */
    void (*log)(void *context, enum s2q_log_level level, const char *text);
    /* In place of queue_url: its URL is asked for when it runs, at endpoint_url, or where the AWS command line would ask (AWS_ENDPOINT_URL_SQS and so on, or
     * Amazon SQS in the region). */
    const char *queue_name;
    const char *dead_letter_queue_name; /* in place of dead_letter_queue_url; asked for in the same way */
    uint64_t messages_max;    /* it stops when the handler was called so often; no more messages are received than that needs; 0: no bound */
    /* It stops when everything is settled and the queue gave no message for so many seconds (20 at most); 0: it does not. Messages that are hidden, by this
     * consumer's failures or by others, are not waited for. */
    unsigned stop_when_empty_s;
    int plain_http_beyond_loopback; /* not 0: a server on another machine may be reached without TLS: what is sent can be read on the way, and nothing says
                                     * that the server is the one meant. Never Amazon's own */
};
#define S2Q_OPTIONS_INIT {sizeof(struct s2q_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* What became of messages, each counted once for each time that the handler was called with it. done and dead_lettered messages that are not deleted may come
 * again. */
struct s2q_counts {
    size_t size;            /* sizeof(struct s2q_counts), as S2Q_COUNTS_INIT sets it */
    uint64_t done;          /* the handler returned S2Q_DONE */
    uint64_t retried;       /* S2Q_RETRY, or given up with nowhere to go */
    uint64_t dead_lettered; /* given up, and confirmed by the dead-letter queue */
    uint64_t deleted;       /* of done and dead_lettered: the server has confirmed the delete */
};
#define S2Q_COUNTS_INIT {sizeof(struct s2q_counts), 0, 0, 0, 0}

struct s2q_consumer;

/* Reads the AWS files, and begins to fetch credentials if there are none in them; does not wait for the network. NULL: *error (may be NULL; unchanged on
 * success): S2Q_CONFIG, S2Q_CREDENTIALS or S2Q_SYSTEM. The caller frees it with s2q_consumer_free. Thread-safe. */
S2Q_PUBLIC struct s2q_consumer *s2q_consumer_new(const struct s2q_options *options, struct s2q_error *error);
/* Blocks until stopped (S2Q_OK), or until it cannot go on (the status, and *error, which may be NULL): the server has refused the same thing three times in a
 * row (for expired credentials: ten times), or a thread cannot be started. A server that does not answer is asked again, with back-off, for ever; so is
 * one whose certificate is not trusted any more, but not one that never was.
 * In the end running handlers are waited for, deletes are flushed, and what no handler was given is made visible again; with a server that does not answer,
 * that is tried as long as the messages' visibility lasts. It stops by itself when options.messages_max or options.stop_when_empty_s say so. Receives that
 * have waited for messages for a second are cut: a message that was on its way at that very instant comes again when its visibility ends.
 * One thread at a time for one consumer; many consumers may run in a process. After an error, or when it stopped by itself, but not after s2q_consumer_stop,
 * it may be run again. */
S2Q_PUBLIC enum s2q_status s2q_consumer_run(struct s2q_consumer *consumer, struct s2q_error *error);
/* Asks it to stop; returns at once. From any thread, from a handler, and from a signal handler. Also before it runs; once stopped, it stays so. */
S2Q_PUBLIC void s2q_consumer_stop(struct s2q_consumer *consumer);
/* Of its last run. Not while it runs. */
S2Q_PUBLIC void s2q_consumer_counts(const struct s2q_consumer *consumer, struct s2q_counts *counts);
/* Not while it runs, and not while s2q_consumer_stop may still be called. NULL: nothing. Wipes secrets. */
S2Q_PUBLIC void s2q_consumer_free(struct s2q_consumer *consumer);
/* The library's version, "0.1.0". Never freed. */
S2Q_PUBLIC const char *s2q_version(void);

#ifdef __cplusplus
}
#endif
#endif
