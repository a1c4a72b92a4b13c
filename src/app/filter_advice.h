/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_advice: what a filter that is well formed wants in vain: fields that no record has, values without their type, ranges on texts.
 */
#ifndef S2Q_APP_FILTER_ADVICE_H
#define S2Q_APP_FILTER_ADVICE_H

#include "base/buffer.h"

/* A line each; `who` begins it ("the filter", ...). filter: FilterCriteria or one pattern, that filter_new has taken. view: the StreamViewType of the stream
 * that it is for; NULL: not known. */
void filter_advice(const char *filter, const char *view, const char *who, struct buffer *out);

#endif
