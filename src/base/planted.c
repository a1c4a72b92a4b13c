/* SPDX-License-Identifier: Apache-2.0 */
#include "base/planted.h"

#ifdef S2Q_PLANTED_BUGS
enum planted_bug planted_bug;
#else
extern int planted_nothing; /* ISO C wants something in every file */
#endif
