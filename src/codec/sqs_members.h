/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_members: what a request of each operation may hold, once for both protocols: the JSON decoder reads by this table, and the Query protocol is brought
 * into JSON by it, so that the two cannot drift apart. (Service model: botocore sqs/2012-11-05, which has no Query names any more; those are of its
 * release 1.29, and of docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference.)
 */
#ifndef S2Q_CODEC_SQS_MEMBERS_H
#define S2Q_CODEC_SQS_MEMBERS_H

#include "codec/sqs_model.h"

#include <stdint.h>

enum sqs_member_kind {
    SQS_MEMBER_QUEUE_URL,
    SQS_MEMBER_TEXT,
    SQS_MEMBER_INT,
    SQS_MEMBER_TEXTS,             /* a list of texts */
    SQS_MEMBER_SYSTEM_NAMES,      /* names of system attributes to give */
    SQS_MEMBER_PAIRS,             /* a map of texts; Query: X.N.Name, X.N.Value */
    SQS_MEMBER_TAGS,              /* a map of texts; Query: X.N.Key, X.N.Value */
    SQS_MEMBER_ENTRIES,           /* a batch's */
    SQS_MEMBER_ATTRIBUTES,        /* a map of message attributes */
    SQS_MEMBER_SYSTEM_ATTRIBUTES,
};

struct sqs_member {
    uint32_t actions;   /* a bit for each operation that has it */
    bool of_entry;      /* in batch operations it stands in each entry */
    bool required;
    enum sqs_member_kind kind;
    const char *name;   /* in JSON */
    const char *query;  /* in the Query protocol, before ".N"; NULL: the same. "" of entries: the operation's name and "RequestEntry" */
    size_t offset;      /* of its field, in struct sqs_request or struct sqs_entry; of TEXTS, PAIRS, TAGS: of a struct sqs_texts or struct sqs_pairs */
    int least;          /* of INT */
    int most;
};

/* In an entry of a batch operation (or outside of batches, in the request): entry true. NULL: the operation has no such member. */
const struct sqs_member *sqs_member_find(enum sqs_action action, bool entry, struct slice name);
/* The same by its name in the Query protocol. */
const struct sqs_member *sqs_member_find_query(enum sqs_action action, bool entry, struct slice name);
/* The first required member that `given` (bits by the member's place in the table) lacks; NULL: none. */
const struct sqs_member *sqs_member_lacking(enum sqs_action action, uint64_t given);
size_t sqs_member_place(const struct sqs_member *member);

#endif
