/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"

#include "codec/digest.h"

int digests_setup(void **state)
{
    (void)state;
    digest_init();
    return 0;
}

int digests_teardown(void **state)
{
    (void)state;
    digest_fini();
    return 0;
}
