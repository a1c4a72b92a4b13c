/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/fake_aws.h"
#include "support/test.h"

#include <jansson.h>

#define NOW INT64_C(1767225600000)
#define STREAMS "DynamoDBStreams_20120810."

/* jansson reads the answers here, so that the model is not judged by the code that it tests. */
static json_t *call(struct fake_aws *fake, const char *target, json_t *request, struct fake_answer *answer)
{
    char *text = json_dumps(request, 0);
    json_t *parsed;

    *answer = fake_service_call(fake, NOW, slice_text(target), slice_text(text));
    parsed = json_loadb(answer->body.ptr, answer->body.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    free(text);
    json_decref(request);
    return parsed;
}

static json_t *ask(struct fake_aws *fake, const char *target, json_t *request)
{
    struct fake_answer answer;
    json_t *parsed = call(fake, target, request, &answer);

    fake_answer_fini(&answer);
    return parsed;
}

static char *take_text(json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    char *copy = text ? strdup(text) : NULL;

    json_decref(object);
    return copy;
}

static json_t *iterator_request(struct fake_shard *shard, struct fake_stream *stream, const char *type, const char *sequence)
{
    return json_pack("{s:s, s:s, s:s, s:s*}", "StreamArn", fake_stream_arn(stream), "ShardId", fake_shard_id(shard), "ShardIteratorType", type,
                     "SequenceNumber", sequence);
}

static char *iterator(struct fake_aws *fake, struct fake_shard *shard, const char *type, const char *sequence)
{
    return take_text(ask(fake, STREAMS "GetShardIterator", iterator_request(shard, fake_stream_at(fake, 0), type, sequence)), "ShardIterator");
}

static json_t *page(struct fake_aws *fake, const char *shard_iterator, struct fake_answer *answer)
{
    return call(fake, STREAMS "GetRecords", json_pack("{s:s}", "ShardIterator", shard_iterator), answer);
}

/* The error's name without its namespace, or "" for none. */
static void assert_error(json_t *answer, const char *want)
{
    const char *type = json_string_value(json_object_get(answer, "__type"));
    const char *name = type && strchr(type, '#') ? strchr(type, '#') + 1 : type ? type : "";

    assert_string_equal(name, want);
    json_decref(answer);
}

static struct fake_shard *shard_with(struct fake_aws *fake, size_t records)
{
    struct fake_shard *shard = fake_shard_new(fake_stream_add(fake, "orders"), NULL);

    for (size_t i = 0; i < records; i++)
        fake_record_put(shard, NULL);
    return shard;
}

/* Reads the shard from its horizon by pages; every record must be the next of its truth. Returns how many. */
static size_t read_all(struct fake_aws *fake, struct fake_shard *shard)
{
    size_t total;
    const struct fake_record *truth = fake_shard_records(shard, &total);
    char *next = iterator(fake, shard, "TRIM_HORIZON", NULL);
    size_t seen = 0;

    for (int pages = 0; next && pages < 200 && (seen < total || !fake_shard_is_open(shard)); pages++) {
        struct fake_answer answer;
        json_t *parsed = page(fake, next, &answer);
        json_t *record;
        size_t i;

        assert_int_equal(answer.status, 200);
        json_array_foreach(json_object_get(parsed, "Records"), i, record)
        {
            assert_non_null(memmem(answer.body.ptr, answer.body.len, truth[seen].body.ptr, truth[seen].body.len));
            assert_string_equal(json_string_value(json_object_get(json_object_get(record, "dynamodb"), "SequenceNumber")), truth[seen].sequence);
            assert_string_equal(json_string_value(json_object_get(record, "eventID")), truth[seen++].event_id);
        }
        free(next);
        next = take_text(parsed, "NextShardIterator");
        fake_answer_fini(&answer);
    }
    assert_true(fake_shard_is_open(shard) == (next != NULL));
    free(next);
    return seen;
}

static void all_records_come_in_order_and_only_a_closed_shard_ends(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct fake_aws *fake = fake_service_new(seed);
        struct fake_shard *shard = shard_with(fake, 50);

        fake_service_options(fake)->page_records = 7;
        assert_int_equal(read_all(fake, shard), 50);
        fake_shard_close(shard);
        assert_int_equal(read_all(fake, shard), 50);
        assert_int_equal(fake_shard_records(shard, &(size_t){0})[49].returned, 2);
        fake_service_free(fake);
    }
}

