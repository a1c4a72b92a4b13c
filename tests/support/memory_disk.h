/* SPDX-License-Identifier: Apache-2.0
 *
 * memory_disk: an SQLite VFS in memory that can lose power, fill up and break. For one connection at a time.
 *
 * The model: what was written since a file's last sync may or may not survive a power cut, sector (512 bytes) by sector, in any order; what was synced
 * survives. Making and removing files is durable at once. A kill (of the process alone) loses nothing that was written.
 */
#ifndef S2Q_TESTS_SUPPORT_MEMORY_DISK_H
#define S2Q_TESTS_SUPPORT_MEMORY_DISK_H

#include "base/slice.h"

#include <stdint.h>

struct memory_disk;
struct memory_disk *memory_disk_new(uint64_t seed);
void memory_disk_free(struct memory_disk *d);
/* For database_options.vfs. */
const char *memory_disk_name(const struct memory_disk *d);

/* The connection must have been abandoned before either. */
void memory_disk_kill(struct memory_disk *d);
void memory_disk_power_cut(struct memory_disk *d);

/* From the n-th write, truncation or sync on (1: the next), each fails with SQLITE_IOERR, until a kill or power cut. 0: none does. */
void memory_disk_break(struct memory_disk *d, int64_t after);
/* All files together; writes that would go beyond it fail with SQLITE_FULL. 0: no limit. */
void memory_disk_limit(struct memory_disk *d, int64_t bytes);
int64_t memory_disk_bytes(const struct memory_disk *d);
/* Planted bug: syncs say that they were done, and do nothing. */
void memory_disk_lie(struct memory_disk *d);
/* Writes, truncations and syncs so far. */
int64_t memory_disk_operations(const struct memory_disk *d);
/* A file's bytes now; absent: there is no such file. Borrowed until the next change. */
struct slice memory_disk_file(const struct memory_disk *d, const char *name);

#endif
