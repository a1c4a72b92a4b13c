/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temporary.h"
#include "support/test.h"

#include "app/file_watch.h"

#include <unistd.h>

static const char *write_file(void **state, const char *text)
{
    const char *path = temporary_path(state, "file");
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static void a_change_is_noticed_once_and_not_while_it_is_written(void **state)
{
    struct file_watch w;
    const char *path = write_file(state, "one");

    file_watch_init(&w, path);
    assert_false(file_watch_changed(&w, path));
    write_file(state, "one, two, thr");
    assert_false(file_watch_changed(&w, path)); /* may go on */
    write_file(state, "one, two, three");
    assert_false(file_watch_changed(&w, path));
    assert_true(file_watch_changed(&w, path));
    assert_false(file_watch_changed(&w, path));
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(chmod(path, 0600), 0); /* as chown, which a test may not do: another ctime alone */
    assert_false(file_watch_changed(&w, path));
    assert_true(file_watch_changed(&w, path));
    assert_int_equal(unlink(path), 0);
    assert_false(file_watch_changed(&w, path));
    assert_false(file_watch_changed(&w, path));
    write_file(state, "another");
    assert_false(file_watch_changed(&w, path));
    assert_true(file_watch_changed(&w, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(a_change_is_noticed_once_and_not_while_it_is_written),
    };

    return cmocka_run_group_tests_name("file_watch", tests, NULL, NULL);
}
