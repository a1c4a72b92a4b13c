/* SPDX-License-Identifier: Apache-2.0
 *
 * config: what stream2sqs was asked to do, from a YAML file, the environment and flags, all read through one table (config_table.h).
 *
 * Order: flag over environment (STREAM2SQS_<NAME>) over file over default. Every mistake is collected, so that one run of `check` names all of them:
 * file, line, what was found, what is allowed, and the nearest valid name. Unknown keys are errors.
 */
#ifndef S2Q_APP_CONFIG_H
#define S2Q_APP_CONFIG_H

#include "aws/profile.h"
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum config_start { CONFIG_START_TRIM_HORIZON, CONFIG_START_LATEST };
enum config_target { CONFIG_TARGET_EMBEDDED, CONFIG_TARGET_SQS };
enum config_from { CONFIG_FROM_NOW, CONFIG_FROM_LEDGER, CONFIG_FROM_STREAM };
enum config_dead_policy { CONFIG_DEAD_CONTINUE, CONFIG_DEAD_HOLD_KEY };
enum config_oversize { CONFIG_OVERSIZE_PARK, CONFIG_OVERSIZE_PROJECT, CONFIG_OVERSIZE_S3 };
enum config_gap_policy { CONFIG_GAP_CONTINUE, CONFIG_GAP_STOP }; /* after a gap: go on with what is left, or stop reading that shard */

struct config_queue {
    char *name;
    int64_t visibility_timeout_ms;
    int64_t max_receive_count; /* 0: no limit */
    char *dead_letter_queue;   /* NULL: dead messages stay in the queue, in state dead. Of a queue on another server: the one that is read there */
    bool gateway;              /* of a queue on another server: consumers may come through the endpoint */
    int body;                  /* enum body_form */
    char *project;             /* "keys", or names of attributes that images keep; NULL: whole images */
    char *attributes;          /* see message_form_init; NULL: the default */
    char *message_group;
    int oversize;              /* enum config_oversize */
    char *s3_bucket;           /* of CONFIG_OVERSIZE_S3 */
    char *s3_prefix;           /* NULL: none */
    char *s3_region;           /* NULL: the queue's */
    int s3_addressing;         /* enum bucket_addressing */
    char *s3_endpoint_url;     /* NULL: AWS's, or the environment's */
    int target;                /* enum config_target */
    char *address;             /* of a queue on another server: name, URL or ARN; NULL: its name */
    char *region;              /* NULL: the address's, or the configuration's */
    char *endpoint_url;        /* NULL: AWS's, or the environment's */
    char *filter;              /* Lambda's FilterCriteria, or one event pattern, as JSON; NULL: every record */
    int from;                  /* enum bridge_from */
    int on_dead;               /* enum config_dead_policy */
    char *role_arn;            /* in whose name it is sent to; NULL: the credentials' own */
    char *external_id;         /* NULL: none */
    int64_t requests_max;      /* on their way to the other server at the same time */
    char *where;               /* for error texts: "stream2sqs.yaml:12" */
    bool by_name;              /* it stands there by its name alone, which may mean one that is described elsewhere */
};

struct config_pipeline {
    char *stream; /* table name or stream ARN */
    int start;    /* enum config_start */
    int on_gap;   /* enum config_gap_policy */
    char *role_arn;    /* in whose name it is read; NULL: the credentials' own */
    char *external_id; /* NULL: none */
    int64_t idle_poll_ms;
    const char **queues; /* names: each is one of config.queues */
    size_t queue_count;
    bool queue_refused; /* one was named, and refused */
    char *where;
};

struct config {
    char *ledger;
    bool ledger_named;      /* by the file, the environment or a flag, so that it is the right one whatever else is wrong */
    char *listen; /* host:port */
    char *admin;
    char *tls_certificate;  /* NULL: plain HTTP */
    char *tls_key;
    char *access_keys_file; /* NULL: none given */
    char *region;           /* NULL: AWS_REGION and so on */
    char *profile;          /* NULL: AWS_PROFILE or default */
    char *account_id;
    char *regions;          /* that have queues of their own; NULL: one set of queues for all */
    bool aws_waits;
    int64_t keep_settled_ms;
    int64_t ledger_budget_bytes; /* 0: half of what the disk holds */
    int64_t disk_reserve_bytes;
    int64_t cache_bytes;         /* SQLite's page cache */
    int64_t stop_timeout_ms;
    int64_t discovery_interval_ms;
    int64_t max_connections;
    int64_t max_connections_per_address; /* 0: as `listen` says */
    bool listen_beyond_loopback; /* the explicit yes */
    bool plain_http_beyond_loopback; /* the same, for where we send to */
    int log_format;              /* enum log_format */
    int log_level;               /* enum log_level */
    struct config_pipeline *pipelines;
    size_t pipeline_count;
    struct config_queue *queues; /* every queue, each once: those of pipelines, plain ones, dead-letter queues */
    size_t queue_count;
};

