/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "codec/stream_wire.h"

#define RECORD(sequence) "{\"eventID\":\"e1\",\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":\"a\"}},\"SequenceNumber\":\"" sequence "\"}}"

static void pages_are_cut_byte_for_byte(void **state)
{
    static const char first[] = "{ \"eventID\" : \"x\\u0031\",\"eventName\":\"MODIFY\",\"dynamodb\":{\"ApproximateCreationDateTime\":1767225600.0,"
                                "\"Keys\":{\"pk\":{\"S\":\"k\"}},\"NewImage\":{\"n\":{\"N\":\"12345678901234567890123456789012345678\"},"
                                "\"s\":{\"S\":\"\\u0000 \\\"\\ud83d\\ude00 }]\"},\"e\":{\"S\":\"\"}},\"SequenceNumber\":\"000000000000000000001\"}}";
    struct buffer text = {0};
    struct stream_page page = {0};
    const char *error;

    (void)state;
    buffer_printf(&text, "{\"Records\": [ %s , %s ],\"NextShardIterator\":\"it\"}", first, RECORD("2"));
    assert_true(get_records_decode(&page, buffer_slice(&text), &error));
    assert_int_equal(page.len, 2);
    assert_slice(page.records[0].body, first);
    assert_slice(page.records[0].sequence_number, "000000000000000000001");
    assert_slice(page.records[0].event_name, "MODIFY");
    assert_slice(page.records[0].keys, "{\"pk\":{\"S\":\"k\"}}");
    assert_true(page.records[0].created_ms == INT64_C(1767225600000));
    assert_slice(page.records[1].body, RECORD("2"));
    assert_int_equal(page.next, NEXT_ITERATOR_GIVEN);
    assert_slice(page.iterator, "it");
    stream_page_fini(&page);
    buffer_fini(&text);
}

static void only_null_or_absence_says_that_a_shard_ended(void **state)
{
    static const struct {
        const char *text;
        enum next_iterator want;
    } cases[] = {
        {"{\"Records\":[]}", NEXT_ITERATOR_NONE},
        {"{\"NextShardIterator\":null,\"Records\":[]}", NEXT_ITERATOR_NONE},
        {"{\"NextShardIterator\":\"\",\"Records\":[]}", NEXT_ITERATOR_EMPTY}, /* pitfall 3 */
        {"{\"NextShardIterator\":\"x\",\"Records\":[]}", NEXT_ITERATOR_GIVEN},
    };
    struct stream_page page = {0};
    const char *error;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(get_records_decode(&page, slice_text(cases[i].text), &error));
        assert_int_equal(page.next, cases[i].want);
    }
    stream_page_fini(&page);
}

static void malformed_pages_are_refused_whole(void **state)
{
    static const char *const cases[] = {
        "{}", /* pitfall 3: a page without Records is malformed, not an end */
        "{\"Records\":null}",
        "{\"NextShardIterator\":null}",
        "{\"Records\":[" RECORD("1") "],\"NextShardIterator\":7}",
        "{\"Records\":[" RECORD("1") "]", /* cut short */
        "{\"Records\":[" RECORD("1") ",]}",
        "{\"Records\":[" RECORD("") "]}",
        "{\"Records\":[" RECORD("12a") "]}",
        "{\"Records\":[" RECORD("123456789012345678901234567890123456789012345678901234567") "]}", /* 57 digits */
        "{\"Records\":[{}]}",
        "{\"Records\":[1]}",
        "{\"Records\":[{\"dynamodb\":{\"SequenceNumber\":\"1\",\"SequenceNumber\":\"2\"}}]}",
        "{\"Records\":[],\"Records\":[]}",
        "{\"Records\":[],\"NextShardIterator\":\"a\\u0041\"}",
        "{\"Records\":[]} x",
        "<html>",
        "",
    };
    struct stream_page page = {0};
    const char *error;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (get_records_decode(&page, slice_text(cases[i]), &error))
            fail_msg("taken: %s", cases[i]);
    stream_page_fini(&page);
}

