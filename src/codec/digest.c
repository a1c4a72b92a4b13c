/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/digest.h"

#include "base/memory.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

static _Thread_local struct {
    EVP_MD *sha256;
    EVP_MD *md5;
    EVP_CIPHER *aes;
    EVP_MD_CTX *sha256_state; /* one each: OpenSSL frees and allocates when a state changes its algorithm, a microsecond each time */
    EVP_MD_CTX *md5_state;
} digests;

#define CRC_STEP 16 /* bytes at once */
static uint32_t crc_table[CRC_STEP][256]; /* of all threads */
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

/* crc[k][b]: the CRC of byte b followed by k zero bytes. */
static void make_crc_table(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;

        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? UINT32_C(0xedb88320) ^ (c >> 1) : c >> 1;
        crc_table[0][b] = c;
    }
    for (uint32_t b = 0; b < 256; b++)
        for (int k = 1; k < CRC_STEP; k++)
            crc_table[k][b] = (crc_table[k - 1][b] >> 8) ^ crc_table[0][crc_table[k - 1][b] & 0xff];
}

void digest_init(void)
{
    if (digests.sha256_state)
        return;
    digests.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    digests.md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    digests.aes = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    digests.sha256_state = EVP_MD_CTX_new();
    digests.md5_state = EVP_MD_CTX_new();
    if (!digests.sha256 || !digests.md5 || !digests.aes || !digests.sha256_state || !digests.md5_state)
        panic("OpenSSL lacks SHA-256, MD5 or AES-128 (a FIPS-only configuration has no MD5, which SQS needs)");
}

void digest_fini(void)
{
    EVP_MD_free(digests.sha256);
    EVP_MD_free(digests.md5);
    EVP_CIPHER_free(digests.aes);
    EVP_MD_CTX_free(digests.sha256_state);
    EVP_MD_CTX_free(digests.md5_state);
    digests.sha256 = digests.md5 = NULL;
    digests.aes = NULL;
    digests.sha256_state = digests.md5_state = NULL;
}

static void must(int ok)
{
    if (!ok)
        panic("OpenSSL refused a digest");
}

static void digest(EVP_MD_CTX *state, const EVP_MD *algorithm, struct slice data, unsigned char *out)
{
    must(EVP_DigestInit_ex2(state, algorithm, NULL) && EVP_DigestUpdate(state, data.ptr, data.len) && EVP_DigestFinal_ex(state, out, NULL));
}

void sha256(struct slice data, unsigned char out[SHA256_BYTES])
{
    digest(digests.sha256_state, digests.sha256, data, out);
}

void md5(struct slice data, unsigned char out[MD5_BYTES])
{
    digest(digests.md5_state, digests.md5, data, out);
}

void sha1(struct slice data, unsigned char out[SHA1_BYTES])
{
    must(EVP_Digest(data.ptr, data.len, out, NULL, EVP_sha1(), NULL));
}

/* ---- HMAC (RFC 2104) with its two states computed ahead ---- */

#define HMAC_BLOCK 64

static void *padded_state(const unsigned char key[HMAC_BLOCK], unsigned char pad)
{
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    unsigned char block[HMAC_BLOCK];

    for (int i = 0; i < HMAC_BLOCK; i++)
        block[i] = key[i] ^ pad;
    must(state && EVP_DigestInit_ex2(state, digests.sha256, NULL) && EVP_DigestUpdate(state, block, sizeof(block)));
    OPENSSL_cleanse(block, sizeof(block));
    return state;
}

void hmac_key_init(struct hmac_key *key, struct slice secret)
{
    unsigned char block[HMAC_BLOCK] = {0};

    if (secret.len > HMAC_BLOCK)
        sha256(secret, block);
    else if (secret.len > 0)
        memcpy(block, secret.ptr, secret.len);
    key->inner = padded_state(block, 0x36);
    key->outer = padded_state(block, 0x5c);
    OPENSSL_cleanse(block, sizeof(block));
}

void hmac_key_fini(struct hmac_key *key)
{
    EVP_MD_CTX_free(key->inner); /* OpenSSL wipes the state */
    EVP_MD_CTX_free(key->outer);
    *key = (struct hmac_key){0};
}

void hmac_key_sign(const struct hmac_key *key, struct slice data, unsigned char out[SHA256_BYTES])
{
    unsigned char inner[SHA256_BYTES];

    must(EVP_MD_CTX_copy_ex(digests.sha256_state, key->inner) && EVP_DigestUpdate(digests.sha256_state, data.ptr, data.len) &&
         EVP_DigestFinal_ex(digests.sha256_state, inner, NULL));
    must(EVP_MD_CTX_copy_ex(digests.sha256_state, key->outer) && EVP_DigestUpdate(digests.sha256_state, inner, sizeof(inner)) &&
         EVP_DigestFinal_ex(digests.sha256_state, out, NULL));
}

void hmac_sha256(struct slice secret, struct slice data, unsigned char out[SHA256_BYTES])
{
    struct hmac_key key;

    hmac_key_init(&key, secret);
    hmac_key_sign(&key, data, out);
    hmac_key_fini(&key);
}

