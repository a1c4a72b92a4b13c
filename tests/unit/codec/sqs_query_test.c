/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/test.h"

#include "codec/sqs_query.h"

static void forms_become_the_json_that_means_the_same(void **state)
{
    static const struct {
        const char *form;
        const char *path;
        const char *want;
    } cases[] = {
        {"Action=SendMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2Fh%2F000000000000%2Forders&MessageBody=a+b%26%0D&DelaySeconds=5", "/",
         "{\"DelaySeconds\":5,\"MessageBody\":\"a b&\\r\",\"QueueUrl\":\"http://h/000000000000/orders\"}"},
        {"Action=DeleteMessage&ReceiptHandle=x", "/000000000000/orders", "{\"QueueUrl\":\"/000000000000/orders\",\"ReceiptHandle\":\"x\"}"},
        {"Action=CreateQueue&QueueName=q&Attribute.2.Name=DelaySeconds&Attribute.2.Value=3&Attribute.1.Value=30&Attribute.1.Name=VisibilityTimeout"
         "&Tag.1.Key=team&Tag.1.Value=a",
         "/", "{\"Attributes\":{\"VisibilityTimeout\":\"30\",\"DelaySeconds\":\"3\"},\"QueueName\":\"q\",\"tags\":{\"team\":\"a\"}}"},
        {"Action=SetQueueAttributes&Attribute.Name=VisibilityTimeout&Attribute.Value=35", "/000000000000/q",
         "{\"QueueUrl\":\"/000000000000/q\",\"Attributes\":{\"VisibilityTimeout\":\"35\"}}"},
        {"Action=ReceiveMessage&QueueUrl=u&AttributeName.1=All&MessageAttributeName.1=a&MessageAttributeName.2=b.%2A&MaxNumberOfMessages=10", "/",
         "{\"AttributeNames\":[\"All\"],\"MaxNumberOfMessages\":10,\"MessageAttributeNames\":[\"a\",\"b.*\"],\"QueueUrl\":\"u\"}"},
        {"Action=SendMessageBatch&QueueUrl=u&SendMessageBatchRequestEntry.10.Id=z&SendMessageBatchRequestEntry.10.MessageBody=10"
         "&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=2&SendMessageBatchRequestEntry.2.MessageAttribute.1.Name=n"
         "&SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType=Binary&SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.BinaryValue=AAE%3D",
         "/",
         "{\"QueueUrl\":\"u\",\"Entries\":[{\"Id\":\"b\",\"MessageAttributes\":{\"n\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AAE=\"}},"
         "\"MessageBody\":\"2\"},{\"Id\":\"z\",\"MessageBody\":\"10\"}]}"},
        {"Action=AddPermission&QueueUrl=u&Label=l&AWSAccountId.1=1&AWSAccountId.2=2&ActionName.1=SendMessage", "/",
         "{\"AWSAccountIds\":[\"1\",\"2\"],\"Actions\":[\"SendMessage\"],\"Label\":\"l\",\"QueueUrl\":\"u\"}"},
        {"Action=ListQueues", "/", "{}"},
        {"Action=PurgeQueue&QueueUrl=a&QueueUrl=b&Nonsense.1=2&=&&x", "/", "{\"QueueUrl\":\"a\"}"},
    };
    struct sqs_query q = {0};
    struct sqs_failure failure;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (!sqs_query_to_json(&q, slice_text(cases[i].form), slice_text(cases[i].path), &failure))
            fail_msg("%s: %s", cases[i].form, failure.text);
        assert_slice(buffer_slice(&q.json), cases[i].want);
    }
    sqs_query_fini(&q);
}

static void forms_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *form;
        enum sqs_error want;
    } cases[] = {
        {"", SQS_MISSING_ACTION},
        {"Version=2012-11-05", SQS_MISSING_ACTION},
        {"Action=Nonsense", SQS_UNKNOWN_OPERATION},
        {"Action=SendMessage&MessageBody=%zz", SQS_INVALID_PARAMETER_VALUE},
        {"Action=SendMessage&MessageBody=%f", SQS_INVALID_PARAMETER_VALUE},
        {"Action=SendMessage&MessageBody=%ff", SQS_INVALID_PARAMETER_VALUE},
        {"Action=SendMessage&DelaySeconds=1.5", SQS_INVALID_PARAMETER_VALUE},
        {"Action=SendMessage&DelaySeconds=ten", SQS_INVALID_PARAMETER_VALUE},
    };
    struct sqs_query q = {0};
    struct sqs_failure failure;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(sqs_query_to_json(&q, slice_text(cases[i].form), SLICE("/"), &failure));
        assert_int_equal(failure.error, cases[i].want);
    }
    sqs_query_fini(&q);
}

