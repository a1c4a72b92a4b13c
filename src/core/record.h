/* SPDX-License-Identifier: Apache-2.0
 *
 * record: what is known of a stream record beyond its bytes: its key, the Bloom filter of its page, and the body that a consumer gets.
 */
#ifndef S2Q_CORE_RECORD_H
#define S2Q_CORE_RECORD_H

#include "codec/stream_wire.h"

/* A Bloom filter over the texts by which `trace` finds records (key values, event ids): 10 bits a text, 7 probes, about 1 % false hits.
 * Stored in ledgers, so its form never changes. */
void bloom_size(struct buffer *bloom, size_t texts);
void bloom_add(struct buffer *bloom, struct slice text);
/* False: the text is certainly not in it. An empty filter holds nothing. */
bool bloom_may_hold(struct slice bloom, struct slice text);

/* A hash of the item's whole key, the same in whatever order its attributes stand; 0: no key. `arena` is scratch. */
uint64_t record_key_hash(struct slice keys, struct buffer *arena);
/* 1 INSERT, 2 MODIFY, 3 REMOVE, 0 another. */
int record_event_name(struct slice event_name);
/* Adds the record's key values and event id. */
void record_add_to_bloom(struct buffer *bloom, const struct stream_record *record, struct buffer *arena);
/* The record's eventID, raw; absent if it has none. */
struct slice record_event_id(struct slice body);
/* The record exactly as a Lambda handler gets it in Records[i]: its bytes, with eventSourceARN added as the last member. */
void record_lambda_body(struct buffer *out, struct slice body, struct slice stream_arn);

#endif
