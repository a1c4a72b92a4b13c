/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8: strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef S2Q_BASE_UTF8_H
#define S2Q_BASE_UTF8_H

#include "base/slice.h"

/* Bytes of the well-formed character that `s` starts with (1 to 4), or 0: malformed or empty. */
size_t utf8_length(struct slice s);
/* Is all of it well formed? */
bool utf8_valid(struct slice s);
/* Writes a code point (not a surrogate, at most 0x10FFFF) to out[4]; returns the bytes written. */
size_t utf8_encode(uint32_t code_point, char out[4]);

#endif
