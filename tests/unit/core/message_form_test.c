/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/test.h"

#include "core/message_form.h"

#include <stdlib.h>

static const char record[] =
    "{\"eventID\":\"e1\",\"eventName\":\"MODIFY\",\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\",\"dynamodb\":{"
    "\"ApproximateCreationDateTime\":1.7E9,\"Keys\":{\"id\":{\"S\":\"o1\"}},\"NewImage\":{\"id\":{\"S\":\"o1\"},\"n\":{\"N\":"
    "\"12345678901234567890123456789012345678\"},\"b\":{\"B\":\"AAE=\"},\"yes\":{\"BOOL\":true},\"no\":{\"NULL\":true},\"m\":{\"M\":{\"k\":{\"L\":[{\"N\":\"1E-130\"},"
    "{\"S\":\"\\u00fc\\n\"}]}}},\"ss\":{\"SS\":[\"a\",\"\"]},\"ns\":{\"NS\":[\"1\",\"-0.5\"]},\"bs\":{\"BS\":[\"AA==\"]}},\"OldImage\":{\"id\":{\"S\":\"o1\"},\"n\":{\"N\":\"1\"}},"
    "\"SequenceNumber\":\"100\",\"SizeBytes\":9,\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"},\"userIdentity\":{\"type\":\"Service\"}}";
static const struct origin origin = {1, "arn:aws:dynamodb:eu-west-1:000000000000:table/orders/stream/t", "shardId-1"};

static char *body_of(enum body_form body, const char *projection, const char *text)
{
    struct message_form f;
    struct buffer out = {0};
    struct error err = {.text = ""};

    assert_true(message_form_init(&f, body, projection, NULL, NULL, &err));
    if (!message_form_body(&f, slice_text(text), &origin, &out, &err)) {
        buffer_reset(&out);
        buffer_printf(&out, "error: %s", err.text);
    }
    message_form_fini(&f);
    return buffer_take(&out);
}

#define ARN "\"eventSourceARN\":\"arn:aws:dynamodb:eu-west-1:000000000000:table/orders/stream/t\"}"

static void bodies_have_the_form_that_was_asked_for(void **state)
{
    static const struct {
        enum body_form body;
        const char *projection;
        const char *want;
    } cases[] = {
        {BODY_UNMARSHALLED, NULL,
         "{\"eventID\":\"e1\",\"eventName\":\"MODIFY\",\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\",\"approximateCreationDateTime\":1.7E9,"
         "\"keys\":{\"id\":\"o1\"},\"newImage\":{\"id\":\"o1\",\"n\":12345678901234567890123456789012345678,\"b\":\"AAE=\",\"yes\":true,\"no\":null,"
         "\"m\":{\"k\":[1E-130,\"\\u00fc\\n\"]},\"ss\":[\"a\",\"\"],\"ns\":[1,-0.5],\"bs\":[\"AA==\"]},\"oldImage\":{\"id\":\"o1\",\"n\":1},\"sequenceNumber\":\"100\","
         "\"streamViewType\":\"NEW_AND_OLD_IMAGES\",\"userIdentity\":{\"type\":\"Service\"}," ARN},
        {BODY_UNMARSHALLED, "n",
         "{\"eventID\":\"e1\",\"eventName\":\"MODIFY\",\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\",\"approximateCreationDateTime\":1.7E9,"
         "\"keys\":{\"id\":\"o1\"},\"newImage\":{\"id\":\"o1\",\"n\":12345678901234567890123456789012345678},\"oldImage\":{\"id\":\"o1\",\"n\":1},"
         "\"sequenceNumber\":\"100\",\"streamViewType\":\"NEW_AND_OLD_IMAGES\",\"userIdentity\":{\"type\":\"Service\"}," ARN},
        {BODY_LAMBDA, "keys",
         "{\"eventID\":\"e1\",\"eventName\":\"MODIFY\",\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\",\"dynamodb\":{"
         "\"ApproximateCreationDateTime\":1.7E9,\"Keys\":{\"id\":{\"S\":\"o1\"}},\"SequenceNumber\":\"100\",\"SizeBytes\":9,\"StreamViewType\":"
         "\"NEW_AND_OLD_IMAGES\"},\"userIdentity\":{\"type\":\"Service\"}," ARN},
        {BODY_LAMBDA, "yes, ss",
         "{\"eventID\":\"e1\",\"eventName\":\"MODIFY\",\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\",\"dynamodb\":{"
         "\"ApproximateCreationDateTime\":1.7E9,\"Keys\":{\"id\":{\"S\":\"o1\"}},\"NewImage\":{\"id\":{\"S\":\"o1\"},\"yes\":{\"BOOL\":true},\"ss\":{\"SS\":[\"a\",\"\"]}},"
         "\"OldImage\":{\"id\":{\"S\":\"o1\"}},\"SequenceNumber\":\"100\",\"SizeBytes\":9,\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"},"
         "\"userIdentity\":{\"type\":\"Service\"}," ARN},
    };
    char *lambda = body_of(BODY_LAMBDA, NULL, record);
    char *batch = body_of(BODY_BATCH, NULL, record);
    struct buffer want = {0};

    (void)state;
    buffer_append(&want, slice_from(record, sizeof(record) - 2));
    buffer_append_text(&want, "," ARN);
    assert_string_equal(lambda, want.ptr);
    buffer_reset(&want);
    buffer_printf(&want, "{\"Records\":[%s]}", lambda);
    assert_string_equal(batch, want.ptr);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *found = body_of(cases[i].body, cases[i].projection, record);

        assert_string_equal(found, cases[i].want);
        free(found);
    }
    free(lambda);
    free(batch);
    buffer_fini(&want);
}

