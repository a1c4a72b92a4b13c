/* SPDX-License-Identifier: Apache-2.0
 *
 * temporary: a directory for one test, removed afterwards.
 */
#ifndef S2Q_TESTS_SUPPORT_TEMPORARY_H
#define S2Q_TESTS_SUPPORT_TEMPORARY_H

/* For cmocka_unit_test_setup_teardown; *state belongs to it. */
int temporary_setup(void **state);
int temporary_teardown(void **state);
/* A test that has such a directory; needs cmocka.h. */
#define with_directory(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)
/* A path inside the directory; good until the next call. */
const char *temporary_path(void **state, const char *name);

#endif
