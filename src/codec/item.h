/* SPDX-License-Identifier: Apache-2.0
 *
 * item: DynamoDB's typed JSON ({"S":"x"}, {"N":"1"}, ...) as plain JSON, without building a tree
 * (docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html).
 *
 *     S, B -> string (B stays base64)    N -> number, its own text    BOOL, NULL, M, L -> as they are    SS, BS -> list of strings    NS -> list of numbers
 */
#ifndef S2Q_CODEC_ITEM_H
#define S2Q_CODEC_ITEM_H

#include "codec/json.h"

/* Consumes one typed value and appends it plain. What is no such value rejects the scanner. */
void item_value_append(struct scanner *j, struct buffer *out);
/* The same for a map of names to typed values: an image, or Keys. */
void item_append(struct scanner *j, struct buffer *out);

#endif
