/* SPDX-License-Identifier: Apache-2.0
 *
 * migrations: the ledger's schema, as numbered steps that are only ever appended. PRAGMA user_version is the number of steps applied.
 */
#ifndef S2Q_STORE_MIGRATIONS_H
#define S2Q_STORE_MIGRATIONS_H

#include "base/error.h"

#include <sqlite3.h>

/* PRAGMA application_id of a ledger: "s2sq". */
#define LEDGER_APPLICATION_ID 0x73327371

/* The steps that this program knows. */
int migrations_known(void);
/* Brings an empty or older ledger up to date in one transaction. The caller has checked that it is not newer. */
MUST_USE bool migrations_apply(sqlite3 *db, int from_version, struct error *err);

#endif
