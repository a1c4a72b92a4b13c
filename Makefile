# SPDX-License-Identifier: Apache-2.0
# `make help` lists what there is.

BUILD ?= build
CC ?= gcc
V ?= 0
PREFIX ?= /usr/local
VERSION := 0.1.0

ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-print-directory
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' '$(1)' '$(2)')

PACKAGES := libcurl libcrypto libssl jansson sqlite3 libmicrohttpd gnutls yaml-0.1
OPTIMISE ?= -O2 -g
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla $(if $(CI),-Werror)
HARDEN ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero
CFLAGS_ALL = -std=c17 -D_GNU_SOURCE -DS2Q_VERSION='"$(VERSION)"' -Isrc -Iinclude $(OPTIMISE) $(WARNINGS) $(HARDEN) -fPIE -fvisibility=hidden $(EXTRA_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now $(EXTRA_LDFLAGS) $(LDFLAGS)
LIBS = $(shell pkg-config --libs $(PACKAGES)) -lpthread -lm

LAYERS := base codec io store core aws serve app
SOURCES := $(filter-out src/app/main.c,$(foreach l,$(LAYERS),$(wildcard src/$(l)/*.c)))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
SUPPORT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*/*_test.c tests/pitfalls/*_test.c tests/golden/*_test.c tests/model/*_test.c))

.PHONY: all help
all: $(BUILD)/stream2sqs ## build

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

include tests/tests.mk

$(BUILD)/stream2sqs: $(BUILD)/src/app/main.o $(BUILD)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/libcore.a: $(OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests -MMD -MP -c -o $@ $<

.PHONY: install
install: all ## binary, manual page, completions, systemd unit: PREFIX, DESTDIR
	install -D -m 0755 $(BUILD)/stream2sqs $(DESTDIR)$(PREFIX)/bin/stream2sqs
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(BUILD)/stream2sqs man >$(DESTDIR)$(PREFIX)/share/man/man1/stream2sqs.1
	$(BUILD)/stream2sqs completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/stream2sqs
	$(BUILD)/stream2sqs completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_stream2sqs
	$(BUILD)/stream2sqs completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/stream2sqs.fish
	sed 's|/usr/local/bin|$(PREFIX)/bin|' deploy/systemd/stream2sqs.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/stream2sqs.service

.PHONY: clean
clean: ## remove what was built
	$(Q)rm -rf $(BUILD) build build-*

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
