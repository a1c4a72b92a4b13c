/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "codec/event_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int match(const char *pattern, const char *event)
{
    struct buffer scratch = {0};
    struct error err = {.text = ""};
    struct filter *f = filter_new(slice_text(pattern), &err);
    int which;

    if (f == NULL)
        fail_msg("%s: %s", pattern, err.text);
    which = filter_match(f, slice_text(event), &scratch);
    filter_free(f);
    buffer_fini(&scratch);
    return which;
}

/* From AWS's documentation: EventBridge's "Comparison operators", Lambda's "Event filtering with DynamoDB", Event Ruler's README. */
static void operators_match_as_aws_documents_them(void **state)
{
    static const char record[] =
        "{\"eventID\":\"1\",\"eventName\":\"MODIFY\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"o1\"}},\"NewImage\":{\"id\":{\"S\":\"o1\"},\"status\":{\"S\":"
        "\"PAID\"},\"total\":{\"N\":\"12.50\"},\"tags\":{\"SS\":[\"a\",\"b\"]}},\"SizeBytes\":26},\"ip\":\"10.0.0.44\",\"list\":[{\"k\":1,\"v\":2},{\"k\":3,\"v\":4}],"
        "\"none\":null,\"empty\":\"\",\"esc\":\"a\\u0041\\n\",\"file\":\"dir/x*y.png\"}";
    static const struct {
        const char *pattern;
        bool want;
    } cases[] = {
        {"{\"eventName\":[\"MODIFY\"]}", true},
        {"{\"eventName\":[\"INSERT\",\"MODIFY\"]}", true},
        {"{\"eventName\":[\"INSERT\"]}", false},
        {"{\"eventName\":[\"modify\"]}", false},
        {"{\"eventName\":[\"MODIFY\"],\"dynamodb\":{\"NewImage\":{\"status\":{\"S\":[\"PAID\"]}}}}", true},
        {"{\"eventName\":[\"MODIFY\"],\"dynamodb\":{\"NewImage\":{\"status\":{\"S\":[\"OPEN\"]}}}}", false},
        {"{\"dynamodb\":{\"NewImage\":{\"tags\":{\"SS\":[\"b\"]}}}}", true},
        {"{\"dynamodb\":{\"NewImage\":{\"total\":{\"N\":[\"12.50\"]}}}}", true},
        {"{\"dynamodb\":{\"NewImage\":{\"total\":{\"N\":[{\"numeric\":[\">\",10]}]}}}}", false}, /* DynamoDB's numbers are strings here */
        {"{\"dynamodb\":{\"SizeBytes\":[26]}}", true},
        {"{\"dynamodb\":{\"SizeBytes\":[26.0]}}", true},
        {"{\"dynamodb\":{\"SizeBytes\":[{\"numeric\":[\"=\",2.6e1]}]}}", true},
        {"{\"dynamodb\":{\"SizeBytes\":[{\"numeric\":[\">\",0,\"<=\",26]}]}}", true},
        {"{\"dynamodb\":{\"SizeBytes\":[{\"numeric\":[\">\",26]}]}}", false},
        {"{\"dynamodb\":{\"SizeBytes\":[{\"numeric\":[\"<\",26]}]}}", false},
        {"{\"dynamodb\":{\"SizeBytes\":[\"26\"]}}", false},
        {"{\"eventName\":[{\"prefix\":\"MOD\"}]}", true},
        {"{\"eventName\":[{\"prefix\":\"mod\"}]}", false},
        {"{\"eventName\":[{\"prefix\":{\"equals-ignore-case\":\"mod\"}}]}", true},
        {"{\"eventName\":[{\"suffix\":\"IFY\"}]}", true},
        {"{\"eventName\":[{\"suffix\":{\"equals-ignore-case\":\"ify\"}}]}", true},
        {"{\"eventName\":[{\"equals-ignore-case\":\"mOdIfY\"}]}", true},
        {"{\"eventName\":[{\"anything-but\":\"REMOVE\"}]}", true},
        {"{\"eventName\":[{\"anything-but\":[\"REMOVE\",\"MODIFY\"]}]}", false},
        {"{\"eventName\":[{\"anything-but\":{\"prefix\":\"MOD\"}}]}", false},
        {"{\"eventName\":[{\"anything-but\":{\"suffix\":[\"X\",\"IFY\"]}}]}", false},
        {"{\"eventName\":[{\"anything-but\":{\"equals-ignore-case\":[\"insert\",\"remove\"]}}]}", true},
        {"{\"eventName\":[{\"anything-but\":{\"wildcard\":\"M*Y\"}}]}", false},
        {"{\"dynamodb\":{\"SizeBytes\":[{\"anything-but\":[26,27]}]}}", false},
        {"{\"dynamodb\":{\"OldImage\":{\"status\":{\"S\":[{\"anything-but\":\"PAID\"}]}}}}", false}, /* it is not there */
        {"{\"dynamodb\":{\"OldImage\":{\"status\":{\"S\":[{\"exists\":false}]}}}}", true},
        {"{\"dynamodb\":{\"NewImage\":{\"status\":{\"S\":[{\"exists\":false}]}}}}", false},
        {"{\"dynamodb\":{\"NewImage\":{\"status\":{\"S\":[{\"exists\":true}]}}}}", true},
        {"{\"dynamodb\":{\"NewImage\":{\"status\":[{\"exists\":true}]}}}", false}, /* only leaves are there or not */
        {"{\"missing\":[{\"exists\":false},\"x\"]}", true},
        {"{\"none\":[null]}", true},
        {"{\"empty\":[null]}", false},
        {"{\"empty\":[\"\"]}", true},
        {"{\"esc\":[\"aA\\n\"]}", true},
        {"{\"file\":[{\"wildcard\":\"dir/*.png\"}]}", true},
        {"{\"file\":[{\"wildcard\":\"dir/x\\\\*y*\"}]}", true},
        {"{\"file\":[{\"wildcard\":\"dir/\\\\*\"}]}", false},
        {"{\"file\":[{\"wildcard\":\"*\"}]}", true},
        {"{\"ip\":[{\"cidr\":\"10.0.0.0/24\"}]}", true},
        {"{\"ip\":[{\"cidr\":\"10.0.1.0/24\"}]}", false},
        {"{\"list\":{\"k\":[1],\"v\":[2]}}", true},
        {"{\"list\":{\"k\":[1],\"v\":[4]}}", false}, /* not in the same element */
        {"{\"$or\":[{\"eventName\":[\"INSERT\"]},{\"dynamodb\":{\"SizeBytes\":[26]}}]}", true},
        {"{\"$or\":[{\"eventName\":[\"INSERT\"]},{\"dynamodb\":{\"SizeBytes\":[27]}}]}", false},
        {"{\"dynamodb\":{\"SizeBytes\":[26],\"$or\":[{\"Keys\":{\"id\":{\"S\":[\"o2\"]}}},{\"Keys\":{\"id\":{\"S\":[\"o1\"]}}}]}}", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if ((match(cases[i].pattern, record) >= 0) != cases[i].want)
            fail_msg("%s should %smatch", cases[i].pattern, cases[i].want ? "" : "not ");
}

static void lambdas_filter_criteria_are_taken_as_they_are(void **state)
{
    static const char criteria[] = "{\"Filters\":[{\"Pattern\":\"{\\\"eventName\\\": [\\\"INSERT\\\"]}\"},{\"Pattern\":{\"a\":[{\"prefix\":\"x\"}]}}]}";

    (void)state;
    assert_int_equal(match(criteria, "{\"eventName\":\"INSERT\",\"a\":\"y\"}"), 0);
    assert_int_equal(match(criteria, "{\"eventName\":\"REMOVE\",\"a\":\"xy\"}"), 1);
    assert_int_equal(match(criteria, "{\"eventName\":\"REMOVE\",\"a\":\"y\"}"), -1);
    assert_int_equal(match("[{\"a\":[1]},{\"a\":[2]}]", "{\"a\":2}"), 1);
    assert_int_equal(match("{\"a\":[1]}", "not JSON"), -1);
    assert_int_equal(match("{\"a\":[1]}", "{\"a\":1"), -1);
}

/* The names of a mapping begin with a capital letter. Beside a record's, FilterCriteria is a field like any other. */
static void a_whole_mapping_is_its_criteria_and_a_pattern_is_none(void **state)
{
    (void)state;
    assert_int_equal(match("{\"UUID\":\"u\",\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{\\\"a\\\":[1]}\"}]},\"BatchSize\":1}", "{\"a\":1}"), 0);
    assert_int_equal(match("{\"UUID\":\"u\",\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{\\\"a\\\":[1]}\"}]},\"BatchSize\":1}", "{\"a\":2}"), -1);
    assert_int_equal(match("{\"eventName\":[\"INSERT\"],\"FilterCriteria\":{\"Filters\":[\"x\"]}}", "{\"eventName\":\"INSERT\",\"FilterCriteria\":{\"Filters\":\"x\"}}"), 0);
    assert_int_equal(match("{\"eventName\":[\"INSERT\"],\"FilterCriteria\":{\"Filters\":[\"x\"]}}", "{\"eventName\":\"INSERT\"}"), -1);
}

static void what_is_malformed_or_not_supported_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *pattern;
        const char *error;
    } cases[] = {
        {"", "filter, byte 0: no JSON: "},
        {"{}", "filter, byte 2: an empty pattern: leave the filter away to get every record"},
        {"{\"a\":\"x\"}", "filter at a, byte 5: found a string, wanted a list of values (such as [\"PAID\"]), or an object"},
        {"{\"a\":{\"b\":[]}}", "filter at a.b, byte 12: an empty list: nothing would ever match"},
        {"{\"a\":[[1]]}", "filter at a, byte 6: a list in a list"},
        {"{\"a\":[{\"prefx\":\"x\"}]}", "filter at a, byte 15: unknown operator \"prefx\": wanted one of prefix, suffix, anything-but, numeric, exists, "
                                       "equals-ignore-case, wildcard, cidr"},
        {"{\"a\":[{\"prefix\":1}]}", "filter at a, byte 16: found a number, wanted a string, or {\"equals-ignore-case\": a string}"},
        {"{\"a\":[{\"numeric\":[\">\"]}]}", "filter at a, byte "},
        {"{\"a\":[{\"numeric\":[\"!\",1]}]}", "filter at a, byte 21: \"!\": wanted one of <, <=, =, >, >="},
        {"{\"a\":[{\"numeric\":[\">\",5,\"<\",1]}]}", "filter at a, byte 30: the lower bound is above the upper one: nothing would ever match"},
        {"{\"a\":[{\"exists\":\"no\"}]}", "filter at a, byte 16: found a string, wanted true or false"},
        {"{\"a\":[{\"wildcard\":\"a**b\"}]}", "filter at a, byte 24: two * in a row"},
        {"{\"a\":[{\"cidr\":\"10.0.0.0\"}]}", "filter at a, byte 24: \"10.0.0.0\" is no address range: wanted one such as 10.0.0.0/24"},
        {"{\"a\":[{\"anything-but\":[\"a\",1]}]}", "filter at a, byte 27: strings and numbers in one anything-but"},
        {"{\"a\":[{\"anything-but\":{\"numeric\":[\"=\",1]}}]}", "filter at a, byte 33: \"numeric\" in anything-but: wanted one of prefix, suffix, "
                                                                     "equals-ignore-case, wildcard"},
        {"{\"a\":[{\"equals-ignore-case\":\"\xc3\xbc\"}]}", "filter at a, byte 32: equals-ignore-case takes ASCII only here: list the spellings of other letters"},
        {"{\"a\":[1],\"a\":[2]}", "filter, byte 13: the field \"a\" stands here twice"},
        {"{\"Filters\":[{\"Patern\":\"{}\"}]}", "filter, byte 22: \"Patern\" in an element of Filters: wanted Pattern alone"},
        {"{\"Filters\":[{\"Pattern\":\"{\"}]}", "filter"},
        {"{\"UUID\":\"u\",\"EventSourceArn\":\"arn\",\"FilterCriteria\":null}", "filter, byte 0: this event source mapping has no FilterCriteria"},
        {"{\"EventSourceMappings\":[]}", "filter, byte 0: a list of event source mappings: give one of them"},
        {"{\"FilterCriteria\":{\"eventName\":[\"INSERT\"]}}", "filter, byte 0: FilterCriteria without Filters"},
        {"{\"FilterCriteria\":{\"Filters\":[{\"Pattern\":{\"a\":\"x\"}}]},\"UUID\":\"u\"}", "filter at a, byte 46: found a string, wanted a list of values"},
        {"{\"UUID\":\"u\",\"FilterCriteria\":{\"Filters\":[{\"Pattern\":{\"a\":[1]}}]}", "filter, byte 64: no JSON: ends too early"},
        {"{\"Filters\":[{\"Pattern\":{\"a\":[1]}}],\"FilterCriteria\":{\"Filters\":[{\"Pattern\":{\"b\":[1]}}]}}", "filter, byte 52: \"FilterCriteria\" beside Filters"},
        {"{\"b\":[1],\"$or\":[{\"b\":[2]},{\"c\":[3]}]}", "filter, byte 37: the field \"b\" stands both in $or and beside it: name it in each alternative"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {.text = ""};
        struct filter *f = filter_new(slice_text(cases[i].pattern), &err);

        if (f != NULL || strncmp(err.text, cases[i].error, strlen(cases[i].error)) != 0)
            fail_msg("%s\nfound: %s\nwant:  %s", cases[i].pattern, f ? "no error" : err.text, cases[i].error);
    }
}

static void numbers_are_compared_exactly_whatever_their_digits(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        int want;
    } cases[] = {
        {"1", "1.0", 0}, {"0", "-0", 0}, {"0.0e5", "0", 0}, {"100", "1e2", 0}, {"1E+2", "100.000", 0}, {"-1", "1", -1}, {"-2", "-1", -1}, {"0.1", "0.01", 1},
        {"12345678901234567890123456789012345678", "12345678901234567890123456789012345679", -1},
        {"9.9999999999999999999999999999999999999E-130", "9.9999999999999999999999999999999999998E-130", 1},
        {"1e-400", "0", 1}, {"1e400", "9e399", 1}, {"0.00120", "1.2e-3", 0}, {"007e0", "7", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int found = number_compare(slice_text(cases[i].a), slice_text(cases[i].b));
        int back = number_compare(slice_text(cases[i].b), slice_text(cases[i].a));

        if ((found > 0) - (found < 0) != cases[i].want || (back > 0) - (back < 0) != -cases[i].want)
            fail_msg("%s and %s: %d and %d, want %d", cases[i].a, cases[i].b, found, back, cases[i].want);
    }
}

static void hostile_patterns_cost_no_more_than_their_length(void **state)
{
    struct buffer pattern = {0};
    struct buffer event = {0};
    struct error err;

    (void)state;
    buffer_append_text(&pattern, "{\"a\":[{\"wildcard\":\"");
    for (int i = 0; i < 1000; i++)
        buffer_append_text(&pattern, "*a");
    buffer_append_text(&pattern, "b\"}]}");
    buffer_append_text(&event, "{\"a\":\"");
    for (int i = 0; i < 100000; i++)
        buffer_append_byte(&event, 'a');
    buffer_append_text(&event, "\"}");
    assert_int_equal(match(pattern.ptr, event.ptr), -1);
    buffer_reset(&pattern);
    for (int i = 0; i < 12; i++)
        buffer_printf(&pattern, "%s\"f%d\":{\"$or\":[{\"x\":[1]},{\"y\":[2]}]}", i ? "," : "{", i);
    buffer_append_byte(&pattern, '}');
    assert_null(filter_new(buffer_slice(&pattern), &err));
    assert_non_null(strstr(err.text, "too many combinations of $or"));
    buffer_fini(&pattern);
    buffer_fini(&event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_match_as_aws_documents_them),
        cmocka_unit_test(lambdas_filter_criteria_are_taken_as_they_are),
        cmocka_unit_test(a_whole_mapping_is_its_criteria_and_a_pattern_is_none),
        cmocka_unit_test(what_is_malformed_or_not_supported_is_refused_with_its_place),
        cmocka_unit_test(numbers_are_compared_exactly_whatever_their_digits),
        cmocka_unit_test(hostile_patterns_cost_no_more_than_their_length),
    };

    return cmocka_run_group_tests_name("event_pattern", tests, NULL, NULL);
}
