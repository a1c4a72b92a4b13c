/* SPDX-License-Identifier: Apache-2.0
 *
 * subprocess: runs a program without blocking the loop, and hands over what it wrote. No shell is involved.
 *
 * The program gets standard input, output and error, the environment, no other descriptor, no blocked signals and a process group of its own, which is killed
 * when the time is up or the subprocess is freed. What it writes is bounded, and wiped afterwards: it may be a secret; or it is not read at all.
 * Its input is whole from the start, however early the caller ends.
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
    const char *failure;     /* exited is false: why (a literal) */
    struct slice output;     /* borrowed until the callback returns */
    struct slice error_text; /* its standard error, the beginning */
};

struct subprocess_options {
    char *const *argv;        /* argv[0] is looked for in PATH */
    char *const *environment; /* NULL: ours */
    struct slice input;       /* absent: /dev/null */
    bool inherit;             /* it writes to our standard output and error, and nothing is handed over */
    size_t output_max;        /* bytes that it may write; of no matter with `inherit` */
    int64_t timeout_ms;       /* 0: none */
    int64_t grace_ms;         /* when the time is up, its group gets SIGTERM, and SIGKILL so much later; 0: at once */
};

/* `done` is called once, inside loop_wait; it may free the subprocess. Options are read at once. NULL: *err (the program is not there,
 * ...). */
struct subprocess *subprocess_new(struct loop *loop, const struct subprocess_options *options,
                                  void (*done)(void *context, const struct subprocess_result *result), void *context, struct error *err);
/* As if its time were up; failure: a literal, in place of "it did not end in time". Once it was told, again does nothing. */
void subprocess_end(struct subprocess *s, const char *failure);
/* Kills it if it still runs; `done` is not called. */
void subprocess_free(struct subprocess *s);

#endif