/* ---- CRC-32 ---- */

uint32_t crc32_of(struct slice data)
{
    const unsigned char *p = (const unsigned char *)data.ptr;
    size_t len = data.len;
    uint32_t c = UINT32_MAX;

    pthread_once(&crc_once, make_crc_table);
    for (; len >= CRC_STEP; len -= CRC_STEP, p += CRC_STEP) {
        uint32_t low = c ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);

        c = crc_table[15][low & 0xff] ^ crc_table[14][(low >> 8) & 0xff] ^ crc_table[13][(low >> 16) & 0xff] ^ crc_table[12][low >> 24] ^
            crc_table[11][p[4]] ^ crc_table[10][p[5]] ^ crc_table[9][p[6]] ^ crc_table[8][p[7]] ^ crc_table[7][p[8]] ^ crc_table[6][p[9]] ^
            crc_table[5][p[10]] ^ crc_table[4][p[11]] ^ crc_table[3][p[12]] ^ crc_table[2][p[13]] ^ crc_table[1][p[14]] ^ crc_table[0][p[15]];
    }
    while (len-- > 0)
        c = crc_table[0][(c ^ *p++) & 0xff] ^ (c >> 8);
    return ~c;
}

/* ---- one AES block ---- */

static void *block_state(const unsigned char secret[16], int encrypt)
{
    EVP_CIPHER_CTX *state = EVP_CIPHER_CTX_new();

    must(state && EVP_CipherInit_ex2(state, digests.aes, secret, NULL, encrypt, NULL) && EVP_CIPHER_CTX_set_padding(state, 0));
    return state;
}

void block_key_init(struct block_key *key, const unsigned char secret[16])
{
    key->encrypt = block_state(secret, 1);
    key->decrypt = block_state(secret, 0);
}

void block_key_fini(struct block_key *key)
{
    EVP_CIPHER_CTX_free(key->encrypt);
    EVP_CIPHER_CTX_free(key->decrypt);
    *key = (struct block_key){0};
}

static void crypt_block(void *state, const unsigned char in[16], unsigned char out[16])
{
    int written = 0;

    must(EVP_CipherUpdate(state, out, &written, in, 16) && written == 16);
}

void block_encrypt(const struct block_key *key, const unsigned char in[16], unsigned char out[16])
{
    crypt_block(key->encrypt, in, out);
}

void block_decrypt(const struct block_key *key, const unsigned char in[16], unsigned char out[16])
{
    crypt_block(key->decrypt, in, out);
}

/* ---- encodings ---- */

void hex_encode(const void *data, size_t bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;

    for (size_t i = 0; i < bytes; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * bytes] = '\0';
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_append(struct buffer *out, struct slice data)
{
    const unsigned char *p = (const unsigned char *)data.ptr;

    buffer_reserve(out, (data.len + 2) / 3 * 4);
    for (size_t i = 0; i < data.len; i += 3) {
        size_t rest = data.len - i;
        uint32_t word = (uint32_t)p[i] << 16 | (rest > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (rest > 2 ? p[i + 2] : 0);
        char four[4] = {base64_digits[word >> 18], base64_digits[(word >> 12) & 63], base64_digits[(word >> 6) & 63], base64_digits[word & 63]};

        if (rest < 3)
            four[3] = '=';
        if (rest < 2)
            four[2] = '=';
        buffer_append(out, slice_from(four, 4));
    }
}

static signed char base64_values[256]; /* of all threads; -1: no digit */
static pthread_once_t base64_once = PTHREAD_ONCE_INIT;

static void make_base64_values(void)
{
    memset(base64_values, -1, sizeof(base64_values));
    for (int i = 0; i < 64; i++)
        base64_values[(unsigned char)base64_digits[i]] = (signed char)i;
}

/* Decodes one group of four, the last with padding; returns the bytes, 0: malformed. */
static size_t base64_group(const char four[4], bool last, char out[3])
{
    int digits = 4;
    uint32_t word = 0;

    while (last && digits > 2 && four[digits - 1] == '=')
        digits--;
    for (int i = 0; i < 4; i++) {
        int value = i < digits ? base64_values[(unsigned char)four[i]] : 0;

        if (value < 0)
            return 0;
        word = word << 6 | (uint32_t)value;
    }
    if ((digits == 2 && (word & 0xffff)) || (digits == 3 && (word & 0xff)))
        return 0;
    out[0] = (char)(word >> 16);
    out[1] = (char)(word >> 8);
    out[2] = (char)word;
    return (size_t)digits - 1;
}

bool base64_decode(struct buffer *out, struct slice text)
{
    char *to;

    if (text.len % 4 != 0)
        return false;
    pthread_once(&base64_once, make_base64_values);
    buffer_reserve(out, text.len / 4 * 3);
    to = out->ptr + out->len;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t bytes = base64_group(text.ptr + i, i + 4 == text.len, to);

        if (bytes == 0) {
            out->ptr[out->len] = '\0';
            return false;
        }
        to += bytes;
    }
    out->len = (size_t)(to - out->ptr);
    out->ptr[out->len] = '\0';
    return true;
}

bool equal_in_constant_time(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}
