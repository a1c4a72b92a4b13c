/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include "base/memory.h"

#include <errno.h>
#include <sys/random.h>

void random_secret(void *out, size_t bytes)
{
    char *p = out;

    while (bytes > 0) {
        ssize_t n = getrandom(p, bytes, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            panic("getrandom failed: errno %d", errno);
        p += n;
        bytes -= (size_t)n;
    }
}