static void what_cannot_be_unmarshalled_is_an_error_with_its_place(void **state)
{
    static const struct {
        const char *image;
        const char *error;
    } cases[] = {
        {"{\"a\":{\"N\":\"12x\"}}", "a value of type N is no number"},
        {"{\"a\":{\"N\":\"\"}}", "a value of type N is no number"},
        {"{\"a\":{\"X\":\"1\"}}", "a value of an unknown type"},
        {"{\"a\":{}}", "a value without a type"},
        {"{\"a\":{\"S\":\"x\",\"N\":\"1\"}}", "a value of two types"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer text = {0};
        char *found;

        buffer_printf(&text, "{\"dynamodb\":{\"NewImage\":%s}}", cases[i].image);
        found = body_of(BODY_UNMARSHALLED, NULL, text.ptr);
        if (strncmp(found, "error: ", 7) != 0 || strstr(found, cases[i].error) == NULL)
            fail_msg("%s: %s, want %s", cases[i].image, found, cases[i].error);
        free(found);
        buffer_fini(&text);
    }
}

static void attributes_are_those_that_were_chosen_with_sqss_types(void **state)
{
    static const char *const want[][3] = {
        {"stream2sqs.table", "String", "orders"}, {"stream2sqs.event_name", "String", "MODIFY"}, {"n", "Number", "12345678901234567890123456789012345678"},
        {"b", "Binary", NULL},                    {"yes", "String", "true"},
    };
    struct message_form f;
    struct composed c = {0};
    struct error err;

    (void)state;
    assert_true(message_form_init(&f, BODY_LAMBDA, NULL, "table,event_name,item.n,item.b,item.yes,item.m,item.missing", NULL, &err));
    message_form_attributes(&f, slice_text(record), SLICE("100"), &origin, &c);
    assert_int_equal(c.attribute_count, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_slice(c.attributes[i].name, want[i][0]);
        assert_slice(c.attributes[i].type, want[i][1]);
        if (want[i][2])
            assert_slice(c.attributes[i].value, want[i][2]);
    }
    assert_memory_equal(c.attributes[3].value.ptr, "\0\1", 2);
    message_form_fini(&f);
    composed_fini(&c);
}

static void values_that_sqs_refuses_are_no_attributes(void **state)
{
    static const char text[] = "{\"dynamodb\":{\"NewImage\":{\"empty\":{\"S\":\"\"},\"control\":{\"S\":\"\\u0001\"},\"odd\":{\"S\":\"\xef\xbf\xbf\"},\"tab\":{\"S\":\"\\t\"}}}}";
    struct message_form f;
    struct composed c = {0};
    struct error err;

    (void)state;
    assert_true(message_form_init(&f, BODY_LAMBDA, NULL, "item.empty,item.control,item.odd,item.tab", NULL, &err));
    message_form_attributes(&f, slice_text(text), SLICE("1"), &origin, &c);
    assert_int_equal(c.attribute_count, 1);
    assert_slice(c.attributes[0].name, "tab");
    message_form_fini(&f);
    composed_fini(&c);
}

static void groups_are_clear_keys_where_sqs_takes_them_and_never_shared_by_two_keys(void **state)
{
    static const struct {
        const char *keys;
        const char *want; /* ends in ':' : a hash */
    } cases[] = {
        {"{\"id\":{\"S\":\"o1\"}}", "o1"},
        {"{\"id\":{\"N\":\"42\"}}", "42"},
        {"{\"pk\":{\"S\":\"a\"},\"sk\":{\"N\":\"1\"}}", "a/1"},
        {"{\"sk\":{\"N\":\"1\"},\"pk\":{\"S\":\"a\"}}", "a/1"},
        {"{\"pk\":{\"S\":\"a/b\"},\"sk\":{\"S\":\"c\"}}", "sha256:"},
        {"{\"id\":{\"S\":\"with blank\"}}", "sha256:"},
        {"{\"id\":{\"S\":\"\xc3\xbc\"}}", "sha256:"},
        {"{\"id\":{\"S\":\"sha256:0\"}}", "sha256:"},
        {"{\"id\":{\"S\":\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\"}}",
         "sha256:"},
    };
    struct message_form f;
    struct error err;

    (void)state;
    assert_true(message_form_init(&f, BODY_LAMBDA, NULL, NULL, NULL, &err));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct composed c = {0};
        struct buffer text = {0};
        bool hashed = strcmp(cases[i].want, "sha256:") == 0;

        buffer_printf(&text, "{\"dynamodb\":{\"Keys\":%s}}", cases[i].keys);
        message_form_group(&f, buffer_slice(&text), &c);
        if (hashed ? strncmp(c.group, "sha256:", 7) != 0 || strlen(c.group) != 7 + 64 || strcmp(c.group, "sha256:0") == 0 : strcmp(c.group, cases[i].want) != 0)
            fail_msg("%s: %s, want %s", cases[i].keys, c.group, cases[i].want);
        buffer_fini(&text);
        composed_fini(&c);
    }
    message_form_fini(&f);
}

