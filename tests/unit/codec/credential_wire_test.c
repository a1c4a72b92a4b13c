/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sources of credentials say, and the small formats that it is said in: XML, forms, timestamps, command lines. Wanted words of command lines are
 * what Python's shlex.split gives.
 */
#include "support/test.h"

#include "codec/credential_wire.h"
#include "codec/form.h"
#include "codec/shell_words.h"
#include "codec/timestamp.h"
#include "codec/xml.h"

#include <stdlib.h>

static void timestamps_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: it is none */
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-31T12:34:56Z", INT64_C(1769862896000)},
        {"2026-01-31T12:34:56.7891Z", INT64_C(1769862896789)},
        {"2026-01-31T12:34:56UTC", INT64_C(1769862896000)},
        {"2026-01-31T12:34:56+00:00", INT64_C(1769862896000)},
        {"2026-01-31T14:04:56+01:30", INT64_C(1769862896000)},
        {"2026-01-31T11:34:56-0100", INT64_C(1769862896000)},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
        {"2026-02-29T00:00:00Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-01-31T24:00:00Z", -1},
        {"2026-01-31T12:34:61Z", -1},
        {"2026-01-31 12:34:56Z", -1},
        {"2026-01-31T12:34:56", -1},
        {"2026-01-31T12:34:56.Z", -1},
        {"2026-01-31T12:34:56Zx", -1},
        {"2026-01-31T12:34:56+1", -1},
        {"2026-01-31T12:34:56+01:60", -1},
        {"+026-01-31T12:34:56Z", -1},
        {"", -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ms = -1;

        if (timestamp_parse(slice_text(cases[i].text), &ms) != (cases[i].ms >= 0) || (cases[i].ms >= 0 && ms != cases[i].ms))
            fail_msg("%s -> %lld", cases[i].text, (long long)ms);
    }
}

static void forms_escape_all_but_the_unreserved(void **state)
{
    struct buffer out = {0};

    (void)state;
    form_append(&out, "Action", SLICE("Do"));
    form_append(&out, "A", SLICE("az AZ09-._~ !*'()/+=&%\xc3\xa4"));
    assert_slice(buffer_slice(&out), "Action=Do&A=az%20AZ09-._~%20%21%2A%27%28%29%2F%2B%3D%26%25%C3%A4");
    buffer_reset(&out);
    buffer_append_text(&out, "http://h/?");
    form_append(&out, "a", SLICE("1"));
    form_append(&out, "b", SLICE(""));
    assert_slice(buffer_slice(&out), "http://h/?a=1&b=");
    buffer_fini(&out);
}