static void assert_xml(struct sqs_answer *a, const char *want)
{
    struct buffer out = {0};

    sqs_answer_to_xml(&out, a, a->action, SLICE("id"));
    assert_string_equal(out.ptr, want);
    buffer_fini(&out);
}

#define HEAD "<?xml version=\"1.0\"?>"
#define SPACE " xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\""
#define TAIL "<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata>"

static void answers_become_xml(void **state)
{
    struct sqs_answer a = {0};
    struct sqs_attribute attribute = {SLICE("n"), SLICE("String"), SLICE("<v>")};

    (void)state;
    sqs_answer_begin(&a, SQS_ACTION_RECEIVE_MESSAGE);
    sqs_answer_message(&a, &(struct sqs_message){.message_id = "m", .receipt_handle = SLICE("h="), .body = SLICE("a&b\r\n<c>\"\xc3\xa4"), .attributes = &attribute,
                                                 .attribute_count = 1, .system_attributes = SQS_RECEIVE_COUNT, .receive_count = 2});
    sqs_answer_end(&a);
    assert_xml(&a, HEAD "<ReceiveMessageResponse" SPACE "><ReceiveMessageResult><Message><MessageId>m</MessageId><ReceiptHandle>h=</ReceiptHandle>"
                   "<MD5OfBody>f727e8c834afb0ff47f6023b7a032385</MD5OfBody><Body>a&amp;b&#xD;\n&lt;c&gt;&quot;\xc3\xa4</Body>"
                   "<Attribute><Name>ApproximateReceiveCount</Name><Value>2</Value></Attribute>"
                   "<MD5OfMessageAttributes>ff42d101c97ac8acac17e42a77ceece1</MD5OfMessageAttributes>"
                   "<MessageAttribute><Name>n</Name><Value><DataType>String</DataType><StringValue>&lt;v&gt;</StringValue></Value></MessageAttribute>"
                   "</Message></ReceiveMessageResult>" TAIL "</ReceiveMessageResponse>");
    sqs_answer_begin(&a, SQS_ACTION_DELETE_MESSAGE_BATCH);
    sqs_answer_done(&a, SLICE("1"));
    sqs_answer_failed(&a, SLICE("2"), SQS_RECEIPT_HANDLE_IS_INVALID, "no");
    sqs_answer_end(&a);
    assert_xml(&a, HEAD "<DeleteMessageBatchResponse" SPACE "><DeleteMessageBatchResult><DeleteMessageBatchResultEntry><Id>1</Id></DeleteMessageBatchResultEntry>"
                   "<BatchResultErrorEntry><Id>2</Id><SenderFault>true</SenderFault><Code>ReceiptHandleIsInvalid</Code><Message>no</Message>"
                   "</BatchResultErrorEntry></DeleteMessageBatchResult>" TAIL "</DeleteMessageBatchResponse>");
    sqs_answer_begin(&a, SQS_ACTION_DELETE_MESSAGE);
    sqs_answer_end(&a);
    assert_xml(&a, HEAD "<DeleteMessageResponse" SPACE ">" TAIL "</DeleteMessageResponse>");
    sqs_answer_begin(&a, SQS_ACTION_LIST_QUEUE_TAGS);
    sqs_answer_pair(&a, SLICE("k"), SLICE("v"));
    sqs_answer_end(&a);
    assert_xml(&a, HEAD "<ListQueueTagsResponse" SPACE "><ListQueueTagsResult><Tag><Key>k</Key><Value>v</Value></Tag></ListQueueTagsResult>" TAIL
                   "</ListQueueTagsResponse>");
    sqs_answer_error(&a, SQS_QUEUE_DOES_NOT_EXIST, NULL);
    assert_xml(&a, HEAD "<ErrorResponse" SPACE "><Error><Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
                   "<Message>The specified queue does not exist.</Message><Detail/></Error><RequestId>id</RequestId></ErrorResponse>");
    sqs_answer_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_become_the_json_that_means_the_same),
        cmocka_unit_test(forms_that_are_none_are_refused),
        cmocka_unit_test(answers_become_xml),
    };

    return cmocka_run_group_tests_name("sqs_query", tests, digests_setup, digests_teardown);
}
