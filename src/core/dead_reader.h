/* SPDX-License-Identifier: Apache-2.0
 *
 * dead_reader: reads the dead-letter queue that a remote queue has on its server, and matches what it finds with the ledger by the attribute
 * `stream2sqs.id`: such a message is DEAD, with its whole record, whatever the server keeps. The copy there stays until an operator has redriven or dropped the
 * message: then it is deleted when it is next met. Messages that are not ours are left alone.
 *
 * Nothing of this needs to be remembered: each round compares what is there with the rows. A copy is known to be the present one by the server's message
 * id, which survives its way to the dead-letter queue.
 */
#ifndef S2Q_CORE_DEAD_READER_H
#define S2Q_CORE_DEAD_READER_H

#include "core/identity.h"
#include "core/queue.h"
#include "core/target.h"

#define DEAD_READER_TOKEN UINT64_C(0xC0000000) /* set in tokens of its calls */

struct dead_reader;
/* name: of the dead-letter queue on the server; url: NULL, it is asked for; owner: account id or NULL. All is borrowed. */
struct dead_reader *dead_reader_new(struct database *db, struct queue *queue, const struct identity *identity, const char *name, const char *url,
                                    const char *owner, uint64_t seed, struct instant now);
void dead_reader_free(struct dead_reader *r);
/* With other options (borrowed in place of those before) that name the same queue: true, and it goes on. False: it is another one. */
bool dead_reader_keep(struct dead_reader *r, const char *name, const char *url, const char *owner);
/* The next call that is due, inside the ledger's transaction; false: none now. */
bool dead_reader_next_call(struct dead_reader *r, struct target_call *call, struct instant now);
void dead_reader_answer(struct dead_reader *r, const struct target_answer *answer, struct instant now);
/* When there is something to do without an event (monotonic ms); INT64_MAX: an answer comes first. */
int64_t dead_reader_due(const struct dead_reader *r);
/* What keeps it from reading, for people; "" if nothing does. */
const char *dead_reader_trouble(const struct dead_reader *r);

#endif
