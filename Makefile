# One verb per job. `make` alone checks the machine and lists them.
# PYTHON=python3.12 picks another interpreter; the environment is made in .venv.

PYTHON ?= python3
ARCH ?= $(shell uname -m)
FRESH ?= env
FUZZ_SECONDS ?= 600
SHARE ?= 1
LEAK_CYCLES ?= 1000
# Where PyTorch keeps its wheels without CUDA, which are a tenth in size; an index that does not
# answer is passed over, and TORCH_INDEX= asks for none.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
PYTEST := $(PY) -m pytest
# The groups that would take too long one test after the other; PROCESSES=0 for a debugger.
PROCESSES ?= 2
PYTEST_SPREAD := $(PYTEST) -n $(PROCESSES)
SOURCES := $(shell find videohw -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.hpp')
# These are of Macs; elsewhere only the tests build them.
STUBBED = $(filter-out $(if $(filter Darwin,$(shell uname)),,videohw/_vt videohw/_vt_encode), \
	$(patsubst %.pyx,%,$(shell find videohw -name '*.pyx')))
SHELL_SCRIPTS := .ci/run $(wildcard tools/*.sh)
WORKFLOWS := $(wildcard .github/workflows/*.yml)

.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help build demo emulators test test-unit test-contract test-nvidia test-apple test-interop coverage \
	fault-sweep asan leaks fuzz mutants lint format types kernels emulator-report bench wheel wheel-test \
	cross-macos check fresh clean

help:
	@sh tools/preflight.sh $(PYTHON)
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16 | sed 's/^/  make /'

# The environment: .venv/base has the package (editable) and what builds it; the tools of a verb
# are a dependency group, installed by the first verb that needs them.

$(VENV)/base: pyproject.toml setup.py
	@sh tools/preflight.sh $(PYTHON)
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --group build
	@# setuptools warns that an editable install is one
	@PYTHONWARNINGS=ignore $(PIP) install --no-build-isolation --editable '.[all]'
	@touch $@

$(VENV)/group-%: $(VENV)/base
	@$(PIP) install --group $*
	@touch $@

$(VENV)/built: $(VENV)/base $(SOURCES)
	@$(PY) setup.py --quiet build_ext --inplace
	@touch $@

build: $(VENV)/built ## compile the extensions in place

demo: build ## transcode a real stream of the repository and say how well it went
	@$(PY) examples/demo.py

test: test-unit test-contract test-nvidia test-apple ## all tests (VIDEOHW_HYPOTHESIS=deep: new examples)

# Before the tests, which have a time limit each; they say by themselves what is missing.
emulators: build
	@if $(PY) tests/emulators/build.py --check; then $(PY) tests/emulators/build.py; fi

test-unit: emulators $(VENV)/group-test ## parser, values, files, command line, layout
	$(PYTEST_SPREAD) tests --ignore=tests/backends --ignore=tests/nvidia --ignore=tests/emulators \
		--ignore=tests/apple \
		$(PYTEST_ARGS)

test-contract: build $(VENV)/group-test ## what every backend keeps, in software
	$(PYTEST) tests/backends -k 'software or not (nvidia or apple)' $(PYTEST_ARGS)

test-nvidia: emulators $(VENV)/group-test ## the same on emulated NVIDIA drivers, and those themselves
	$(PYTEST_SPREAD) tests/emulators tests/nvidia --ignore=tests/emulators/apple $(PYTEST_ARGS)
	$(PYTEST_SPREAD) tests/backends -k 'nvidia and not (apple or software)' $(PYTEST_ARGS)

test-apple: emulators $(VENV)/group-test ## the same on emulated Apple frameworks, and those themselves
	$(PYTEST) tests/emulators/apple tests/apple $(PYTEST_ARGS)
	$(PYTEST) tests/backends -k apple $(PYTEST_ARGS)

fault-sweep: emulators $(VENV)/group-test ## each driver call of each fault scenario fails and stalls, one by one
	VIDEOHW_FAULTS=every $(PYTEST) tests/nvidia/test_decode_faults.py \
		tests/nvidia/test_encode_faults.py tests/nvidia/test_caller_stalls.py \
		tests/apple/test_decode_faults.py tests/apple/test_encode_faults.py --timeout=600 $(PYTEST_ARGS)

$(VENV)/group-interop: $(VENV)/base
	@$(PIP) install --retries 1 $(addprefix --extra-index-url ,$(TORCH_INDEX)) --group interop
	@touch $@

test-interop: emulators $(VENV)/group-interop ## frames to and from PyTorch, OpenCV, PyAV; PyNvVideoCodec
	VIDEOHW_INTEROP=1 $(PYTEST) tests/interop tests/examples/test_processes.py \
		tests/emulators/nvidia/test_witness_pynvvideocodec.py \
		tests/emulators/nvidia/test_witness_pynvvideocodec_nvenc.py $(PYTEST_ARGS)

coverage: emulators $(VENV)/group-coverage ## which lines of the package the tests run
	$(PY) -m coverage run -m pytest tests $(PYTEST_ARGS)
	$(PY) -m coverage report

asan: build $(VENV)/group-test ## compiled parts and contract with ASan and UBSan (SHARE=6: a sixth)
	VIDEOHW_SHARE=$(SHARE) $(PY) tools/asan.py $(ASAN_ARGS)

leaks: build $(VENV)/group-test ## memory over LEAK_CYCLES open/close cycles of each kind of session
	$(PY) -m tests.leaks.rss $(LEAK_CYCLES)

fuzz: build $(VENV)/group-test ## FUZZ_SECONDS of damaged streams: nothing but a VideoHwError may come out
	$(PY) -m fuzz.decoder --seconds $(FUZZ_SECONDS)

mutants: build $(VENV)/group-test ## one-line bugs in the hardware backends and kernels, each of which the tests must notice
	$(PY) tools/mutants.py $(MUTANTS)

lint: $(VENV)/group-lint ## style, shell scripts, workflows, pyproject.toml
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cython-lint --max-line-length 100 videohw
	$(VENV)/bin/shellcheck $(SHELL_SCRIPTS)
	$(VENV)/bin/validate-pyproject pyproject.toml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(VENV)/bin/check-jsonschema --builtin-schema custom.github-workflows-require-timeout $(WORKFLOWS)
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(VENV)/bin/zizmor --offline --no-progress --quiet --pedantic .github

format: $(VENV)/group-lint ## rewrite the Python files in the project's format
	$(VENV)/bin/ruff check --fix-only .
	$(VENV)/bin/ruff format .

types: build $(VENV)/group-types ## mypy strict; stubs of the compiled modules against the modules
	$(VENV)/bin/mypy
	$(VENV)/bin/stubtest $(subst /,.,$(STUBBED))

kernels: $(VENV)/group-kernels ## compile the CUDA kernels into videohw/kernels (Linux on x86-64)
	$(PY) kernels/build.py
	$(PY) kernels/build_metal.py

emulator-report: $(VENV)/base ## list in docs/hardware-status.md what the emulated drivers assume
	@$(PY) -m tests.emulators.report docs/hardware-status.md

bench: build $(VENV)/group-bench ## measure, and write the tables into README.md and docs/benchmarks.md
	$(PY) -m benchmarks.readme README.md docs/benchmarks.md

wheel: $(VENV)/group-wheel ## dist/: a wheel for old Linux (ARCH=aarch64 cross-compiles) and the sdist
	$(PY) tools/wheel.py --arch $(ARCH)

wheel-test: wheel $(VENV)/group-test ## the tests on that wheel, installed (SHARE=6: a sixth of them)
	VIDEOHW_SHARE=$(SHARE) $(PY) tools/installed.py

cross-macos: $(VENV)/group-cross ## compile for macOS without a Mac, held to facts of its SDK
	$(PY) tools/cross_macos.py $(CROSS_ARGS)

check: test lint types wheel-test ## what CI runs

fresh: ## demo and test from a clone in a new environment (FRESH=chroot: in a new Debian)
	bash tools/fresh.sh $(FRESH)

clean: ## remove all that make made
	rm -rf $(VENV) build dist output *.egg-info .coverage \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis
	find videohw -name '*.so' -delete -o -name '*.pyd' -delete
	for source in $$(find videohw -name '*.pyx'); do rm -f "$${source%.pyx}.c" "$${source%.pyx}.cpp"; done
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
