/* SPDX-License-Identifier: Apache-2.0
 *
 * config_internal: what config.c and config_yaml.c share.
 */
#ifndef S2Q_APP_CONFIG_INTERNAL_H
#define S2Q_APP_CONFIG_INTERNAL_H

#include "app/config.h"
#include "app/config_table.h"

#include <stddef.h>

enum option_scope { SCOPE_TOP, SCOPE_PIPELINE, SCOPE_QUEUE };
enum option_type { OPTION_TEXT, OPTION_ADDRESS, OPTION_DURATION, OPTION_SIZE, OPTION_COUNT, OPTION_BOOL, OPTION_ENUM, OPTION_JSON, OPTION_LIST };

struct option {
    enum option_scope scope;
    const char *name;
    enum option_type type;
    enum option_reload reload;
    size_t offset; /* of the field in its owner: char * for texts, lists (with commas) and JSON, int64_t for amounts (ms, bytes), bool, int for enums */
    int64_t least;
    int64_t most;
    const char *default_text; /* "": none */
    const char *values;       /* of an enum: "a|b|c"; else what it takes, for people */
    const char *help;
};
extern const struct option options[];
extern const size_t option_count;

struct loading {
    struct config *config;
    struct buffer *problems;
};

/* Adds a line to the problems. */
void config_problem(struct loading *l, const char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));
const struct option *option_find(enum option_scope scope, struct slice name);
const char *option_nearest(enum option_scope scope, const char *written);
/* Sets the field of `owner`, or adds a problem. */
void option_set(struct loading *l, const struct option *o, void *owner, const char *text, const char *where);
void options_default(struct loading *l, enum option_scope scope, void *owner);
/* Takes the queue's texts. Returns the name under which it is kept; NULL: it was refused, and the problem said. */
const char *config_queue_add(struct loading *l, struct config_queue *q);
void config_queue_fini(struct config_queue *q);
/* Good until the next one is added. */
struct config_pipeline *config_pipeline_add(struct loading *l, const char *where);
void config_pipeline_feed(struct loading *l, struct config_pipeline *p, const char *queue);
void config_read_yaml(struct loading *l, const char *path);

#endif
