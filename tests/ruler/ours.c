/* SPDX-License-Identifier: Apache-2.0
 *
 * Our matcher, asked as RulerOracle.java is: lines of pattern TAB event; prints "yes", "no" or "refused".
 */
#include "codec/event_pattern.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    struct buffer scratch = {0};
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, stdin)) > 0) {
        struct slice text = slice_from(line, (size_t)len - (line[len - 1] == '\n'));
        size_t tab = slice_index(text, '\t');
        struct error err = {0};
        struct filter *filter = filter_new(slice_from(text.ptr, tab), &err);

        puts(filter == NULL ? "refused" : filter_match(filter, slice_after(text, tab + 1), &scratch) >= 0 ? "yes" : "no");
        filter_free(filter);
    }
    free(line);
    buffer_fini(&scratch);
    return 0;
}
