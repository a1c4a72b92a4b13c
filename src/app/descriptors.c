/* SPDX-License-Identifier: Apache-2.0 */
#include "app/descriptors.h"

#include "base/log.h"

#include <sys/resource.h>

#define OTHERS 512 /* the ledger, the admin address and the control socket (64 connections each), requests to AWS */

int64_t descriptors_for_connections(int64_t wanted)
{
    rlim_t needed = (rlim_t)wanted + OTHERS;
    struct rlimit limit;
    int64_t possible;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return wanted;
    limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= needed)
        return wanted;
    possible = limit.rlim_cur > 2 * OTHERS ? (int64_t)limit.rlim_cur - OTHERS : (int64_t)limit.rlim_cur / 2;
    log_warning("there can be fewer connections than max_connections: the limit of open files is too low (ulimit -Hn, LimitNOFILE)",
                LOG_FIELDS(LOG_INT("open_files", (int64_t)limit.rlim_cur), LOG_INT("connections", possible)));
    return possible > 0 ? possible : 1;
}
