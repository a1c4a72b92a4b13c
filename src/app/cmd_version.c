/* SPDX-License-Identifier: Apache-2.0 */
#include "app/command.h"

#include <curl/curl.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>

static int run(struct invocation *in)
{
    if (in->json)
        printf("{\"version\":\"%s\",\"sqlite\":\"%s\",\"libcurl\":\"%s\",\"openssl\":\"%s\",\"libmicrohttpd\":\"%s\"}\n", S2Q_VERSION, sqlite3_libversion(),
               curl_version_info(CURLVERSION_NOW)->version, OpenSSL_version(OPENSSL_VERSION_STRING), MHD_get_version());
    else
        printf("stream2sqs %s (SQLite %s, libcurl %s, OpenSSL %s, libmicrohttpd %s)\n", S2Q_VERSION, sqlite3_libversion(),
               curl_version_info(CURLVERSION_NOW)->version, OpenSSL_version(OPENSSL_VERSION_STRING), MHD_get_version());
    return 0;
}

const struct command cmd_version = {
    .name = "version",
    .arguments = "",
    .summary = "say which version this is",
    .help = "Says the version, and those of the libraries that it runs with.\n\n  stream2sqs version --json",
    .run = run,
};
