/* SPDX-License-Identifier: Apache-2.0 */
#include "core/identity.h"

#include "base/random.h"
#include "store/ledger.h"

#include <stdio.h>

#define KEY_BYTES 16
#define MAC_BYTES 20
#define HANDLE_BYTES (1 + 8 + 4 + MAC_BYTES)
#define HANDLE_VERSION 1
#define WRAPPED_VERSION 2
#define WRAPPED_HEAD (1 + 8 + 8) /* version, queue, row; then the MAC, then the other server's handle */

static const unsigned char id_tail[8] = {'s', '2', 's', 'q', ' ', 'm', 's', 'g'};

static void load_key(struct database *db, const char *name, unsigned char *key, size_t bytes)
{
    if (ledger_meta_get(db, name, key, bytes))
        return;
    random_secret(key, bytes);
    ledger_meta_put(db, name, key, bytes);
}

void identity_init(struct identity *identity, struct database *db)
{
    unsigned char id_key[KEY_BYTES];
    unsigned char receipt_key[SHA256_BYTES];

    load_key(db, "id_key", id_key, sizeof(id_key));
    load_key(db, "receipt_key", receipt_key, sizeof(receipt_key));
    block_key_init(&identity->block, id_key);
    hmac_key_init(&identity->mac, slice_from((const char *)receipt_key, sizeof(receipt_key)));
    explicit_bzero(id_key, sizeof(id_key));
    explicit_bzero(receipt_key, sizeof(receipt_key));
}

void identity_fini(struct identity *identity)
{
    block_key_fini(&identity->block);
    hmac_key_fini(&identity->mac);
}

static void put_be(unsigned char *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t get_be(const unsigned char *in, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return value;
}

void message_id_encode(const struct identity *identity, int64_t row, char out[MESSAGE_ID_TEXT])
{
    unsigned char block[16];

    put_be(block, (uint64_t)row, 8);
    memcpy(block + 8, id_tail, sizeof(id_tail));
    block_encrypt(&identity->block, block, block);
    for (size_t i = 0; i < sizeof(block); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        hex_encode(&block[i], 1, out);
        out += 2;
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool message_id_decode(const struct identity *identity, struct slice text, int64_t *row)
{
    unsigned char block[16] = {0};
    int digits = 0;

    if (text.len != MESSAGE_ID_TEXT - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        int value = hex_value(text.ptr[i]);

        if (dash && text.ptr[i] == '-')
            continue;
        if (dash || value < 0)
            return false;
        block[digits / 2] = (unsigned char)(block[digits / 2] << 4 | value);
        digits++;
    }
    block_decrypt(&identity->block, block, block);
    if (memcmp(block + 8, id_tail, sizeof(id_tail)) != 0)
        return false;
    *row = (int64_t)get_be(block, 8);
    return *row > 0;
}

void receipt_handle_encode(const struct identity *identity, int64_t row, int64_t receive_number, char out[RECEIPT_HANDLE_TEXT])
{
    unsigned char bytes[HANDLE_BYTES - MAC_BYTES + SHA256_BYTES];
    struct buffer text = {0};

    bytes[0] = HANDLE_VERSION;
    put_be(bytes + 1, (uint64_t)row, 8);
    put_be(bytes + 9, (uint64_t)receive_number, 4);
    hmac_key_sign(&identity->mac, slice_from((const char *)bytes, 13), bytes + 13);
    base64_append(&text, slice_from((const char *)bytes, HANDLE_BYTES));
    memcpy(out, text.ptr, RECEIPT_HANDLE_TEXT);
    buffer_fini(&text);
}

bool receipt_handle_decode(const struct identity *identity, struct slice text, int64_t *row, int64_t *receive_number)
{
    unsigned char mac[SHA256_BYTES];
    struct buffer bytes = {0};
    bool genuine = false;

    if (text.len != RECEIPT_HANDLE_TEXT - 1 || !base64_decode(&bytes, text))
        goto out;
    if (bytes.len != HANDLE_BYTES || bytes.ptr[0] != HANDLE_VERSION)
        goto out;
    hmac_key_sign(&identity->mac, slice_from(bytes.ptr, 13), mac);
    genuine = equal_in_constant_time(slice_from((const char *)mac, MAC_BYTES), slice_from(bytes.ptr + 13, MAC_BYTES));
    *row = (int64_t)get_be((const unsigned char *)bytes.ptr + 1, 8);
    *receive_number = (int64_t)get_be((const unsigned char *)bytes.ptr + 9, 4);
out:
    buffer_fini(&bytes);
    return genuine;
}

static void wrapped_mac(const struct identity *identity, struct slice head, struct slice own, unsigned char mac[SHA256_BYTES])
{
    struct buffer text = {0};

    buffer_append(&text, head);
    buffer_append(&text, own);
    hmac_key_sign(&identity->mac, buffer_slice(&text), mac);
    buffer_fini(&text);
}

void receipt_handle_wrap(const struct identity *identity, int64_t queue, int64_t row, struct slice own, struct buffer *out)
{
    unsigned char head[WRAPPED_HEAD] = {WRAPPED_VERSION};
    unsigned char mac[SHA256_BYTES];
    struct buffer bytes = {0};

    put_be(head + 1, (uint64_t)queue, 8);
    put_be(head + 9, (uint64_t)row, 8);
    wrapped_mac(identity, slice_from((const char *)head, sizeof(head)), own, mac);
    buffer_append(&bytes, slice_from((const char *)head, sizeof(head)));
    buffer_append(&bytes, slice_from((const char *)mac, MAC_BYTES));
    buffer_append(&bytes, own);
    base64_append(out, buffer_slice(&bytes));
    buffer_fini(&bytes);
}

bool receipt_handle_unwrap(const struct identity *identity, struct slice text, int64_t queue, int64_t *row, struct buffer *own)
{
    unsigned char mac[SHA256_BYTES];
    struct buffer bytes = {0};
    struct slice rest;
    bool genuine = false;

    if (!base64_decode(&bytes, text) || bytes.len <= WRAPPED_HEAD + MAC_BYTES || bytes.ptr[0] != WRAPPED_VERSION)
        goto out;
    rest = slice_after(buffer_slice(&bytes), WRAPPED_HEAD + MAC_BYTES);
    wrapped_mac(identity, slice_from(bytes.ptr, WRAPPED_HEAD), rest, mac);
    genuine = equal_in_constant_time(slice_from((const char *)mac, MAC_BYTES), slice_from(bytes.ptr + WRAPPED_HEAD, MAC_BYTES)) &&
              (int64_t)get_be((const unsigned char *)bytes.ptr + 1, 8) == queue;
    if (genuine) {
        *row = (int64_t)get_be((const unsigned char *)bytes.ptr + 9, 8);
        buffer_append(own, rest);
    }
out:
    buffer_fini(&bytes);
    return genuine;
}
