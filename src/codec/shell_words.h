/* SPDX-License-Identifier: Apache-2.0
 *
 * shell_words: a command line cut into words as the SDKs do (Python's shlex.split): blanks separate, '...' is literal, "..." knows \" and \\, and outside of
 * quotes a backslash takes the next byte as it is. Nothing is expanded: no variables, no globs, no pipes.
 */
#ifndef S2Q_CODEC_SHELL_WORDS_H
#define S2Q_CODEC_SHELL_WORDS_H

#include <stddef.h>

/* The words, NULL-terminated, in one allocation that the caller frees; NULL: *error says why (a literal): an open quote, a backslash at the end, no word. */
char **shell_words_split(const char *line, const char **error);

#endif
