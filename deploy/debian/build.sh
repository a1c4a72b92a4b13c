#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a Debian package of what `make install` installs, for the release of Debian that it runs on. usage: build.sh VERSION BUILD-DIRECTORY (`make deb`)
set -euo pipefail

version=$1
out=$(realpath "$2")
architecture=$(dpkg --print-architecture)
root=$out/deb/root
package=$out/stream2sqs_${version}_$architecture.deb

command -v dpkg-shlibdeps >/dev/null || { echo "make deb: dpkg-shlibdeps is missing: apt-get install dpkg-dev" >&2; exit 1; }
rm -rf "$out/deb"
mkdir -p "$root/DEBIAN" "$out/deb/debian"
umask 022
make --no-print-directory install BUILD="$2" DESTDIR="$root" PREFIX=/usr >/dev/null

# Debian's places and habits
mkdir -p "$root/usr/share/zsh/vendor-completions" "$root/usr/share/doc/stream2sqs/examples"
mv "$root/usr/share/zsh/site-functions/_stream2sqs" "$root/usr/share/zsh/vendor-completions/"
rmdir "$root/usr/share/zsh/site-functions"
strip --strip-unneeded "$root/usr/bin/stream2sqs" "$root"/usr/lib/libstream2sqs.so.*.*
strip --strip-debug "$root/usr/lib/libstream2sqs.a"
gzip -9n "$root/usr/share/man/man1/stream2sqs.1"
install -m 0644 README.md "$root/usr/share/doc/stream2sqs/README.md"
gzip -9nc CHANGELOG.md >"$root/usr/share/doc/stream2sqs/changelog.gz"
install -m 0644 LICENSE "$root/usr/share/doc/stream2sqs/copyright"
install -m 0644 deploy/stream2sqs.example.yaml deploy/iam/read-one-stream.json deploy/prometheus/stream2sqs.rules.yaml "$root/usr/share/doc/stream2sqs/examples/"

# What it needs, as its libraries' packages say it
printf 'Source: stream2sqs\n\nPackage: stream2sqs\nArchitecture: any\n' >"$out/deb/debian/control"
depends=$(cd "$out/deb" && dpkg-shlibdeps -O root/usr/bin/stream2sqs root/usr/lib/libstream2sqs.so.*.* | sed -n 's/^shlibs:Depends=//p')
cat >"$root/DEBIAN/control" <<CONTROL
Package: stream2sqs
Version: $version
Architecture: $architecture
Maintainer: the stream2sqs authors <stream2sqs@localhost>
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Depends: $depends
Section: net
Priority: optional
Description: bridge from DynamoDB Streams to SQS queues, built in or Amazon's
 Each record of a table's stream becomes one message in each queue that is named;
 each delivery is kept in an SQLite ledger. It is also a durable SQS server.
CONTROL
printf '#!/bin/sh\nset -e\nif [ -d /run/systemd/system ]; then systemctl daemon-reload; fi\nldconfig\n' >"$root/DEBIAN/postinst"
cp "$root/DEBIAN/postinst" "$root/DEBIAN/postrm"
chmod 0755 "$root/DEBIAN/postinst" "$root/DEBIAN/postrm"
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
