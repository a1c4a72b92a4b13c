/* SPDX-License-Identifier: Apache-2.0
 *
 * timestamp: points in time as AWS's answers and files write them (ISO 8601).
 */
#ifndef S2Q_CODEC_TIMESTAMP_H
#define S2Q_CODEC_TIMESTAMP_H

#include "base/slice.h"

/* 2026-01-31T12:34:56Z, with a fraction of a second, with an offset (+01:00, +0000) instead of Z, or with "UTC" instead of it (older SSO caches).
 * False: not that, or no such date. */
bool timestamp_parse(struct slice text, int64_t *ms);

#endif
