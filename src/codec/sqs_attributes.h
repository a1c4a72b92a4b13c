/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_attributes: message attributes: what SQS takes, how they are stored with a record, and their digest.
 */
#ifndef S2Q_CODEC_SQS_ATTRIBUTES_H
#define S2Q_CODEC_SQS_ATTRIBUTES_H

#include "base/buffer.h"
#include "codec/json.h"
#include "codec/sqs_model.h"

/* A message attribute, decoded; binary values are bytes. */
struct sqs_attribute {
    struct slice name;
    struct slice type; /* "String", "Number.int", "Binary", ... */
    struct slice value;
};

/* Is the type of this kind ("String", "Number", "Binary"), custom part aside? */
bool sqs_attribute_is(struct slice type, struct slice kind);
/* Does SQS take this text (a body, a String attribute's value)? The text must be valid UTF-8. */
bool sqs_characters_valid(struct slice s);
/* Letters, digits, _ - and single dots inside; up to 256. */
bool sqs_attribute_name_valid(struct slice name);
/* `[A-Za-z0-9_-]{1,80}`; batch entry ids, too. Not a FIFO queue's name, which ends in ".fifo". */
bool sqs_queue_name_valid(struct slice name);

/* Reads the members of one attribute value. `arena` must have room for them, decoded. True: it stood in BinaryValue. */
bool sqs_attribute_value_decode(struct scanner *j, struct sqs_attribute *attribute, struct buffer *arena);
/* Message attributes as they are stored with a record: {"name":{"DataType":..,"StringValue" or "BinaryValue":..},...}. */
void sqs_attributes_encode(struct buffer *out, const struct sqs_attribute *attributes, size_t count);
/* Decodes that form. Texts go to `arena` (reset first). Returns the count, -1: malformed. */
int sqs_attributes_decode(struct slice text, struct sqs_attribute out[SQS_ATTRIBUTES_STORED_MAX], struct buffer *arena);
/* MD5OfMessageAttributes (docs.aws.amazon.com/.../sqs-message-metadata.html): sorts the array by name. hex: 33 bytes. */
void sqs_attributes_md5(struct sqs_attribute *attributes, size_t count, char hex[33]);
void sqs_md5_hex(struct slice data, char hex[33]);

#endif
