/* SPDX-License-Identifier: Apache-2.0
 *
 * hash: a 64-bit hash for tables, Bloom filters and message groups. Not for security.
 *
 * Stored in ledgers (key_hash, Bloom filters), so it may never change: FNV-1a over the bytes, then the 64-bit finaliser of
 * MurmurHash3, both in the public domain and tested against published values.
 */
#ifndef S2Q_BASE_HASH_H
#define S2Q_BASE_HASH_H

#include "base/slice.h"

uint64_t hash_mix(uint64_t value);
uint64_t hash_bytes(struct slice s);

#endif
