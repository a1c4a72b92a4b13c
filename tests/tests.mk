# SPDX-License-Identifier: Apache-2.0
# How the tests are built and run; included by the Makefile.

# Every tests/unit/LAYER/NAME_test.c is a program of its own.
$(BUILD)/tests/%_test: $(BUILD)/tests/%_test.o $(SUPPORT_OBJECTS) $(BUILD)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(SUPPORT_OBJECTS) $(BUILD)/libcore.a $(LIBS) -lcmocka

.PHONY: unit
unit: $(UNIT_TESTS)
	$(Q)set -e; for t in $(UNIT_TESTS); do $$t; done
