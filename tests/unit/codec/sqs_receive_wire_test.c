/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/test.h"

#include "codec/sqs_receive_wire.h"

/* Wanted digests are md5sum's and Python hashlib's. */
#define BODY "\"Body\":\"a \\\"b\\\"\",\"MD5OfBody\":\"d1cdc04fea48edbaa699cda9ae5f175b\""
#define ATTRIBUTES "\"MessageAttributes\":{\"raw\":{\"BinaryValue\":\"AAE=\",\"DataType\":\"Binary\"},\"n\":{\"DataType\":\"Number\",\"StringValue\":\"7\"}}"
#define ATTRIBUTES_MD5 ",\"MD5OfMessageAttributes\":\"ef8bfc11869e1c1ffa72e0bb7da88431\""

static void a_message_is_decoded_whole(void **state)
{
    struct sqs_received m[SQS_RECEIVED_MAX];

    (void)state;
    assert_int_equal(sqs_receive_decode(SLICE("{\"Messages\":[{\"MessageId\":\"id\",\"ReceiptHandle\":\"h\\/1\"," BODY "," ATTRIBUTES ATTRIBUTES_MD5
                                              ",\"Attributes\":{\"ApproximateReceiveCount\":\"3\",\"MessageGroupId\":\"g\",\"SequenceNumber\":\"42\"}}]}"),
                                        m), 1);
    assert_null(m[0].fault);
    assert_slice(m[0].message_id, "id");
    assert_slice(m[0].receipt_handle, "h/1");
    assert_slice(m[0].body, "a \"b\"");
    assert_slice(m[0].group_id, "g");
    assert_slice(m[0].sequence_number, "42");
    assert_int_equal(m[0].receive_count, 3);
    assert_int_equal(m[0].attribute_count, 2);
    assert_slice(sqs_received_attribute(&m[0], "n"), "7");
    assert_true(slice_equal(sqs_received_attribute(&m[0], "raw"), slice_from("\0\1", 2)));
    assert_false(slice_present(sqs_received_attribute(&m[0], "other")));
    sqs_received_fini(&m[0]);
}

