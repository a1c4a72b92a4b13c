/* SPDX-License-Identifier: Apache-2.0
 *
 * message_form: what a message looks like that a record becomes: its body, its attributes and, in a FIFO queue, its group. docs/messages.md shows them.
 *
 * A record that cannot be brought into the form is an error, never an altered message: whoever asks parks it.
 */
#ifndef S2Q_CORE_MESSAGE_FORM_H
#define S2Q_CORE_MESSAGE_FORM_H

#include "base/error.h"
#include "codec/digest.h"
#include "codec/sqs_wire.h"
#include "core/origin.h"

enum body_form {
    BODY_LAMBDA,       /* the record as a Lambda handler gets it in Records[i] */
    BODY_BATCH,        /* {"Records":[...]}: the whole event, with this one record */
    BODY_UNMARSHALLED, /* plain JSON: the item's images without DynamoDB's types */
};

enum chosen_kind { CHOSEN_STREAM, CHOSEN_SHARD, CHOSEN_SEQUENCE_NUMBER, CHOSEN_EVENT_ID, CHOSEN_EVENT_NAME, CHOSEN_TABLE, CHOSEN_ITEM };

#define CHOSEN_MAX 7 /* of SQS's ten; stream2sqs.id, .replayed and .oversize take the others */

struct message_form {
    enum body_form body;
    bool project;          /* images hold only `projected`, and the key */
    struct slice *projected;
    size_t projected_count;
    struct chosen_attribute {
        enum chosen_kind kind;
        struct slice name; /* of the item's attribute */
    } chosen[CHOSEN_MAX];
    size_t chosen_count;
    struct slice group;    /* the item's attribute that groups a FIFO queue's messages; absent: the item's key */
    char *texts[3];        /* what the slices point into */
};

/* Lambda's form with the default attributes, for queues of which the configuration says nothing. */
extern const struct message_form message_form_default;

/* projection: NULL (whole images), "keys", or names of top-level attributes; attributes: NULL for the default (stream, shard, sequence_number, event_id),
 * "none", or a list of stream, shard, sequence_number, event_id, event_name, table and item.NAME; group: NULL or "key", or item.NAME. Lists have commas. */
MUST_USE bool message_form_init(struct message_form *f, enum body_form body, const char *projection, const char *attributes, const char *group,
                                struct error *err);
void message_form_fini(struct message_form *f);

/* A message under construction: zeroed, or used before. */
struct composed {
    struct buffer body;
    struct buffer arena;
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
    size_t attribute_count;
    char group[2 * 64 + 1];
};
void composed_fini(struct composed *c);

/* The body. False: *err. */
MUST_USE bool message_form_body(const struct message_form *f, struct slice record, const struct origin *origin, struct buffer *out, struct error *err);
/* The chosen attributes, in c->attributes; their texts are in c->arena, the record, the origin and the form. Values that SQS would refuse (empty ones, control
 * characters, other types than S, N, B and BOOL) are left out. */
void message_form_attributes(const struct message_form *f, struct slice record, struct slice sequence_number, const struct origin *origin,
                             struct composed *c);
/* The message group id of a record: the item's key (or the chosen attribute), clear when SQS takes it as it is, else "sha256:" and its hash. */
void message_form_group(const struct message_form *f, struct slice record, struct composed *c);
/* A hash of that group; key_hash: of the item's key, which is the group unless the form says otherwise. */
uint64_t message_form_group_hash(const struct message_form *f, struct slice record, uint64_t key_hash, struct composed *c);
/* The deduplication id of a record's message in a FIFO queue: from the record's identity, so that the same record is never taken twice within SQS's five
 * minutes, whoever sends it; but what an operator sends again on purpose passes. */
void message_form_deduplication_id(const struct origin *origin, const struct message_row *row, char hex[2 * SHA256_BYTES + 1]);
void composed_add(struct composed *c, struct slice name, struct slice type, struct slice value);

#endif
