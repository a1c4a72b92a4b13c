/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/memory.h"
#include "base/random.h"
#include "core/groups.h"

#include <stdlib.h>
#include <time.h>

#define GROUP 7

/* What comes back in any order is given in the order of arrival; a newer one that waits is behind all of them. */
static void a_line_is_in_order_however_it_came_together(void **state)
{
    enum { COUNT = 500 };
    struct group_member members[COUNT + 1];
    struct groups gs = {.strict = true};
    struct random random = {1};
    struct group_member *taken[COUNT];
    size_t left = COUNT;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        groups_add(&gs, &members[i], i + 1, GROUP, false, true);
    for (struct group *g = NULL; left > 0; left--)
        taken[left - 1] = groups_take(&gs, &g);
    groups_add(&gs, &members[COUNT], COUNT + 1, GROUP, false, true);
    for (left = COUNT; left > 0; left--) {
        size_t at = random_next(&random) % left;

        groups_put_back(&gs, taken[at]);
        taken[at] = taken[left - 1];
    }
    for (int i = 0; i <= COUNT; i++) {
        struct group *g = NULL;
        struct group_member *m = groups_take(&gs, &g);

        assert_non_null(m);
        assert_int_equal(m->id, i + 1);
        groups_settle(&gs, m);
    }
    assert_false(groups_ready(&gs));
    assert_int_equal(gs.line_count, 0);
    groups_fini(&gs);
}

/* A fair queue's messages without a group are one group: the time-outs of 200,000 of them come due at once. Walking a list for each took minutes. */
static void many_that_come_back_at_once_take_no_time(void **state)
{
    enum { COUNT = 200000 };
    struct group_member *members = memory_zeroed(COUNT + 1, sizeof(*members));
    struct groups gs = {.strict = false};
    clock_t began = clock();

    (void)state;
    for (int i = 0; i < COUNT; i++)
        groups_add(&gs, &members[i], i + 1, GROUP, false, false);
    for (int i = 0; i < COUNT; i++)
        assert_non_null(groups_take(&gs, &(struct group *){NULL}));
    groups_add(&gs, &members[COUNT], COUNT + 1, GROUP, false, false);
    for (int i = 0; i < COUNT; i++)
        groups_put_back(&gs, &members[i]);
    assert_in_range((clock() - began) * 1000 / CLOCKS_PER_SEC, 0, 5000);
    for (int i = 0; i <= COUNT; i++)
        groups_settle(&gs, &members[i]);
    assert_false(groups_ready(&gs));
    groups_fini(&gs);
    free(members);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_in_order_however_it_came_together),
        cmocka_unit_test(many_that_come_back_at_once_take_no_time),
    };

    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
