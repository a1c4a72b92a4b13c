/* SPDX-License-Identifier: Apache-2.0
 *
 * Where credentials come from, and where services are, against what botocore found for the same cases (make_credential_sources.py, make_endpoints.py).
 */
#include "support/temporary.h"
#include "support/test.h"

#include "aws/credential_source.h"
#include "aws/endpoint.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *environment;
static char directory[2048];

static const char *lookup(const char *name)
{
    static char path[4096];
    const char *file = strcmp(name, "AWS_CONFIG_FILE") == 0 ? "config" : strcmp(name, "AWS_SHARED_CREDENTIALS_FILE") == 0 ? "credentials" : NULL;

    if (file == NULL)
        return json_string_value(json_object_get(environment, name));
    snprintf(path, sizeof(path), "%s/%s", directory, file);
    return path;
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *document = json_load_file(path, 0, &error);

    if (document == NULL)
        fail_msg("%s: %s", path, error.text);
    return document;
}

static void write_file(const char *name, const char *text)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *const kinds[] = {"keys", "role", "web_identity", "sso", "process", "container", "metadata"};

/* What was found, in the words of the golden file. */
static json_t *describe(const struct credential_source *s)
{
    json_t *found = json_object();

    json_object_set_new(found, "kind", json_string(kinds[s->kind]));
    if (s->kind == CREDENTIAL_KEYS)
        json_object_set_new(found, "key", json_string(s->keys.access_key_id));
    if (s->keys.session_token)
        json_object_set_new(found, "token", json_string(s->keys.session_token));
    if (s->role_arn)
        json_object_set_new(found, "role_arn", json_string(s->role_arn));
    if (s->base)
        json_object_set_new(found, "base", describe(s->base));
    return found;
}

/* Where we differ on purpose: docs/credentials.md. None so far. */
static void judge(json_t *c)
{
    const char *name = json_string_value(json_object_get(c, "name"));
    json_t *want = json_object_get(c, "want");
    bool fails = strcmp(json_string_value(json_object_get(want, "kind")), "error") == 0;
    struct error err = {.text = ""};
    struct aws_profile *profile;
    struct credential_source *source;
    json_t *found;

    environment = json_object_get(c, "environment");
    write_file("config", json_string_value(json_object_get(c, "config")));
    write_file("credentials", json_string_value(json_object_get(c, "credentials")));
    profile = aws_profile_load(json_string_value(json_object_get(c, "profile")), lookup, &err);
    source = profile ? credential_source_find(profile, lookup, &err) : NULL;
    if ((source == NULL) != fails || (fails && err.text[0] == '\0'))
        fail_msg("%s: %s", name, source ? kinds[source->kind] : err.text);
    found = source ? describe(source) : NULL;
    if (source && !json_equal(found, want))
        fail_msg("%s: found %s, want %s", name, json_dumps(found, JSON_SORT_KEYS), json_dumps(want, JSON_SORT_KEYS));
    json_decref(found);
    credential_source_free(source);
    aws_profile_free(profile);
}

static void the_source_is_the_one_that_botocore_takes(void **state)
{
    json_t *document = load("tests/golden/credential_sources.json");
    json_t *cases = json_object_get(document, "cases");

    snprintf(directory, sizeof(directory), "%s", temporary_path(state, ""));
    assert_true(json_array_size(cases) > 40);
    for (size_t i = 0; i < json_array_size(cases); i++)
        judge(json_array_get(cases, i));
    json_decref(document);
}

static enum aws_service service_of(const char *name)
{
    static const char *const names[] = {"dynamodb", "dynamodbstreams", "kinesis", "sqs", "s3", "sts", "sso", "sso-oidc"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum aws_service)i;
    fail_msg("%s", name);
    return AWS_SQS;
}

/* [.., .., FIPS, dual-stack, ..] */
static json_t *variants_of(json_t *c)
{
    return json_pack("{s:s,s:s}", "AWS_USE_FIPS_ENDPOINT", json_is_true(json_array_get(c, 2)) ? "true" : "false", "AWS_USE_DUALSTACK_ENDPOINT",
                     json_is_true(json_array_get(c, 3)) ? "true" : "false");
}

