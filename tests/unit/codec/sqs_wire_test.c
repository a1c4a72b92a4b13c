/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/test.h"

#include "codec/digest.h"
#include "codec/sqs_attributes.h"
#include "codec/sqs_wire.h"

#include <stdlib.h>

#define URL "\"QueueUrl\":\"http://127.0.0.1:9324/000000000000/orders\""

static void requests_decode(void **state)
{
    struct sqs_request r = {0};
    struct sqs_failure failure;

    (void)state;
    assert_true(sqs_request_decode(&r, SLICE("ReceiveMessage"),
                                   SLICE("{" URL ",\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":20,\"AttributeNames\":[\"SentTimestamp\"],"
                                         "\"MessageSystemAttributeNames\":[\"ApproximateReceiveCount\"],\"MessageAttributeNames\":[\"a\",\"trace.*\"]}"),
                                   &failure));
    assert_slice(r.queue_name, "orders");
    assert_int_equal(r.max_messages, 10);
    assert_int_equal(r.wait_s, 20);
    assert_int_equal(r.visibility_s, -1);
    assert_int_equal(r.system_attributes, SQS_SENT_TIMESTAMP | SQS_RECEIVE_COUNT);
    assert_true(sqs_wants_attribute(&r, SLICE("a")));
    assert_true(sqs_wants_attribute(&r, SLICE("trace.id")));
    assert_false(sqs_wants_attribute(&r, SLICE("tracer")));
    assert_true(sqs_request_decode(&r, SLICE("SendMessage"),
                                   SLICE("{" URL ",\"MessageBody\":\"a\\n\\u00e4\",\"MessageAttributes\":{\"n\":{\"DataType\":\"Number\",\"StringValue\":\"1\"},"
                                         "\"b\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AAE=\"}}}"),
                                   &failure));
    assert_slice(r.entries[0].body, "a\n\xc3\xa4");
    assert_int_equal(r.entries[0].attribute_count, 2);
    assert_int_equal(r.attributes[1].value.len, 2);
    sqs_request_fini(&r);
}

static void refusals_are_those_of_sqs(void **state)
{
    static const struct {
        const char *action;
        const char *body;
        enum sqs_error want;
    } cases[] = {
        {"Nothing", "{}", SQS_UNKNOWN_OPERATION},
        {"ReceiveMessage", "{}", SQS_MISSING_PARAMETER},
        {"ReceiveMessage", "{" URL ",\"MaxNumberOfMessages\":11}", SQS_INVALID_PARAMETER_VALUE},
        {"ReceiveMessage", "{" URL ",\"MaxNumberOfMessages\":0}", SQS_INVALID_PARAMETER_VALUE},
        {"ReceiveMessage", "{" URL ",\"MaxNumberOfMessages\":-1}", SQS_INVALID_PARAMETER_VALUE},
        {"ReceiveMessage", "{" URL ",\"MaxNumberOfMessages\":\"1\"}", SQS_SERIALIZATION},
        {"ReceiveMessage", "{" URL ",\"MaxNumberOfMessages\":1.5}", SQS_SERIALIZATION},
        {"ReceiveMessage", "{" URL ",\"WaitTimeSeconds\":21}", SQS_INVALID_PARAMETER_VALUE},
        {"ReceiveMessage", "{" URL ",\"VisibilityTimeout\":43201}", SQS_INVALID_PARAMETER_VALUE},
        {"ReceiveMessage", "{" URL ",\"AttributeNames\":[\"Nonsense\"]}", SQS_INVALID_ATTRIBUTE_NAME},
        {"ReceiveMessage", "{" URL, SQS_SERIALIZATION},
        {"DeleteMessage", "{" URL "}", SQS_MISSING_PARAMETER},
        {"ChangeMessageVisibility", "{" URL ",\"ReceiptHandle\":\"x\"}", SQS_MISSING_PARAMETER},
        {"SendMessage", "{" URL "}", SQS_MISSING_PARAMETER},
        {"SendMessage", "{" URL ",\"MessageBody\":\"\"}", SQS_MISSING_PARAMETER},
        {"SendMessage", "{" URL ",\"MessageBody\":\"\\u0000\"}", SQS_INVALID_MESSAGE_CONTENTS},
        {"SendMessage", "{" URL ",\"MessageBody\":\"\\uffff\"}", SQS_INVALID_MESSAGE_CONTENTS},
        {"SendMessage", "{" URL ",\"MessageBody\":\"\\ud800\"}", SQS_SERIALIZATION},
        {"SendMessage", "{" URL ",\"MessageBody\":\"x\",\"DelaySeconds\":901}", SQS_INVALID_PARAMETER_VALUE},
        {"SendMessage", "{" URL ",\"MessageBody\":\"x\",\"MessageAttributes\":{\"a\":{\"DataType\":\"Text\",\"StringValue\":\"x\"}}}", SQS_INVALID_PARAMETER_VALUE},
        {"SendMessage", "{" URL ",\"MessageBody\":\"x\",\"MessageAttributes\":{\"a\":{\"DataType\":\"Binary\",\"BinaryValue\":\"!\"}}}", SQS_SERIALIZATION},
        {"DeleteMessageBatch", "{" URL ",\"Entries\":[]}", SQS_EMPTY_BATCH_REQUEST},
        {"DeleteMessageBatch", "{" URL ",\"Entries\":[{\"Id\":\"a\",\"ReceiptHandle\":\"x\"},{\"Id\":\"a\",\"ReceiptHandle\":\"y\"}]}", SQS_BATCH_IDS_NOT_DISTINCT},
        {"DeleteMessageBatch", "{" URL ",\"Entries\":[{\"Id\":\"a b\",\"ReceiptHandle\":\"x\"}]}", SQS_INVALID_BATCH_ENTRY_ID},
    };
    struct sqs_request r = {0};
    struct sqs_failure failure;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool taken = sqs_request_decode(&r, slice_text(cases[i].action), slice_text(cases[i].body), &failure);

        if (taken || failure.error != cases[i].want)
            fail_msg("%s %s: %s \"%s\"", cases[i].action, cases[i].body, sqs_error_query_code(failure.error), failure.text);
    }
    sqs_request_fini(&r);
}

