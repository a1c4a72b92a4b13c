/* SPDX-License-Identifier: Apache-2.0
 *
 * glob: IAM's patterns: '*' stands for any text, '?' for one character.
 */
#ifndef S2Q_BASE_GLOB_H
#define S2Q_BASE_GLOB_H

#include "base/slice.h"

/* Does the pattern fit the whole text? Takes pattern times text at most, whatever stars there are. */
bool glob_fits(struct slice pattern, struct slice text);
/* The same, letters in any case. */
bool glob_fits_any_case(struct slice pattern, struct slice text);

#endif
