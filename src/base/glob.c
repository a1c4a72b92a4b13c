/* SPDX-License-Identifier: Apache-2.0 */
#include "base/glob.h"

#include <ctype.h>

static bool same(char a, char b, bool any_case)
{
    return a == b || (any_case && tolower((unsigned char)a) == tolower((unsigned char)b));
}

/* Only the last star is ever come back to: what an earlier one took could not make a fit that this one cannot. */
static bool fits(struct slice pattern, struct slice text, bool any_case)
{
    size_t p = 0;
    size_t t = 0;
    size_t after_star = 0; /* 0: there was none */
    size_t from = 0;

    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            after_star = ++p;
            from = t;
        } else if (p < pattern.len && (pattern.ptr[p] == '?' || same(pattern.ptr[p], text.ptr[t], any_case))) {
            p++;
            t++;
        } else if (after_star > 0) {
            p = after_star;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

bool glob_fits(struct slice pattern, struct slice text)
{
    return fits(pattern, text, false);
}

bool glob_fits_any_case(struct slice pattern, struct slice text)
{
    return fits(pattern, text, true);
}