static void sequence_numbers_rise_across_lengths(void **state)
{
    struct fake_aws *fake = fake_service_new(3);
    struct fake_shard *shard = shard_with(fake, 1);
    const struct fake_record *records;
    size_t count;

    (void)state;
    fake_sequence_set(fake_stream_at(fake, 0), "9999999999999999999999999");
    fake_record_put(shard, NULL);
    fake_record_put(shard, NULL);
    records = fake_shard_records(shard, &count);
    assert_string_equal(records[1].sequence, "9999999999999999999999999");
    assert_int_equal(strlen(records[0].sequence), 21);
    assert_int_equal(strlen(records[2].sequence), 26);
    assert_int_equal(read_all(fake, shard), 3);
    fake_service_free(fake);
}

static void iterators_start_where_they_are_told(void **state)
{
    static const struct {
        const char *type;
        int named;  /* index of the record whose number is sent, -1: none */
        size_t want; /* index of the first record that is read */
    } cases[] = {{"TRIM_HORIZON", -1, 2},
                 {"AT_SEQUENCE_NUMBER", 3, 3},
                 {"AFTER_SEQUENCE_NUMBER", 3, 4},
                 {"AFTER_SEQUENCE_NUMBER", 5, 6},
                 {"LATEST", -1, 6}};
    struct fake_aws *fake = fake_service_new(1);
    struct fake_shard *shard = shard_with(fake, 6);
    const struct fake_record *records;
    size_t count;

    (void)state;
    records = fake_shard_records(shard, &count);
    assert_int_equal(fake_shard_trim_oldest(shard, 2), 2);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *it = iterator(fake, shard, cases[i].type, cases[i].named < 0 ? NULL : records[cases[i].named].sequence);
        struct fake_answer answer;

        json_decref(page(fake, it, &answer));
        assert_int_equal(answer.first_record, cases[i].want);
        assert_int_equal(answer.record_count, 6 - cases[i].want);
        fake_answer_fini(&answer);
        free(it);
    }
    fake_service_free(fake);
}

static void what_is_gone_is_said_by_its_name(void **state)
{
    struct fake_aws *fake = fake_service_new(1);
    struct fake_shard *shard = shard_with(fake, 6);
    struct fake_stream *stream = fake_stream_at(fake, 0);
    const char *gone = fake_shard_records(shard, &(size_t){0})[1].sequence;
    char *it = iterator(fake, shard, "TRIM_HORIZON", NULL);
    struct fake_answer answer;

    (void)state;
    fake_shard_trim_oldest(shard, 2);
    assert_error(page(fake, it, &answer), "TrimmedDataAccessException");
    fake_answer_fini(&answer);
    assert_error(ask(fake, STREAMS "GetShardIterator", iterator_request(shard, stream, "AFTER_SEQUENCE_NUMBER", gone)), "TrimmedDataAccessException");
    assert_error(ask(fake, STREAMS "GetShardIterator", iterator_request(shard, stream, "AT_SEQUENCE_NUMBER", "x")), "ValidationException");
    free(it);
    it = iterator(fake, shard, "TRIM_HORIZON", NULL);
    fake_time_advance(fake, 15 * 60 * 1000 + 1);
    assert_error(page(fake, it, &answer), "ExpiredIteratorException");
    fake_answer_fini(&answer);
    it[strlen(it) - 6] ^= 1;
    assert_error(page(fake, it, &answer), "ValidationException");
    fake_answer_fini(&answer);
    fake_shard_delete(shard);
    assert_error(ask(fake, STREAMS "GetShardIterator", iterator_request(shard, stream, "LATEST", NULL)), "ResourceNotFoundException");
    assert_false(fake_shard_records(shard, &(size_t){0})[5].visible);
    free(it);
    fake_service_free(fake);
}

