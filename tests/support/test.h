/* SPDX-License-Identifier: Apache-2.0
 *
 * What every unit test includes: cmocka with what it needs, and a comparison of slices that prints both.
 */
#ifndef S2Q_TESTS_SUPPORT_TEST_H
#define S2Q_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

#include <stdio.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define assert_slice(found, want)                                                                                                        \
    do {                                                                                                                                 \
        struct slice found_ = (found);                                                                                                   \
        struct slice want_ = slice_text(want);                                                                                           \
        if (!slice_equal(found_, want_))                                                                                                 \
            fail_msg("found \"%.*s\", want \"%.*s\"", SLICE_ARG(found_), SLICE_ARG(want_));                                              \
    } while (0)

#endif
