#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need on Debian 12; says what it installs, and does nothing when all is there. `deps.sh build`: what building and the demo need.
set -euo pipefail

packages=(gcc make pkg-config libcurl4-openssl-dev libssl-dev libjansson-dev libsqlite3-dev libmicrohttpd-dev libgnutls28-dev libyaml-dev
    python3 python3-venv)
if [ "${1:-all}" != build ]; then
    packages+=(g++ libcmocka-dev openssl shellcheck strace zsh fish)
    # Debian's own clients, and a PHP framework's
    packages+=(awscli python3-boto3 php-cli php-curl php-xml php-async-aws-sqs php-symfony-amazon-sqs-messenger php-symfony-messenger php-symfony-http-client
        php-symfony-serializer php-symfony-property-access)
    # a newer Go than Debian's does, too
    command -v go >/dev/null || packages+=(golang-go)
    # a newer Node.js than Debian's does, too
    command -v npm >/dev/null || packages+=(nodejs npm)
    # fuzzing, with the address sanitizer
    packages+=(clang-19 libclang-rt-19-dev)
    # AWS's own matcher of event patterns is a Java library
    command -v javac >/dev/null || packages+=(default-jdk-headless)
    command -v mvn >/dev/null || packages+=(maven)
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "deps: not a Debian system; install what these packages hold: ${packages[*]}" >&2
    for tool in gcc make pkg-config python3; do command -v "$tool" >/dev/null || echo "deps: missing: $tool" >&2; done
    for library in libcurl libcrypto jansson sqlite3 libmicrohttpd gnutls yaml-0.1; do
        pkg-config --exists "$library" 2>/dev/null || { echo "deps: missing: $library" >&2; missing=1; }
    done
    exit "${missing:-0}"
fi

wanted=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || wanted+=("$package")
done
[ "${#wanted[@]}" -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "deps: missing, and neither root nor sudo here: ${wanted[*]}" >&2; exit 1; }
    as_root=(sudo)
fi
echo "deps: installing ${wanted[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