static void one_bad_entry_does_not_spoil_its_batch(void **state)
{
    struct sqs_request r = {0};
    struct sqs_failure failure;

    (void)state;
    assert_true(sqs_request_decode(&r, SLICE("SendMessageBatch"),
                                   SLICE("{" URL ",\"Entries\":[{\"Id\":\"a\",\"MessageBody\":\"x\"},{\"Id\":\"b\",\"MessageBody\":\"\"},"
                                         "{\"Id\":\"c\",\"MessageBody\":\"x\",\"DelaySeconds\":901}]}"),
                                   &failure));
    assert_int_equal(r.entry_count, 3);
    assert_int_equal(r.entries[0].error, SQS_OK);
    assert_int_equal(r.entries[1].error, SQS_MISSING_PARAMETER); /* as AWS answers an empty body */
    assert_int_equal(r.entries[2].error, SQS_INVALID_PARAMETER_VALUE);
    sqs_request_fini(&r);
}

static void sizes_count_attributes_and_stop_at_a_mebibyte(void **state)
{
    struct sqs_request r = {0};
    struct sqs_failure failure;
    struct buffer body = {0};

    (void)state;
    for (int extra = 0; extra <= 1; extra++) {
        buffer_reset(&body);
        buffer_append_text(&body, "{" URL ",\"MessageAttributes\":{\"n\":{\"DataType\":\"String\",\"StringValue\":\"v\"}},\"MessageBody\":\"");
        for (int i = 0; i < SQS_MESSAGE_BYTES_MAX - 8 + extra; i++) /* name 1, type 6, value 1 */
            buffer_append_byte(&body, 'x');
        buffer_append_text(&body, "\"}");
        assert_int_equal(sqs_request_decode(&r, SLICE("SendMessage"), buffer_slice(&body), &failure), extra == 0);
    }
    sqs_request_fini(&r);
    buffer_fini(&body);
}

