/* SPDX-License-Identifier: Apache-2.0
 *
 * identity: message ids and receipt handles, computed from row ids instead of being stored.
 *
 * A message id is the row id encrypted as one AES block under the ledger's own key, written as a UUID: unique, opaque, and turned back into the row
 * without an index. A receipt handle is row id and receive count under an HMAC: nobody can make one, or use one on another message (promises.md, Security).
 */
#ifndef S2Q_CORE_IDENTITY_H
#define S2Q_CORE_IDENTITY_H

#include "codec/digest.h"
#include "store/database.h"

#define MESSAGE_ID_TEXT 37      /* with its NUL */
#define RECEIPT_HANDLE_TEXT 45  /* 33 bytes in base64, with its NUL */

struct identity {
    struct block_key block;
    struct hmac_key mac;
};

/* Reads the ledger's keys, or makes and stores them inside the current transaction. */
void identity_init(struct identity *identity, struct database *db);
void identity_fini(struct identity *identity);

void message_id_encode(const struct identity *identity, int64_t row, char out[MESSAGE_ID_TEXT]);
/* False: no id of this ledger. */
bool message_id_decode(const struct identity *identity, struct slice text, int64_t *row);

void receipt_handle_encode(const struct identity *identity, int64_t row, int64_t receive_number, char out[RECEIPT_HANDLE_TEXT]);
/* False: not a handle that this ledger gave out. */
bool receipt_handle_decode(const struct identity *identity, struct slice text, int64_t *row, int64_t *receive_number);

/* A handle for a message of a queue on another server: that server's own, and whose message it is (row 0: not ours). Appends base64. */
void receipt_handle_wrap(const struct identity *identity, int64_t queue, int64_t row, struct slice own, struct buffer *out);
/* False: not a handle that this ledger gave out for that queue. Appends the server's own. */
bool receipt_handle_unwrap(const struct identity *identity, struct slice text, int64_t queue, int64_t *row, struct buffer *own);

#endif
