# The two commands that a newcomer needs: `make serve` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: serve test test-browser picture examples soak hold chaos bad-input fuzz bench check docs binary deb test-system clean

# Installed again when the metadata or this recipe changes.
$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

$(VENV)/.installed-fuzz: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	touch $@

serve: $(VENV)/.installed
	$(BIN)/simplevoice models pull
	$(BIN)/simplevoice serve

test: $(VENV)/.installed-test
	$(BIN)/simplevoice models pull --for-tests
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

# The web client in Chromium. Screenshots of it come to build/screenshots.
test-browser: $(VENV)/.installed-test
	@if why=$$(tests/browser/prepare.sh); then \
		$(BIN)/simplevoice models pull --for-tests && $(BIN)/python -m pytest -m browser tests/browser; \
	else \
		echo "test-browser is skipped: $$why"; \
	fi

# The picture in README.md.
picture: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m browser tests/browser/test_picture.py
	install -D -m 644 build/screenshots/page.png docs/images/page.png

# The examples in docs/protocol.md, recorded from a conversation.
examples: $(VENV)/.installed-test
	$(BIN)/simplevoice models pull --for-tests
	$(BIN)/python -m tests.integration.examples

# The proof. Each takes minutes, and puts its figures into docs/reliability.md; the short forms are in `make test`.
# CHAOS_SECONDS=60 make chaos
soak hold chaos bad-input: $(VENV)/.installed-test
	$(BIN)/simplevoice models pull --for-tests
	$(BIN)/python -m tests.reliability.$(subst -,_,$@)

# FUZZ_SECONDS=1200 make fuzz
fuzz: $(VENV)/.installed-fuzz
	$(BIN)/python -m tests.fuzz

# How fast it is, beside a yardstick; writes docs/benchmarks.md. make bench BENCH="gateway idle"
bench: $(VENV)/.installed-test
	tests/benchmarks/prepare.sh
	$(BIN)/simplevoice models pull --for-tests
	$(BIN)/python -m tests.benchmarks $(BENCH)

# Lint and types, as CI runs them.
check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What is made from the settings' table: docs/configuration.md and systemd/simplevoice.toml.
docs: $(VENV)/.installed
	$(BIN)/python -m simplevoice.config.text

# One file that needs no Python: dist/simplevoice. It is made in an environment that holds nothing else.
PROGRAM := build/binary/simplevoice
SOURCES := setup.cfg pyproject.toml README.md $(shell find simplevoice packaging -type f -not -name '*.pyc')

build/venv/.installed: setup.cfg pyproject.toml
	rm -rf build/lib build/bdist.*
	$(PYTHON) -m venv --clear build/venv
	build/venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade '.[binary]'
	touch $@

$(PROGRAM)/simplevoice: build/venv/.installed $(SOURCES)
	rm -rf build/lib build/bdist.*
	build/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	build/venv/bin/pyinstaller --noconfirm --log-level ERROR --distpath build/binary --workpath build/pyinstaller \
		packaging/simplevoice.spec
	touch $@

dist/simplevoice: $(PROGRAM)/simplevoice
	build/venv/bin/python packaging/onefile.py $(PROGRAM) $@

binary: dist/simplevoice

# The same program as a Debian package, with units, settings and docs.
deb: $(PROGRAM)/simplevoice
	packaging/deb/build.sh $(PROGRAM) dist

# The binary and the package on a Debian 12 that boots in a container; says so where that can't be.
DEBIAN_BASE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/simplevoice/tests/debian-12.tar

test-system: $(VENV)/.installed-test
	@if why=$$(tests/system/prepare.sh $(DEBIAN_BASE)); then \
		$(MAKE) binary deb && $(BIN)/simplevoice models pull --for-tests && \
		DEBIAN_BASE=$(DEBIAN_BASE) $(BIN)/python -m pytest -m system tests/system; \
	else \
		echo "test-system is skipped: $$why"; \
	fi

clean:
	rm -rf $(VENV) build dist *.egg-info
