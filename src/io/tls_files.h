/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_files: the certificate and key that a server shows, from PEM files that can be read again while it runs. (By GnuTLS, of which libmicrohttpd makes
 * its TLS.)
 */
#ifndef S2Q_IO_TLS_FILES_H
#define S2Q_IO_TLS_FILES_H

#include "base/error.h"

#include <stdint.h>

struct tls_files;
/* certificate: the chain, the server's own first; key: its key, readable by nobody else. False: *err says which file, and why. */
struct tls_files *tls_files_new(const char *certificate, const char *key, struct error *err);
void tls_files_free(struct tls_files *t);
/* Reads both again, to be shown from tls_files_take on. False: *err. */
MUST_USE bool tls_files_read(struct tls_files *t, struct error *err);
/* Handshakes that have begun end with what they began with. True: the certificate is another one than before. */
bool tls_files_take(struct tls_files *t);
/* When the certificate ends, in s since 1970. */
int64_t tls_files_expire_s(const struct tls_files *t);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK, which has no context of its own: the files that were made last. */
void *tls_files_callback(void);

#endif
