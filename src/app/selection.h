/* SPDX-License-Identifier: Apache-2.0
 *
 * selection: which records or dead messages a command is about, by flags that `dead` and `replay` share.
 */
#ifndef S2Q_APP_SELECTION_H
#define S2Q_APP_SELECTION_H

#include "app/reading.h"
#include "codec/event_pattern.h"

struct selection {
    const struct invocation *in;
    const char *key;    /* a value of the item's key; NULL: any */
    const char *code;   /* why it is dead or parked; NULL: any */
    int64_t since_ms;   /* when the record was read, or the message died; 0: always */
    int64_t before_ms;  /* INT64_MAX: no end */
    struct filter *filter;
    bool everything;    /* --all */
    struct buffer whole;
    struct buffer scratch;
};

/* The flags, for a command's table. */
#define SELECTION_FLAGS(happened)                                                                                                                  \
    {"all", NULL, "all of them"}, {"key", "VALUE", "those whose item has this value in its key"},                                        \
        {"since", "TIME", happened " at or after: 2026-01-31T12:00:00Z, or 2h (ago)"}, {"before", "TIME", happened " before"},                     \
        {"filter", "JSON", "those that a filter lets pass (see `stream2sqs filter`)"}

/* False: *err. */
MUST_USE bool selection_init(struct selection *s, const struct invocation *in, struct error *err);
void selection_fini(struct selection *s);
/* Was anything said at all? */
bool selection_given(const struct selection *s);
/* Does it choose this record (reading_record's JSON), read (or dead since) that time? `body`: as it is stored; fault_code: "" if there is none. */
bool selection_wants(struct selection *s, json_t *record, struct slice body, const char *arn, int64_t at_ms, const char *fault_code);

#endif
