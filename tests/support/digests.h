/* SPDX-License-Identifier: Apache-2.0
 *
 * digests: group set-up and tear-down for tests of code that hashes.
 */
#ifndef S2Q_TESTS_SUPPORT_DIGESTS_H
#define S2Q_TESTS_SUPPORT_DIGESTS_H

int digests_setup(void **state);
int digests_teardown(void **state);

#endif
