/* SPDX-License-Identifier: Apache-2.0
 *
 * file_watch: notices that a file has changed, by looking at it now and then.
 */
#ifndef S2Q_APP_FILE_WATCH_H
#define S2Q_APP_FILE_WATCH_H

#include <stdbool.h>
#include <sys/stat.h>

struct file_watch {
    struct stat known; /* what was last said to be new, or was there at first */
    struct stat seen;  /* at the last look */
};
/* Before the file is first read, so that no change is missed. */
void file_watch_init(struct file_watch *w, const char *path);
/* To be called now and then. True, once a change: the file is another one, and is the same as at the look before, so that nobody is in the midst of
 * writing it. A file that is missing has not changed: it is being replaced. */
bool file_watch_changed(struct file_watch *w, const char *path);

#endif
