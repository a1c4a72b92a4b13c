/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum error_class class;
    int exit_status;
    const char *name;
} errors[] = {
#define ERROR_ROW(code, class, exit_status, name) [ERROR_##code] = {class, exit_status, name},
    ERROR_LIST(ERROR_ROW)
#undef ERROR_ROW
};

bool error_set(struct error *err, enum error_code code, const char *format, ...)
{
    va_list arguments;

    if (err == NULL)
        return false;
    err->code = code;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    return false;
}

bool error_prefix(struct error *err, const char *format, ...)
{
    char rest[sizeof(err->text)];
    va_list arguments;
    size_t len;

    if (err == NULL)
        return false;
    memcpy(rest, err->text, sizeof(rest));
    va_start(arguments, format);
    vsnprintf(err->text, sizeof(err->text) - 2, format, arguments);
    va_end(arguments);
    len = strlen(err->text);
    memcpy(err->text + len, ": ", 2);
    len += 2;
    memccpy(err->text + len, rest, '\0', sizeof(err->text) - len);
    err->text[sizeof(err->text) - 1] = '\0';
    return false;
}

enum error_class error_class(enum error_code code)
{
    return errors[code].class;
}

int error_exit_status(enum error_code code)
{
    return errors[code].exit_status;
}

const char *error_name(enum error_code code)
{
    return errors[code].name;
}
