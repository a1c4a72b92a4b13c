/* SPDX-License-Identifier: Apache-2.0
 *
 * A fake of one Amazon SQS queue, from a seed: takes SendMessageBatch as AWS does (limits checked strictly), remembers all that arrived and in which order,
 * and misbehaves on demand: what real servers cannot be made to do.
 */
#ifndef S2Q_TESTS_FAKE_SQS_H
#define S2Q_TESTS_FAKE_SQS_H

#include "base/buffer.h"
#include "base/clock.h"

/* Name, what it does. */
#define FAKE_SQS_FAULT_LIST(X)                                                                                                           \
    X(ENTRY_FAILED)    /* one entry or more in Failed, by the server's fault */                                                          \
    X(ENTRY_THROTTLED) /* the same, RequestThrottled */                                                                                  \
    X(ENTRY_ABSENT)    /* taken, but in neither list */                                                                                  \
    X(ENTRY_DROPPED)   /* not taken, and in neither list */                                                                              \
    X(WRONG_MD5)       /* one entry arrived altered */                                                                                   \
    X(LOST_REQUEST)    /* nothing came here, and no answer goes back */                                                                  \
    X(NOT_CONNECTED)   /* the same, and the client knows that nothing left */                                                            \
    X(LOST_REPLY)      /* all was taken, and no answer goes back */                                                                      \
    X(CUT_REPLY)       /* all was taken, half of the answer goes back with status 200 */                                                 \
    X(GARBAGE)         /* all was taken, 200 with HTML */                                                                                \
    X(INTERNAL_TAKEN)  /* all was taken, 500 */                                                                                          \
    X(UNAVAILABLE)     /* nothing was taken, 503 */                                                                                      \
    X(THROTTLED)       /* nothing was taken, RequestThrottled */                                                                         \
    X(DENIED)          /* AccessDenied */                                                                                                \
    X(DELETED)         /* QueueDoesNotExist */                                                                                           \
    X(EXPIRED_TOKEN)

enum fake_sqs_fault {
#define FAKE_SQS_FAULT_ENUM(name) SQS_FAULT_##name,
    FAKE_SQS_FAULT_LIST(FAKE_SQS_FAULT_ENUM)
#undef FAKE_SQS_FAULT_ENUM
    SQS_FAULT_COUNT
};

/* What arrived and was kept: duplicates within the FIFO queue's five minutes are not. */
struct fake_arrival {
    char *body;
    char *id;       /* attribute stream2sqs.id; "" if there is none */
    char *group;    /* "" : none */
    char *deduplication;
    int64_t at_ms;
};

struct fake_sqs {
    bool fifo;
    uint64_t seed;
    unsigned rates[SQS_FAULT_COUNT]; /* per 10,000 requests */
    int once[SQS_FAULT_COUNT];       /* so many of the next requests, for certain */
    size_t message_bytes_max;        /* 0: 1 MiB */
    size_t batch_bytes_max;          /* 0: 1 MiB */
    const char *refuses;             /* a text: bodies that hold it are refused by the sender's fault; NULL: none */
    const char *refuses_batch_with;  /* the same, but the whole batch is refused; "": every one */
    int refused_with_others;         /* so many were, of more than one entry */
    struct fake_arrival *arrivals;
    size_t len;
    uint64_t taken;                  /* entries stored or recognised as duplicates */
    uint64_t altered;                /* of those, with a wrong MD5 */
    uint64_t requests;
    uint64_t entries;
    char complaint[300];             /* the client broke a rule of SQS; "": it did not */
};

struct fake_sqs_answer {
    int status; /* 0: none goes back */
    bool unsent;
    struct buffer body;
};

void fake_sqs_fini(struct fake_sqs *q);
/* Handles one call, and says which entries it took: a bit each, whatever the answer says. */
unsigned fake_sqs_call(struct fake_sqs *q, const char *action, struct slice body, struct instant now, struct fake_sqs_answer *answer);
void fake_sqs_faults_off(struct fake_sqs *q);

#endif
