# SPDX-License-Identifier: MIT
# forkcache: `make help` lists the targets.
#
# Each variant (release, debug, asan, tsan, fuzz) builds into a folder of its own:
#   make VARIANT=asan check-unit

VARIANT ?= release
CORPUS_DIR ?= $(abspath ../shared/data)
export CORPUS_DIR

# V=1 shows the commands.
Q := $(if $(V),,@)

CSTD := -std=gnu11
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wvla -Wformat=2 -Wundef -Wcast-qual \
	-Wwrite-strings -Wpointer-arith -Wswitch-enum -Wimplicit-fallthrough -Werror \
	-Wno-gnu-zero-variadic-macro-arguments -Wno-variadic-macros
DEFS := -D_GNU_SOURCE -Isrc -Imocks -Iinclude
# Hidden: what the library offers is what include/forkcache.h declares, and nothing else.
HARDEN := -fstack-protector-strong -fPIC -fvisibility=hidden
LINK := -Wl,-z,relro,-z,now

ifeq ($(VARIANT),release)
B := build
OPT := -O2 -g -D_FORTIFY_SOURCE=2
else ifeq ($(VARIANT),debug)
B := build/debug
OPT := -O0 -g3 -DSANE_WALKERS
else ifeq ($(VARIANT),asan)
B := build/asan
CC := clang
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DSANE_WALKERS
else ifeq ($(VARIANT),tsan)
B := build/tsan
CC := clang
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
else ifeq ($(VARIANT),fuzz)
B := build/fuzz
CC := clang
OPT := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
else
$(error VARIANT is one of release, debug, asan, tsan, fuzz)
endif

ifeq ($(origin CC),default)
CC := gcc
endif
# gcc calls it by another name
ifneq ($(findstring clang,$(CC)),)
WARN := $(filter-out -Wno-variadic-macros,$(WARN))
else
WARN := $(filter-out -Wno-gnu-zero-variadic-macro-arguments -Wpedantic,$(WARN)) -Wpedantic
endif

PKGS := libcurl libcares nettle libxxhash libzstd zlib jansson
CFLAGS_ALL = $(CSTD) $(WARN) $(DEFS) $(HARDEN) $(OPT) -pthread -MMD -MP $(CFLAGS)
LDLIBS_ALL = $(LINK) $(LDFLAGS) -llmdb -lcyaml $(shell pkg-config --libs $(PKGS)) -lpthread -lm
# Of the library, which has no server and no command line in it.
LIB_LIBS := -llmdb -lcurl -lcares -lnettle -lxxhash -lzstd -lpthread -lm

