/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks every stage of signing against cases that botocore made (make_sigv4.py).
 */
#include "support/digests.h"
#include "support/test.h"

#include "codec/sigv4.h"

#include <dirent.h>
#include <stdlib.h>

#define CASES "tests/golden/sigv4"

static struct buffer read_file(const char *folder, const char *name)
{
    struct buffer out = {0};
    char path[1024];
    FILE *file;
    int c;

    snprintf(path, sizeof(path), CASES "/%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("cannot open %s (run from the project's root)", path);
    while ((c = fgetc(file)) != EOF)
        buffer_append_byte(&out, (char)c);
    fclose(file);
    buffer_reserve(&out, 0);
    return out;
}

static struct slice take_until(struct slice *rest, char byte)
{
    size_t n = slice_index(*rest, byte);
    struct slice part = slice_from(rest->ptr, n);

    *rest = slice_after(*rest, n + 1);
    return part;
}

static void parse_request(struct slice text, struct sigv4_request *request, struct header headers[32])
{
    struct slice line = take_until(&text, '\n');

    *request = (struct sigv4_request){.method = take_until(&line, ' '), .headers = headers};
    request->path = take_until(&line, '?');
    request->query = line;
    for (line = take_until(&text, '\n'); line.len > 0; line = take_until(&text, '\n')) {
        headers[request->header_count].name = take_until(&line, ':');
        headers[request->header_count++].value = line;
        assert_true(request->header_count < 32);
    }
    request->body = text;
}

static void check(const char *name, const char *stage, struct buffer *found, struct buffer want)
{
    if (!slice_equal(buffer_slice(found), buffer_slice(&want)))
        fail_msg("%s, %s: found\n%s\nwant\n%s", name, stage, found->ptr, want.ptr);
    buffer_fini(&want);
    buffer_reset(found);
}

static struct signing_keys signing_keys; /* of the one secret: for SQS and S3, by turns */

static void check_case(const char *name)
{
    const struct sigv4_keys keys = {SLICE("AKIDEXAMPLE"), SLICE("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), {NULL, 0}};
    struct buffer text = read_file(name, "request");
    struct buffer authorization = read_file(name, "authorization");
    struct buffer canonical = read_file(name, "canonical_request");
    struct buffer out = {0};
    struct header headers[32];
    struct sigv4_request request;
    struct slice signed_headers = buffer_slice(&authorization);
    bool s3 = strncmp(name, "s3-", 3) == 0;

    parse_request(buffer_slice(&text), &request, headers);
    request.path_as_sent = s3;
    signed_headers.ptr = strstr(authorization.ptr, "SignedHeaders=") + strlen("SignedHeaders=");
    signed_headers.len = strcspn(signed_headers.ptr, ",");
    sigv4_canonical_request(&out, &request, signed_headers);
    check(name, "canonical request", &out, read_file(name, "canonical_request"));
    sigv4_string_to_sign(&out, SLICE("20260131T123456Z"), s3 ? SLICE("20260131/eu-west-1/s3/aws4_request") : SLICE("20260131/eu-west-1/sqs/aws4_request"),
                         buffer_slice(&canonical));
    check(name, "string to sign", &out, read_file(name, "string_to_sign"));
    sigv4_sign(&out, &request, &keys, SLICE("eu-west-1"), s3 ? SLICE("s3") : SLICE("sqs"), INT64_C(1769862896000), &signing_keys);
    check(name, "authorization", &out, read_file(name, "authorization"));
    buffer_fini(&text);
    buffer_fini(&authorization);
    buffer_fini(&canonical);
    buffer_fini(&out);
}

static void every_stage_is_what_botocore_makes_of_it(void **state)
{
    DIR *directory = opendir(CASES);
    struct dirent *entry;
    int cases = 0;

    (void)state;
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        check_case(entry->d_name);
        cases++;
    }
    closedir(directory);
    signing_keys_fini(&signing_keys);
    assert_true(cases >= 36);
}

static void stamps_are_utc(void **state)
{
    char stamp[17];

    (void)state;
    sigv4_stamp(INT64_C(1769862896999), stamp);
    assert_string_equal(stamp, "20260131T123456Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stage_is_what_botocore_makes_of_it),
        cmocka_unit_test(stamps_are_utc),
    };

    return cmocka_run_group_tests_name("sigv4", tests, digests_setup, digests_teardown);
}