static void descriptions_are_paged_and_follow_splits(void **state)
{
    struct fake_aws *fake = fake_service_new(1);
    struct fake_shard *child = fake_shard_split_into(shard_with(fake, 1), 2);
    const char *arn = fake_stream_arn(fake_stream_at(fake, 0));
    json_t *answer;
    json_t *first;
    json_t *second;

    (void)state;
    fake_service_options(fake)->page_shards = 2;
    answer = ask(fake, STREAMS "DescribeStream", json_pack("{s:s}", "StreamArn", arn));
    first = json_object_get(answer, "StreamDescription");
    assert_int_equal(json_array_size(json_object_get(first, "Shards")), 2);
    assert_string_equal(json_string_value(json_object_get(first, "LastEvaluatedShardId")), fake_shard_id(child));
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(first, "Shards"), 1), "ParentShardId")),
                        fake_shard_id(fake_shard_at(fake_stream_at(fake, 0), 0)));
    second = ask(fake, STREAMS "DescribeStream", json_pack("{s:s, s:s}", "StreamArn", arn, "ExclusiveStartShardId", fake_shard_id(child)));
    assert_int_equal(json_array_size(json_object_get(json_object_get(second, "StreamDescription"), "Shards")), 1);
    assert_null(json_object_get(json_object_get(second, "StreamDescription"), "LastEvaluatedShardId"));
    json_decref(second);
    json_decref(answer);
    fake_service_free(fake);
}

static void a_table_made_again_has_a_new_arn_and_the_old_one_is_listed(void **state)
{
    struct fake_aws *fake = fake_service_new(1);
    struct fake_shard *shard = shard_with(fake, 3);
    struct fake_stream *fresh = fake_table_recreate(fake, "orders");
    json_t *table = ask(fake, "DynamoDB_20120810.DescribeTable", json_pack("{s:s}", "TableName", "orders"));
    json_t *list = ask(fake, STREAMS "ListStreams", json_pack("{s:s}", "TableName", "orders"));

    (void)state;
    assert_string_equal(json_string_value(json_object_get(json_object_get(table, "Table"), "LatestStreamArn")), fake_stream_arn(fresh));
    assert_int_equal(json_array_size(json_object_get(list, "Streams")), 2);
    assert_int_equal(read_all(fake, shard), 3);
    json_decref(table);
    json_decref(list);
    fake_service_free(fake);
}

static void each_fault_that_is_an_error_says_its_name_and_then_all_is_well(void **state)
{
    static const struct {
        enum fake_fault fault;
        int status;
        const char *name;
    } cases[] = {
        {FAULT_EXPIRED_ITERATOR, 400, "ExpiredIteratorException"}, {FAULT_LIMIT_EXCEEDED, 400, "LimitExceededException"},
        {FAULT_THROUGHPUT_EXCEEDED, 400, "ProvisionedThroughputExceededException"}, {FAULT_THROTTLED, 400, "ThrottlingException"},
        {FAULT_INTERNAL_ERROR, 500, "InternalServerError"}, {FAULT_NOT_FOUND, 400, "ResourceNotFoundException"},
        {FAULT_ACCESS_DENIED, 400, "AccessDeniedException"}, {FAULT_UNRECOGNIZED_CLIENT, 400, "UnrecognizedClientException"},
        {FAULT_TIME_TOO_SKEWED, 403, "RequestTimeTooSkewed"}, {FAULT_REQUEST_EXPIRED, 400, "RequestExpired"},
        {FAULT_INVALID_SIGNATURE, 400, "InvalidSignatureException"}, {FAULT_SIGNATURE_MISMATCH, 403, "SignatureDoesNotMatch"},
    };
    struct fake_aws *fake = fake_service_new(1);
    struct fake_shard *shard = shard_with(fake, 3);
    char *it = iterator(fake, shard, "TRIM_HORIZON", NULL);
    struct fake_answer answer;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fake_fault_next(fake, FAKE_GET_RECORDS, shard, cases[i].fault, 1);
        assert_error(page(fake, it, &answer), cases[i].name);
        assert_int_equal(answer.status, cases[i].status);
        fake_answer_fini(&answer);
    }
    assert_int_equal(fake_shard_records(shard, &(size_t){0})[0].returned, 0);
    assert_int_equal(read_all(fake, shard), 3);
    free(it);
    fake_service_free(fake);
}

