/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/temporary.h"
#include "support/test.h"

#include "app/access_keys.h"

#include <stdlib.h>
#include <sys/stat.h>

static const char *write_file(void **state, const char *text, mode_t mode)
{
    const char *path = temporary_path(state, "keys");
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static void words_after_the_secret_limit_a_key(void **state)
{
    const char *path = write_file(state, "# consumers\n\nAKIAONE:first-secret\n  AKIATWO : second-secret   queues=orders-*  actions=ReceiveMessage,DeleteMessage\r\n"
                                         "AKIAGUEST:third:secret account=123456789012", 0600);
    struct keyring *ring = keyring_new();
    const struct access_key *key;
    struct error err;

    assert_true(access_keys_read(ring, path, &err));
    assert_int_equal(keyring_count(ring), 3);
    keyring_derive(ring, SLICE("AKIAONE"), SLICE("20260131"), SLICE("r"), SLICE("sqs"), &key);
    assert_true(access_key_allows(key, SQS_ACTION_DELETE_QUEUE, SLICE("billing")));
    keyring_derive(ring, SLICE("AKIATWO"), SLICE("20260131"), SLICE("r"), SLICE("sqs"), &key);
    assert_true(access_key_allows(key, SQS_ACTION_RECEIVE_MESSAGE, SLICE("orders-1")));
    assert_false(access_key_allows(key, SQS_ACTION_RECEIVE_MESSAGE, SLICE("billing")));
    assert_false(access_key_allows(key, SQS_ACTION_SEND_MESSAGE, SLICE("orders-1")));
    assert_false(slice_present(access_key_account(key)));
    keyring_derive(ring, SLICE("AKIAGUEST"), SLICE("20260131"), SLICE("r"), SLICE("sqs"), &key);
    assert_slice(access_key_account(key), "123456789012");
    assert_ptr_equal(keyring_at(ring, 2), key); /* in the file's order */
    assert_slice(access_key_id(keyring_at(ring, 0)), "AKIAONE");
    assert_slice(access_key_secret(keyring_at(ring, 0)), "first-secret");
    assert_null(keyring_at(ring, 3));
    keyring_free(ring);
}

static void a_file_with_a_mistake_is_refused_without_showing_secrets(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *says;
    } cases[] = {
        {"AKIAONE:first-secret\n", 0640, "chmod 600"},
        {"AKIAONE:first-secret\n", 0604, "chmod 600"},
        {"# nothing\n", 0600, "no access key"},
        {"AKIAONE\n", 0600, "line 1: wanted"},
        {"AKIAONE:short\n", 0600, "line 1: wanted"},
        {"\nAKIAONE:first-secret CANARY-secret\n", 0600, "line 2: after the secret"},
        {"AKIAONE:first-secret CANARY=secret\n", 0600, "line 1: after the secret"},
        {"AKIAONE:first-secret queues\n", 0600, "line 1: after the secret"},
        {"AKIAONE:first-secret queues=\n", 0600, "line 1: queues: \"\" is no queue's name"},
        {"AKIAONE:first-secret queues=a queues=b\n", 0600, "line 1: queues= stands here twice"},
        {"AKIAONE:first-secret actions=SendMesage\n", 0600, "line 1: actions: \"SendMesage\" is no operation"},
        {"AKIAONE:first-secret account=1\n", 0600, "line 1: account=1: wanted 12 digits"},
        {"AKIAONE:first-secret\tqueues=a\n", 0600, "line 1: a character"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct keyring *ring = keyring_new();
        struct error err = {.text = ""};

        if (access_keys_read(ring, write_file(state, cases[i].text, cases[i].mode), &err) || !strstr(err.text, cases[i].says))
            fail_msg("case %zu: %s", i, err.text);
        assert_null(strstr(err.text, "first-secret"));
        assert_null(strstr(err.text, "CANARY"));
        keyring_free(ring);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(words_after_the_secret_limit_a_key),
        with_directory(a_file_with_a_mistake_is_refused_without_showing_secrets),
    };

    return cmocka_run_group_tests_name("access_keys", tests, digests_setup, digests_teardown);
}
