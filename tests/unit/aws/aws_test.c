/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared files, regions and endpoints, as the SDKs find them. Wanted values follow botocore's reading of the same files.
 */
#include "support/temporary.h"
#include "support/test.h"

#include "aws/ca_bundle.h"
#include "aws/endpoint.h"

#include <stdlib.h>

/* The environment of a case: name, value, ..., NULL. */
static const char *const *environment;
static char config_path[4096];
static char credentials_path[4096];

static const char *lookup(const char *name)
{
    if (strcmp(name, "AWS_CONFIG_FILE") == 0)
        return config_path;
    if (strcmp(name, "AWS_SHARED_CREDENTIALS_FILE") == 0)
        return credentials_path;
    for (size_t i = 0; environment && environment[i]; i += 2)
        if (strcmp(environment[i], name) == 0)
            return environment[i + 1];
    return NULL;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void files(void **state, const char *config, const char *credentials)
{
    snprintf(config_path, sizeof(config_path), "%s", temporary_path(state, "config"));
    snprintf(credentials_path, sizeof(credentials_path), "%s", temporary_path(state, "credentials"));
    write_file(config_path, config);
    write_file(credentials_path, credentials);
}

static const char config[] = "# a comment\n"
                             "[default]\nregion = eu-west-1\n"
                             "[profile work]\nregion=us-east-2\naws_access_key_id = FROMCONFIG\naws_secret_access_key = config-secret\n"
                             "services = local\nendpoint_url = http://127.0.0.1:1\n"
                             "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = default\n"
                             "[profile half]\naws_access_key_id = HALF\n"
                             "[profile keys-elsewhere]\nregion = cn-north-1\n"
                             "[services local]\ndynamodb =\n  endpoint_url = http://127.0.0.1:2\ndynamodb_streams =\n  endpoint_url = http://127.0.0.1:3/path/\n";
static const char credentials[] = "; another comment\n[default]\naws_access_key_id = DEFAULTKEY\naws_secret_access_key = default/secret+=\n"
                                  "[work]\naws_access_key_id = WORKKEY\naws_secret_access_key = work-secret\naws_session_token = token\n"
                                  "[keys-elsewhere]\naws_access_key_id=ELSEWHERE\naws_secret_access_key=elsewhere-secret\n";

static void broken_files_are_told_with_their_line(void **state)
{
    static const struct {
        const char *config;
        const char *text;
    } cases[] = {
        {"[default\nregion=x\n", "config, line 1: a [section] without its closing bracket"},
        {"region=x\n", "config, line 1: a setting before the first [section]"},
        {"[default]\n\nregion\n", "config, line 3: neither a [section] nor a setting"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err;

        files(state, cases[i].config, "");
        environment = NULL;
        assert_null(aws_profile_load(NULL, lookup, &err));
        if (strstr(err.text, cases[i].text) == NULL)
            fail_msg("%s", err.text);
    }
}

static void endpoints_follow_the_order_of_the_sdks(void **state)
{
    static const struct {
        enum aws_service service;
        const char *profile;
        const char *region;
        const char *environment[9];
        const char *url; /* or what the error says */
        const char *host; /* NULL: an error */
    } cases[] = {
        {AWS_DYNAMODB, NULL, "eu-west-1", {NULL}, "https://dynamodb.eu-west-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com"},
        {AWS_DYNAMODB_STREAMS, NULL, "eu-west-1", {NULL}, "https://streams.dynamodb.eu-west-1.amazonaws.com", "streams.dynamodb.eu-west-1.amazonaws.com"},
        {AWS_DYNAMODB, NULL, "cn-north-1", {NULL}, "https://dynamodb.cn-north-1.amazonaws.com.cn", "dynamodb.cn-north-1.amazonaws.com.cn"},
        {AWS_DYNAMODB, NULL, "us-isob-east-1", {NULL}, "https://dynamodb.us-isob-east-1.sc2s.sgov.gov", "dynamodb.us-isob-east-1.sc2s.sgov.gov"},
        {AWS_DYNAMODB, "work", "x-1", {NULL}, "http://127.0.0.1:2", "127.0.0.1:2"},
        {AWS_DYNAMODB_STREAMS, "work", "x-1", {NULL}, "http://127.0.0.1:3/path", "127.0.0.1:3"},
        {AWS_SQS, "work", "x-1", {NULL}, "http://127.0.0.1:1", "127.0.0.1:1"},
        {AWS_DYNAMODB, "work", "x-1", {"AWS_ENDPOINT_URL", "http://localhost:8000/", NULL}, "http://localhost:8000", "localhost:8000"},
        {AWS_DYNAMODB, NULL, "x-1", {"AWS_ENDPOINT_URL", "http://[::1]:8000", "AWS_ENDPOINT_URL_DYNAMODB", "https://proxy.example:443", NULL},
         "https://proxy.example:443", "proxy.example"},
        {AWS_DYNAMODB, "work", "us-east-2", {"AWS_ENDPOINT_URL", "http://localhost:8000", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", NULL},
         "https://dynamodb.us-east-2.amazonaws.com", "dynamodb.us-east-2.amazonaws.com"},
        {AWS_DYNAMODB, NULL, "x-1", {"AWS_ENDPOINT_URL", "http://example.com", NULL}, "not encrypted, and not on this machine", NULL},
        {AWS_DYNAMODB, NULL, "x-1", {"AWS_ENDPOINT_URL", "http://127.0.0.1.example.com", NULL}, "not encrypted", NULL},
        {AWS_DYNAMODB, NULL, "x-1", {"AWS_ENDPOINT_URL", "ftp://127.0.0.1", NULL}, "is no endpoint", NULL},
        {AWS_DYNAMODB, NULL, "x-1", {"AWS_ENDPOINT_URL", "https://user@example.com", NULL}, "is no endpoint", NULL},
        {AWS_DYNAMODB, NULL, "evil.example/", {NULL}, "is no region", NULL},
        {AWS_DYNAMODB, NULL, "", {NULL}, "is no region", NULL},
    };

    files(state, config, credentials);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {.text = ""};
        struct endpoint endpoint;
        struct aws_profile *profile;
        bool good;

        environment = cases[i].environment;
        profile = aws_profile_load(cases[i].profile, lookup, &err);
        assert_non_null(profile);
        good = endpoint_find(&endpoint, cases[i].service, cases[i].region, profile, lookup, &err);
        if (good != (cases[i].host != NULL) || (!good && strstr(err.text, cases[i].url) == NULL))
            fail_msg("case %zu: %s", i, good ? endpoint.url : err.text);
        if (good) {
            assert_string_equal(endpoint.url, cases[i].url);
            assert_string_equal(endpoint.host, cases[i].host);
        }
        endpoint_fini(&endpoint);
        aws_profile_free(profile);
    }
}

static void the_region_comes_from_the_environment_before_the_profile(void **state)
{
    static const char *const both[] = {"AWS_DEFAULT_REGION", "b-1", "AWS_REGION", "a-1", NULL};
    static const char *const one[] = {"AWS_DEFAULT_REGION", "b-1", NULL};
    struct error err;
    struct aws_profile *profile;

    files(state, config, credentials);
    environment = NULL;
    profile = aws_profile_load(NULL, lookup, &err);
    assert_string_equal(region_find(profile, lookup), "eu-west-1");
    environment = one;
    assert_string_equal(region_find(profile, lookup), "b-1");
    environment = both;
    assert_string_equal(region_find(profile, lookup), "a-1");
    aws_profile_free(profile);
}

static void a_host_of_sqs_says_its_region(void **state)
{
    static const struct {
        const char *url;
        const char *want;
    } cases[] = {
        {"https://sqs.eu-west-1.amazonaws.com", "eu-west-1"},
        {"https://sqs-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"},
        {"https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"},
        {"https://eu-west-1.queue.amazonaws.com", "eu-west-1"},
        {"https://sqs.eu-west-1.example.com", NULL},
        {"https://s3.eu-west-1.amazonaws.com", NULL},
        {"https://amazonaws.com", NULL},
        {"http://127.0.0.1:9324", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint e;
        struct error err;
        char *region;

        assert_true(endpoint_from_url(&e, cases[i].url, "test", false, &err));
        region = endpoint_region(&e);
        if ((region == NULL) != (cases[i].want == NULL) || (region && strcmp(region, cases[i].want) != 0))
            fail_msg("%s: %s", cases[i].url, region ? region : "none");
        free(region);
        endpoint_fini(&e);
    }
}

static void plain_http_leaves_the_machine_only_where_it_is_allowed(void **state)
{
    static const struct {
        const char *url;
        bool allowed;
        const char *refused; /* NULL: it is not */
        bool exposed;
    } cases[] = {
        {"http://localstack:4566", false, "plain_http_beyond_loopback", false},
        {"http://localstack:4566", true, NULL, true},
        {"http://10.0.0.7", true, NULL, true},
        {"http://127.0.0.1:4566", true, NULL, false},
        {"https://localstack:4566", true, NULL, false},
        {"http://sqs.eu-west-1.amazonaws.com", true, "not encrypted: use https", false},
        {"http://sqs.cn-north-1.amazonaws.com.cn:80", true, "not encrypted: use https", false},
        {"http://sqs.eu-west-1.AmazonAWS.com.", true, "not encrypted: use https", false},
        {"http://sqs.eu-west-1.amazonaws%2ecom", true, "is no endpoint", false},
        {"http://[::1]evil.example", true, "is no endpoint", false},
        {"http://[::1]:80x", true, "is no endpoint", false},
        {"http://amazonaws.com", true, "not encrypted: use https", false},
        {"http://x.lambda-url.eu-west-1.on.aws", true, "not encrypted: use https", false},
        {"http://[::1]:9324", false, NULL, false},
        {"http://sqs.eu-west-1.api.aws", true, "not encrypted: use https", false},
        {"http://notamazonaws.com", true, NULL, true},
    };

    files(state, config, credentials);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *const set[] = {"AWS_ENDPOINT_URL_SQS", cases[i].url, NULL};
        struct error err = {.text = ""};
        struct aws_profile *profile;
        struct endpoint e;
        bool good;

        environment = set;
        profile = aws_profile_load(NULL, lookup, &err);
        assert_non_null(profile);
        aws_profile_allow_plain_http(profile, cases[i].allowed);
        good = endpoint_find(&e, AWS_SQS, "eu-west-1", profile, lookup, &err);
        if (good != (cases[i].refused == NULL) || (!good && strstr(err.text, cases[i].refused) == NULL) || (good && e.exposed != cases[i].exposed))
            fail_msg("%s: %s", cases[i].url, good ? "taken" : err.text);
        endpoint_fini(&e);
        aws_profile_free(profile);
    }
}

static void tokens_never_leave_the_machine_in_plain_http(void **state)
{
    static const char *const set[] = {"AWS_ENDPOINT_URL", "http://localstack:4566", NULL};
    static const enum aws_service services[] = {AWS_STS, AWS_SSO, AWS_SSO_OIDC};
    struct error err = {.text = ""};
    struct aws_profile *profile;
    struct endpoint e;
    struct endpoint bucket;

    files(state, config, credentials);
    environment = set;
    profile = aws_profile_load(NULL, lookup, &err);
    aws_profile_allow_plain_http(profile, true);
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        assert_false(endpoint_find(&e, services[i], "eu-west-1", profile, lookup, &err));
        assert_non_null(strstr(err.text, "not encrypted"));
    }
    assert_true(endpoint_find(&e, AWS_S3, "eu-west-1", profile, lookup, &err));
    assert_true(endpoint_of_bucket(&bucket, &e, "b-1", BUCKET_AUTO, &err));
    assert_true(bucket.exposed);
    endpoint_fini(&bucket);
    endpoint_fini(&e);
    assert_true(endpoint_from_url(&e, "http://com", "test", true, &err)); /* the bucket's name may make the host Amazon's */
    assert_false(endpoint_of_bucket(&bucket, &e, "b.s3.eu-west-1.amazonaws", BUCKET_VIRTUAL, &err));
    endpoint_fini(&bucket);
    endpoint_fini(&e);
    aws_profile_free(profile);
}

static void a_ca_bundle_holds_certificates(void **state)
{
    static const char certificate[] = /* openssl req -x509 -newkey ed25519 -subj /CN=test */
        "not in PEM\n"
        "-----BEGIN CERTIFICATE-----\n"
        "MIIBNDCB56ADAgECAhQejT4aU/+mJFiJ1PgiJrxPT/WAODAFBgMrZXAwDzENMAsG\n"
        "A1UEAwwEdGVzdDAgFw0yNjExMjcwMDEyMzZaGA8yMTI2MTEwMzAwMTIzNlowDzEN\n"
        "MAsGA1UEAwwEdGVzdDAqMAUGAytlcAMhAGqIOro2ztdI/pJJ2hk6iyeKYVvX6N9c\n"
        "J6QvLg3GiUJro1MwUTAdBgNVHQ4EFgQUSAW4dJ35s1BKJicMDvHxZrrRCkAwHwYD\n"
        "VR0jBBgwFoAUSAW4dJ35s1BKJicMDvHxZrrRCkAwDwYDVR0TAQH/BAUwAwEB/zAF\n"
        "BgMrZXADQQBaKDZSrjKbakX5uBdoRrKPphqmUfUTj6wm7JuTSPJEWzFY3ks8C1hF\n"
        "YSshxAdzs0bBeFy3kGo4HT4yRRgjuuMF\n"
        "-----END CERTIFICATE-----\n";
    static const struct {
        const char *text;
        const char *refused;
    } cases[] = {{"", "which AWS_CA_BUNDLE names, holds no certificate"},
                 {"[default]\n", "holds no certificate"},
                 {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificate"},
                 {certificate, NULL}};
    struct error err = {.text = ""};

    files(state, "", "");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool good;

        write_file(config_path, cases[i].text);
        good = ca_bundle_check(config_path, "AWS_CA_BUNDLE", &err);
        if (good != (cases[i].refused == NULL) || (!good && strstr(err.text, cases[i].refused) == NULL))
            fail_msg("case %zu: %s", i, good ? "taken" : err.text);
    }
    assert_false(ca_bundle_check(temporary_path(state, "missing"), "the option", &err));
    assert_non_null(strstr(err.text, "which the option names: No such file"));
    assert_false(ca_bundle_check(temporary_path(state, "."), "the option", &err));
    assert_non_null(strstr(err.text, "Is a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(broken_files_are_told_with_their_line),
        with_directory(endpoints_follow_the_order_of_the_sdks),
        with_directory(the_region_comes_from_the_environment_before_the_profile),
        cmocka_unit_test(a_host_of_sqs_says_its_region),
        with_directory(plain_http_leaves_the_machine_only_where_it_is_allowed),
        with_directory(tokens_never_leave_the_machine_in_plain_http),
        with_directory(a_ca_bundle_holds_certificates),
    };

    return cmocka_run_group_tests_name("aws", tests, NULL, NULL);
}