static void answers_have_the_documented_form(void **state)
{
    struct sqs_attribute attributes[] = {{SLICE("b"), SLICE("Binary"), {"\0\1", 2}}, {SLICE("a"), SLICE("String"), SLICE("v")}};
    struct sqs_message m = {.message_id = "id-1", .receipt_handle = SLICE("handle"), .body = SLICE("say \"hi\""), .attributes = attributes,
                            .attribute_count = 2, .system_attributes = SQS_RECEIVE_COUNT, .receive_count = 3};
    struct sqs_answer a = {0};

    (void)state;
    sqs_answer_begin(&a, SQS_ACTION_RECEIVE_MESSAGE);
    sqs_answer_end(&a);
    assert_slice(buffer_slice(&a.body), "{}");
    sqs_answer_begin(&a, SQS_ACTION_RECEIVE_MESSAGE);
    sqs_answer_message(&a, &m);
    sqs_answer_end(&a);
    /* the digests were computed with Python's hashlib over the layout that AWS documents */
    assert_slice(buffer_slice(&a.body),
                 "{\"Messages\":[{\"MessageId\":\"id-1\",\"ReceiptHandle\":\"handle\",\"MD5OfBody\":\"37cbf8fddc8cda72b90d2698fd9ccb41\",\"Body\":\"say \\\"hi\\\"\","
                 "\"Attributes\":{\"ApproximateReceiveCount\":\"3\"},\"MD5OfMessageAttributes\":\"f3eef722b9e535eb41b93a467449512d\",\"MessageAttributes\":{"
                 "\"a\":{\"DataType\":\"String\",\"StringValue\":\"v\"},\"b\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AAE=\"}}}]}");
    sqs_answer_begin(&a, SQS_ACTION_DELETE_MESSAGE_BATCH);
    sqs_answer_done(&a, SLICE("one"));
    sqs_answer_failed(&a, SLICE("two"), SQS_RECEIPT_HANDLE_IS_INVALID, "no");
    sqs_answer_end(&a);
    assert_slice(buffer_slice(&a.body), "{\"Successful\":[{\"Id\":\"one\"}],\"Failed\":[{\"Id\":\"two\",\"SenderFault\":true,"
                                        "\"Code\":\"ReceiptHandleIsInvalid\",\"Message\":\"no\"}]}");
    sqs_answer_begin(&a, SQS_ACTION_DELETE_MESSAGE);
    sqs_answer_done(&a, SLICE_NONE);
    sqs_answer_end(&a);
    assert_int_equal(a.body.len, 0);
    sqs_answer_error(&a, SQS_QUEUE_DOES_NOT_EXIST, NULL);
    assert_slice(buffer_slice(&a.body), "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"The specified queue does not exist.\"}");
    sqs_answer_fini(&a);
}

static void attributes_survive_storage(void **state)
{
    struct sqs_attribute in[] = {{SLICE("b"), SLICE("Binary.x"), {"\0\xff", 2}}, {SLICE("a"), SLICE("String"), SLICE("\"\xc3\xa4\n")}};
    struct sqs_attribute out[SQS_ATTRIBUTES_STORED_MAX];
    struct buffer text = {0};
    struct buffer arena = {0};

    (void)state;
    sqs_attributes_encode(&text, in, 2);
    assert_int_equal(sqs_attributes_decode(buffer_slice(&text), out, &arena), 2);
    for (int i = 0; i < 2; i++) {
        assert_true(slice_equal(in[i].name, out[i].name));
        assert_true(slice_equal(in[i].type, out[i].type));
        assert_true(slice_equal(in[i].value, out[i].value));
    }
    buffer_fini(&text);
    buffer_fini(&arena);
}

/* Each of these, at each place in a text: the words of eight bytes that are looked at together must hide none. */
static void characters_that_sqs_refuses_are_found_wherever_they_stand(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {{"\t", true}, {"\n", true}, {"\r", true}, {" ", true}, {"~", true}, {"\x7f", true}, {"\xc3\xa9", true}, {"\xef\xbf\xbd", true}, {"\xf0\x9f\x98\x80", true},
                 {"\x01", false}, {"\x08", false}, {"\x0b", false}, {"\x0c", false}, {"\x1f", false}, {"\xef\xbf\xbe", false}, {"\xef\xbf\xbf", false}};
    char text[40];

    (void)state;
    assert_true(sqs_characters_valid(SLICE("")));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t len = strlen(cases[i].text);

        for (size_t total = len; total < sizeof(text); total++) {
            for (size_t at = 0; at + len <= total; at++) {
                memset(text, 'x', sizeof(text));
                memcpy(text + at, cases[i].text, len);
                if (sqs_characters_valid(slice_from(text, total)) != cases[i].valid)
                    fail_msg("case %zu at %zu of %zu", i, at, total);
            }
        }
    }
    for (size_t total = 1; total < sizeof(text); total++) { /* NUL */
        for (size_t at = 0; at < total; at++) {
            memset(text, 'x', sizeof(text));
            text[at] = '\0';
            assert_false(sqs_characters_valid(slice_from(text, total)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_decode),
        cmocka_unit_test(refusals_are_those_of_sqs),
        cmocka_unit_test(one_bad_entry_does_not_spoil_its_batch),
        cmocka_unit_test(sizes_count_attributes_and_stop_at_a_mebibyte),
        cmocka_unit_test(answers_have_the_documented_form),
        cmocka_unit_test(attributes_survive_storage),
        cmocka_unit_test(characters_that_sqs_refuses_are_found_wherever_they_stand),
    };

    return cmocka_run_group_tests_name("sqs_wire", tests, digests_setup, digests_teardown);
}
