/* SPDX-License-Identifier: Apache-2.0 */
#include "app/file_watch.h"

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mode == b->st_mode &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && /* and whose it is, by the time of that */
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

void file_watch_init(struct file_watch *w, const char *path)
{
    *w = (struct file_watch){0};
    if (stat(path, &w->known) != 0)
        w->known = (struct stat){0};
    w->seen = w->known;
}

bool file_watch_changed(struct file_watch *w, const char *path)
{
    struct stat now;
    bool settled;

    if (stat(path, &now) != 0)
        return false;
    settled = same_file(&now, &w->seen);
    w->seen = now;
    if (!settled || same_file(&now, &w->known))
        return false;
    w->known = now;
    return true;
}