static void judge_endpoint(json_t *c, const struct aws_profile *profile)
{
    const char *want = json_string_value(json_array_get(c, 4));
    struct endpoint endpoint;
    struct error err;
    bool good = endpoint_find(&endpoint, service_of(json_string_value(json_array_get(c, 0))), json_string_value(json_array_get(c, 1)), profile, lookup, &err);

    if (good != (want != NULL) || (good && strcmp(endpoint.host, want) != 0))
        fail_msg("%s: %s", json_dumps(c, 0), good ? endpoint.host : err.text);
    endpoint_fini(&endpoint);
}

/* Each case of a member of endpoints.json, more than `least` of them, without a profile. */
static void judge_all(void **state, const char *member, size_t least, void (*judge_one)(json_t *c, const struct aws_profile *profile))
{
    json_t *document = load("tests/golden/endpoints.json");
    json_t *cases = json_object_get(document, member);
    struct error err;
    struct aws_profile *profile;

    snprintf(directory, sizeof(directory), "%s", temporary_path(state, ""));
    environment = NULL;
    profile = aws_profile_load(NULL, lookup, &err);
    assert_non_null(profile);
    assert_true(json_array_size(cases) > least);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        environment = variants_of(json_array_get(cases, i));
        judge_one(json_array_get(cases, i), profile);
        json_decref(environment);
    }
    aws_profile_free(profile);
    json_decref(document);
}

static void endpoints_are_those_that_botocore_finds(void **state)
{
    judge_all(state, "cases", 300, judge_endpoint);
}

static enum bucket_addressing addressing_of(const char *style)
{
    return strcmp(style, "auto") == 0 ? BUCKET_AUTO : strcmp(style, "path") == 0 ? BUCKET_PATH : BUCKET_VIRTUAL;
}

/* Where "virtual" is impossible botocore takes the path, without a word (and for a name with dots at an address, a host that cannot be); here it is an error. */
static void judge_object(json_t *c, const struct aws_profile *profile)
{
    const char *url = json_string_value(json_array_get(c, 1));
    enum bucket_addressing addressing = addressing_of(json_string_value(json_array_get(c, 4)));
    const char *bucket = json_string_value(json_array_get(c, 5));
    const char *want = json_string_value(json_array_get(c, 6));
    struct endpoint s3;
    struct endpoint found;
    struct error err = {.text = ""};
    char text[400];

    assert_true(url ? endpoint_from_url(&s3, url, "test", false, &err)
                    : endpoint_find(&s3, AWS_S3, json_string_value(json_array_get(c, 0)), profile, lookup, &err));
    if (endpoint_of_bucket(&found, &s3, bucket, addressing, &err)) {
        const char *host = strstr(found.url, "://") + 3;

        snprintf(text, sizeof(text), "%s/KEY", found.url);
        if (strcmp(text, want) != 0 || strncmp(host, found.host, strlen(found.host)) != 0 || strcspn(host, "/") != strlen(found.host))
            fail_msg("%s: %s, %s", json_dumps(c, 0), text, found.host);
        snprintf(text, sizeof(text), "://%s.", bucket);
        if (addressing == BUCKET_VIRTUAL && strstr(want, text) == NULL)
            fail_msg("%s: not virtual, and no error", json_dumps(c, 0));
    } else {
        snprintf(text, sizeof(text), "/%s/KEY", bucket);
        if (addressing != BUCKET_VIRTUAL || (strstr(want, text) == NULL && strstr(want, ".127.0.0.1") == NULL && strstr(want, ".[::1]") == NULL) || strstr(err.text, "say s3_addressing: path") == NULL)
            fail_msg("%s: %s", json_dumps(c, 0), err.text);
    }
    endpoint_fini(&found);
    endpoint_fini(&s3);
}

static void objects_are_put_where_botocore_puts_them(void **state)
{
    judge_all(state, "objects", 100, judge_object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(the_source_is_the_one_that_botocore_takes),
        with_directory(endpoints_are_those_that_botocore_finds),
        with_directory(objects_are_put_where_botocore_puts_them),
    };

    return cmocka_run_group_tests_name("aws_golden", tests, NULL, NULL);
}
