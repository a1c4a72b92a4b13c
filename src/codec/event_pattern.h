/* SPDX-License-Identifier: Apache-2.0
 *
 * event_pattern: the filters of Lambda's event source mappings and of EventBridge, compiled once and matched without building a tree.
 *
 * Semantics: AWS's Event Ruler (github.com/aws/event-ruler, its README; docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html,
 * docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html). Fields of a pattern must all match; the values listed for a field are
 * alternatives; a list in the event matches when one of its elements does, and fields of objects in a list must match within the same element.
 * Where we are stricter or more exact (docs/filters.md): numbers are compared exactly, whatever their digits; equals-ignore-case takes ASCII only.
 */
#ifndef S2Q_CODEC_EVENT_PATTERN_H
#define S2Q_CODEC_EVENT_PATTERN_H

#include "base/buffer.h"
#include "base/error.h"

/* A whole filter: patterns of which one must match. */
struct filter;
/* json: Lambda's FilterCriteria ({"Filters":[{"Pattern":"<JSON text>"}]}, the pattern as an object will do, too), a whole event source mapping that has them
 * (the answer to `aws lambda get-event-source-mapping`), one pattern, or a list of patterns. NULL: *err says where, what was found, and what is allowed. */
struct filter *filter_new(struct slice json, struct error *err);
void filter_free(struct filter *f);
/* Which of the patterns matches first; -1: none. `event` must be valid JSON; scratch is used. */
int filter_match(const struct filter *f, struct slice event, struct buffer *scratch);
/* How many patterns there are. */
size_t filter_count(const struct filter *f);
/* Does a pattern ask for a field of this name at the top of the event? */
bool filter_asks_for(const struct filter *f, const char *name);

#endif
