/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "app/handover.h"
#include "base/memory.h"

#include <stdlib.h>

#define TEXT(literal) {"" literal, sizeof(literal) - 1}

static struct s2q_message message(struct s2q_text body)
{
    return (struct s2q_message){.body = body, .message_id = TEXT("id-1"), .receive_count = 2};
}

static void a_body_is_one_line(void **state)
{
    static const struct {
        struct s2q_text body;
        const char *want;
    } cases[] = {
        {TEXT("{\"n\":12345678901234567890123456789012345678}"), "{\"n\":12345678901234567890123456789012345678}\n"}, /* its own text */
        {TEXT(" {\n \"a\" :\r\n[1,\n2] }\n"), "{  \"a\" :  [1, 2] }\n"},
        {TEXT("{\"a\":\"x\\ny\"}"), "{\"a\":\"x\\ny\"}\n"},
        {TEXT("7"), "7\n"},
        {TEXT("two\nlines \"quoted\" \\ \x7f"), "\"two\\nlines \\\"quoted\\\" \\\\ \x7f\"\n"},
        {TEXT("{\"a\":1}\n{\"b\":2}"), "\"{\\\"a\\\":1}\\n{\\\"b\\\":2}\"\n"}, /* no one document: it must not become two lines */
        {TEXT(""), "\"\"\n"},
        {TEXT("\xe2\x80\xa8"), "\"\xe2\x80\xa8\"\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct s2q_message m = message(cases[i].body);
        struct buffer out = {0};

        handover_body(&out, &m);
        assert_slice(buffer_slice(&out), cases[i].want);
        buffer_fini(&out);
    }
}

static void a_message_is_in_lambdas_form(void **state)
{
    static const struct s2q_attribute attributes[] = {
        {TEXT("n\"ame"), TEXT("String"), TEXT("a\n\"b\"")},
        {TEXT("raw"), TEXT("Binary.x"), TEXT("\0\xff")},
    };
    struct s2q_message m = message((struct s2q_text)TEXT("{\"a\":\n1}"));
    struct buffer out = {0};

    (void)state;
    handover_message(&out, &m);
    assert_slice(buffer_slice(&out), "{\"messageId\":\"id-1\",\"body\":\"{\\\"a\\\":\\n1}\",\"attributes\":{\"ApproximateReceiveCount\":\"2\"},\"messageAttributes\":{}}\n");
    buffer_reset(&out);
    m.group_id = (struct s2q_text)TEXT("g");
    m.attributes = attributes;
    m.attribute_count = COUNT_OF(attributes);
    handover_message(&out, &m);
    assert_slice(buffer_slice(&out),
                 "{\"messageId\":\"id-1\",\"body\":\"{\\\"a\\\":\\n1}\",\"attributes\":{\"ApproximateReceiveCount\":\"2\",\"MessageGroupId\":\"g\"},"
                 "\"messageAttributes\":{\"n\\\"ame\":{\"stringValue\":\"a\\n\\\"b\\\"\",\"dataType\":\"String\"},\"raw\":{\"binaryValue\":\"AP8=\","
                 "\"dataType\":\"Binary.x\"}}}\n");
    buffer_fini(&out);
}

/* What `want` says, each on a line of its own; lines may hold line breaks. */
static void assert_environment(const struct s2q_message *m, char *const *base, const char *want)
{
    char **environment = handover_environment(m, "q", base);
    struct buffer all = {0};

    for (char **line = environment; *line; line++)
        buffer_printf(&all, "%s;", *line);
    assert_slice(buffer_slice(&all), want);
    buffer_fini(&all);
    handover_environment_free(environment);
}

static void an_environment_holds_only_our_names(void **state)
{
    static const char *const base[] = {"PATH=/bin", "S2Q_EVENT_ID=of another", "HOME=/", NULL};
    static const struct s2q_attribute attributes[] = {
        {TEXT("LD_PRELOAD"), TEXT("String"), TEXT("/tmp/x.so")},
        {TEXT("a.b"), TEXT("String"), TEXT("1\n2 'three' $(four)\x1b")},
        {TEXT("a_b"), TEXT("String"), TEXT("the same name")},
        {TEXT("empty"), TEXT("String"), TEXT("")},
        {TEXT("nul"), TEXT("String"), TEXT("a\0b")},
        {TEXT("raw"), TEXT("Binary"), TEXT("\0=\n")},
        {TEXT("x=y\n\xc3\xa9"), TEXT("Number"), TEXT("5")},
    };
    struct s2q_message m = message((struct s2q_text)TEXT("no json"));

    (void)state;
    m.event_id = (struct s2q_text)TEXT("e1");
    m.attributes = attributes;
    m.attribute_count = COUNT_OF(attributes);
    assert_environment(&m, (char *const *)(uintptr_t)base,
                       "PATH=/bin;HOME=/;S2Q_QUEUE=q;S2Q_MESSAGE_ID=id-1;S2Q_RECEIVE_COUNT=2;S2Q_EVENT_ID=e1;S2Q_ATTRIBUTE_LD_PRELOAD=/tmp/x.so;"
                       "S2Q_ATTRIBUTE_a_b=1\n2 'three' $(four)\x1b;S2Q_ATTRIBUTE_empty=;S2Q_ATTRIBUTE_raw=AD0K;S2Q_ATTRIBUTE_x_y___=5;");
}

static void what_is_too_long_for_an_environment_is_left_out(void **state)
{
    static const char *const base[] = {NULL};
    char *large = memory_zeroed(1, HANDOVER_VALUE_MAX + 2);
    struct s2q_attribute attribute = {TEXT("x"), TEXT("String"), {large, HANDOVER_VALUE_MAX + 1}};
    struct s2q_message m = message((struct s2q_text)TEXT(""));
    char **environment;

    (void)state;
    memset(large, 'x', HANDOVER_VALUE_MAX + 1);
    m.attributes = &attribute;
    m.attribute_count = 1;
    assert_environment(&m, (char *const *)(uintptr_t)base, "S2Q_QUEUE=q;S2Q_MESSAGE_ID=id-1;S2Q_RECEIVE_COUNT=2;");
    attribute.value.len--;
    environment = handover_environment(&m, "q", (char *const *)(uintptr_t)base);
    assert_int_equal(strlen(environment[3]), strlen("S2Q_ATTRIBUTE_x=") + HANDOVER_VALUE_MAX);
    handover_environment_free(environment);
    free(large);
}

static void a_record_says_its_key(void **state)
{
    static const char *const base[] = {NULL};
    static const struct {
        struct s2q_text body;
        const char *want;
    } cases[] = {
        {TEXT("{\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"o 1\"}}}}"), "S2Q_KEYS={\"id\":{\"S\":\"o 1\"}};S2Q_EVENT_NAME=INSERT;"},
        {TEXT("{\"Records\":[{\"eventName\":\"REMOVE\",\"dynamodb\":{\"Keys\":{}}},{}]}"), "S2Q_KEYS={};S2Q_EVENT_NAME=REMOVE;"},
        {TEXT("{\"eventName\":\"MODIFY\",\"keys\":{\"id\":\"o1\"}}"), "S2Q_KEYS={\"id\":\"o1\"};S2Q_EVENT_NAME=MODIFY;"},
        {TEXT("{\"eventName\":7,\"dynamodb\":[]}"), ""},
        {TEXT("{\"Records\":[]}"), ""},
        {TEXT("{\"Records\":{}}"), ""},
        {TEXT("[{\"eventName\":\"INSERT\"}]"), ""},
        {TEXT("{\"eventName\":\"INSERT\""), ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct s2q_message m = message(cases[i].body);
        struct buffer want = {0};

        buffer_printf(&want, "S2Q_QUEUE=q;S2Q_MESSAGE_ID=id-1;S2Q_RECEIVE_COUNT=2;%s", cases[i].want);
        assert_environment(&m, (char *const *)(uintptr_t)base, want.ptr);
        buffer_fini(&want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_one_line),
        cmocka_unit_test(a_message_is_in_lambdas_form),
        cmocka_unit_test(an_environment_holds_only_our_names),
        cmocka_unit_test(what_is_too_long_for_an_environment_is_left_out),
        cmocka_unit_test(a_record_says_its_key),
    };

    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
