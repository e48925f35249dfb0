# Names for the common verbs. The work is done by `swift build`, by the command `apus` that it
# makes, and by the scripts in Tools/.

PREFIX ?= /usr/local
DESTDIR ?=
# Real text for `make run`: the headers of Linux, which come with any C library to build with.
TEXTS ?= /usr/include/linux

APUS = .build/release/apus
SWIFT_FILES = $(wildcard Package.swift Sources Tests GuestTests Benchmarks Examples)

.PHONY: help setup build run test test-host test-thread test-guest test-examples bench bench-report verify soak corpus fuzz lint \
  format install clean

help:
	@echo 'make run            boot 4 CPUs and count the words of real text files'
	@echo 'make test           run all tests: style, models, host, explore, thread, guest, examples, bench'
	@echo 'make test-host      run the tests of the host'
	@echo 'make test-thread    run the kernel on the host under ThreadSanitizer'
	@echo 'make test-guest     run the tests that boot virtual machines'
	@echo 'make test-examples  run the tests of the command with the examples'
	@echo 'make bench          count what the operations of the kernel cost, and compare'
	@echo 'make bench-report   measure all, with Linux and up to 16 CPUs, and make Documentation/Figures.md of it'
	@echo 'make verify         check the models of the protocols with spin'
	@echo 'make explore        run the kernel in many orders (SCENARIO=name SCHEDULES=n SEED=n SCHEDULE=…)'
	@echo 'make soak           boot 200 times over all machines; ten million operations on memory; mixed load'
	@echo 'make corpus         compare isrcheck with gcc over a small Linux; read real kernels'
	@echo 'make fuzz           feed isrcheck broken images (RUNS=n of each of two), and address spaces any operations (SECONDS=n)'
	@echo 'make build          make the command apus, in release mode: $(APUS)'
	@echo 'make setup          install the Debian packages that are missing'
	@echo 'make lint           check the style; make format puts it right'
	@echo 'make install        install apus below PREFIX=$(PREFIX) (DESTDIR is heeded)'
	@echo 'make clean          remove all that was built'

setup:
	@Tools/setup

build: setup
	swift build -c release --product apus
	swift build -c release --product isrcheck
	swift build -c release --product InstructionCounter
	swift build -c release --product InterruptTrace
	swift build -c release --product ConflictTrace
	swift build -c release --product InstructionProfile

run: build
	$(APUS) run Examples/WordCount --cpus 4 --rootfs $(TEXTS) -- --top 10

test: setup
	@Tools/test

test-host: setup
	@Tools/test host

test-thread: setup
	@Tools/test thread

test-guest: setup
	@Tools/test guest

test-examples: setup
	@Tools/test examples

bench: build
	@$(APUS) bench

bench-report: build
	@Tools/bench-report

verify: setup
	@Tools/verify

# SCENARIO is a part of the scenarios' names. With a whole name, SEED or SCHEDULE run one schedule.
explore: export APUS_SCENARIO = $(SCENARIO)
explore: export APUS_SCHEDULES = $(or $(SCHEDULES),$(if $(SEED)$(SCHEDULE),1,100000))
explore: export APUS_SEED = $(SEED)
explore: export APUS_SCHEDULE = $(SCHEDULE)
explore: setup
	@Tools/test explore

soak: build
	@Tools/soak

# Downloads some 400 MB of Debian packages and builds a small Linux, once; needs python3.
CORPUS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/apus/corpus
corpus: build
	Tools/corpus linux xen tiny
	.build/release/isrcheck edges $(CORPUS)/tiny/vmlinux >$(CORPUS)/tiny.edges
	Tools/compare-callgraph $(CORPUS)/tiny $(CORPUS)/tiny/vmlinux $(CORPUS)/tiny.edges
	@for kernel in linux/vmlinux:linux xen/xen-syms:xen; do \
	  echo "== $${kernel%%:*}, with Tests/Corpus/$${kernel##*:}.policy"; \
	  .build/release/isrcheck $(CORPUS)/$${kernel%%:*} --no-source \
	    --policy Tests/Corpus/thunks.policy --policy Tests/Corpus/$${kernel##*:}.policy | tail -n 1; \
	done

RUNS ?= 1500
SECONDS ?= 300
fuzz: build
	$(APUS) build Examples/HelloWorld >/dev/null
	$(APUS) build GuestTests >/dev/null
	Tools/fuzz-isrcheck --runs $(RUNS) .build-images/x86_64-unknown-none-elf/release/HelloWorld \
	  .build-images/x86_64-unknown-none-elf/release/GuestTests
	Tools/fuzz-address-space $(SECONDS)

lint:
	swift format lint --strict --recursive $(SWIFT_FILES)

format:
	swift format --in-place --recursive $(SWIFT_FILES)

# The kernel's sources go along, so that `apus new` makes packages that build without the clone.
install: build
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/apus
	install -m 755 $(APUS) $(DESTDIR)$(PREFIX)/bin/apus
	install -m 755 .build/release/isrcheck $(DESTDIR)$(PREFIX)/bin/isrcheck
	install -m 644 .build/release/libInstructionCounter.so .build/release/libInterruptTrace.so \
	  .build/release/libConflictTrace.so .build/release/libInstructionProfile.so \
	  $(DESTDIR)$(PREFIX)/lib/apus/
	rm -rf $(DESTDIR)$(PREFIX)/share/apus
	install -d $(DESTDIR)$(PREFIX)/share/apus
	cp -R Package.swift LICENSE Sources SDKs $(DESTDIR)$(PREFIX)/share/apus/

clean:
	rm -rf .build .build-images .build-tsan