/* Does the pipeline name the queue? */
bool config_pipeline_feeds(const struct config_pipeline *p, const char *queue);

/* What a command line gave; borrowed texts, in order. */
struct command_line {
    const char *config_file; /* --config, or NULL */
    struct config_flag {
        const char *name; /* without the leading dashes, '-' for '_' */
        const char *value;
    } *flags;
    size_t flag_count;
};

/* Reads file, environment and flags, fills in defaults, checks everything. On failure: false, and *problems has one line per mistake
 * ("stream2sqs.yaml:12: unknown option \"visibilty_timeout\" (nearest: visibility_timeout)"); *config is still safe to fini. */
MUST_USE bool config_load(struct config *config, const struct command_line *line, const char *(*lookup)(const char *), struct buffer *problems);
void config_fini(struct config *config);
/* Appends a line for each name in the environment (as environ) that looks like an option and is none. That is no error, as a wrong flag or key is: those are
 * meant for us alone, but in a pod whose Service is called stream2sqs Kubernetes sets STREAM2SQS_PORT and the like. What it sets is passed over. */
void config_environment_warnings(char *const *environment, struct buffer *out);

/* Is there an option of this name that a flag may set (with '-' for '_')? takes_value: false for a bare boolean. */
bool config_option_exists(const char *flag_name, bool *takes_value);
/* What people and shells are told of an option. */
struct option_text {
    const char *flag;
    const char *takes;
    const char *default_text; /* "": none */
    const char *at_reload;    /* "reload", "new", "restart": see option_reload */
    const char *help;
};
/* Calls `each` for every option that is a flag. */
void config_options(void (*each)(void *context, const struct option_text *option), void *context);
/* The name of `candidates` (NULL-terminated) that is nearest to what was written; NULL: none is near. */
const char *nearest_name(const char *written, const char *const *candidates);

/* Of every option, what a reload does with a value that has changed: takes it up, does so only for a stream that the ledger does not know or a
 * queue that no stream has fed, or does not. */
enum option_reload { AT_RELOAD, AT_NEW, AT_RESTART };
/* Appends the names of options that differ, and cannot change while the process runs; nothing: none do. */
void config_fixed_differences(const struct config *running, const struct config *wanted, struct buffer *out);
/* Appends what a reload changes, for people: "queue a added, stream b removed, queue c changed, keep_settled changed"; nothing if nothing does. Options of
 * config_fixed_differences are not among it. */
void config_changes(const struct config *before, const struct config *after, struct buffer *out);
/* Is the stream read in the same way, by the same credentials? */
bool config_same_reader(const struct config_pipeline *a, const struct config_pipeline *b);

/* Is any of its queues on another server? */
bool config_needs_sqs(const struct config *config);

/* Where the endpoint's keys are: the file that is named, or the one beside the ledger. The caller frees it. */
char *config_access_keys_path(const struct config *c);
/* Where a running process writes down its addresses. The caller frees it. */
char *config_addresses_path(const struct config *c);
/* Where a process that has the ledger takes orders: a Unix socket. The caller frees it. */
char *config_control_path(const char *ledger);
/* Says of queues of one stream that they are one queue on another server, by how they are spelled, or by `places`: what each queue is, as far as its server
 * has told (NULL: not). A line each. */
void config_duplicate_warnings(const struct config *config, char *const *places, struct buffer *out);
/* The profile that the configuration names, with what the configuration allows; NULL: *err. aws_profile_free. */
struct aws_profile *config_profile(const struct config *config, struct error *err);
/* "127.0.0.1:9324", "[::1]:0", "localhost:80": is the host this machine's own? */
bool config_loopback(const char *address);

#endif