SRC := $(filter-out src/cli/main.c,$(wildcard src/*/*.c))
OBJ := $(SRC:%.c=$(B)/obj/%.o)
CORE := $(B)/libcore.a
LIB_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(foreach d,base cache fork layers api,src/$d/*.c)))
VERSION := $(shell sed -n 's/.*FORKCACHE_VERSION "\(.*\)"/\1/p' src/base/version.h)
SONAME := libforkcache.so.0
# Sanitizers' own functions come with the program.
NO_UNDEFINED := $(if $(findstring -fsanitize,$(OPT)),,-Wl,-z,defs)
LIBRARY := $(B)/libforkcache.so $(B)/libforkcache.a
EXAMPLES := $(patsubst %.c,$(B)/%,$(wildcard examples/*.c))

MOCK_SRC := $(filter-out mocks/mock_node/main.c,$(wildcard mocks/mock_node/*.c))
MOCK := $(B)/libmock.a
UNIT_SRC := $(wildcard tests/unit/test_*.c)
CORPUS_SRC := $(wildcard tests/corpus/test_*.c)
TORTURE_SRC := $(wildcard tests/torture/test_*.c)
CRASH_SRC := $(wildcard tests/crash/test_*.c)
CONTRACT_SRC := $(wildcard tests/contract/test_*.c)
MODEL_SRC := $(wildcard tests/model/test_*.c)
UNIT := $(UNIT_SRC:%.c=$(B)/%)
TORTURE := $(TORTURE_SRC:%.c=$(B)/%)
CRASH := $(CRASH_SRC:%.c=$(B)/%)
CONTRACT := $(CONTRACT_SRC:%.c=$(B)/%)
MODEL := $(MODEL_SRC:%.c=$(B)/%)
CORPUS := $(CORPUS_SRC:%.c=$(B)/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ := $(FUZZ_SRC:%.c=$(B)/%)
REPLAY := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(B)/tests/fuzz/replay_%)
# Programs from one file each, and what they share.
BENCH_PARTS := bench/measure.c bench/questions.c bench/bare.c bench/handle.c
BENCH := $(patsubst %.c,$(B)/%,$(filter-out $(BENCH_PARTS),$(wildcard bench/*.c)))
# A test or a fuzz target that includes fake_x.h, directly or not, gets mocks/fake_x.c in the
# place of what it fakes: fakes are linked before the archive. The compiler's dependency file knows.
FAKE_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard mocks/fake_*.c))
fakes_of = $(patsubst %.h,$(B)/obj/%.o,$(shell grep -o 'mocks/fake_[a-z_]*\.h' $(1:.o=.d) | sort -u))

PROGRAMS := $(B)/forkcache $(B)/mock-node

# ---- building ----

.PHONY: all
all: $(PROGRAMS) $(LIBRARY) $(EXAMPLES) ## build forkcache, libforkcache and mock-node (the default)

.PHONY: debug
debug: ## the same without optimisation, below build/debug
	$(Q)$(MAKE) --no-print-directory VARIANT=debug all

# Other flags or another compiler: everything is built again.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS_ALL)' | cmp -s - $@ || echo '$(CC) $(CFLAGS_ALL)' > $@
.PHONY: FORCE
FORCE:

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC   $@"
	$(Q)$(CC) $(CFLAGS_ALL) -c $< -o $@

$(CORE): $(OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/$(SONAME): $(LIB_OBJ)
	@echo "  LINK $@"
	$(Q)$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,$(SONAME) $(NO_UNDEFINED) $^ -o $@ $(LINK) $(LDFLAGS) $(LIB_LIBS)

$(B)/libforkcache.so: $(B)/$(SONAME)
	@ln -sf $(SONAME) $@

# One object whose inner names are its own: `buf_init` of a program stays the program's.
$(B)/libforkcache.a: $(LIB_OBJ)
	@echo "  AR   $@"
	$(Q)$(LD) -r $^ -o $(B)/libforkcache.o
	$(Q)objcopy --localize-hidden $(B)/libforkcache.o
	@rm -f $@
	$(Q)$(AR) rcs $@ $(B)/libforkcache.o

$(MOCK): $(MOCK_SRC:%.c=$(B)/obj/%.o)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

define link
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(CFLAGS_ALL) $1 -o $@ $(LDLIBS_ALL)
endef

$(B)/forkcache: $(B)/obj/src/cli/main.o $(CORE)
	$(call link,$^)

# libhttp-parser: the mock shares no HTTP code with the server that it tests.
$(B)/mock-node: $(B)/obj/mocks/mock_node/main.o $(MOCK) $(CORE)
	$(call link,$^ -lhttp_parser)

# Tests of the mock's own chain link it too.
$(B)/tests/unit/test_mock_%: $(B)/obj/tests/unit/test_mock_%.o $(MOCK) $(CORE)
	$(call link,$^ -lcmocka)

# Tests with a mock node in a thread of their own (mocks/mock_node/thread.h): of the mock only
# what they call is to be seen, since it has functions by names that our own have, too.
MOCK_THREAD := $(B)/mock_thread.o
$(MOCK_THREAD): $(MOCK_SRC:%.c=$(B)/obj/%.o)
	$(Q)$(LD) -r -o $@ $^
	$(Q)objcopy --wildcard --keep-global-symbol='mock_thread_*' \
		--keep-global-symbol='history_*' --keep-global-symbol='world_*' \
		--keep-global-symbol='chain_*' $@
$(B)/tests/unit/test_upstream_%: $(B)/obj/tests/unit/test_upstream_%.o $(MOCK_THREAD) $(CORE)
	$(call link,$^ -lcmocka -lhttp_parser)

# One that goes through the library has it as a whole: it hides what the mock calls the same.
$(B)/tests/unit/test_upstream_handles: $(B)/obj/tests/unit/test_upstream_handles.o \
		$(MOCK_THREAD) $(B)/libforkcache.a $(CORE)
	$(call link,$^ -lcmocka -lhttp_parser)

# Allocations of ours go through the test, which lets one fail.
$(B)/tests/torture/%: LINK += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=free

$(B)/tests/%: $(B)/obj/tests/%.o $(FAKE_OBJ) $(CORE)
	$(call link,$< $(call fakes_of,$<) $(CORE) -lcmocka -lhttp_parser)

$(B)/tests/fuzz/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(FAKE_OBJ) $(CORE)
	$(call link,$< $(call fakes_of,$<) $(CORE) -fsanitize=fuzzer -lcmocka -lhttp_parser)

# The same with a main of its own, for any compiler.
$(B)/tests/fuzz/replay_%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/obj/tests/fuzz/replay.o $(FAKE_OBJ) $(CORE)
	$(call link,$< $(B)/obj/tests/fuzz/replay.o $(call fakes_of,$<) $(CORE) -lcmocka -lhttp_parser)
$(B)/bench/%: $(B)/obj/bench/%.o $(BENCH_PARTS:%.c=$(B)/obj/%.o) $(CORE)
	$(call link,$^)

# As a program of somebody else: the installed header and the library, nothing of src/.
$(B)/examples/%: examples/%.c $(B)/libforkcache.so include/forkcache.h $(B)/flags
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(filter-out $(DEFS) -MMD -MP,$(CFLAGS_ALL)) -Iinclude $< -o $@ -L$(B) -lforkcache \
		-Wl,-rpath,$(abspath $(B)) $(LDFLAGS)

# Objects of tests are kept, or each `make` would compile them again.
.SECONDARY:

# ---- running ----

.PHONY: packages
packages:
	@scripts/install-packages.sh

.PHONY: run
run: packages ## build and serve: UPSTREAM=https://... [FORK_BLOCK=finalized] [LISTEN=127.0.0.1:8545]
	$(Q)$(MAKE) --no-print-directory all
	@BUILD=$(B) scripts/run.sh

# ---- tests ----

.PHONY: test
test: packages ## install what is missing, build, and run all tests
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(MAKE) --no-print-directory check-unit
	$(Q)$(MAKE) --no-print-directory check-model
	$(Q)$(MAKE) --no-print-directory check-contract
	$(Q)$(MAKE) --no-print-directory check-corpus
	$(Q)$(MAKE) --no-print-directory check-fuzz-corpus
	$(Q)$(MAKE) --no-print-directory check-torture
	$(Q)$(MAKE) --no-print-directory check-crash
	$(Q)$(MAKE) --no-print-directory check-script
	$(Q)$(MAKE) --no-print-directory check-client
	$(Q)$(MAKE) --no-print-directory check-evm
	$(Q)$(MAKE) --no-print-directory bench-smoke

run_all = @set -e; for t in $1; do echo "== $$t"; $(RUN_UNDER) $$t; done

.PHONY: check-unit
check-unit: $(UNIT) ## one module each, against fakes
	$(call run_all,$(UNIT))

# FORKCACHE_MODEL_OPERATIONS=20000 for where they are slow
.PHONY: check-model
check-model: $(MODEL) ## random operations against references that copy everything
	$(call run_all,$(MODEL))

.PHONY: check-contract
check-contract: $(CONTRACT) $(PROGRAMS) ## one suite over every back end and stack of layers
	$(Q)set -e; for t in $(CONTRACT); do echo "== $$t"; BUILD=$(abspath $(B)) $(RUN_UNDER) $$t; done

.PHONY: check-corpus
check-corpus: $(CORPUS) ## published vectors and recorded chain data (CORPUS_DIR; skipped without it)
	$(call run_all,$(CORPUS))

.PHONY: check-torture
check-torture: $(TORTURE) ## the Nth allocation fails, for every N
	$(call run_all,$(TORTURE))

.PHONY: check-crash
check-crash: $(CRASH) ## kill -9 around commits
	$(call run_all,$(CRASH))

SCRIPTS := $(patsubst tests/script/%.py,%,$(wildcard tests/script/$(or $(TEST),test_*.py)))
.PHONY: check-script
check-script: $(PROGRAMS) $(LIBRARY) $(EXAMPLES) ## the programs against the mock node; TEST=test_x.py for one file
	$(Q)BUILD=$(abspath $(B)) PYTHONPATH=tests/script \
		python3 -m unittest -v $(or $(SCRIPTS),$(error tests/script has no $(TEST)))

.PHONY: check-client
check-client: $(PROGRAMS) ## real anvil, Hardhat, viem and ethers in front of forkcache
	$(Q)$(if $(wildcard tests/client/run.sh),BUILD=$(abspath $(B)) tests/client/run.sh,echo "tests/client/run.sh is not here: skipped")

.PHONY: check-evm
check-evm: $(PROGRAMS) $(LIBRARY) ## a real EVM over libforkcache, by recorded transactions (CORPUS_DIR)
	$(Q)BUILD=$(abspath $(B)) tests/client/evm/run.sh

.PHONY: check-asan
check-asan: ## unit, model, corpus, fuzz corpus, torture and script tests under the address and undefined sanitizers
	$(Q)$(MAKE) --no-print-directory VARIANT=asan check-unit
	$(Q)$(MAKE) --no-print-directory VARIANT=asan check-contract
	$(Q)FORKCACHE_MODEL_OPERATIONS=100000 $(MAKE) --no-print-directory VARIANT=asan check-model
	$(Q)$(MAKE) --no-print-directory VARIANT=asan check-corpus
	$(Q)$(MAKE) --no-print-directory VARIANT=asan check-fuzz-corpus
	$(Q)$(MAKE) --no-print-directory VARIANT=asan check-torture
	$(Q)$(MAKE) --no-print-directory VARIANT=asan check-script

# Two workers: threads that share a cache. One client that asks one thing after another does not
# make them meet, and the mock node has one thread: such scripts are left to the others.
TSAN_SCRIPTS := $(filter-out test_corpus_forks test_execution_apis test_methods test_mock_faults \
	test_mock_node test_mock_proofs test_readme test_tls,$(SCRIPTS))
.PHONY: check-tsan
check-tsan: ## unit and script tests under the thread sanitizer
	$(Q)FORKCACHE_WORKERS=2 $(MAKE) --no-print-directory VARIANT=tsan check-unit
	$(Q)FORKCACHE_WORKERS=2 $(MAKE) --no-print-directory VARIANT=tsan \
		SCRIPTS='$(TSAN_SCRIPTS)' check-script

.PHONY: check-fuzz-corpus
check-fuzz-corpus: $(REPLAY) ## what fuzzers have found and begin with, once (tests/fuzz/corpus/)
	@set -e; for t in $(REPLAY); do name=$${t##*/replay_}; $(RUN_UNDER) $$t tests/fuzz/corpus/$$name; done

# What was found stays below build/fuzz, and is where the next run begins;
# an input that breaks something is written there as x-crash-*.
FUZZ_SECONDS ?= 30
.PHONY: check-fuzz
check-fuzz: ## libFuzzer on each of tests/fuzz/, FUZZ_SECONDS=30 each; FUZZ_ONLY=json for one
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz fuzz-all

.PHONY: fuzz-all
fuzz-all: $(if $(FUZZ_ONLY),$(B)/tests/fuzz/fuzz_$(FUZZ_ONLY),$(FUZZ))
	@set -e; for t in $^; do echo "== $$t"; name=$${t##*/fuzz_}; mkdir -p $$t.corpus; \
		$$t -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 -max_len=4096 \
			$$(test ! -e tests/fuzz/$$name.dict || echo -dict=tests/fuzz/$$name.dict) \
			-artifact_prefix=$(B)/$$name- $$t.corpus tests/fuzz/corpus/$$name; done

VALGRIND := valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite
# Under valgrind threads take turns: tests that want them to meet are left to the sanitizers.
# So are those that take it a minute of CPU each: three fill stores of many megabytes with what
# test_store writes, too, and of one megabytes leave in pieces of 4 KiB; and those whose questions
# to a node have deadlines.
VALGRIND_UNIT := $(filter-out %/test_memcache_threads %/test_filedb_threads %/test_shared_threads \
	%/test_store_evict %/test_in_use %/test_store_pool %/test_server_memory \
	%/test_upstream_source %/test_upstream_proofs %/test_upstream_threads,$(UNIT))
# It uses one core for each: as many go at once as there are, each with its output in one piece.
run_beside = @printf '%s\n' $1 | xargs -P "$$(nproc)" -I{} sh -c 'out=$$($(VALGRIND) {} 2>&1); \
	status=$$?; printf "== %s\n%s\n" {} "$$out"; test $$status = 0 || exit 255'
# Of the scripts, those whose questions meet no deadline when all is thirty times as slow.
.PHONY: check-valgrind
check-valgrind: $(VALGRIND_UNIT) $(MODEL) $(PROGRAMS) ## unit, model and script tests under valgrind
	$(call run_beside,$(VALGRIND_UNIT))
	$(Q)FORKCACHE_MODEL_OPERATIONS=20000 $(MAKE) --no-print-directory RUN_UNDER='$(VALGRIND)' check-model
	$(Q)BUILD=$(B) PYTHONPATH=tests/script scripts/under-valgrind.sh \
		python3 -m unittest -v test_coalesce.Joining test_offline test_readme test_restart

# ---- measuring ----

RUN_BENCH = BUILD=$(abspath $(B)) CC='$(CC)' python3 bench/bench.py

.PHONY: bench
bench: $(PROGRAMS) $(BENCH) ## measure side by side: BENCH_ROUNDS=9 BENCH_ONLY=single,batch (bench/bench.py)
	$(Q)$(RUN_BENCH)

.PHONY: bench-smoke
bench-smoke: $(PROGRAMS) $(BENCH) ## whether every measurement runs, in seconds; the numbers mean nothing
	$(Q)$(RUN_BENCH) --smoke

.PHONY: bench-page
bench-page: ## docs/performance.md from the last `make bench`
	$(Q)python3 bench/report.py $(B)/bench.json > $(B)/performance.md
	$(Q)mv $(B)/performance.md docs/performance.md

# ---- the house ----

SOURCES = $(shell git ls-files '*.c' '*.h')

.PHONY: lint
lint: ## style, static analysis, who includes whom
	$(Q)clang-format --dry-run -Werror $(SOURCES)
	$(Q)scripts/check-layers.sh
	$(Q)scripts/check-tree.sh
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --language=c -j2 \
		--enable=warning,portability --suppressions-list=.cppcheck -Isrc -D_GNU_SOURCE \
		--library=posix,gnu src

.PHONY: format
format: ## clang-format over all sources
	$(Q)clang-format -i $(SOURCES)

.PHONY: docs
docs: $(B)/forkcache ## what is generated: docs/methods.md, config/forkcache.yaml
	$(Q)$(B)/forkcache methods --markdown > docs/methods.md
	$(Q)$(B)/forkcache serve --print-config > config/forkcache.yaml

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
SYSCONFDIR ?= /etc
# A configuration that is there is somebody's work, and stays.
.PHONY: install
install: $(B)/forkcache install-library ## DESTDIR= PREFIX=/usr/local LIBDIR=/usr/local/lib SYSCONFDIR=/etc
	install -D -m 755 $(B)/forkcache $(DESTDIR)$(PREFIX)/bin/forkcache
	install -d $(DESTDIR)$(SYSCONFDIR)/forkcache $(DESTDIR)$(PREFIX)/lib/systemd/system
	test -e $(DESTDIR)$(SYSCONFDIR)/forkcache/forkcache.yaml || \
		install -m 600 config/forkcache.yaml $(DESTDIR)$(SYSCONFDIR)/forkcache/forkcache.yaml
	sed -e 's|/usr/local/|$(PREFIX)/|' -e 's|/etc/|$(SYSCONFDIR)/|' config/forkcache.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/forkcache.service

.PHONY: install-library
install-library: $(LIBRARY) ## header, libforkcache.so and .a, forkcache.pc; as install
	install -D -m 644 include/forkcache.h $(DESTDIR)$(PREFIX)/include/forkcache.h
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 755 $(B)/$(SONAME) $(DESTDIR)$(LIBDIR)/libforkcache.so.$(VERSION)
	ln -sf libforkcache.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libforkcache.so
	install -m 644 $(B)/libforkcache.a $(DESTDIR)$(LIBDIR)/libforkcache.a
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		-e 's|@LIBS@|$(LIB_LIBS)|' config/forkcache.pc.in \
		> $(DESTDIR)$(LIBDIR)/pkgconfig/forkcache.pc

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/\1\t\2/p' Makefile | while IFS='	' read -r t what; do \
		printf '  %-18s %s\n' "$$t" "$$what"; done

-include $(patsubst %.o,%.d,$(OBJ) $(FAKE_OBJ) $(MOCK_SRC:%.c=$(B)/obj/%.o) $(B)/obj/src/cli/main.o \
	$(B)/obj/mocks/mock_node/main.o $(patsubst %.c,$(B)/obj/%.d,$(UNIT_SRC) $(CORPUS_SRC) $(TORTURE_SRC) $(CRASH_SRC) $(CONTRACT_SRC) $(MODEL_SRC) \
	$(wildcard bench/*.c) 	$(wildcard tests/fuzz/*.c)))
