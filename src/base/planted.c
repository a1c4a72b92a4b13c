/* SPDX-License-Identifier: Apache-2.0 */
#include "base/planted.h"

#ifdef S2Q_PLANTED_BUGS
#include <string.h>

enum planted_bug planted_bug;

bool planted_set(const char *name)
{
#define PLANTED_NAMED(bug)                                                                                                               \
    if (strcmp(name, #bug) == 0)                                                                                                         \
        planted_bug = PLANTED_##bug;
    PLANTED_LIST(PLANTED_NAMED)
#undef PLANTED_NAMED
    return planted_bug != PLANTED_NONE;
}
#else
extern int planted_nothing; /* ISO C wants something in every file */
#endif
