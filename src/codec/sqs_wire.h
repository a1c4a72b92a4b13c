/* SPDX-License-Identifier: Apache-2.0
 *
 * sqs_wire: Amazon SQS's requests and answers (service model 2012-11-05), all of them.
 */
#ifndef S2Q_CODEC_SQS_WIRE_H
#define S2Q_CODEC_SQS_WIRE_H

#include "codec/sqs_answer.h"
#include "codec/sqs_attributes.h"
#include "codec/sqs_model.h"
#include "codec/sqs_request.h"

#endif
