/* SPDX-License-Identifier: Apache-2.0
 *
 * memory: allocation that does not fail.
 *
 * Running out of memory ends the process at once with EX_OSERR and one line on standard error, without running exit handlers: nothing
 * that was not committed has been confirmed to anybody (P5), so stopping is safe, and carrying on half-way is not.
 * Sizes that come from the network are bounded before they get here.
 */
#ifndef S2Q_BASE_MEMORY_H
#define S2Q_BASE_MEMORY_H

#include <stddef.h>

/* `bytes` of memory, contents undefined; free() it. */
void *memory_alloc(size_t bytes) __attribute__((malloc, returns_nonnull, warn_unused_result));
/* count * bytes of zeroed memory; free() it. */
void *memory_zeroed(size_t count, size_t bytes) __attribute__((malloc, returns_nonnull, warn_unused_result));
/* realloc that does not fail. */
void *memory_resize(void *old, size_t bytes) __attribute__((returns_nonnull, warn_unused_result));
/* strdup that does not fail; NULL stays NULL. */
char *memory_strdup(const char *text) __attribute__((warn_unused_result));

/* Ends the process for a bug of our own (never for input): says where, then aborts. */
#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)
void panic_at(const char *file, int line, const char *format, ...) __attribute__((noreturn, format(printf, 3, 4)));

#endif
