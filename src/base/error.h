/* SPDX-License-Identifier: Apache-2.0
 *
 * error: what went wrong, as a code whose class decides what happens, and a text for the person who reads it.
 *
 * A function that can fail returns bool and takes `struct error *`: false means that *err is filled in. The text says what was
 * found, and what to do about it. Log an error once, where the decision is made.
 */
#ifndef S2Q_BASE_ERROR_H
#define S2Q_BASE_ERROR_H

#include <stdbool.h>

/* What a failure means for whoever meets it. */
enum error_class {
    CLASS_RETRY,  /* passing: try again later */
    CLASS_REJECT, /* the peer's or the user's fault: say which rule; trying again changes nothing */
    CLASS_FATAL,  /* the environment: stop the process */
};

/* code, class, exit status of a command that ends with it (sysexits.h), name. Append only: names are printed by --json. */
#define ERROR_LIST(X)                                                                                                                    \
    X(USAGE, CLASS_REJECT, 64, "usage")                    /* a command line that makes no sense */                                      \
    X(CONFIG, CLASS_REJECT, 78, "config")                  /* configuration that makes no sense */                                       \
    X(INPUT, CLASS_REJECT, 65, "bad_input")                /* malformed data from a file or the network */                              \
    X(NOT_FOUND, CLASS_REJECT, 66, "not_found")            /* the thing named is not there */                                            \
    X(CREDENTIALS, CLASS_REJECT, 77, "credentials")        /* no credentials, or refused ones */                                         \
    X(UNAVAILABLE, CLASS_RETRY, 69, "unavailable")         /* a server that does not answer */                                           \
    X(LEDGER_IN_USE, CLASS_FATAL, 75, "ledger_in_use")     /* another process owns the ledger */                                         \
    X(LEDGER_NEWER, CLASS_FATAL, 70, "ledger_newer")       /* written by a newer stream2sqs */                                           \
    X(LEDGER_DAMAGED, CLASS_FATAL, 65, "ledger_damaged")   /* not a ledger, or a broken one */                                           \
    X(LEDGER_FULL, CLASS_RETRY, 73, "ledger_full")         /* the disk or the budget has no room */                                      \
    X(LEDGER_IO, CLASS_FATAL, 74, "ledger_io")             /* a read, write or sync of the ledger failed: outcome unknown (P7) */       \
    X(SYSTEM, CLASS_FATAL, 71, "system")                   /* the operating system refused something */                                  \
    X(TOO_LARGE, CLASS_REJECT, 65, "too_large")            /* a message that is longer than its queue takes */

enum error_code {
#define ERROR_CODE(code, class, exit_status, name) ERROR_##code,
    ERROR_LIST(ERROR_CODE)
#undef ERROR_CODE
};

struct error {
    enum error_code code;
    char text[1024];
};

#define MUST_USE __attribute__((warn_unused_result))

/* Fills in *err (which may be NULL) and returns false, so that `return error_set(...)` reads well. Long texts are cut. */
bool error_set(struct error *err, enum error_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " before the text: where it happened. Returns false. */
bool error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum error_class error_class(enum error_code code);
int error_exit_status(enum error_code code);
const char *error_name(enum error_code code);

#endif