static void what_must_not_be_handled_says_why(void **state)
{
    static const struct {
        const char *members;
        const char *want;
    } cases[] = {
        {BODY, NULL},
        {"\"Body\":\"no digest: not every server gives one\"", NULL},
        {"\"Body\":\"a\",\"MD5OfBody\":\"d1cdc04fea48edbaa699cda9ae5f175b\"", "its body's MD5 is wrong"},
        {"\"Body\":7", "it has no body"},
        {"\"MessageId\":\"x\"", "it has no body"},
        {BODY "," ATTRIBUTES, NULL},
        {BODY "," ATTRIBUTES ",\"MD5OfMessageAttributes\":\"d1cdc04fea48edbaa699cda9ae5f175b\"", "its attributes' MD5 is wrong"},
        {BODY ATTRIBUTES_MD5, "its attributes' MD5 is wrong"}, /* they were lost */
        {BODY ",\"MessageAttributes\":{\"n\":7}", "its message attributes are malformed"},
        {BODY ",\"MessageAttributes\":{\"n\":{\"DataType\":\"Binary\",\"BinaryValue\":\"*\"}}", "its members are malformed"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sqs_received m[SQS_RECEIVED_MAX];
        struct buffer text = {0};

        buffer_printf(&text, "{\"Messages\":[{\"ReceiptHandle\":\"h\",%s}]}", cases[i].members);
        assert_int_equal(sqs_receive_decode(buffer_slice(&text), m), 1);
        if (cases[i].want == NULL && m[0].fault)
            fail_msg("case %zu: %s", i, m[0].fault);
        if (cases[i].want) {
            assert_non_null(m[0].fault);
            assert_string_equal(m[0].fault, cases[i].want);
        }
        sqs_received_fini(&m[0]);
        buffer_fini(&text);
    }
}

static void hostile_answers_are_bounded(void **state)
{
    static const struct {
        const char *text;
        int want;
    } cases[] = {
        {"{}", 0},
        {"{\"Messages\":null}", 0},
        {"{\"Messages\":[]}", 0},
        {"{\"Messages\":[7,null,{}]}", 0},
        {"{\"Messages\":[{\"ReceiptHandle\":\"\",\"Body\":\"b\"}]}", 0},
        {"{\"Messages\":[{\"ReceiptHandle\":\"1\",\"Body\":\"b\"}],\"Messages\":[{\"ReceiptHandle\":\"2\",\"Body\":\"b\"}]}", 1},
        {"{\"Messages\":[{\"ReceiptHandle\":\"h\",\"Body\":\"b\"}", -1},
        {"{\"Messages\":[{\"ReceiptHandle\":\"h\",\"Body\":\"b\"}]} x", -1},
        {"<html>", -1},
        {"", -1},
    };
    struct sqs_received m[SQS_RECEIVED_MAX];
    struct buffer eleven = {0};
    int count;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        count = sqs_receive_decode(slice_text(cases[i].text), m);
        if (count != cases[i].want)
            fail_msg("case %zu: %d messages", i, count);
        while (count > 0)
            sqs_received_fini(&m[--count]);
    }
    buffer_append_text(&eleven, "{\"Messages\":[{}");
    for (int i = 0; i < 11; i++)
        buffer_append_text(&eleven, ",{\"ReceiptHandle\":\"h\",\"Body\":\"b\"}");
    buffer_append_text(&eleven, "]}");
    assert_int_equal(sqs_receive_decode(buffer_slice(&eleven), m), SQS_RECEIVED_MAX);
    for (count = SQS_RECEIVED_MAX; count > 0;)
        sqs_received_fini(&m[--count]);
    buffer_fini(&eleven);
}

static void requests_are_as_the_service_model_says(void **state)
{
    struct buffer out = {0};

    (void)state;
    sqs_receive_request(&out, SLICE("http://h/q"), 10, 20, -1);
    assert_slice(buffer_slice(&out), "{\"QueueUrl\":\"http://h/q\",\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":20,\"AttributeNames\":[\"All\"],"
                                     "\"MessageAttributeNames\":[\"All\"]}");
    buffer_reset(&out);
    sqs_receive_request(&out, SLICE("u"), 1, 0, 30);
    assert_slice(buffer_slice(&out), "{\"QueueUrl\":\"u\",\"MaxNumberOfMessages\":1,\"WaitTimeSeconds\":0,\"VisibilityTimeout\":30,\"AttributeNames\":[\"All\"],"
                                     "\"MessageAttributeNames\":[\"All\"]}");
    buffer_reset(&out);
    sqs_handles_begin(&out, SLICE("u"));
    sqs_delete_entry(&out, 0, SLICE("a\"b"));
    sqs_delete_entry(&out, 1, SLICE("c"));
    sqs_handles_end(&out);
    assert_slice(buffer_slice(&out), "{\"QueueUrl\":\"u\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"a\\\"b\"},{\"Id\":\"1\",\"ReceiptHandle\":\"c\"}]}");
    buffer_reset(&out);
    sqs_handles_begin(&out, SLICE("u"));
    sqs_visibility_entry(&out, 0, SLICE("a"), 0);
    sqs_handles_end(&out);
    assert_slice(buffer_slice(&out), "{\"QueueUrl\":\"u\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"a\",\"VisibilityTimeout\":0}]}");
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_decoded_whole),
        cmocka_unit_test(what_must_not_be_handled_says_why),
        cmocka_unit_test(hostile_answers_are_bounded),
        cmocka_unit_test(requests_are_as_the_service_model_says),
    };

    return cmocka_run_group_tests_name("sqs_receive_wire", tests, digests_setup, digests_teardown);
}
