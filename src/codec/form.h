/* SPDX-License-Identifier: Apache-2.0
 *
 * form: names and values of AWS's Query protocol (application/x-www-form-urlencoded, blanks as %20) and of URLs' query strings.
 */
#ifndef S2Q_CODEC_FORM_H
#define S2Q_CODEC_FORM_H

#include "base/buffer.h"

/* Appends `s` with all but RFC 3986's unreserved characters as %XX. */
void percent_append(struct buffer *out, struct slice s);
/* Appends what a form's name or value stands for (%XX, '+' is a blank), and gives it as *decoded: `out` must have room, so that it does not move. False: a
 * '%' without two hexadecimal digits. */
bool percent_decode(struct buffer *out, struct slice s, struct slice *decoded);
/* Appends "name=value", after a '&' unless the buffer is empty or ends with '?'. The name is taken as it is. */
void form_append(struct buffer *out, const char *name, struct slice value);

#endif
