/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static void *checked(void *memory)
{
    static const char message[] = "stream2sqs: out of memory: stopped; nothing unconfirmed was reported as done\n";

    if (memory == NULL) {
        ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);

        (void)ignored;
        _exit(EX_OSERR);
    }
    return memory;
}

void *memory_alloc(size_t bytes)
{
    return checked(malloc(bytes ? bytes : 1));
}

void *memory_zeroed(size_t count, size_t bytes)
{
    return checked(calloc(count ? count : 1, bytes ? bytes : 1));
}

void *memory_resize(void *old, size_t bytes)
{
    return checked(realloc(old, bytes ? bytes : 1));
}

char *memory_strdup(const char *text)
{
    return text ? checked(strdup(text)) : NULL;
}

void panic_at(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "stream2sqs: bug at %s:%d: ", file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}