static void descriptions_and_small_answers_decode(void **state)
{
    struct stream_description d = {0};
    struct stream_listing l = {0};
    struct slice s;
    const char *error;

    (void)state;
    assert_true(describe_stream_decode(&d, SLICE("{\"StreamDescription\":{\"StreamStatus\":\"ENABLED\",\"Shards\":[{\"ShardId\":\"s1\",\"SequenceNumberRange\":"
                                                 "{\"StartingSequenceNumber\":\"1\",\"EndingSequenceNumber\":\"9\"}},{\"ShardId\":\"s2\",\"ParentShardId\":\"s1\","
                                                 "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"10\"}}],\"LastEvaluatedShardId\":\"s2\"}}"),
                                       &error));
    assert_int_equal(d.len, 2);
    assert_slice(d.shards[0].ending_sequence, "9");
    assert_false(slice_present(d.shards[0].parent_id));
    assert_slice(d.shards[1].parent_id, "s1");
    assert_false(slice_present(d.shards[1].ending_sequence));
    assert_slice(d.last_evaluated_shard_id, "s2");
    assert_false(describe_stream_decode(&d, SLICE("{\"StreamDescription\":{\"Shards\":[{}],\"StreamStatus\":\"ENABLED\"}}"), &error));
    assert_false(describe_stream_decode(&d, SLICE("{}"), &error));
    assert_true(describe_table_decode(SLICE("{\"Table\":{\"LatestStreamArn\":\"arn:x\"}}"), &s, &error));
    assert_slice(s, "arn:x");
    assert_true(describe_table_decode(SLICE("{\"Table\":{\"TableName\":\"t\"}}"), &s, &error));
    assert_false(slice_present(s));
    assert_true(get_shard_iterator_decode(SLICE("{\"ShardIterator\":\"it\"}"), &s, &error));
    assert_false(get_shard_iterator_decode(SLICE("{\"ShardIterator\":\"\"}"), &s, &error));
    assert_true(list_streams_decode(&l, SLICE("{\"Streams\":[{\"StreamArn\":\"a\"},{\"StreamLabel\":\"x\",\"StreamArn\":\"b\"}]}"), &error));
    assert_int_equal(l.len, 2);
    assert_slice(l.arns[1], "b");
    stream_description_fini(&d);
    stream_listing_fini(&l);
}

static void error_names_lose_their_namespace(void **state)
{
    static const char *const cases[] = {
        "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException\",\"message\":\"m\"}",
        "{\"__type\":\"ResourceNotFoundException\",\"Message\":\"m\"}",
        "{\"message\":\"m\",\"__type\":\"ResourceNotFoundException:http://x/\"}",
    };
    struct slice name;
    struct slice message;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(aws_error_decode(slice_text(cases[i]), &name, &message));
        assert_slice(name, "ResourceNotFoundException");
        assert_slice(message, "m");
    }
    assert_false(aws_error_decode(SLICE("<html>500</html>"), &name, &message));
    assert_false(aws_error_decode(SLICE("{\"message\":\"m\"}"), &name, &message));
}

static void keys_decode_to_at_most_two_values(void **state)
{
    struct key_attribute keys[2];
    struct buffer arena = {0};

    (void)state;
    assert_int_equal(keys_decode(SLICE("{\"pk\":{\"S\":\"a\\u00e4\"},\"sk\":{\"N\":\"1.50\"}}"), keys, &arena), 2);
    assert_slice(keys[0].value, "a\xc3\xa4");
    assert_int_equal(keys[1].type, 'N');
    assert_slice(keys[1].value, "1.50");
    assert_int_equal(keys_decode(SLICE("{\"a\":{\"S\":\"1\"},\"b\":{\"S\":\"1\"},\"c\":{\"S\":\"1\"}}"), keys, &arena), -1);
    assert_int_equal(keys_decode(SLICE("{\"a\":{\"M\":{}}}"), keys, &arena), -1);
    buffer_fini(&arena);
}

static void requests_are_what_the_service_expects(void **state)
{
    struct buffer out = {0};

    (void)state;
    get_shard_iterator_encode(&out, SLICE("arn:a"), SLICE("shardId-1"), ITERATOR_AFTER_SEQUENCE_NUMBER, SLICE("42"));
    assert_slice(buffer_slice(&out), "{\"StreamArn\":\"arn:a\",\"ShardId\":\"shardId-1\",\"ShardIteratorType\":\"AFTER_SEQUENCE_NUMBER\",\"SequenceNumber\":\"42\"}");
    buffer_reset(&out);
    describe_stream_encode(&out, SLICE("arn:a"), SLICE_NONE);
    assert_slice(buffer_slice(&out), "{\"StreamArn\":\"arn:a\"}");
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_cut_byte_for_byte),
        cmocka_unit_test(only_null_or_absence_says_that_a_shard_ended),
        cmocka_unit_test(malformed_pages_are_refused_whole),
        cmocka_unit_test(descriptions_and_small_answers_decode),
        cmocka_unit_test(error_names_lose_their_namespace),
        cmocka_unit_test(keys_decode_to_at_most_two_values),
        cmocka_unit_test(requests_are_what_the_service_expects),
    };

    return cmocka_run_group_tests_name("stream_wire", tests, NULL, NULL);
}