static void a_chosen_attribute_groups_and_the_key_where_it_is_missing(void **state)
{
    struct message_form f;
    struct composed c = {0};
    struct error err;

    (void)state;
    assert_true(message_form_init(&f, BODY_LAMBDA, NULL, NULL, "item.customer", &err));
    message_form_group(&f, SLICE("{\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"o1\"}},\"NewImage\":{\"customer\":{\"S\":\"c9\"}}}}"), &c);
    assert_string_equal(c.group, "c9");
    message_form_group(&f, SLICE("{\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"o1\"}},\"NewImage\":{\"customer\":{\"L\":[]}}}}"), &c);
    assert_string_equal(c.group, "o1");
    message_form_fini(&f);
    composed_fini(&c);
}

static void forms_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *attributes;
        const char *group;
        const char *error;
    } cases[] = {
        {"strem", NULL, "\"strem\" is no attribute: wanted stream, shard, sequence_number, event_id, event_name, table or item.NAME"},
        {"item.a..b", NULL, "SQS takes no message attribute named \"a..b\""},
        {"item.stream2sqs.id", NULL, "SQS takes no message attribute named \"stream2sqs.id\""},
        {"item.a,item.b,item.c,item.d,item.e,item.f,item.g,item.h", NULL, "more than 7 attributes"},
        {"shard,shard", NULL, "the attribute shard is named twice"},
        {NULL, "customer", "message_group is \"customer\": wanted key, or item.NAME"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct message_form f;
        struct error err = {.text = ""};

        assert_false(message_form_init(&f, BODY_LAMBDA, NULL, cases[i].attributes, cases[i].group, &err));
        if (strstr(err.text, cases[i].error) == NULL)
            fail_msg("found: %s\nwant:  %s", err.text, cases[i].error);
        message_form_fini(&f);
    }
}

/* SQS drops what has the id of a message of the last five minutes: each redrive has its own, and each resend of one has the same. */
static void every_redrive_has_its_own_deduplication_id(void **state)
{
    static const enum step_kind steps[] = {STEP_ENQUEUED, STEP_SENT, STEP_DEAD, STEP_REDRIVEN, STEP_SEND_UNKNOWN, STEP_DEAD, STEP_REDRIVEN, STEP_SEND_UNKNOWN};
    static const int shares_with[] = {0, 0, 0, 3, 3, 3, 6, 6}; /* the first step from which it is the same */
    char ids[COUNT_OF(steps)][2 * SHA256_BYTES + 1];
    char history[COUNT_OF(steps) * STEP_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct message_row row = {.id = 7, .sequence_number = SLICE("100"), .history = {history, (i + 1) * STEP_BYTES}};

        step_encode(history + i * STEP_BYTES, steps[i], 1000 + (int64_t)i);
        message_form_deduplication_id(&origin, &row, ids[i]);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(strcmp(ids[i], ids[j]) == 0, shares_with[i] == shares_with[j]);
    }
    memmove(history + STEP_BYTES, history + 6 * STEP_BYTES, STEP_BYTES); /* a long life, of which older redrives are gone */
    struct message_row cut = {.id = 7, .sequence_number = SLICE("100"), .history = {history, 2 * STEP_BYTES}};
    char id[2 * SHA256_BYTES + 1];

    message_form_deduplication_id(&origin, &cut, id);
    assert_string_equal(id, ids[6]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_have_the_form_that_was_asked_for),
        cmocka_unit_test(what_cannot_be_unmarshalled_is_an_error_with_its_place),
        cmocka_unit_test(attributes_are_those_that_were_chosen_with_sqss_types),
        cmocka_unit_test(values_that_sqs_refuses_are_no_attributes),
        cmocka_unit_test(groups_are_clear_keys_where_sqs_takes_them_and_never_shared_by_two_keys),
        cmocka_unit_test(a_chosen_attribute_groups_and_the_key_where_it_is_missing),
        cmocka_unit_test(forms_that_make_no_sense_are_refused),
        cmocka_unit_test(every_redrive_has_its_own_deduplication_id),
    };

    return cmocka_run_group_tests_name("message_form", tests, digests_setup, digests_teardown);
}
