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
HARDEN ?= -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero
CFLAGS_ALL = -std=c17 -D_GNU_SOURCE -DS2Q_VERSION='"$(VERSION)"' -Isrc -Iinclude $(OPTIMISE) $(WARNINGS) $(HARDEN) -fPIE -fvisibility=hidden $(EXTRA_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now $(EXTRA_LDFLAGS) $(LDFLAGS)
LIBS = $(shell pkg-config --libs $(PACKAGES)) -lpthread -lm

LAYERS := base codec io store core aws consumer serve app
SOURCES := $(filter-out src/app/main.c,$(foreach l,$(LAYERS),$(wildcard src/$(l)/*.c)))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
SUPPORT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*/*_test.c tests/pitfalls/*_test.c tests/golden/*_test.c tests/model/*_test.c))

# The consumer library: only what it needs of the layers below, position-independent.
LIBRARY_SOURCES := $(wildcard src/base/*.c src/codec/*.c src/aws/*.c src/consumer/*.c) $(addprefix src/,io/loop.c io/http_client.c io/subprocess.c core/target.c core/stream_call.c)
LIBRARY_PACKAGES := libcurl libcrypto
LIBRARY_OBJECTS := $(LIBRARY_SOURCES:%.c=$(BUILD)/pic/%.o)
SONAME := libstream2sqs.so.0

.PHONY: all help library
all: $(BUILD)/stream2sqs library ## build

library: $(BUILD)/libstream2sqs.a $(BUILD)/libstream2sqs.so ## the C consumer library alone

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

include tests/tests.mk

$(BUILD)/stream2sqs: $(BUILD)/src/app/main.o $(BUILD)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/libcore.a: $(OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/pic/%.o: %.c Makefile
	$(call say,CC,$< (library))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -fPIE,$(CFLAGS_ALL)) -fPIC -ffunction-sections -fdata-sections -MMD -MP -c -o $@ $<

# One object, in which all but s2q_* is local.
$(BUILD)/libstream2sqs.a: $(LIBRARY_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ $(BUILD)/pic/all.a && ar rcs $(BUILD)/pic/all.a $(LIBRARY_OBJECTS)
	$(Q)$(LD) -r -o $(BUILD)/pic/stream2sqs.o $(filter $(BUILD)/pic/src/consumer/%,$(LIBRARY_OBJECTS)) $(BUILD)/pic/all.a
	$(Q)objcopy --localize-hidden $(BUILD)/pic/stream2sqs.o && ar rcs $@ $(BUILD)/pic/stream2sqs.o

$(BUILD)/libstream2sqs.so: $(BUILD)/libstream2sqs.a src/consumer/symbols.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter-out -fPIE,$(CFLAGS_ALL)) $(filter-out -pie,$(LDFLAGS_ALL)) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=src/consumer/symbols.map -Wl,-z,defs \
		-Wl,--gc-sections -o $@ $(BUILD)/pic/stream2sqs.o $(shell pkg-config --libs $(LIBRARY_PACKAGES)) -lpthread

$(BUILD)/%.o: %.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests -MMD -MP -c -o $@ $<

.PHONY: install
install: all ## binary, manual page, completions, systemd unit, C library: PREFIX, DESTDIR
	install -D -m 0755 $(BUILD)/stream2sqs $(DESTDIR)$(PREFIX)/bin/stream2sqs
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(BUILD)/stream2sqs man >$(DESTDIR)$(PREFIX)/share/man/man1/stream2sqs.1
	$(BUILD)/stream2sqs completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/stream2sqs
	$(BUILD)/stream2sqs completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_stream2sqs
	$(BUILD)/stream2sqs completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/stream2sqs.fish
	install -D -m 0644 include/stream2sqs.h $(DESTDIR)$(PREFIX)/include/stream2sqs.h
	install -D -m 0644 $(BUILD)/libstream2sqs.a $(DESTDIR)$(PREFIX)/lib/libstream2sqs.a
	install -m 0755 $(BUILD)/libstream2sqs.so $(DESTDIR)$(PREFIX)/lib/libstream2sqs.so.$(VERSION)
	ln -sf libstream2sqs.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libstream2sqs.so
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@REQUIRES@|$(LIBRARY_PACKAGES)|' src/consumer/stream2sqs.pc.in >$(DESTDIR)$(PREFIX)/lib/pkgconfig/stream2sqs.pc
	sed 's|/usr/local/bin|$(PREFIX)/bin|' deploy/systemd/stream2sqs.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/stream2sqs.service

.PHONY: clean
clean: ## remove what was built
	$(Q)rm -rf $(BUILD) build build-*

-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
