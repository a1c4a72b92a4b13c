/* SPDX-License-Identifier: Apache-2.0
 *
 * event_internal: a compiled pattern, as event_pattern.c makes it and event_match.c uses it.
 */
#ifndef S2Q_CODEC_EVENT_INTERNAL_H
#define S2Q_CODEC_EVENT_INTERNAL_H

#include "codec/event_pattern.h"

#include <stdint.h>

#define EVENT_FIELDS_MAX 64        /* of one object */
#define EVENT_ALTERNATIVES_MAX 256 /* after each $or is written out */

enum matcher_kind {
    MATCH_TEXT,        /* a string */
    MATCH_NUMBER,
    MATCH_LITERAL,     /* true, false, null */
    MATCH_PREFIX,
    MATCH_PREFIX_CASELESS,
    MATCH_SUFFIX,
    MATCH_SUFFIX_CASELESS,
    MATCH_CASELESS,
    MATCH_WILDCARD,
    MATCH_RANGE,
    MATCH_CIDR,
    MATCH_EXISTS,
    MATCH_ABSENT,
    MATCH_ANYTHING_BUT, /* none of `inner` */
};

struct matcher {
    enum matcher_kind kind;
    struct slice text;       /* string, number, literal, prefix, ... ; wildcards: still with their backslashes */
    struct slice least;      /* of a range; absent: none */
    struct slice most;
    bool least_included;
    bool most_included;
    unsigned char address[16];
    int address_bytes;       /* 4 or 16 */
    int prefix_bits;
    struct matcher *inner;
    size_t inner_count;
};

/* The alternatives of a field. */
struct leaf {
    struct matcher *matchers;
    size_t len;
    bool absent; /* one of them is exists: false */
};

struct field {
    struct slice name;
    struct leaf *leaf;     /* NULL: an object */
    struct object *object;
};

/* All fields must match. Before $or is written out, `ors` holds its alternatives. */
struct object {
    struct field *fields;
    size_t len;
    struct alternatives {
        struct object **list;
        size_t len;
    } *ors;
    size_t or_count;
    bool absent;        /* nothing below it has to be there */
    bool only_absences; /* nothing below it may be there */
};

bool object_match(const struct object *o, struct slice event, struct buffer *scratch);
/* < 0, 0, > 0: JSON numbers, compared exactly. */
int number_compare(struct slice a, struct slice b);

#endif
