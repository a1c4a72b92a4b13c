/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/test.h"

#include "base/glob.h"
#include "codec/sigv4.h"

static void globs_fit_whole_texts(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool fits;
    } cases[] = {
        {"", "", true}, {"", "a", false}, {"a", "", false}, {"*", "", true}, {"**", "", true}, {"?", "", false},
        {"orders", "orders", true}, {"orders", "orders2", false}, {"orders", "xorders", false}, {"orders", "Orders", false},
        {"orders-*", "orders-", true}, {"orders-*", "orders-eu.fifo", true}, {"orders-*", "orders", false}, {"orders-*", "xorders-1", false},
        {"*.fifo", "a.fifo", true}, {"*.fifo", "a.fifo.fifo", true}, {"*.fifo", "afifo", false}, {"*.fifo", "a.fifob", false},
        {"a*b*c", "a1b2b3c", true}, {"a*b*c", "a1c2b", false}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"*ab", "aab", true}, {"a*a", "a", false},
        {"*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (glob_fits(slice_text(cases[i].pattern), slice_text(cases[i].text)) != cases[i].fits)
            fail_msg("%s and %s", cases[i].pattern, cases[i].text);
    assert_true(glob_fits_any_case(SLICE("receive*"), SLICE("ReceiveMessage")));
    assert_false(glob_fits_any_case(SLICE("receive"), SLICE("ReceiveMessage")));
}

static struct keyring *ring_of(const char *account, const char *queues, const char *actions, const struct access_key **key)
{
    struct keyring *ring = keyring_new();
    const struct access_key_limits limits = {slice_text(account), slice_text(queues), slice_text(actions)};

    keyring_add_limited(ring, SLICE("AKID"), SLICE("its secret"), &limits);
    keyring_derive(ring, SLICE("AKID"), SLICE("20260131"), SLICE("eu-west-1"), SLICE("sqs"), key);
    assert_non_null(*key);
    return ring;
}

static void a_key_is_denied_what_its_limits_do_not_name(void **state)
{
    static const struct {
        const char *queues;
        const char *actions;
        enum sqs_action action;
        const char *queue; /* NULL: the request names none */
        bool allowed;
    } cases[] = {
        {NULL, NULL, SQS_ACTION_DELETE_QUEUE, "q", true},
        {NULL, NULL, SQS_ACTION_LIST_QUEUES, NULL, true},
        {"orders-*,billing", NULL, SQS_ACTION_SEND_MESSAGE, "orders-1", true},
        {"orders-*,billing", NULL, SQS_ACTION_SEND_MESSAGE, "billing", true},
        {"orders-*,billing", NULL, SQS_ACTION_SEND_MESSAGE, "billing2", false},
        {"orders-*,billing", NULL, SQS_ACTION_SEND_MESSAGE, "Billing", false},
        {"orders-*,billing", NULL, SQS_ACTION_SEND_MESSAGE, "", false},
        {"orders-*,billing", NULL, SQS_ACTION_LIST_QUEUES, NULL, false},
        {"orders-*,*", NULL, SQS_ACTION_LIST_QUEUES, NULL, true},
        {"?*", NULL, SQS_ACTION_LIST_QUEUES, NULL, false},
        {NULL, "ReceiveMessage,DeleteMessage", SQS_ACTION_RECEIVE_MESSAGE, "q", true},
        {NULL, "ReceiveMessage,DeleteMessage", SQS_ACTION_DELETE_MESSAGE, "q", true},
        {NULL, "ReceiveMessage,DeleteMessage", SQS_ACTION_DELETE_MESSAGE_BATCH, "q", true},
        {NULL, "ReceiveMessage,DeleteMessage", SQS_ACTION_DELETE_QUEUE, "q", false},
        {NULL, "ReceiveMessage,DeleteMessage", SQS_ACTION_SEND_MESSAGE_BATCH, "q", false},
        {NULL, "changemessage*", SQS_ACTION_CHANGE_MESSAGE_VISIBILITY_BATCH, "q", true},
        {NULL, "Get*", SQS_ACTION_GET_QUEUE_URL, "q", true},
        {NULL, "Get*", SQS_ACTION_SET_QUEUE_ATTRIBUTES, "q", false},
        {"a", "*", SQS_ACTION_PURGE_QUEUE, "a", true},
        {"a", "SendMessage", SQS_ACTION_SEND_MESSAGE, "b", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct access_key *key;
        struct keyring *ring = ring_of(NULL, cases[i].queues, cases[i].actions, &key);

        if (access_key_allows(key, cases[i].action, slice_text(cases[i].queue)) != cases[i].allowed)
            fail_msg("case %zu", i);
        keyring_free(ring);
    }
}

static void limits_that_are_not_understood_are_refused(void **state)
{
    static const struct {
        const char *account;
        const char *queues;
        const char *actions;
        bool valid;
    } cases[] = {
        {NULL, NULL, NULL, true}, {"123456789012", "a,b-*,c?.fifo", "SendMessage,receive*", true},
        {"12345678901", NULL, NULL, false}, {"1234567890123", NULL, NULL, false}, {"12345678901x", NULL, NULL, false}, {"", NULL, NULL, false},
        {NULL, "", NULL, false}, {NULL, ",", NULL, false}, {NULL, "a,", NULL, false}, {NULL, ",a", NULL, false}, {NULL, "a,,b", NULL, false},
        {NULL, "a/b", NULL, false}, {NULL, "arn:aws:sqs:r:1:q", NULL, false}, {NULL, NULL, "", false}, {NULL, NULL, "SendMessage,", false},
        {NULL, NULL, "SendMesage", false}, {NULL, NULL, "SendMessageBatch", false}, {NULL, NULL, "sqs:SendMessage", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct access_key_limits limits = {slice_text(cases[i].account), slice_text(cases[i].queues), slice_text(cases[i].actions)};
        struct error err = {.text = ""};

        if (access_key_limits_valid(&limits, &err) != cases[i].valid || (err.text[0] == '\0') != cases[i].valid)
            fail_msg("case %zu: %s", i, err.text);
    }
}

static void a_key_given_again_has_its_later_limits(void **state)
{
    const struct access_key *key;
    struct keyring *ring = ring_of("123456789012", "a", NULL, &key);

    (void)state;
    assert_slice(access_key_account(key), "123456789012");
    keyring_add(ring, SLICE("AKID"), SLICE("its secret"));
    assert_false(slice_present(access_key_account(key)));
    assert_true(access_key_allows(key, SQS_ACTION_SEND_MESSAGE, SLICE("b")));
    keyring_free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs_fit_whole_texts),
        cmocka_unit_test(a_key_is_denied_what_its_limits_do_not_name),
        cmocka_unit_test(limits_that_are_not_understood_are_refused),
        cmocka_unit_test(a_key_given_again_has_its_later_limits),
    };

    return cmocka_run_group_tests_name("access_key", tests, digests_setup, digests_teardown);
}