static void an_answer_that_does_not_arrive_whole_returned_nothing(void **state)
{
    static const enum fake_fault cases[] = {FAULT_CUT_JSON, FAULT_CUT_BODY, FAULT_WRONG_CRC, FAULT_GARBAGE, FAULT_HTML_503, FAULT_LOST_REQUEST,
                                            FAULT_LOST_REPLY, FAULT_STALLED, FAULT_EMPTY_PAGE, FAULT_NO_RECORDS, FAULT_NULL_RECORDS};
    struct fake_aws *fake = fake_service_new(1);
    struct fake_shard *shard = shard_with(fake, 3);
    char *it = iterator(fake, shard, "TRIM_HORIZON", NULL);
    struct fake_answer answer;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fake_fault_next(fake, FAKE_ANY_OPERATION, NULL, cases[i], 1);
        json_decref(page(fake, it, &answer));
        assert_int_equal(fake_fault_count(fake, cases[i]), 1);
        assert_int_equal(fake_shard_records(shard, &(size_t){0})[0].returned, 0);
        fake_answer_fini(&answer);
    }
    json_decref(page(fake, it, &answer));
    assert_int_equal(fake_shard_records(shard, &(size_t){0})[2].returned, 1);
    fake_answer_dropped(&answer);
    assert_int_equal(fake_shard_records(shard, &(size_t){0})[2].returned, 0);
    fake_answer_fini(&answer);
    free(it);
    fake_service_free(fake);
}

static void faults_that_keep_the_records_keep_all_of_them(void **state)
{
    static const enum fake_fault cases[] = {FAULT_EMPTY_PAGE, FAULT_BLANKS, FAULT_SLOW};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fake_aws *fake = fake_service_new(i);
        struct fake_shard *shard = shard_with(fake, 40);

        fake_service_options(fake)->page_records = 3;
        fake_fault_rate(fake, cases[i], 4000);
        assert_int_equal(read_all(fake, shard), 40);
        assert_true(fake_fault_count(fake, cases[i]) > 0);
        fake_service_free(fake);
    }
}

static void a_seed_is_repeated_byte_for_byte(void **state)
{
    struct fake_aws *a = fake_service_new(77);
    struct fake_aws *b = fake_service_new(77);
    size_t count;
    const struct fake_record *of_a = fake_shard_records(shard_with(a, 30), &count);
    const struct fake_record *of_b = fake_shard_records(shard_with(b, 30), &count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        assert_true(slice_equal(of_a[i].body, of_b[i].body));
    fake_service_free(a);
    fake_service_free(b);
}

static void prepared_pages_hold_every_record_and_end_at_an_empty_tip(void **state)
{
    struct fake_aws *fake = fake_service_new(1);
    struct fake_stream *stream = fake_stream_add(fake, "fast");
    struct fake_answer answer;
    size_t seen = 0;
    size_t last = 1;
    char *it;

    (void)state;
    fake_stream_prepare(stream, 2, 2500, 500);
    it = iterator(fake, fake_shard_at(stream, 1), "TRIM_HORIZON", NULL);
    while (last > 0) {
        json_t *parsed = page(fake, it, &answer);

        last = json_array_size(json_object_get(parsed, "Records"));
        seen += last;
        free(it);
        it = take_text(parsed, "NextShardIterator");
        fake_answer_fini(&answer);
    }
    assert_int_equal(seen, 2500);
    free(it);
    fake_service_free(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_records_come_in_order_and_only_a_closed_shard_ends),
        cmocka_unit_test(sequence_numbers_rise_across_lengths),
        cmocka_unit_test(iterators_start_where_they_are_told),
        cmocka_unit_test(what_is_gone_is_said_by_its_name),
        cmocka_unit_test(descriptions_are_paged_and_follow_splits),
        cmocka_unit_test(a_table_made_again_has_a_new_arn_and_the_old_one_is_listed),
        cmocka_unit_test(each_fault_that_is_an_error_says_its_name_and_then_all_is_well),
        cmocka_unit_test(an_answer_that_does_not_arrive_whole_returned_nothing),
        cmocka_unit_test(faults_that_keep_the_records_keep_all_of_them),
        cmocka_unit_test(a_seed_is_repeated_byte_for_byte),
        cmocka_unit_test(prepared_pages_hold_every_record_and_end_at_an_empty_tip),
    };

    return cmocka_run_group_tests(tests, digests_setup, digests_teardown);
}
