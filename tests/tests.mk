# SPDX-License-Identifier: Apache-2.0
# How the tests are built and run; included by the Makefile.

# Every tests/unit/LAYER/NAME_test.c is a program of its own.
$(BUILD)/tests/%_test: $(BUILD)/tests/%_test.o $(SUPPORT_OBJECTS) $(BUILD)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(SUPPORT_OBJECTS) $(BUILD)/libcore.a $(LIBS) -lcmocka

# The simulation: a program of its own.
$(BUILD)/tests/sim/sim: $(BUILD)/tests/sim/sim.o $(SUPPORT_OBJECTS) $(BUILD)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(SUPPORT_OBJECTS) $(BUILD)/libcore.a $(LIBS) -lcmocka

# Our event patterns against AWS's own matcher.
$(BUILD)/tests/ruler/ours: $(BUILD)/tests/ruler/ours.o $(BUILD)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/ruler/done: tests/ruler/pom.xml tests/ruler/RulerOracle.java
	$(call say,MAVEN,$@)
	$(Q)mkdir -p $(@D) && mvn -q -B -f tests/ruler/pom.xml dependency:copy-dependencies -DoutputDirectory=$(abspath $(@D))/lib
	$(Q)javac -cp '$(@D)/lib/*' -d $(@D) tests/ruler/RulerOracle.java
	$(Q)touch $@

RULER_CASES ?= 40000
RULER_SEED ?= 1
ruler: $(BUILD)/tests/ruler/ours $(BUILD)/ruler/done ## filters against AWS's Event Ruler: RULER_SEED=n, RULER_CASES=n
	$(Q)python3 tests/ruler/differential.py $< '$(BUILD)/ruler:$(BUILD)/ruler/lib/*' $(RULER_SEED) $(RULER_CASES)

