/* SPDX-License-Identifier: Apache-2.0
 *
 * room: is there space on the disk? Reading rests below the reserve. And when the disk is entirely full, a file kept for that moment (LEDGER-reserve) is
 * removed, so that consumers can still delete (P6); it is made again when there is room.
 */
#ifndef S2Q_APP_ROOM_H
#define S2Q_APP_ROOM_H

#include <stdbool.h>
#include <stdint.h>

struct room {
    char *directory;
    char *reserve_path;
    int64_t reserve_bytes; /* free space below which reading rests */
    bool reserved;         /* the file is there */
    bool enough;
};

void room_init(struct room *r, const char *ledger, int64_t reserve_bytes);
/* Removes the file, if it is this process's. */
void room_fini(struct room *r);
/* Looks; says whether reading may go on. */
bool room_check(struct room *r);
/* A commit found no room: gives up the file. */
void room_release(struct room *r);
/* Bytes of the file system that the ledger is on; 0: not known. */
int64_t room_total(const struct room *r);

#endif
