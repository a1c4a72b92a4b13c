/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/id_map.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"

#include <stdlib.h>

static void sequence_numbers_compare_by_length_then_bytes(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        int want;
    } cases[] = {
        {"1", "2", -1},
        {"9", "10", -1}, /* pitfall 28: as texts, "9" > "10" */
        {"99999999999999999999", "100000000000000000000", -1},
        {"000000012", "12", 0}, /* a server that pads with zeros */
        {"0", "0000", 0},
        {"49590338271490256608559692538361571095921575989136588898", "49590338271490256608559692538361571095921575989136588897", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int found = sequence_compare(slice_text(cases[i].a), slice_text(cases[i].b));
        int reversed = sequence_compare(slice_text(cases[i].b), slice_text(cases[i].a));

        assert_int_equal((found > 0) - (found < 0), cases[i].want);
        assert_int_equal((reversed > 0) - (reversed < 0), -cases[i].want);
    }
}

static void utf8_is_strict(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"plain", true},
        {"\xc3\xa4", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\x80", true},
        {"\xef\xbf\xbf", true},       /* U+FFFF is well-formed UTF-8 */
        {"\xc0\x80", false},          /* overlong */
        {"\xe0\x80\x80", false},
        {"\xed\xa0\x80", false},      /* a surrogate */
        {"\xf4\x90\x80\x80", false},  /* above U+10FFFF */
        {"\xe2\x82", false},          /* cut */
        {"\x80", false},
        {"\xff", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(utf8_valid(slice_text(cases[i].text)), cases[i].want);
}

static void heap_gives_the_earliest_first_whatever_happens(void **state)
{
    struct random random = {7};
    struct heap_node nodes[200] = {0};
    struct heap heap = {0};
    int64_t last = INT64_MIN;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct heap_node *node = &nodes[random_below(&random, COUNT_OF(nodes))];

        if (random_below(&random, 3) == 0)
            heap_remove(&heap, node);
        else
            heap_set(&heap, node, (int64_t)random_below(&random, 1000));
    }
    assert_true(heap.len > 50);
    while (heap_first(&heap)) {
        struct heap_node *first = heap_first(&heap);

        assert_true(first->due >= last);
        last = first->due;
        heap_remove(&heap, first);
        assert_int_equal(first->place, 0);
    }
    heap_fini(&heap);
}

static void id_map_agrees_with_an_array(void **state)
{
    struct random random = {11};
    static int values[300];
    static bool in[300];
    struct id_map map = {0};
    size_t at = 0;
    size_t want = 0;
    size_t found = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t i = (size_t)random_below(&random, COUNT_OF(values));
        int64_t id = (int64_t)(i + 1) << 40;

        assert_ptr_equal(id_map_find(&map, id), in[i] ? &values[i] : NULL);
        if (random_below(&random, 2) == 0) {
            id_map_put(&map, id, &values[i]);
            in[i] = true;
        } else {
            assert_ptr_equal(id_map_take(&map, id), in[i] ? &values[i] : NULL);
            in[i] = false;
        }
    }
    for (size_t i = 0; i < COUNT_OF(in); i++)
        want += in[i];
    while (id_map_next(&map, &at))
        found++;
    assert_int_equal(found, want);
    assert_int_equal(map.len, want);
    id_map_fini(&map);
}

static void hash_never_changes_because_ledgers_hold_it(void **state)
{
    (void)state;
    /* FNV-1a of "" is cbf29ce484222325, of "a" af63dc4c8601ec8c (published); then MurmurHash3's finaliser. */
    assert_true(hash_bytes(SLICE("")) == hash_mix(UINT64_C(0xcbf29ce484222325)));
    assert_true(hash_bytes(SLICE("a")) == hash_mix(UINT64_C(0xaf63dc4c8601ec8c)));
    assert_true(hash_mix(1) == UINT64_C(0xb456bcfc34c2cb2c));
}

static void printable_text_cannot_drive_a_terminal(void **state)
{
    struct buffer out = {0};

    (void)state;
    text_append_printable(&out, SLICE("a\x1b[31m\n\xc2\x9b\xe2\x80\xae" "b\xff\xc3\xa4"));
    assert_slice(buffer_slice(&out), "a\\x1b[31m\\x0a\\xc2\\x9b\\xe2\\x80\\xae" "b\\xff\xc3\xa4");
    buffer_fini(&out);
}

static void error_prefix_keeps_both_texts_and_never_overflows(void **state)
{
    struct error err;
    char long_text[3000];

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_false(error_set(&err, ERROR_CONFIG, "no %s", "name"));
    assert_false(error_prefix(&err, "file:%d", 3));
    assert_string_equal(err.text, "file:3: no name");
    error_set(&err, ERROR_CONFIG, "%s", long_text);
    error_prefix(&err, "%s", long_text);
    assert_true(strlen(err.text) < sizeof(err.text));
    assert_int_equal(error_exit_status(ERROR_CONFIG), 78);
}

static void buffer_prints_numbers_and_times(void **state)
{
    struct buffer b = {0};

    (void)state;
    buffer_append_i64(&b, INT64_MIN);
    buffer_append_byte(&b, ' ');
    buffer_append_u64(&b, UINT64_MAX);
    buffer_append_byte(&b, ' ');
    buffer_append_time(&b, INT64_C(1767225600123));
    assert_slice(buffer_slice(&b), "-9223372036854775808 18446744073709551615 2026-01-01T00:00:00.123Z");
    buffer_fini(&b);
}

struct kept_line {
    enum log_level level;
    char text[100];
};

static void keep_line(void *context, enum log_level level, const char *text)
{
    struct kept_line *kept = context;

    kept->level = level;
    snprintf(kept->text, sizeof(kept->text), "%s", text);
}

static void a_thread_can_have_its_lines_elsewhere(void **state)
{
    struct kept_line kept = {0};
    const struct log_sink sink = {keep_line, &kept};
    uint64_t warnings = log_count(LOG_WARNING);

    (void)state;
    assert_null(log_divert(&sink));
    log_warning("it fails", LOG_FIELDS(LOG_TEXT("cause", "a\nb"), LOG_INT("times", 3)));
    assert_int_equal(kept.level, LOG_WARNING);
    assert_string_equal(kept.text, "it fails cause=a\\x0ab times=3");
    assert_int_equal(log_count(LOG_WARNING), warnings);
    assert_ptr_equal(log_divert(NULL), &sink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_can_have_its_lines_elsewhere),
        cmocka_unit_test(sequence_numbers_compare_by_length_then_bytes),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(heap_gives_the_earliest_first_whatever_happens),
        cmocka_unit_test(id_map_agrees_with_an_array),
        cmocka_unit_test(hash_never_changes_because_ledgers_hold_it),
        cmocka_unit_test(printable_text_cannot_drive_a_terminal),
        cmocka_unit_test(error_prefix_keeps_both_texts_and_never_overflows),
        cmocka_unit_test(buffer_prints_numbers_and_times),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
