# Ringfence: every entry point. Each one installs what it needs first (Debian packages need root); what is there already
# costs a fifth of a second to find out.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-long check fuzz bench matrix setup clean

INSTALL := @packaging/install-dependencies

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | column -t -s "$$(printf '\t')"

demo: ## the whole of it on a real workload, in three minutes; ONCE=1 ends it by itself
	$(INSTALL) demo
	@packaging/demo/run

test: ## everything CI runs: 25 minutes at most
	$(INSTALL) test
	@tests/run unit property abi console native lab

test-long: ## test, with more examples, faults injected and the whole kernel matrix: 80 minutes at most
	$(INSTALL) test
	@tests/run --long unit property abi console faults native matrix

check: ## format, types, contracts, lints, tests that need no root: a minute
	$(INSTALL) check
	@tests/run --quick static unit property abi

fuzz: ## language and compiler with random texts: FOR seconds, or a minute
	$(INSTALL) check
	@.venv/bin/python -m tests.property.fuzz_policies $(FOR)

bench: ## the budgets of the design beside what is measured here
	$(INSTALL) bench
	@tests/bench/run

matrix: ## the lab's tests on every kernel and with every boot argument that we care about
	$(INSTALL) test
	@tests/run matrix

setup: ## install everything, run nothing
	$(INSTALL) bench

clean: ## remove what was built, but not the environment in .venv
	rm -rf build collector/console/dist collector/console/node_modules
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
