/* SPDX-License-Identifier: Apache-2.0
 *
 * access_keys: who may use the SQS endpoint: a file of lines ACCESS_KEY_ID:SECRET that only its owner may read.
 */
#ifndef S2Q_APP_ACCESS_KEYS_H
#define S2Q_APP_ACCESS_KEYS_H

#include "base/error.h"
#include "codec/sigv4.h"

/* Reads the file into the ring. It must not be readable by others; blank lines and lines that begin with # are passed over. */
MUST_USE bool access_keys_read(struct keyring *ring, const char *path, struct error *err);
/* The same, but makes the file with one random key if it is not there (*made). */
MUST_USE bool access_keys_read_or_make(struct keyring *ring, const char *path, bool *made, struct error *err);

#endif
