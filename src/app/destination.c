/* SPDX-License-Identifier: Apache-2.0 */
#include "app/destination.h"

#include "base/memory.h"

#include <stdlib.h>

/* The part of `text` before `byte`; *text goes on behind it. */
static struct slice cut(struct slice *text, char byte)
{
    size_t at = slice_index(*text, byte);
    struct slice part = slice_from(text->ptr, at);

    *text = slice_after(*text, at + 1);
    return part;
}

/* arn:aws:sqs:eu-west-1:123456789012:orders */
static bool read_arn(struct destination *d, const char *arn, struct error *err)
{
    struct slice rest = slice_text(arn);
    struct slice parts[6];

    for (size_t i = 0; i < 6; i++)
        parts[i] = cut(&rest, ':');
    if (!slice_is(parts[2], "sqs") || parts[3].len == 0 || parts[4].len != 12 || parts[5].len == 0 || rest.len > 0)
        return error_set(err, ERROR_CONFIG, "\"%s\" is no ARN of a queue: wanted arn:aws:sqs:REGION:ACCOUNT:NAME", arn);
    d->region = slice_dup(parts[3]);
    d->owner = slice_dup(parts[4]);
    d->name = slice_dup(parts[5]);
    return true;
}

/* https://sqs.eu-west-1.amazonaws.com/123456789012/orders: the endpoint is what stands before the path. */
static bool read_url(struct destination *d, const char *url, bool plain_http, struct error *err)
{
    struct slice rest = slice_text(strstr(url, "://") + 3);
    struct slice host = cut(&rest, '/');
    char *origin = slice_dup(slice_from(url, (size_t)(host.ptr + host.len - url)));
    const char *name = strrchr(url, '/') + 1;
    bool good = endpoint_from_url(&d->endpoint, origin, "address", plain_http, err);

    free(origin);
    if (!good)
        return false;
    if (rest.len == 0 || *name == '\0')
        return error_set(err, ERROR_CONFIG, "\"%s\" names no queue: wanted https://HOST/ACCOUNT/NAME", url);
    d->url = memory_strdup(url);
    d->name = memory_strdup(name);
    d->region = endpoint_region(&d->endpoint);
    return true;
}

/* The dead-letter queue of a queue there: a name, URL or ARN, of the same region and server, as SQS has it. */
static bool find_dead_letters(struct destination *out, const struct config_queue *queue, bool plain_http, struct error *err)
{
    const char *address = queue->dead_letter_queue;
    struct destination dead = {0};
    bool good = strncmp(address, "arn:", 4) == 0 ? read_arn(&dead, address, err) : strstr(address, "://") ? read_url(&dead, address, plain_http, err) : true;

    if (good && dead.region && strcmp(dead.region, out->region) != 0)
        good = error_set(err, ERROR_CONFIG, "its dead_letter_queue is in another region: %s", address);
    if (good) {
        out->dead = (struct dead_letters){.url = dead.url, .name = dead.name ? dead.name : memory_strdup(address), .owner = dead.owner};
        dead.url = dead.name = dead.owner = NULL;
    }
    destination_fini(&dead);
    return good;
}

/* Where too large payloads go. */
static bool find_bucket(struct destination *out, const struct config_queue *queue, const struct aws_profile *profile, const char *(*lookup)(const char *),
                        struct error *err)
{
    struct endpoint s3 = {0};
    bool good;

    out->s3_region = memory_strdup(queue->s3_region ? queue->s3_region : out->region);
    good = (queue->s3_endpoint_url ? endpoint_from_url(&s3, queue->s3_endpoint_url, "s3_endpoint_url", aws_profile_plain_http(profile), err)
                                   : endpoint_find(&s3, AWS_S3, out->s3_region, profile, lookup, err)) &&
           endpoint_of_bucket(&out->bucket, &s3, queue->s3_bucket, (enum bucket_addressing)queue->s3_addressing, err);
    endpoint_fini(&s3);
    return good;
}

bool destination_find(struct destination *out, const struct config_queue *queue, const char *region, const struct aws_profile *profile,
                      const char *(*lookup)(const char *), struct error *err)
{
    const char *address = queue->address ? queue->address : queue->name;
    bool plain_http = aws_profile_plain_http(profile);
    struct buffer server = {0};

    *out = (struct destination){0};
    if (strncmp(address, "arn:", 4) == 0 ? !read_arn(out, address, err) : strstr(address, "://") ? !read_url(out, address, plain_http, err) : false)
        return error_prefix(err, "queue \"%s\", at %s", queue->name, queue->where);
    if (out->name == NULL)
        out->name = memory_strdup(address);
    if (queue->region || out->region == NULL) {
        free(out->region);
        out->region = memory_strdup(queue->region ? queue->region : region);
    }
    if (queue->endpoint_url) {
        endpoint_fini(&out->endpoint);
        if (!endpoint_from_url(&out->endpoint, queue->endpoint_url, "endpoint_url", plain_http, err))
            return error_prefix(err, "queue \"%s\", at %s", queue->name, queue->where);
    } else if (out->endpoint.url == NULL && !endpoint_find(&out->endpoint, AWS_SQS, out->region, profile, lookup, err)) {
        return error_prefix(err, "queue \"%s\", at %s", queue->name, queue->where);
    }
    buffer_printf(&server, "%s %s", out->endpoint.url, out->region);
    out->server = buffer_take(&server);
    out->pump = (struct pump_options){.url = out->url, .name = out->name, .owner = out->owner, .server = out->server, .requests_max = queue->requests_max,
                                      .fifo = slice_ends_with(slice_text(out->name), SLICE(".fifo"))};
    if (queue->oversize == CONFIG_OVERSIZE_S3 && !find_bucket(out, queue, profile, lookup, err))
        return error_prefix(err, "queue \"%s\", at %s", queue->name, queue->where);
    if (queue->dead_letter_queue && !find_dead_letters(out, queue, plain_http, err))
        return error_prefix(err, "queue \"%s\", at %s", queue->name, queue->where);
    out->pump.dead_letter_name = out->dead.name;
    out->pump.dead_letter_url = out->dead.url;
    out->pump.dead_letter_owner = out->dead.owner;
    out->pump.gateway = queue->gateway;
    out->pump.s3_bucket = queue->oversize == CONFIG_OVERSIZE_S3 ? queue->s3_bucket : NULL;
    out->pump.s3_prefix = queue->s3_prefix;
    out->sqs = (struct sqs_destination){.endpoint = &out->endpoint, .bucket = out->bucket.url ? &out->bucket : NULL,
                                        .region = out->region, .s3_region = out->s3_region};
    return true;
}

void destination_fini(struct destination *d)
{
    endpoint_fini(&d->endpoint);
    endpoint_fini(&d->bucket);
    free(d->url);
    free(d->name);
    free(d->owner);
    free(d->region);
    free(d->s3_region);
    free(d->server);
    free(d->dead.url);
    free(d->dead.name);
    free(d->dead.owner);
    *d = (struct destination){0};
}