static void command_lines_are_cut_as_shlex_does(void **state)
{
    static const struct {
        const char *line;
        const char *words[5]; /* none: an error with `error` in it */
        const char *error;
    } cases[] = {
        {"a b  c", {"a", "b", "c"}, NULL},
        {"a 'b c' d", {"a", "b c", "d"}, NULL},
        {"a \"b c\"d", {"a", "b cd"}, NULL},
        {"a \"b\\\"c\" e", {"a", "b\"c", "e"}, NULL},
        {"a \\\"b", {"a", "\"b"}, NULL},
        {"a\\ b c", {"a b", "c"}, NULL},
        {"''", {""}, NULL},
        {"a \"\" b", {"a", "", "b"}, NULL},
        {"a'b'c", {"abc"}, NULL},
        {"$HOME *", {"$HOME", "*"}, NULL},
        {"\"a\\b\"", {"a\\b"}, NULL},
        {"'a\\b'", {"a\\b"}, NULL},
        {"a\tb\nc", {"a", "b", "c"}, NULL},
        {"'a", {NULL}, "not closed"},
        {"\"a\\", {NULL}, "not closed"},
        {"a \\", {NULL}, "backslash"},
        {"  ", {NULL}, "empty"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *error;
        char **words = shell_words_split(cases[i].line, &error);

        if ((words == NULL) != (cases[i].error != NULL) || (words == NULL && strstr(error, cases[i].error) == NULL))
            fail_msg("%s: %s", cases[i].line, error);
        for (size_t k = 0; words && (words[k] || cases[i].words[k]); k++)
            if (words[k] == NULL || cases[i].words[k] == NULL || strcmp(words[k], cases[i].words[k]) != 0)
                fail_msg("%s: word %zu is %s", cases[i].line, k, words[k] ? words[k] : "missing");
        free(words);
    }
}

/* Events as one line: <name, text, >name. */
static void trace(struct buffer *out, const char *document)
{
    struct xml x;
    enum xml_event event;

    xml_init(&x, slice_text(document));
    while ((event = xml_next(&x)) != XML_DONE && event != XML_ERROR) {
        buffer_printf(out, "%s", event == XML_START ? "<" : event == XML_END ? ">" : "'");
        if (event == XML_TEXT)
            xml_append_text(out, &x);
        else
            buffer_append(out, x.name);
    }
    if (event == XML_ERROR)
        buffer_printf(out, "! %s", x.error);
}

static void xml_is_read_strictly(void **state)
{
    static const struct {
        const char *document;
        const char *want;
    } cases[] = {
        {"<a/>", "<a>a"},
        {"<?xml version='1.0'?>\n<!-- x --><a b='1' c = \"<\"/>", "! a malformed attribute"},
        {"<?xml version='1.0'?>\n<!-- x > --> <a b='1' c = \">\"><b>t</b> <c/></a>\n<!-- end -->\n", "<a<b't>b<c>c>a"},
        {"<a>1 &lt; 2 &amp;&amp; &#x41;&#66;&quot;&apos;</a>", "<a'1 < 2 && AB\"'>a"},
        {"<a><![CDATA[<&amp;]]>x</a>", "<a'<&amp;'x>a"},
        {"<a>x<!-- in the middle -->y</a>", "<a'x'y>a"},
        {"<a>", "<a! ends too early"},
        {"<a></b>", "<a! an end that closes nothing"},
        {"<a/><b/>", "<a>a! a second root"},
        {"<a/>x", "<a>a! text outside of the root"},
        {"x<a/>", "! text outside of the root"},
        {"", "! ends too early"},
        {"<!DOCTYPE a><a/>", "! a '<' that begins nothing"},
        {"<a>&nbsp;</a>", "<a'! an unknown entity"},
        {"<a>&#0;</a>", "<a'! an unknown entity"},
        {"<a>&#xD800;</a>", "<a'! an unknown entity"},
        {"<a>& b;</a>", "<a'! an unknown entity"},
        {"<a b></a>", "! a malformed attribute"},
        {"<a", "! an element's beginning that does not end"},
        {"<!-- ", "! a comment or instruction that does not end"},
        {"<a>\xff</a>", "! not UTF-8"},
        {"\xef\xbb\xbf<a/>", "<a>a"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer out = {0};

        trace(&out, cases[i].document);
        if (!slice_is(buffer_slice(&out), cases[i].want))
            fail_msg("%s -> %s", cases[i].document, out.ptr);
        buffer_fini(&out);
    }
}

static void xml_is_bounded(void **state)
{
    struct buffer document = {0};
    struct buffer out = {0};

    (void)state;
    for (int i = 0; i < XML_DEPTH_MAX + 1; i++)
        buffer_append_text(&document, "<a>");
    trace(&out, document.ptr);
    assert_non_null(strstr(out.ptr, "! too deep"));
    buffer_reset(&document);
    buffer_reset(&out);
    for (int i = 0; i < 200000; i++) /* no recursion: this would overflow the stack */
        buffer_append_text(&document, "<!----> ");
    buffer_append_text(&document, "<a/>");
    trace(&out, document.ptr);
    assert_slice(buffer_slice(&out), "<a>a");
    buffer_fini(&document);
    buffer_fini(&out);
}

/* The example of docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html. */
static void an_answer_of_sts_is_read(void **state)
{
    static const char answer[] =
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <AssumeRoleResult>\n  <SourceIdentity>Alice</SourceIdentity>\n"
        "    <AssumedRoleUser>\n      <Arn>arn:aws:sts::123456789012:assumed-role/demo/TestAR</Arn>\n"
        "      <AssumedRoleId>ARO123EXAMPLE123:TestAR</AssumedRoleId>\n    </AssumedRoleUser>\n    <Credentials>\n"
        "      <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>\n      <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>\n"
        "      <SessionToken>AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW</SessionToken>\n"
        "      <Expiration>2019-11-09T13:34:41Z</Expiration>\n    </Credentials>\n    <PackedPolicySize>6</PackedPolicySize>\n"
        "  </AssumeRoleResult>\n  <ResponseMetadata>\n    <RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId>\n  </ResponseMetadata>\n</AssumeRoleResponse>";
    struct issued issued;
    const char *error;

    (void)state;
    assert_true(sts_answer_decode(&issued, slice_text(answer), &error));
    assert_slice(buffer_slice(&issued.access_key_id), "ASIAIOSFODNN7EXAMPLE");
    assert_slice(buffer_slice(&issued.secret), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY");
    assert_slice(buffer_slice(&issued.session_token), "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW");
    assert_int_equal(issued.expires_ms, INT64_C(1573306481000));
    issued_fini(&issued);
}

static void a_value_that_never_ends_is_refused(void **state)
{
    struct buffer answer = {0};
    struct issued issued;
    const char *error = NULL;

    (void)state;
    buffer_append_text(&answer, "<a><Credentials><SessionToken>");
    for (int i = 0; i < 20000; i++)
        buffer_append_byte(&answer, 'x');
    buffer_append_text(&answer, "</SessionToken></Credentials></a>");
    assert_false(sts_answer_decode(&issued, buffer_slice(&answer), &error));
    assert_string_equal(error, "a value that is too long");
    buffer_reset(&answer);
    buffer_append_text(&answer, "{\"Token\":\"");
    for (int i = 0; i < 20000; i++)
        buffer_append_byte(&answer, 'x');
    buffer_append_text(&answer, "\"}");
    assert_false(process_answer_decode(&issued, buffer_slice(&answer), &error));
    buffer_fini(&answer);
}

static void a_metadata_answer_is_credentials_or_a_refusal(void **state)
{
    static const struct {
        const char *text;
        const char *refusal; /* NULL: none */
        const char *error;   /* NULL: none */
    } cases[] = {
        {"{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":\"2026-01-31T12:34:56Z\"}", NULL, NULL},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":\"2026-01-31T12:34:56Z\",\"RoleArn\":\"r\"}", NULL, NULL},
        {"{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"EC2 cannot assume the role r\"}", "AssumeRoleUnauthorizedAccess: EC2 cannot assume the role r",
         NULL},
        {"{\"code\":\"x\",\"message\":\"y\"}", "x: y", NULL},
        {"{\"Code\":\"Success\"}", NULL, "it names no access key id"},
        {"{}", NULL, "it names no access key id"},
        {"[]", NULL, ""},
        {"", NULL, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct issued issued;
        struct buffer refusal = {0};
        const char *error;
        bool good = metadata_answer_decode(&issued, slice_text(cases[i].text), &refusal, &error);

        if (good != (cases[i].refusal == NULL && cases[i].error == NULL) || (cases[i].refusal && !slice_is(buffer_slice(&refusal), cases[i].refusal)) ||
            (cases[i].error && (error == NULL || strstr(error, cases[i].error) == NULL)))
            fail_msg("%s: %d %s %s", cases[i].text, good, refusal.ptr ? refusal.ptr : "", error ? error : "");
        issued_fini(&issued);
        buffer_fini(&refusal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timestamps_are_read),
        cmocka_unit_test(forms_escape_all_but_the_unreserved),
        cmocka_unit_test(command_lines_are_cut_as_shlex_does),
        cmocka_unit_test(xml_is_read_strictly),
        cmocka_unit_test(xml_is_bounded),
        cmocka_unit_test(an_answer_of_sts_is_read),
        cmocka_unit_test(a_value_that_never_ends_is_refused),
        cmocka_unit_test(a_metadata_answer_is_credentials_or_a_refusal),
    };

    return cmocka_run_group_tests_name("credential_wire", tests, NULL, NULL);
}
