/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/endpoint.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>

static const struct {
    const char *variable; /* AWS_ENDPOINT_URL_... */
    const char *section;  /* in the profile's services */
    const char *prefix;   /* of AWS's own host */
    const char *signing_name;
} services[] = {
    [AWS_DYNAMODB] = {"AWS_ENDPOINT_URL_DYNAMODB", "dynamodb", "dynamodb", "dynamodb"},
    [AWS_DYNAMODB_STREAMS] = {"AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "dynamodb_streams", "streams.dynamodb", "dynamodb"},
    [AWS_KINESIS] = {"AWS_ENDPOINT_URL_KINESIS", "kinesis", "kinesis", "kinesis"},
    [AWS_SQS] = {"AWS_ENDPOINT_URL_SQS", "sqs", "sqs", "sqs"},
    [AWS_S3] = {"AWS_ENDPOINT_URL_S3", "s3", "s3", "s3"},
    [AWS_STS] = {"AWS_ENDPOINT_URL_STS", "sts", "sts", "sts"},
    [AWS_SSO] = {"AWS_ENDPOINT_URL_SSO", "sso", "portal.sso", NULL}, /* not signed */
    [AWS_SSO_OIDC] = {"AWS_ENDPOINT_URL_SSO_OIDC", "sso_oidc", "oidc", NULL}, /* not signed */
};

/* By the region's prefix: botocore's partitions.json. */
static const struct partition {
    const char *prefix;
    const char *suffix;
    const char *dual_suffix; /* of dual-stack addresses; NULL: botocore makes none there */
    const char *name;
} partitions[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "aws-cn"},
    {"us-gov-", "amazonaws.com", "api.aws", "aws-us-gov"},
    {"us-iso-", "c2s.ic.gov", "api.aws.ic.gov", "aws-iso"},
    {"us-isob-", "sc2s.sgov.gov", "api.aws.scloud", "aws-iso-b"},
    {"eu-isoe-", "cloud.adc-e.uk", NULL, "aws-iso-e"},
    {"us-isof-", "csp.hci.ic.gov", NULL, "aws-iso-f"},
    {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu", "aws-eusc"},
    {"", "amazonaws.com", "api.aws", "aws"},
};

static size_t partition_of(const char *region)
{
    size_t at = 0;

    while (strncmp(region, partitions[at].prefix, strlen(partitions[at].prefix)) != 0)
        at++;
    return at;
}

const char *aws_partition(const char *region)
{
    return partitions[partition_of(region)].name;
}

const char *aws_service_signing_name(enum aws_service service)
{
    return services[service].signing_name;
}

static bool region_valid(const char *region)
{
    size_t len = strlen(region);

    return len >= 1 && len <= 32 && strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool loopback(struct slice host)
{
    char text[64];
    struct in_addr v4;

    if (host.len == 0 || host.len >= sizeof(text))
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (strcasecmp(text, "localhost") == 0 || strcmp(text, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

/* The host without its port. */
static struct slice bare_host(struct slice authority)
{
    size_t end = authority.len;

    if (authority.len > 0 && authority.ptr[0] == '[')
        end = slice_index(authority, ']') + 1;
    else
        end = slice_index(authority, ':');
    return slice_from(authority.ptr, end < authority.len ? end : authority.len);
}

static bool only(struct slice text, const char *allowed)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\0' || strchr(allowed, text.ptr[i]) == NULL)
            return false;
    return text.len > 0;
}

/* A name, or an address, with or without a port: what is judged here must be what libcurl goes to, which decodes %2e, and knows other signs. */
static bool host_valid(struct slice authority)
{
    struct slice host = bare_host(authority);
    struct slice port = slice_after(authority, host.len);
    bool six = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';

    if (!(six ? only(slice_from(host.ptr + 1, host.len - 2), "0123456789abcdefABCDEF:.")
              : only(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_")))
        return false;
    return port.len == 0 || (port.ptr[0] == ':' && only(slice_after(port, 1), "0123456789"));
}

static bool is_below(struct slice host, const char *domain)
{
    size_t len = domain ? strlen(domain) : 0;

    return domain && host.len >= len && strncasecmp(host.ptr + host.len - len, domain, len) == 0 &&
           (host.len == len || host.ptr[host.len - len - 1] == '.');
}

/* Amazon's own hosts have https, whatever is allowed elsewhere. */
static bool is_amazons(struct slice host)
{
    if (host.len > 0 && host.ptr[host.len - 1] == '.') /* the same, with the root's dot */
        host.len--;
    for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++)
        if (is_below(host, partitions[i].suffix) || is_below(host, partitions[i].dual_suffix))
            return true;
    return is_below(host, "aws");
}

static bool is_http(const char *url)
{
    return strncmp(url, "http://", 7) == 0;
}

bool endpoint_from_url(struct endpoint *out, const char *url, const char *source, bool plain_http, struct error *err)
{
    bool https = strncmp(url, "https://", 8) == 0;
    bool http = is_http(url);
    struct slice rest = slice_text(url + (https ? 8 : http ? 7 : 0));
    struct slice authority = slice_from(rest.ptr, slice_index(rest, '/'));
    struct slice default_port = https ? SLICE(":443") : SLICE(":80");
    size_t len = strlen(url);

    if ((!http && !https) || !host_valid(authority) || strpbrk(rest.ptr, "?# "))
        return error_set(err, ERROR_CONFIG, "%s: \"%s\" is no endpoint: give a URL such as http://127.0.0.1:8000", source, url);
    if (http && is_amazons(bare_host(authority)))
        return error_set(err, ERROR_CONFIG, "%s: %s is not encrypted: use https", source, url);
    if (http && !plain_http && !loopback(bare_host(authority)))
        return error_set(err, ERROR_CONFIG, "%s: %s is not encrypted, and not on this machine: use https, or say plain_http_beyond_loopback: true if the "
                         "network between is your own", source, url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    *out = (struct endpoint){.url = slice_dup(slice_from(url, len))};
    if (slice_ends_with(authority, default_port))
        authority.len -= default_port.len;
    out->host = slice_dup(authority);
    out->custom = true;
    out->exposed = http && !loopback(bare_host(authority));
    return true;
}

/* A switch of the environment, or of the profile. */
static bool read_switch(bool *out, const char *variable, const char *name, const struct aws_profile *profile, const char *(*lookup)(const char *),
                        struct error *err)
{
    const char *given = lookup(variable);
    const char *value = given ? given : aws_profile_get(profile, NULL, name);

    *out = value && strcasecmp(value, "true") == 0;
    if (value == NULL || *out || strcasecmp(value, "false") == 0)
        return true;
    return error_set(err, ERROR_CONFIG, "%s is \"%s\": wanted true or false", given ? variable : name, value);
}

/* The setting that names this service's endpoint, and where it stands; NULL: none. */
static const char *configured(enum aws_service service, const struct aws_profile *profile, const char *(*lookup)(const char *), const char **source)
{
    const char *url;

    *source = services[service].variable;
    if ((url = lookup(*source)) != NULL)
        return url;
    *source = "AWS_ENDPOINT_URL";
    if ((url = lookup(*source)) != NULL)
        return url;
    *source = "the profile's services";
    if ((url = aws_profile_get(profile, services[service].section, "endpoint_url")) != NULL)
        return url;
    *source = "the profile's endpoint_url";
    return aws_profile_get(profile, NULL, "endpoint_url");
}

static bool partition_is(const struct partition *p, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(p->name, *names) == 0)
            return true;
    return false;
}

/* AWS's own host, by the rules that the SDKs have for each service (botocore's endpoint-rule-set-1.json). */
static void append_host(struct buffer *out, enum aws_service service, const char *region, bool fips, bool dual)
{
    static const char *const dashed[] = {"aws", "aws-cn", "aws-us-gov", NULL}; /* where streams-dynamodb is the dual-stack name */
    const struct partition *p = &partitions[partition_of(region)];
    const char *prefix = services[service].prefix;

    if (service == AWS_S3) {
        buffer_printf(out, "s3%s%s.%s.%s", fips ? "-fips" : "", dual ? ".dualstack" : "", region, p->suffix);
        return;
    }
    if (fips && !dual && strcmp(p->name, "aws-us-gov") == 0)
        fips = false; /* GovCloud's plain addresses are FIPS */
    if (service == AWS_DYNAMODB_STREAMS && dual && partition_is(p, dashed))
        prefix = "streams-dynamodb";
    buffer_printf(out, "%s%s.%s.%s", prefix, fips ? "-fips" : "", region, dual ? p->dual_suffix : p->suffix);
}

static bool own_address(struct endpoint *out, enum aws_service service, const char *region, bool fips, bool dual, struct error *err)
{
    struct buffer text = {0};

    if (fips && service == AWS_S3 && strcmp(aws_partition(region), "aws-cn") == 0)
        return error_set(err, ERROR_CONFIG, "S3 has no FIPS endpoint in China (%s): unset AWS_USE_FIPS_ENDPOINT", region);
    if (dual && partitions[partition_of(region)].dual_suffix == NULL)
        return error_set(err, ERROR_CONFIG, "there are no dual-stack endpoints in %s: unset AWS_USE_DUALSTACK_ENDPOINT", region);
    append_host(&text, service, region, fips, dual);
    out->host = buffer_take(&text);
    buffer_printf(&text, "https://%s", out->host);
    out->url = buffer_take(&text);
    return true;
}

bool endpoint_find(struct endpoint *out, enum aws_service service, const char *region, const struct aws_profile *profile,
                   const char *(*lookup)(const char *), struct error *err)
{
    const char *source = NULL;
    const char *url;
    bool ignore;
    bool fips;
    bool dual;
    /* STS and SSO take tokens that anybody can use, and answer with secrets */
    bool plain_http = aws_profile_plain_http(profile) && service != AWS_STS && service != AWS_SSO && service != AWS_SSO_OIDC;

    *out = (struct endpoint){0};
    if (!region_valid(region))
        return error_set(err, ERROR_CONFIG, "\"%s\" is no region: give one such as eu-west-1", region);
    if (!read_switch(&ignore, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls", profile, lookup, err) ||
        !read_switch(&fips, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", profile, lookup, err) ||
        !read_switch(&dual, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", profile, lookup, err))
        return false;
    url = ignore ? NULL : configured(service, profile, lookup, &source);
    if (url && (fips || dual))
        return error_set(err, ERROR_CONFIG, "%s and %s: an address that is set has no %s form; take one of the two away", source,
                         fips ? "use_fips_endpoint" : "use_dualstack_endpoint", fips ? "FIPS" : "dual-stack");
    return url ? endpoint_from_url(out, url, source, plain_http, err) : own_address(out, service, region, fips, dual, err);
}

/* Is it one label of a host? (Those that begin or end with a hyphen are older than today's rules for names.) */
static bool bucket_is_label(const char *bucket)
{
    size_t len = strlen(bucket);

    return strchr(bucket, '.') == NULL && bucket[0] != '-' && bucket[len - 1] != '-';
}

bool endpoint_of_bucket(struct endpoint *out, const struct endpoint *s3, const char *bucket, enum bucket_addressing addressing, struct error *err)
{
    struct slice host = bare_host(slice_text(s3->host));
    bool number = host.len > 0 && (host.ptr[0] == '[' || strspn(s3->host, "0123456789.") >= host.len);
    bool https = strncmp(s3->url, "https", 5) == 0;
    bool can = !number && (bucket_is_label(bucket) || (!https && s3->custom));
    bool is = addressing == BUCKET_VIRTUAL || (addressing == BUCKET_AUTO && !s3->custom && can);
    const char *authority = strstr(s3->url, "://") + 3;
    struct buffer text = {0};

    *out = (struct endpoint){.custom = s3->custom, .exposed = s3->exposed};
    if (is && !can)
        return error_set(err, ERROR_CONFIG, "the bucket \"%s\" cannot be a part of the host %s (%s): say s3_addressing: path", bucket, s3->host,
                         number ? "an address has no names below it" : "TLS certificates cover one label");
    buffer_printf(&text, "%s%s%s", is ? bucket : "", is ? "." : "", s3->host);
    out->host = buffer_take(&text);
    if (is)
        buffer_printf(&text, "%.*s%s.%s", (int)(authority - s3->url), s3->url, bucket, authority);
    else
        buffer_printf(&text, "%s/%s", s3->url, bucket);
    out->url = buffer_take(&text);
    if (is_http(out->url) && is_amazons(bare_host(slice_text(out->host))))
        return error_set(err, ERROR_CONFIG, "%s is not encrypted: use https", out->url);
    return true;
}

static struct slice cut_label(struct slice *host)
{
    size_t at = slice_index(*host, '.');
    struct slice label = slice_from(host->ptr, at);

    *host = slice_after(*host, at + 1);
    return label;
}

char *endpoint_region(const struct endpoint *e)
{
    struct slice rest = slice_text(e->host);
    struct slice first = cut_label(&rest);
    struct slice second = cut_label(&rest);

    if (!slice_starts_with(rest, SLICE("amazonaws.com")))
        return NULL;
    if (slice_is(first, "sqs") || slice_is(first, "sqs-fips"))
        return slice_dup(second);
    return slice_is(second, "queue") ? slice_dup(first) : NULL;
}

void endpoint_warn_if_exposed(const struct endpoint *e)
{
    if (e->exposed)
        log_warning("requests go to another machine without TLS: what they hold can be read on the way", LOG_FIELDS(LOG_TEXT("endpoint", e->url)));
}

void endpoint_fini(struct endpoint *e)
{
    free(e->url);
    free(e->host);
    *e = (struct endpoint){0};
}
