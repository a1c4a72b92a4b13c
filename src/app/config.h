/* SPDX-License-Identifier: Apache-2.0
 *
 * config: what stream2sqs was asked to do, from a YAML file, the environment and flags, all read through one table (config_table.h).
 *
 * Order: flag over environment (STREAM2SQS_<NAME>) over file over default. Every mistake is collected, so that one run of `check` names all of them:
 * file, line, what was found, what is allowed, and the nearest valid name. Unknown keys are errors.
 */
#ifndef S2Q_APP_CONFIG_H
#define S2Q_APP_CONFIG_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum config_start { CONFIG_START_TRIM_HORIZON, CONFIG_START_LATEST };
enum config_body { CONFIG_BODY_LAMBDA };
enum config_gap_policy { CONFIG_GAP_CONTINUE, CONFIG_GAP_STOP }; /* after a gap: go on with what is left, or stop reading that shard */

struct config_queue {
    char *name;
    int64_t visibility_timeout_ms;
    int64_t retention_ms;           /* message_retention: how long an unsettled message may live; 0: for ever (default for queues fed by a stream) */
    int64_t max_receive_count;      /* 0: no limit */
    char *dead_letter_queue;        /* NULL: dead messages stay in the queue's own dead list */
    enum config_body body;
};

struct config_pipeline {
    char *stream;                   /* table name or stream ARN */
    enum config_start start;
    enum config_gap_policy on_gap;
    int64_t idle_poll_ms;           /* poll_interval */
    struct config_queue *queues;
    size_t queue_count;
};

struct config {
    char *ledger;
    char *listen;                   /* host:port */
    char *admin;
    char *access_keys_file;         /* NULL: none given */
    char *region;                   /* NULL: AWS_REGION and so on */
    char *profile;                  /* NULL: AWS_PROFILE or default */
    char *account_id;
    int64_t keep_settled_ms;
    int64_t ledger_budget_bytes;    /* 0: a share of the disk */
    int64_t cache_bytes;            /* SQLite's page cache */
    int64_t stop_timeout_ms;
    int64_t discovery_interval_ms;
    int64_t max_connections;
    bool listen_beyond_loopback;    /* the explicit yes */
    int log_format;                 /* enum log_format */
    int log_level;                  /* enum log_level */
    struct config_pipeline *pipelines;
    size_t pipeline_count;
    struct config_queue *queues;    /* plain queues, fed by SendMessage only (top-level `queues:`), incl. dead-letter queues named by others */
    size_t queue_count;
};

/* What a command line gave. Flags may be anywhere; what is no flag is an argument. */
struct command_line {
    const char *config_file;        /* --config, or NULL */
    struct config_flag { const char *name; const char *value; } *flags; /* borrowed texts, in order */
    size_t flag_count;
};

/* Reads file, environment and flags, fills in defaults, checks everything. On failure: false, and *problems has one line per mistake
 * ("stream2sqs.yaml:12: unknown option \"visibilty_timeout\" (nearest: visibility_timeout)"); *config is still safe to fini. */
MUST_USE bool config_load(struct config *config, const struct command_line *line, const char *(*lookup)(const char *), struct buffer *problems);
void config_fini(struct config *config);
/* The effective configuration as YAML, secrets left out (there are none: keys live in access_keys_file). */
void config_show(const struct config *config, struct buffer *out);

/* Is there an option of this name that a flag may set (with '-' for '_')? takes_value: false for a bare boolean. */
bool config_option_exists(const char *flag_name, bool *takes_value);
/* Appends the "Options" part of --help: one line per option with default, unit and help, wrapped at 100 columns. */
void config_append_help(struct buffer *out);

#endif