# The fake AWS over HTTP: from its sources at once, as a folder of objects would have the program's own name.
FAKE_AWS := $(wildcard tests/fake_aws_server/*.c) $(addprefix tests/support/,fake_aws.c fake_faults.c fake_page.c fake_record.c fake_stream.c)
$(BUILD)/tests/fake_aws_server: $(FAKE_AWS) $(wildcard tests/fake_aws_server/*.h) tests/support/fake_aws.h tests/support/fake_internal.h $(BUILD)/libcore.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) -Itests $(LDFLAGS_ALL) -o $@ $(FAKE_AWS) $(BUILD)/libcore.a $(LIBS)

# Programs of the benchmark.
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

BENCH ?= normal
bench: deps ## ratios to the limit program and to peers; BENCH=quick|normal|full; also as build/bench.json
	$(Q)$(MAKE) all $(BUILD)/tests/bench/limit $(BUILD)/tests/bench/sqs_load $(BUILD)/venv/done
	$(Q)BUILD=$(BUILD) $(BUILD)/venv/bin/python tests/bench/bench.py $(BENCH)
	$(Q)$(MAKE) bench-send

bench-send: ## its second half: from a stream to another server, beside loops with boto3 and JavaScript, and Apache Camel
	$(Q)$(MAKE) all $(BUILD)/tests/bench/null_sqs $(BUILD)/tests/fake_aws_server $(BUILD)/venv/done $(BUILD)/node/done $(BUILD)/camel/done
	$(Q)BUILD=$(BUILD) $(BUILD)/venv/bin/python tests/bench/send.py $(BENCH)

$(BUILD)/camel/done: tests/bench/camel/pom.xml tests/bench/camel/CamelPeer.java
	$(call say,MAVEN,$@)
	$(Q)mkdir -p $(@D) && mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory=$(abspath $(@D))/lib
	$(Q)javac -cp '$(@D)/lib/*' -d $(@D) tests/bench/camel/CamelPeer.java
	$(Q)touch $@

.SECONDARY:

.PHONY: differential check-clients ruler deps deps-build unit check-asan lint check demo sim planted e2e e2e-asan fuzz fuzz-check bench bench-send

deps: ## install what building and testing need (Debian 12)
	$(Q)tests/deps.sh

deps-build: ## install what building and the demo need
	$(Q)tests/deps.sh build

# Python and its packages, in the tree.
$(BUILD)/venv/done: tests/requirements.txt
	$(call say,VENV,$@)
	$(Q)python3 -m venv $(BUILD)/venv && $(BUILD)/venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	$(Q)touch $@

# libFuzzer comes with clang; the whole library is built with its instrumentation.
FUZZ_SECONDS ?= 60
CLANG ?= $(shell command -v clang-19 || command -v clang)
FUZZ := BUILD=build-fuzz CC=$(CLANG) OPTIMISE='-O1 -g' HARDEN= EXTRA_CFLAGS='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined'
fuzz: ## fuzz the parsers for FUZZ_SECONDS (needs clang and its runtime library)
	$(Q)tests/fuzz/available.sh '$(CLANG)'
	$(Q)$(MAKE) $(FUZZ) build-fuzz/libcore.a build-fuzz/tests/fuzz/fuzz.o
	$(call say,LINK,build-fuzz/fuzz)
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined -o build-fuzz/fuzz build-fuzz/tests/fuzz/fuzz.o build-fuzz/libcore.a $(LIBS)
	$(Q)tests/fuzz/run.sh build-fuzz/fuzz $(FUZZ_SECONDS)

fuzz-check: ## the same for 20 seconds, from the kept corpus; passed over, and said so, where there is no libFuzzer
	$(Q)if tests/fuzz/available.sh '$(CLANG)'; then $(MAKE) fuzz FUZZ_SECONDS=20; fi

SEEDS ?= 2000
sim: $(BUILD)/tests/sim/sim ## the whole core under faults, from seeds: SEEDS=n, or one: SEED=n
	$(Q)$(if $(SEED),$< --seed $(SEED),tests/sim/parallel.sh $< $(SEEDS))

BUGS_OF_SIM := POSITION_FIRST VISIBILITY_IGNORED DELETE_IGNORED REPLY_BEFORE_COMMIT NO_SYNC GAP_UNSAID UNKNOWN_IGNORED RELOAD_NOT_UNDONE
BUGS_OF_PUMP := FAILED_IGNORED MD5_IGNORED UNKNOWN_IGNORED BATCH_UNSPLIT CHARACTERS_RAW GROUP_UNLOCKED HOLD_FORGOTTEN OVERSIZE_SENT_FIRST
BUGS_OF_GATEWAY := GATEWAY_FORGETS GATEWAY_UNCONFIRMED GATEWAY_HIDES
BUGS_OF_SIGV4 := UNKNOWN_KEY_QUICK
BUGS_OF_MODEL := VISIBILITY_IGNORED DELETE_IGNORED FIFO_GROUP_UNLOCKED EXPIRED_HANDLE_DELETES DEDUPLICATION_FORGOTTEN
BUGS_OF_CONSUMER := CONSUMER_DELETES_FAILED CONSUMER_GROUP_UNLOCKED CONSUMER_NOT_EXTENDED CONSUMER_OVERTAKES CONSUMER_UNCONFIRMED CONSUMER_HIDES CONSUMER_FEEDS_ITSELF
planted: ## every planted bug (src/base/planted.h) must be caught
	$(Q)$(MAKE) BUILD=build-planted EXTRA_CFLAGS=-DS2Q_PLANTED_BUGS build-planted/tests/sim/sim build-planted/tests/unit/core/pump_test \
		build-planted/tests/model/queue_model_test build-planted/tests/unit/core/gateway_test build-planted/tests/unit/consumer/jobs_test \
		build-planted/tests/unit/codec/sigv4_verify_test
	$(Q)tests/sim/planted.sh build-planted/tests/sim/sim $(BUGS_OF_SIM) -- --seeds 200
	$(Q)tests/sim/planted.sh build-planted/tests/unit/core/pump_test $(BUGS_OF_PUMP) --
	$(Q)tests/sim/planted.sh build-planted/tests/model/queue_model_test $(BUGS_OF_MODEL) --
	$(Q)tests/sim/planted.sh build-planted/tests/unit/core/gateway_test $(BUGS_OF_GATEWAY) --
	$(Q)tests/sim/planted.sh build-planted/tests/unit/consumer/jobs_test $(BUGS_OF_CONSUMER) --
	$(Q)tests/sim/planted.sh build-planted/tests/unit/codec/sigv4_verify_test $(BUGS_OF_SIGV4) --

demo: deps-build ## the main job, to watch: about a minute
	$(Q)$(MAKE) $(BUILD)/stream2sqs $(BUILD)/venv/done
	$(Q)BUILD=$(BUILD) $(BUILD)/venv/bin/python tests/demo/demo.py

$(BUILD)/node/done: tests/package.json tests/package-lock.json
	$(call say,NPM,$@)
	$(Q)mkdir -p $(BUILD)/node && cp $^ $(BUILD)/node/ && npm ci --prefix $(BUILD)/node --no-audit --no-fund --loglevel=error
	$(Q)touch $@

$(BUILD)/peers/done: tests/peers/pom.xml
	$(call say,MAVEN,$@)
	$(Q)mkdir -p $(@D) && mvn -q -B -f $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(abspath $(@D))/lib
	$(Q)touch $@

e2e: $(BUILD)/stream2sqs $(BUILD)/tests/fake_aws_server $(addprefix $(BUILD)/tests/bench/,limit sqs_load null_sqs) $(BUILD)/venv/done $(BUILD)/node/done $(BUILD)/peers/done ## the binary against real servers and SDKs
	$(Q)BUILD=$(BUILD) $(BUILD)/venv/bin/python -m pytest -q -p no:cacheprovider --tb=short -n 2 --dist loadfile tests/e2e

# The clients that the endpoint is tested with, each by its own packager, pinned.
$(BUILD)/clients/python/done: tests/clients/python/requirements.txt
	$(call say,VENV,$@)
	$(Q)python3 -m venv $(BUILD)/clients/python && $(BUILD)/clients/python/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	$(Q)touch $@

$(BUILD)/clients/javascript/done: tests/clients/javascript/package.json tests/clients/javascript/package-lock.json
	$(call say,NPM,$@)
	$(Q)mkdir -p $(@D) && cp $^ $(@D)/ && npm ci --prefix $(@D) --no-audit --no-fund --loglevel=error
	$(Q)touch $@

$(BUILD)/clients/java/done: tests/clients/java/pom.xml tests/clients/java/Client.java
	$(call say,MAVEN,$@)
	$(Q)mkdir -p $(@D)/classes && mvn -q -B -f $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(abspath $(@D))/lib
	$(Q)javac -encoding UTF-8 -cp '$(@D)/lib/*' -d $(@D)/classes tests/clients/java/Client.java
	$(Q)touch $@

$(BUILD)/clients/go/client: tests/clients/go/main.go tests/clients/go/go.mod tests/clients/go/go.sum
	$(call say,GO,$@)
	$(Q)mkdir -p $(@D) && cd tests/clients/go && go build -o $(abspath $@) .

CLIENTS := $(addprefix $(BUILD)/clients/,python/done javascript/done java/done go/client)
check-clients: deps ## SDKs and frameworks of six languages, unmodified, against the endpoint
	$(Q)$(MAKE) $(BUILD)/stream2sqs $(BUILD)/venv/done $(CLIENTS)
	$(Q)BUILD=$(BUILD) $(BUILD)/venv/bin/python -m pytest -q -p no:cacheprovider --tb=short tests/clients

differential: deps ## random requests, right and wrong, to the endpoint and to other servers: SEEDS=n, FIRST_SEED=n
	$(Q)$(MAKE) $(BUILD)/stream2sqs $(BUILD)/venv/done $(BUILD)/node/done $(BUILD)/peers/done
	$(Q)BUILD=$(BUILD) $(if $(filter command line,$(origin SEEDS)),SEEDS=$(SEEDS)) $(BUILD)/venv/bin/python -m pytest -q -p no:cacheprovider --tb=short tests/differential

unit: $(UNIT_TESTS) ## the unit tests
	$(Q)set -e; for t in $(UNIT_TESTS); do $$t 2>&1; done

ASAN := BUILD=build-asan OPTIMISE='-O1 -g' HARDEN= EXTRA_CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=undefined'
check-asan: ## the unit tests, and some of the simulation, under the address and undefined-behaviour sanitizers
	$(Q)$(MAKE) $(ASAN) unit
	$(Q)$(MAKE) $(ASAN) sim SEEDS=60

e2e-asan: ## the end-to-end tests under the sanitizers
	$(Q)$(MAKE) $(ASAN) all
	$(Q)$(MAKE) $(ASAN) e2e

lint: ## layers, SQL's place, licence lines, shell scripts
	$(Q)python3 tests/lint/layers.py .
	$(Q)tests/lint/self_test.sh
	$(Q)shellcheck .ci/run tests/deps.sh tests/lint/*.sh tests/sim/*.sh tests/fuzz/*.sh
	$(Q)if command -v systemd-analyze >/dev/null; then systemd-analyze security --offline=true --threshold=15 deploy/systemd/stream2sqs.service >/dev/null; fi

check: deps ## everything
	$(Q)$(MAKE) lint
	$(Q)$(MAKE) all
	$(Q)$(MAKE) unit
	$(Q)$(MAKE) check-asan
	$(Q)$(MAKE) sim
	$(Q)$(MAKE) planted
	$(Q)$(MAKE) fuzz-check
	$(Q)$(MAKE) ruler
	$(Q)$(MAKE) e2e
	$(Q)$(MAKE) check-clients
	$(Q)$(MAKE) differential
	$(Q)$(MAKE) e2e-asan
	@echo "check: all is well"
