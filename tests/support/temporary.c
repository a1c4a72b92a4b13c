/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temporary.h"

#include "base/memory.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int temporary_setup(void **state)
{
    const char *parent = getenv("TMPDIR");
    char *name = memory_alloc(4096);

    snprintf(name, 4096, "%s/stream2sqs-test-XXXXXX", parent ? parent : "/tmp");
    *state = name;
    return mkdtemp(name) ? 0 : -1;
}

const char *temporary_path(void **state, const char *name)
{
    static char path[8192];

    snprintf(path, sizeof(path), "%s/%s", (const char *)*state, name);
    return path;
}

int temporary_teardown(void **state)
{
    DIR *directory = opendir(*state);
    struct dirent *entry;

    while (directory && (entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(temporary_path(state, entry->d_name));
    if (directory)
        closedir(directory);
    rmdir(*state);
    free(*state);
    return 0;
}
