/* SPDX-License-Identifier: Apache-2.0
 *
 * subprocess: runs a program without blocking the loop, and hands over what it wrote. No shell is involved.
 *
 * The program gets /dev/null as standard input, the environment, no other descriptor, no blocked signals and a process group of its own, which is killed
 * when the time is up or the subprocess is freed. What it writes is bounded, and wiped afterwards: it may be a secret.
 */
#ifndef S2Q_IO_SUBPROCESS_H
#define S2Q_IO_SUBPROCESS_H

#include "base/buffer.h"
#include "base/error.h"
#include "io/loop.h"

struct subprocess;

struct subprocess_result {
    bool exited;             /* by itself; else it was killed, or output was too long, and `failure` says so */
    int status;              /* its exit status */
    const char *failure;     /* exited is false: why */
    struct slice output;     /* borrowed until the callback returns */
    struct slice error_text; /* its standard error, the beginning */
};

/* argv[0] is looked for in PATH. `done` is called once, inside loop_wait; it may free the subprocess. NULL: *err (the program is not there, ...). */
struct subprocess *subprocess_new(struct loop *loop, char *const *argv, int64_t timeout_ms, size_t output_max,
                                  void (*done)(void *context, const struct subprocess_result *result), void *context, struct error *err);
/* Kills it if it still runs; `done` is not called. */
void subprocess_free(struct subprocess *s);

#endif
