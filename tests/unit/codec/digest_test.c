/* SPDX-License-Identifier: Apache-2.0 */
#include "support/digests.h"
#include "support/test.h"

#include "codec/digest.h"

static void assert_hex(const unsigned char *bytes, size_t count, const char *want)
{
    char hex[129];

    hex_encode(bytes, count, hex);
    assert_string_equal(hex, want);
}

static void digests_match_published_values(void **state)
{
    unsigned char out[32];

    (void)state;
    sha256(SLICE("abc"), out); /* FIPS 180-2 */
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    md5(SLICE("abc"), out); /* RFC 1321 */
    assert_hex(out, 16, "900150983cd24fb0d6963f7d28e17f72");
    hmac_sha256(SLICE("Jefe"), SLICE("what do ya want for nothing?"), out); /* RFC 4231, case 2 */
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_int_equal(crc32_of(SLICE("123456789")), 0xcbf43926); /* the check value of CRC-32 */
    assert_int_equal(crc32_of(SLICE("")), 0);
}

/* By its definition (ISO 3309): bit by bit, the polynomial reflected. */
static uint32_t crc32_by_bits(const unsigned char *p, size_t len)
{
    uint32_t c = UINT32_MAX;

    for (; len > 0; len--) {
        c ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? UINT32_C(0xedb88320) ^ (c >> 1) : c >> 1;
    }
    return ~c;
}

static void a_crc_is_right_for_every_length_and_alignment(void **state)
{
    unsigned char bytes[16 + 100];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * i * 31 + i * 7 + 128);
    for (size_t at = 0; at < 16; at++)
        for (size_t len = 0; len <= 100; len++)
            if (crc32_of(slice_from((const char *)bytes + at, len)) != crc32_by_bits(bytes + at, len))
                fail_msg("%zu bytes from the %zuth on", len, at);
}

static void hmac_key_can_be_used_again(void **state)
{
    struct hmac_key key;
    unsigned char out[32];
    unsigned char again[32];
    char long_secret[131];

    (void)state;
    memset(long_secret, 0xaa, sizeof(long_secret));
    hmac_key_init(&key, slice_from(long_secret, sizeof(long_secret)));
    hmac_key_sign(&key, SLICE("Test Using Larger Than Block-Size Key - Hash Key First"), out); /* RFC 4231, case 6 */
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_key_sign(&key, SLICE("Test Using Larger Than Block-Size Key - Hash Key First"), again);
    assert_memory_equal(out, again, 32);
    hmac_key_fini(&key);
}

static void blocks_turn_and_turn_back(void **state)
{
    static const unsigned char secret[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static const unsigned char in[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    struct block_key key;
    unsigned char out[16];
    unsigned char back[16];

    (void)state;
    block_key_init(&key, secret);
    block_encrypt(&key, in, out); /* FIPS 197, appendix C.1 */
    assert_hex(out, 16, "69c4e0d86a7b0430d8cdb78070b4c55a");
    block_decrypt(&key, out, back);
    assert_memory_equal(back, in, 16);
    block_key_fini(&key);
}

static void base64_is_strict(void **state)
{
    static const struct {
        const char *plain;
        const char *text;
    } good[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}}; /* RFC 4648 */
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm-_"};
    struct buffer out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        buffer_reset(&out);
        base64_append(&out, slice_text(good[i].plain));
        assert_slice(buffer_slice(&out), good[i].text);
        buffer_reset(&out);
        assert_true(base64_decode(&out, slice_text(good[i].text)));
        assert_slice(buffer_slice(&out), good[i].plain);
    }
    for (int c = 1; c < 256; c++) {
        bool digit = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", c) != NULL;

        buffer_reset(&out);
        assert_int_equal(base64_decode(&out, slice_from((char[]){'A', (char)c, 'A', 'A'}, 4)), digit);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        buffer_reset(&out);
        if (base64_decode(&out, slice_text(bad[i])) || out.len > 0)
            fail_msg("%s was taken", bad[i]);
    }
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_published_values),
        cmocka_unit_test(a_crc_is_right_for_every_length_and_alignment),
        cmocka_unit_test(hmac_key_can_be_used_again),
        cmocka_unit_test(blocks_turn_and_turn_back),
        cmocka_unit_test(base64_is_strict),
    };

    return cmocka_run_group_tests_name("digest", tests, digests_setup, digests_teardown);
}
