/* SPDX-License-Identifier: Apache-2.0
 *
 * access_keys: who may use the SQS endpoint, and for what: a file that only its owner may read, of lines
 *
 *   ACCESS_KEY_ID:SECRET [account=123456789012] [queues=orders-*,billing] [actions=ReceiveMessage,DeleteMessage]
 */
#ifndef S2Q_APP_ACCESS_KEYS_H
#define S2Q_APP_ACCESS_KEYS_H

#include "base/error.h"
#include "codec/sigv4.h"

/* Reads the file into the ring. It must not be readable by others; blank lines and lines that begin with # are passed over. */
MUST_USE bool access_keys_read(struct keyring *ring, const char *path, struct error *err);
/* The same, but makes the file with one random key if it is not there (*made); made by root, it is of whoever owns the file `beside`. */
MUST_USE bool access_keys_read_or_make(struct keyring *ring, const char *path, const char *beside, bool *made, struct error *err);

/* The lines of such a file; path: for *err, in which nothing of a secret is ever shown. */
MUST_USE bool access_keys_parse(struct keyring *ring, struct slice text, const char *path, struct error *err);

#endif
