/* SPDX-License-Identifier: Apache-2.0
 *
 * descriptors: as many open files as the configured connections want. Shells and service managers give 1,024; without this, connections above that
 * could not be accepted, nor files opened.
 */
#ifndef S2Q_APP_DESCRIPTORS_H
#define S2Q_APP_DESCRIPTORS_H

#include <stdint.h>

/* Raises this process's limit if it is too low, and may be raised. Returns how many connections there can be: those wanted, or fewer, which is logged. */
int64_t descriptors_for_connections(int64_t wanted);

#endif
