/* SPDX-License-Identifier: Apache-2.0
 *
 * endpoint: which URL a service is reached at.
 *
 * Order (docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html): AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's
 * `services` section, the profile's endpoint_url, then AWS's own address for the region (also aws-cn and the other partitions).
 * AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true (or the profile's ignore_configured_endpoint_urls) skips all but the last.
 * AWS's own addresses follow AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT (or use_fips_endpoint and use_dualstack_endpoint of the profile); with an
 * address that was set they are an error, as in the SDKs. STS is always the region's own, never sts.amazonaws.com of old.
 */
#ifndef S2Q_AWS_ENDPOINT_H
#define S2Q_AWS_ENDPOINT_H

#include "aws/credentials.h"
#include "base/error.h"

enum aws_service { AWS_DYNAMODB, AWS_DYNAMODB_STREAMS, AWS_KINESIS, AWS_SQS, AWS_S3, AWS_STS, AWS_SSO, AWS_SSO_OIDC };

struct endpoint {
    char *url;  /* "https://streams.dynamodb.eu-west-1.amazonaws.com", no trailing slash; a path in the URL is kept */
    char *host; /* for the Host header, with the port when it is not the scheme's own */
    bool custom; /* it came from a setting, not from AWS's own addresses */
    bool exposed; /* plain http to another machine */
};

/* Plain http is refused unless the host is loopback (localhost, 127.0.0.0/8, ::1) or the profile allows it (aws_profile_plain_http): requests carry data, and
 * nothing says that the server is the one meant. Never beyond loopback: STS, SSO and SSO-OIDC (bearer tokens, secrets in the
 * answers), and Amazon's hosts. */
MUST_USE bool endpoint_find(struct endpoint *out, enum aws_service service, const char *region, const struct aws_profile *profile,
                            const char *(*lookup)(const char *), struct error *err);
/* The endpoint of a URL that an option names; `source` is what error texts call it. plain_http: also beyond loopback. */
MUST_USE bool endpoint_from_url(struct endpoint *out, const char *url, const char *source, bool plain_http, struct error *err);
/* How a bucket is named in a URL; "auto" as botocore has it: by the host on Amazon's own addresses, by the path on any other and where a bucket's name has dots
 * (its host would not be covered by the certificate): docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html */
enum bucket_addressing { BUCKET_AUTO, BUCKET_PATH, BUCKET_VIRTUAL };
/* The endpoint of a bucket, whose keys follow it as "/KEY". `s3`: S3's own; bucket: small letters, digits, dots, hyphens. False: *err, it cannot be virtual. */
MUST_USE bool endpoint_of_bucket(struct endpoint *out, const struct endpoint *s3, const char *bucket, enum bucket_addressing addressing, struct error *err);
/* The region that a host of SQS's own says ("sqs.eu-west-1.amazonaws.com", and the older "eu-west-1.queue.amazonaws.com"); NULL: another host. The caller
 * frees it. */
char *endpoint_region(const struct endpoint *e);
/* Logs a warning, if what is sent there can be read on the way. */
void endpoint_warn_if_exposed(const struct endpoint *e);
void endpoint_fini(struct endpoint *e);
/* "aws", "aws-cn", ...: the second part of an ARN in that region. */
const char *aws_partition(const char *region);
/* "dynamodb", "kinesis", "sqs": the name in a signature's scope (DynamoDB Streams signs as dynamodb). */
const char *aws_service_signing_name(enum aws_service service);

#endif
