/* SPDX-License-Identifier: Apache-2.0
 *
 * reading: a ledger as the reading commands see it: one moment of it, beside a running daemon or without one. What they print is built as JSON first;
 * tables are made from that, so that both always say the same.
 */
#ifndef S2Q_APP_READING_H
#define S2Q_APP_READING_H

#include "app/command.h"
#include "core/identity.h"
#include "store/questions.h"

#include <jansson.h>

struct shard_name {
    int64_t id;
    char *shard_id;
    char *arn;
};

struct reading {
    struct config config;
    struct database *db;
    struct identity identity;
    struct shard_name *shards;
    size_t shard_count;
    json_t *queues; /* id as text -> name */
};

/* Loads the configuration (for the ledger's place) and opens the ledger. On failure *status is what to exit with; all was said. */
MUST_USE bool reading_open(struct reading *r, const struct invocation *in, int *status);
void reading_close(struct reading *r);

const char *reading_queue(const struct reading *r, int64_t id);
/* 0: there is no such queue. */
int64_t reading_queue_id(const struct reading *r, const char *name);
const struct shard_name *reading_shard(const struct reading *r, int64_t id); /* NULL: SendMessage */

/* {"record","stream","shard","sequence_number","event_id","event_name","keys"}; with `payload` also "body" (and "attributes"). */
json_t *reading_record(const struct reading *r, const struct stored_record *record, bool payload);
/* {"message_id","queue","state","receive_count","visible_at","steps":[{"at","what","queue"}]}; a dead message's steps in its dead-letter queue are among
 * them. "payload_object": where in S3 its payload is, by the configuration that the command was given. NULL: there is no such message. */
json_t *reading_message(const struct reading *r, int64_t id);
/* Does the id of that message begin with these characters (eight at least)? */
bool reading_message_begins(const struct reading *r, int64_t id, struct slice prefix);
/* How many messages' ids begin so: 0, 1 (*id), or more. Looks at every message of the ledger. */
size_t reading_message_by_prefix(const struct reading *r, struct slice prefix, int64_t *id);
/* The message states that a table of queues has a column for: those in which any of the lines has a message, and the usual ones. NULL-terminated. */
struct state_columns {
    const char *names[MESSAGE_STATE_COUNT + 1];
    char headings[MESSAGE_STATE_COUNT][32]; /* ">IN FLIGHT" */
    size_t len;
};
void state_columns_choose(struct state_columns *columns, json_t *lines);
/* "pruned", "filtered", "filtered or pruned" */
const char *no_message_name(enum no_message why);
/* The item's key as a person writes it: "o7", or "o7 / 12". */
void append_key(struct buffer *out, json_t *keys);
/* "2026-01-31T12:34:56.789Z"; 0: null. */
json_t *json_moment(int64_t ms);
json_t *json_slice(struct slice s); /* absent: null */
json_t *json_lines(struct slice text); /* a list of its lines */
/* Prints the document and a newline, and frees it. */
void print_json(json_t *document);
/* A text of a JSON document, "" if it is not there. */
const char *text_of(const json_t *object, const char *name);

#endif
