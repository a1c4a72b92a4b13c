/* SPDX-License-Identifier: Apache-2.0
 *
 * control: the model's functions as commands with JSON, for tests in other languages.
 */
#ifndef S2Q_TESTS_FAKE_AWS_SERVER_CONTROL_H
#define S2Q_TESTS_FAKE_AWS_SERVER_CONTROL_H

#include "support/fake_aws.h"

/* Appends the JSON answer; false: it says what is wrong. Never panics for what the request says. */
bool control_run(struct fake_aws *fake, const char *command, struct slice body, struct buffer *out);

#endif
