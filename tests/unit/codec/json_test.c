/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/random.h"
#include "codec/json.h"

#include <jansson.h>
#include <stdlib.h>

static bool accepts(struct slice text)
{
    struct scanner j;

    scan_init(&j, text);
    scan_skip(&j);
    return scan_end(&j);
}

static void grammar_is_rfc_8259(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"{}", true}, {"[]", true}, {" [ 1 , 2 ] ", true}, {"{\"a\":{\"b\":[null,true,false]}}", true}, {"\"x\"", true}, {"-0", true},
        {"1e5", true}, {"-1.5E-3", true}, {"0.1", true}, {"\"\\u0000\\ud800\"", true}, {"\"\\/\"", true},
        {"", false}, {"{", false}, {"[1,]", false}, {"{\"a\":1,}", false}, {"{a:1}", false}, {"01", false}, {"1.", false}, {".5", false},
        {"+1", false}, {"1e", false}, {"nul", false}, {"tru", false}, {"[1 2]", false}, {"{\"a\" 1}", false}, {"\"\t\"", false},
        {"\"\\x\"", false}, {"\"\\u12g4\"", false}, {"\"\xff\"", false}, {"\"", false}, {"1 2", false}, {"{}x", false}, {"]", false},
        {"{\"a\"}", false}, {"[,1]", false}, {"{,}", false}, {"{1:2}", false}, {"'a'", false}, {"NaN", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (accepts(slice_text(cases[i].text)) != cases[i].want)
            fail_msg("%s: want %s", cases[i].text, cases[i].want ? "accepted" : "refused");
}

static void depth_is_bounded(void **state)
{
    char text[2 * SCAN_DEPTH_MAX + 2];

    (void)state;
    for (size_t depth = SCAN_DEPTH_MAX; depth <= SCAN_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        if (2 * depth > sizeof(text))
            break;
        assert_int_equal(accepts(slice_from(text, 2 * depth)), depth <= SCAN_DEPTH_MAX);
    }
}

static void strings_decode_and_encode(void **state)
{
    static const struct {
        const char *raw;
        struct slice want;
    } cases[] = {
        {"plain", {"plain", 5}},
        {"a\\n\\\"\\\\\\/\\u0041", {"a\n\"\\/A", 6}},
        {"\\u20ac\\ud83d\\ude00", {"\xe2\x82\xac\xf0\x9f\x98\x80", 7}},
        {"\\u0000x", {"\0x", 2}},
    };
    struct buffer out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buffer_reset(&out);
        assert_true(json_unescape(&out, slice_text(cases[i].raw)));
        assert_int_equal(out.len, cases[i].want.len);
        assert_memory_equal(out.ptr, cases[i].want.ptr, out.len);
    }
    buffer_reset(&out);
    assert_false(json_unescape(&out, SLICE("a\\ud800b")));
    assert_slice(buffer_slice(&out), "a\xef\xbf\xbd" "b");
    buffer_reset(&out);
    json_append_string(&out, slice_from("q\"b\\c\x01\n\t\xc3\xa4 and a longer tail \x1f", 30));
    assert_slice(buffer_slice(&out), "\"q\\\"b\\\\c\\u0001\\n\\t\xc3\xa4 and a longer tail \\u001f\"");
    buffer_fini(&out);
}

/* What was escaped comes back, and is what jansson reads; longer than the pieces that are written at once. */
static void strings_of_any_length_survive(void **state)
{
    static const char *const pieces[] = {"a", "\"", "\\", "\n", "\x01", "\x1f", "\x7f", "\xc3\xa4", "\xf0\x9f\x98\x80", "plain text of some length", "/"};
    struct random random = {11};
    struct buffer text = {0};
    struct buffer escaped = {0};
    struct buffer back = {0};

    (void)state;
    for (int round = 0; round < 2000; round++) {
        size_t count = (size_t)random_below(&random, round % 20 == 0 ? 3000 : 40);
        json_t *document;

        buffer_reset(&text);
        buffer_reset(&escaped);
        buffer_reset(&back);
        for (size_t i = 0; i < count; i++)
            buffer_append_text(&text, pieces[random_below(&random, COUNT_OF(pieces))]);
        json_append_string(&escaped, buffer_slice(&text));
        assert_int_equal(escaped.len, strlen(escaped.ptr));
        document = json_loadb(escaped.ptr, escaped.len, JSON_DECODE_ANY, NULL);
        assert_non_null(document);
        assert_int_equal(json_string_length(document), text.len);
        assert_memory_equal(json_string_value(document), text.ptr ? text.ptr : "", text.len);
        json_decref(document);
        assert_true(json_unescape(&back, slice_from(escaped.ptr + 1, escaped.len - 2)));
        assert_true(slice_equal(buffer_slice(&back), buffer_slice(&text)));
    }
    buffer_fini(&text);
    buffer_fini(&escaped);
    buffer_fini(&back);
}

/* Mutates valid documents; jansson is the oracle for whether the result is JSON. */
static void agrees_with_jansson_on_mutated_documents(void **state)
{
    static const char *const seeds[] = {
        "{\"Records\":[{\"eventID\":\"1\",\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":\"a\\u00e4\"}},\"N\":-1.5e+3}}],\"NextShardIterator\":null}",
        "[[],{},\"\\ud83d\\ude00\",0,-0.0,1e9,true,false,null,{\"a\":[1,2,{\"b\":\"\xc3\xa4\"}]}]",
    };
    static const char bytes[] = "{}[]\",:0123456789.eE+-\\ntfu \x01\x80\xc3";
    struct random random = {3};
    int accepted = 0;

    (void)state;
    for (int round = 0; round < 40000; round++) {
        const char *seed = seeds[random_below(&random, COUNT_OF(seeds))];
        size_t len = strlen(seed);
        char *text = malloc(len); /* exactly its size, so that a sanitizer sees a step too far */
        json_t *tree;
        bool found;

        memcpy(text, seed, len);
        for (uint64_t n = random_below(&random, 3); n > 0; n--)
            text[random_below(&random, len)] = bytes[random_below(&random, sizeof(bytes) - 1)];
        found = accepts(slice_from(text, len));
        tree = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        /* jansson refuses two things that are JSON: lone surrogate escapes, and numbers out of a double's range */
        if (tree && !found)
            fail_msg("refused, but jansson takes it: %.*s", (int)len, text);
        if (!tree && found && !memmem(text, len, "\\u", 2) && !memmem(text, len, "e", 1) && !memmem(text, len, "E", 1))
            fail_msg("accepted, but jansson refuses it: %.*s", (int)len, text);
        accepted += found;
        json_decref(tree);
        free(text);
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar_is_rfc_8259),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(strings_decode_and_encode),
        cmocka_unit_test(strings_of_any_length_survive),
        cmocka_unit_test(agrees_with_jansson_on_mutated_documents),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
