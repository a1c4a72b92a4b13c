/* SPDX-License-Identifier: Apache-2.0
 *
 * destination: where a queue of target sqs is: from its address (a name, a URL or an ARN) and the options beside it to what the pump and the client need.
 */
#ifndef S2Q_APP_DESTINATION_H
#define S2Q_APP_DESTINATION_H

#include "app/config.h"
#include "aws/sqs_client.h"
#include "core/pump.h"

struct destination {
    struct pump_options pump;
    struct sqs_destination sqs;
    struct endpoint endpoint;
    struct endpoint bucket; /* zeroed: nothing is stored there */
    char *url;
    char *name;
    char *owner;
    char *region;
    char *s3_region;
    char *server; /* endpoint and region: is it another one after a reload? */
    struct dead_letters { /* the dead-letter queue there; zeroed: none */
        char *url;
        char *name;
        char *owner;
    } dead;
};

/* region: the configuration's, for a name. False: *err; *out is still safe to fini. */
MUST_USE bool destination_find(struct destination *out, const struct config_queue *queue, const char *region, const struct aws_profile *profile,
                               const char *(*lookup)(const char *), struct error *err);
void destination_fini(struct destination *d);

#endif
