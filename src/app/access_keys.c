/* SPDX-License-Identifier: Apache-2.0 */
#include "app/access_keys.h"

#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64 * 1024)

/* What follows the secret: NAME=VALUE words. One that is not understood must not open a door: it is an error. */
static bool read_limits(struct access_key_limits *limits, struct slice rest, struct error *err)
{
    *limits = (struct access_key_limits){0};
    for (rest = slice_trim(rest); rest.len > 0; rest = slice_trim(rest)) {
        struct slice word = slice_from(rest.ptr, slice_index(rest, ' '));
        struct slice name = slice_from(word.ptr, slice_index(word, '='));
        struct slice *field = slice_is(name, "account")   ? &limits->account
                              : slice_is(name, "queues")  ? &limits->queues
                              : slice_is(name, "actions") ? &limits->actions
                                                          : NULL;

        /* the word itself is not shown: it may be the rest of a secret */
        if (field == NULL || name.len == word.len)
            return error_set(err, ERROR_CREDENTIALS, "after the secret there may be account=, queues= and actions=, nothing else");
        if (slice_present(*field))
            return error_set(err, ERROR_CREDENTIALS, "%.*s= stands here twice", SLICE_ARG(name));
        *field = slice_after(word, name.len + 1);
        rest = slice_after(rest, word.len);
    }
    return access_key_limits_valid(limits, err);
}

static bool line_add(struct keyring *ring, struct slice line, const char *path, int number, struct error *err)
{
    size_t colon = slice_index(line, ':');
    struct slice id = slice_trim(slice_from(line.ptr, colon));
    struct slice rest = slice_trim(slice_after(line, colon + 1));
    struct slice secret = slice_from(rest.ptr, slice_index(rest, ' '));
    struct access_key_limits limits;
    struct error why;

    if (line.len == 0 || line.ptr[0] == '#')
        return true;
    if (colon == line.len || id.len < 3 || id.len > 128 || secret.len < 8 || secret.len > 256)
        return error_set(err, ERROR_CREDENTIALS, "%s, line %d: wanted ACCESS_KEY_ID:SECRET (3 to 128 and 8 to 256 characters)", path, number);
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] < ' ' || line.ptr[i] > '~' || (i < colon && line.ptr[i] == '/'))
            return error_set(err, ERROR_CREDENTIALS, "%s, line %d: a character that cannot be in an access key", path, number);
    if (!read_limits(&limits, slice_after(rest, secret.len), &why))
        return error_set(err, ERROR_CREDENTIALS, "%s, line %d: %s", path, number, why.text);
    keyring_add_limited(ring, id, secret, &limits);
    return true;
}

bool access_keys_parse(struct keyring *ring, struct slice rest, const char *path, struct error *err)
{
    for (int number = 1; rest.len > 0; number++) {
        size_t n = slice_index(rest, '\n');

        if (!line_add(ring, slice_trim(slice_from(rest.ptr, n)), path, number, err))
            return false;
        rest = slice_after(rest, n + 1);
    }
    return keyring_count(ring) > 0 || error_set(err, ERROR_CREDENTIALS, "%s has no access key in it: wanted lines of ACCESS_KEY_ID:SECRET", path);
}

static bool read_fd(struct keyring *ring, int fd, const char *path, struct error *err)
{
    char text[FILE_MAX];
    struct stat info;
    ssize_t n;
    bool good;

    if (fstat(fd, &info) != 0)
        return error_set(err, ERROR_CREDENTIALS, "cannot read %s: %s", path, strerror(errno));
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(err, ERROR_CREDENTIALS, "%s can be read by others than its owner: chmod 600 %s", path, path);
    n = read(fd, text, sizeof(text));
    if (n < 0 || n == (ssize_t)sizeof(text))
        good = error_set(err, ERROR_CREDENTIALS, "cannot read %s: %s", path, n < 0 ? strerror(errno) : "it is too long for a file of access keys");
    else
        good = access_keys_parse(ring, slice_from(text, (size_t)n), path, err);
    explicit_bzero(text, sizeof(text));
    return good;
}

bool access_keys_read(struct keyring *ring, const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good;

    if (fd < 0)
        return error_set(err, ERROR_CREDENTIALS, "cannot read the access keys in %s: %s", path, strerror(errno));
    good = read_fd(ring, fd, path, err);
    close(fd);
    return good;
}

/* In AWS's form: 20 characters beginning with AKIA, and 40 of a secret. */
static size_t make_line(char line[80])
{
    static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const char any[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    unsigned char bytes[56];
    size_t len = 4;

    random_secret(bytes, sizeof(bytes));
    memcpy(line, "AKIA", 4);
    for (size_t i = 0; i < 16; i++)
        line[len++] = upper[bytes[i] & 31];
    line[len++] = ':';
    for (size_t i = 16; i < 56; i++)
        line[len++] = any[bytes[i] & 63];
    line[len++] = '\n';
    explicit_bzero(bytes, sizeof(bytes));
    return len;
}

/* Root, trying something by hand, must not lock the service's own user out. */
static void give_to_owner_of(int fd, const char *beside)
{
    struct stat other;

    if (geteuid() == 0 && stat(beside, &other) == 0 && fchown(fd, other.st_uid, other.st_gid) != 0) {
        /* then it stays root's: the one who made it can read it */
    }
}

bool access_keys_read_or_make(struct keyring *ring, const char *path, const char *beside, bool *made, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    char line[80];
    size_t len;
    bool written;

    *made = fd >= 0;
    if (fd < 0 && errno != EEXIST)
        return error_set(err, ERROR_CREDENTIALS, "cannot make a file of access keys at %s: %s; give one with --access-keys-file", path, strerror(errno));
    if (fd >= 0) {
        give_to_owner_of(fd, beside);
        len = make_line(line);
        written = write(fd, line, len) == (ssize_t)len && fsync(fd) == 0;
        explicit_bzero(line, sizeof(line));
        close(fd);
        if (!written) {
            unlink(path);
            return error_set(err, ERROR_CREDENTIALS, "cannot write an access key to %s: %s", path, strerror(errno));
        }
    }
    return access_keys_read(ring, path, err);
}
