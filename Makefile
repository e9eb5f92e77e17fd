# SPDX-License-Identifier: GPL-2.0-or-later
#
#   make            build/holdup and build/holdupd
#   make check      install what is needed, build, run all tests (unit, data, fuzz, VM)
#   make demo       install what is needed, lock up a kernel in a VM, dump it, print the verdict
#   make unit vmcheck fuzz bench      the parts
#   V=1 shows commands; SANITIZE=1 builds into build-asan/ under ASan and UBSan; WERROR=1 for CI

.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

ifeq ($(V),1)
Q =
say = @:
else
Q = @
say = @printf '  %-7s %s\n'
endif

CC ?= gcc
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
PKGS = libbpf libelf libdw zlib liblzma libzstd jansson capstone
LIBS = $(shell $(PKG_CONFIG) --libs $(PKGS)) -ldeflate -llzo2 -lsnappy -lxxhash -lpthread

BUILD = build
required = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ianalyze -Wall -Wextra \
	   -Wno-unused-parameter -Wmissing-prototypes -Wstrict-prototypes -Wshadow \
	   -fno-strict-aliasing \
	   $(shell $(PKG_CONFIG) --cflags $(PKGS))
ifeq ($(WERROR),1)
required += -Werror
endif
ifeq ($(SANITIZE),1)
BUILD = build-asan
required += -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	    -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
endif

lib_src = $(filter-out analyze/cli/%,$(wildcard analyze/*.c analyze/*/*.c))
cli_src = $(wildcard analyze/cli/*.c)
lib_obj = $(lib_src:%.c=$(BUILD)/%.o)
cli_obj = $(cli_src:%.c=$(BUILD)/%.o)

.PHONY: all
all: $(BUILD)/holdup $(BUILD)/holdupd

$(BUILD)/libholdup.a: $(lib_obj)
	$(say) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/holdup: $(cli_obj) $(BUILD)/libholdup.a
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(required) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The BPF side: one object for every kernel, without types from the one it is built on.
bpf_flags = -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Ibpf
$(BUILD)/bpf/holdup.skel.h: $(wildcard bpf/*.c bpf/*.h)
	$(say) BPF $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(bpf_flags) -c -o $(BUILD)/bpf/holdup.bpf.o bpf/sampler.bpf.c
	$(Q)$(LLVM_STRIP) -g $(BUILD)/bpf/holdup.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $(BUILD)/bpf/holdup.bpf.o name holdup_bpf >$@

daemon_libs = $(shell $(PKG_CONFIG) --libs libsystemd) -linih
daemon_obj = $(patsubst %.c,$(BUILD)/%.o,$(wildcard daemon/*.c))
$(daemon_obj): required += -I. -I$(BUILD)
$(BUILD)/daemon/probes.o: $(BUILD)/bpf/holdup.skel.h
$(BUILD)/libholdupd.a: $(filter-out $(BUILD)/daemon/main.o,$(daemon_obj))
	$(say) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/holdupd: $(BUILD)/daemon/main.o $(BUILD)/libholdupd.a $(BUILD)/libholdup.a
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(daemon_libs)

# Unit tests: one program per tests/unit/test_*.c, against the library.
unit_src = $(wildcard tests/unit/test_*.c)
unit_bin = $(unit_src:tests/unit/%.c=$(BUILD)/tests/unit/%)
unit_common = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(unit_src),$(wildcard tests/unit/*.c)))

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(unit_common) $(BUILD)/libholdup.a
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(unit_common) $(unit_extra) $(BUILD)/libholdup.a \
		-lcmocka $(LIBS)

# Those of the daemon's modules are linked with it.
daemon_test = $(patsubst %,$(BUILD)/tests/unit/test_%,watch config store)
$(daemon_test): LIBS += $(daemon_libs)
$(daemon_test): unit_extra = $(BUILD)/libholdupd.a
$(daemon_test): $(BUILD)/libholdupd.a
$(daemon_test:%=%.o): required += -I.

# Programs for development against the library: build/tests/tools/NAME.
tool_bin = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/tools/*.c))
$(tool_bin): $(BUILD)/tests/tools/%: $(BUILD)/tests/tools/%.o $(BUILD)/libholdup.a
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
.PHONY: tools
tools: $(tool_bin)

# Fuzz targets, each with a main() that replays files; tests/fuzz/replay.py runs them.
fuzz_bin = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
$(fuzz_bin): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o \
				    $(BUILD)/libholdup.a
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
.PHONY: fuzz-build fuzz-search
fuzz-build: $(fuzz_bin)

# make fuzz-search NAME=dump SECONDS=60: new inputs by clang's libFuzzer, kept in build/fuzz/NAME.
SECONDS = 60
fuzz-search:
	$(Q)mkdir -p build/fuzz/$(NAME)
	$(Q)clang -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		$(filter-out -f% -W%,$(required)) -fno-strict-aliasing -o build/fuzz/fuzz_$(NAME) \
		tests/fuzz/fuzz_$(NAME).c $(lib_src) $(LIBS)
	$(Q)build/fuzz/fuzz_$(NAME) -max_total_time=$(SECONDS) -max_len=40000 \
		-artifact_prefix=build/fuzz/ build/fuzz/$(NAME) tests/fuzz/corpus/$(NAME)

# The parts that need more than the build: each installs what it lacks first.
.PHONY: check demo unit fuzz vmcheck livecheck bench score
check:
	$(Q)scripts/install-deps.sh test
	$(Q)tests/run.py

demo:
	$(Q)scripts/install-deps.sh demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/demo.sh

unit:
	$(Q)tests/run.py unit

fuzz:
	$(Q)tests/run.py fuzz

vmcheck:
	$(Q)scripts/install-deps.sh demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/vm/vmcheck.py

# holdupd in guests that lock up: K=5.10, 6.1 or 6.12.
K = 6.1
livecheck:
	$(Q)scripts/install-deps.sh demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/live/live_check.py --kernel $(K)

bench:
	$(Q)scripts/install-deps.sh bench
	$(Q)$(MAKE) --no-print-directory all build/tests/tools/unwind_probe
	$(Q)tests/bench/bench.py

# How many of the questions about real reports (kept outside the tree) are answered right.
score: all
	$(Q)if [ -e ../shared/cases/score.py ]; then \
		python3 ../shared/cases/score.py --holdup $(BUILD)/holdup; \
	else echo "score: skipped: ../shared/cases is not there"; fi

.SECONDARY:
.PHONY: unit-build clean
unit-build: $(unit_bin)

clean:
	rm -rf build build-asan

-include $(shell find build build-asan -name '*.d' 2>/dev/null)
