/* SPDX-License-Identifier: Apache-2.0
 *
 * config_table: every option, once. Feeds the file, the environment, the flags, --help, the manual page and the shell completions.
 *
 * X(scope, name, type, at a reload, owner, field, least, most, default, values or unit, help)
 *
 * At a reload: RELOAD, it is taken up; NEW, for a stream that the ledger does not know, a queue that no stream has fed; RESTART, not, and a reload that meets
 * it changed says so.
 */
#ifndef S2Q_APP_CONFIG_TABLE_H
#define S2Q_APP_CONFIG_TABLE_H

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MIB (INT64_C(1024) * 1024)

#define CONFIG_TABLE(X)                                                                                                                  \
    X(TOP, "ledger", TEXT, RESTART, struct config, ledger, 0, 0, "stream2sqs.db", "FILE", "where every record's life is kept (SQLite)")  \
    X(TOP, "listen", ADDRESS, RESTART, struct config, listen, 0, 0, "127.0.0.1:9324", "HOST:PORT", "the SQS endpoint; port 0: any free one") \
    X(TOP, "admin", ADDRESS, RESTART, struct config, admin, 0, 0, "127.0.0.1:9325", "HOST:PORT", "/metrics, /healthz, /readyz")          \
    X(TOP, "listen_beyond_loopback", BOOL, RESTART, struct config, listen_beyond_loopback, 0, 0, "false", "",                            \
      "allow listen and admin on addresses that other machines reach (with tls_certificate, or TLS in front)")                           \
    X(TOP, "plain_http_beyond_loopback", BOOL, RESTART, struct config, plain_http_beyond_loopback, 0, 0, "false", "",                    \
      "allow endpoints that are set (AWS_ENDPOINT_URL and so on) to be plain http on other machines: what is sent can be read on the way")  \
    X(TOP, "tls_certificate", TEXT, RESTART, struct config, tls_certificate, 0, 0, "", "FILE",                                           \
      "TLS for the SQS endpoint: its certificate and those above it (PEM); both files are read again when they change")                           \
    X(TOP, "tls_key", TEXT, RESTART, struct config, tls_key, 0, 0, "", "FILE", "the certificate's key (PEM, mode 0600)")                 \
    X(TOP, "access_keys_file", TEXT, RESTART, struct config, access_keys_file, 0, 0, "", "FILE",                                         \
      "who may use the endpoint: lines of ACCESS_KEY_ID:SECRET, and what for: docs/security.md; mode 0600 (without it, one key is made for loopback)") \
    X(TOP, "region", TEXT, RESTART, struct config, region, 0, 0, "", "NAME", "AWS region; else AWS_REGION, AWS_DEFAULT_REGION, the profile's") \
    X(TOP, "profile", TEXT, RESTART, struct config, profile, 0, 0, "", "NAME", "profile in ~/.aws; else AWS_PROFILE, default")           \
    X(TOP, "account_id", TEXT, RESTART, struct config, account_id, 0, 0, "000000000000", "DIGITS", "in queue URLs and ARNs")             \
    X(TOP, "regions", LIST, RESTART, struct config, regions, 0, 0, "", "NAME,...",                                                       \
      "regions that have queues of their own beside `region`'s, or \"*\" for any (default: one set of queues, whatever region a client signs for)") \
    X(TOP, "aws_waits", BOOL, RESTART, struct config, aws_waits, 0, 0, "true", "",                                                       \
      "as in AWS, a deleted queue's name is free, and a queue can be purged again, only after 60 seconds (false: for test suites)")      \
    X(TOP, "keep_settled", DURATION, RELOAD, struct config, keep_settled_ms, MINUTE, 3650 * DAY, "7d", "TIME",                           \
      "how long deleted and dropped messages stay for `trace`")                                                                          \
    X(TOP, "ledger_budget", SIZE, RELOAD, struct config, ledger_budget_bytes, 0, INT64_MAX / 2, "0", "BYTES",                            \
      "the ledger's size at most; near it, settled messages go early, at it, reading rests (0: half of the disk)")                       \
    X(TOP, "disk_reserve", SIZE, RESTART, struct config, disk_reserve_bytes, 1 * MIB, INT64_MAX / 2, "32MiB", "BYTES",                   \
      "free space below which reading rests, so that consumers can still delete")                                                        \
    X(TOP, "cache_size", SIZE, RESTART, struct config, cache_bytes, 1 * MIB, 65536 * MIB, "16MiB", "BYTES", "SQLite's page cache")       \
    X(TOP, "stop_timeout", DURATION, RELOAD, struct config, stop_timeout_ms, 0, HOUR, "10s", "TIME", "how long SIGTERM waits for open requests") \
    X(TOP, "discovery_interval", DURATION, RELOAD, struct config, discovery_interval_ms, SECOND, DAY, "60s", "TIME",                     \
      "how often shards, and a table's new stream, are looked for (ends of shards are looked into at once)")                             \
    X(TOP, "max_connections", COUNT, RESTART, struct config, max_connections, 1, 100000, "4096", "COUNT", "to the endpoint, at the same time") \
    X(TOP, "max_connections_per_address", COUNT, RESTART, struct config, max_connections_per_address, 0, 100000, "0", "COUNT",           \
      "of them from one address (0: half of them when listen is beyond loopback, else no cap)")                                          \
    X(TOP, "log_format", ENUM, RESTART, struct config, log_format, 0, 0, "auto", "auto|text|json", "auto: text on a terminal, else JSON") \
    X(TOP, "log_level", ENUM, RESTART, struct config, log_level, 0, 0, "info", "debug|info|warning|error", "the least that is logged")   \
    X(PIPELINE, "stream", TEXT, RELOAD, struct config_pipeline, stream, 0, 0, "", "TABLE|ARN",                                           \
      "a table's name (its stream is found, and followed when it is re-created), or a stream's ARN")                                     \
    X(PIPELINE, "start", ENUM, NEW, struct config_pipeline, start, 0, 0, "trim_horizon", "trim_horizon|latest",                          \
      "where the first read begins: with all the stream has, or with what comes from now on")                                            \
    X(PIPELINE, "on_gap", ENUM, RELOAD, struct config_pipeline, on_gap, 0, 0, "continue", "continue|stop",                               \
      "after records may have been lost: go on with what is left, or stop reading that shard")                                           \
    X(PIPELINE, "poll_interval", DURATION, RELOAD, struct config_pipeline, idle_poll_ms, 200, MINUTE, "1s", "TIME",                      \
      "between reads of a shard that has nothing new; full pages are read at once")                                                      \
    X(PIPELINE, "role_arn", TEXT, RELOAD, struct config_pipeline, role_arn, 0, 0, "", "ARN",                                             \
      "read the stream in this role, of another account for example")                                                                    \
    X(PIPELINE, "external_id", TEXT, RELOAD, struct config_pipeline, external_id, 0, 0, "", "TEXT", "that the role's trust policy asks for") \
    X(QUEUE, "name", TEXT, RELOAD, struct config_queue, name, 0, 0, "", "NAME",              \
      "the queue; made if missing. Of several --queue, the options of a queue are each one's") \
    X(QUEUE, "target", ENUM, RELOAD, struct config_queue, target, 0, 0, "embedded", "embedded|sqs",                                      \
      "embedded: served by this process; sqs: records are sent to Amazon SQS, or another server with its API")                           \
    X(QUEUE, "address", TEXT, RELOAD, struct config_queue, address, 0, 0, "", "NAME|URL|ARN",                                            \
      "of target sqs: the queue there, also of another account or region (default: its name)")                                           \
    X(QUEUE, "queue_region", TEXT, RELOAD, struct config_queue, region, 0, 0, "", "NAME", "of target sqs: its region (default: the address's, or region)") \
    X(QUEUE, "endpoint_url", TEXT, RELOAD, struct config_queue, endpoint_url, 0, 0, "", "URL",                                           \
      "of target sqs: another server with the same API (default: AWS_ENDPOINT_URL_SQS and so on, or AWS)")                               \
    X(QUEUE, "queue_role_arn", TEXT, RELOAD, struct config_queue, role_arn, 0, 0, "", "ARN",                                             \
      "of target sqs: send in this role, of another account for example")                                                                \
    X(QUEUE, "queue_external_id", TEXT, RELOAD, struct config_queue, external_id, 0, 0, "", "TEXT",                                      \
      "of target sqs: that the role's trust policy asks for")                                                                            \
    X(QUEUE, "max_requests", COUNT, RELOAD, struct config_queue, requests_max, 1, 256, "32", "COUNT",                                    \
      "of target sqs: batches on their way at the same time, at most")                                                                   \
    X(QUEUE, "filter", JSON, RELOAD, struct config_queue, filter, 0, 0, "", "JSON",                                                      \
      "which records the queue gets: a Lambda filter (FilterCriteria, or one pattern), pasted as it is")                                 \
    X(QUEUE, "from", ENUM, NEW, struct config_queue, from, 0, 0, "now", "now|ledger|stream",                                             \
      "a queue that is added later begins with what is read from then on, with all that the ledger has, or with what the stream still has (24 h)") \
    X(QUEUE, "on_dead", ENUM, RELOAD, struct config_queue, on_dead, 0, 0, "continue", "continue|hold_key",                               \
      "when a record is dead or parked: go on, or let later records of its key wait until it is redriven or dropped")                    \
    X(QUEUE, "visibility_timeout", DURATION, RELOAD, struct config_queue, visibility_timeout_ms, 0, 12 * HOUR, "30s", "TIME",            \
      "how long a received message stays hidden")                                                                                        \
    X(QUEUE, "max_receive_count", COUNT, RELOAD, struct config_queue, max_receive_count, 0, 1000, "0", "COUNT",                          \
      "receives until a message is dead (0: no limit)")                                                                                  \
    X(QUEUE, "dead_letter_queue", TEXT, RELOAD, struct config_queue, dead_letter_queue, 0, 0, "", "NAME",                                \
      "where dead messages go, with their full payload; made if missing. Of target sqs: the dead-letter queue there (name, URL or ARN), which is read") \
    X(QUEUE, "gateway", BOOL, RELOAD, struct config_queue, gateway, 0, 0, "true", "",                                                    \
      "of target sqs: consumers may receive and delete through this process's endpoint")                                                 \
    X(QUEUE, "body", ENUM, RELOAD, struct config_queue, body, 0, 0, "lambda", "lambda|batch|unmarshalled",                               \
      "what a message holds: the record as a Lambda handler gets it, a whole event with that one record, or plain JSON")                 \
    X(QUEUE, "project", LIST, RELOAD, struct config_queue, project, 0, 0, "", "keys|NAME,...",                                           \
      "smaller messages: only the key, or only these attributes of the images (and the key)")                                            \
    X(QUEUE, "attributes", LIST, RELOAD, struct config_queue, attributes, 0, 0, "", "NAME,...",                                          \
      "message attributes: stream, shard, sequence_number, event_id (these four: the default), event_name, table, item.NAME, or none")   \
    X(QUEUE, "message_group", TEXT, RELOAD, struct config_queue, message_group, 0, 0, "", "key|item.NAME",                               \
      "of a FIFO queue: what must stay in order: the item's key (default), or an attribute")                                             \
    X(QUEUE, "oversize", ENUM, RELOAD, struct config_queue, oversize, 0, 0, "park", "park|project|s3",                                   \
      "of target sqs: a message longer than the queue takes is parked for an operator, sent with its key alone, or stored in s3_bucket and pointed to") \
    X(QUEUE, "s3_bucket", TEXT, RELOAD, struct config_queue, s3_bucket, 0, 0, "", "NAME", "of oversize s3: where payloads go (Amazon's Extended Client form)") \
    X(QUEUE, "s3_prefix", TEXT, RELOAD, struct config_queue, s3_prefix, 0, 0, "", "TEXT", "of oversize s3: before objects' keys, such as \"orders/\"") \
    X(QUEUE, "s3_region", TEXT, RELOAD, struct config_queue, s3_region, 0, 0, "", "NAME", "of oversize s3: the bucket's region (default: the queue's)") \
    X(QUEUE, "s3_addressing", ENUM, RELOAD, struct config_queue, s3_addressing, 0, 0, "auto", "auto|path|virtual",                       \
      "of oversize s3: the bucket in the path, or in the host (auto: in the host on AWS, but in the path for a name with dots)")         \
    X(QUEUE, "s3_endpoint_url", TEXT, RELOAD, struct config_queue, s3_endpoint_url, 0, 0, "", "URL",                                     \
      "of oversize s3: another server with S3's API (default: AWS_ENDPOINT_URL_S3 and so on, or AWS)")

#endif
