# Every target runs in .venv, which holds the exact versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo data test lint test-targets page release release-fashion readme trust docs benchmark clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/'

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11 to 3.13 is needed, and this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/.installed  ## search, train, export and verify a small model (two minutes)
	$(BIN)/zoo run digits_cnn

data: .venv/.installed  ## install the packages that contain data sets, without their dependencies
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --requirement carriers.txt
	$(BIN)/python -c 'import zoo.data; print("$(BIN)/" + zoo.data.SOURCES["movie_sentences"].command)' | sh
	$(BIN)/zoo data list

test: .venv/.installed  ## run the tests
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

lint: .venv/.installed  ## run ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-targets: .venv/.installed page/node_modules  ## run the tests that need LiteRT Micro, Chromium, C, PostgreSQL or Sphinx
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs,micro,browser,postgresql]'
	$(BIN)/python -m pytest tests/targets

page/node_modules: page/package-lock.json
	@command -v npm >/dev/null || { echo "LiteRT.js comes from npm: apt-get install npm"; exit 1; }
	npm ci --prefix page --no-audit --no-fund --loglevel error
	touch $@

page: .venv/.installed page/node_modules  ## build the gallery, with models that run in the browser, in site/
	$(BIN)/python -m page --into site

RECIPES ?= digits_fnn digits_cnn digits_lstm digits_gru
SEEDS ?= 5
release: .venv/.installed  ## train RECIPES from SEEDS seeds each, and release the results
	for recipe in $(RECIPES); do $(BIN)/zoo run $$recipe --seeds $(SEEDS) || exit 1; done
	$(BIN)/python -m tools.release $(RECIPES)

release-fashion: .venv/.installed  ## release the Fashion-MNIST recipes; takes hours, and continues when it was interrupted
	$(MAKE) release SEEDS=3 \
		RECIPES="fashion_mnist_fnn fashion_mnist_gru fashion_mnist_lstm fashion_mnist_micro fashion_mnist_cnn"

readme: .venv/.installed  ## write the cards and the README's table from the records
	$(BIN)/python -m tools.release

trust: .venv/.installed  ## check every released file: hashes, scores, generated pages
	$(BIN)/python -m tools.trust

docs: .venv/.installed  ## build the documentation in build/docs; a warning is an error
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q -b html docs build/docs

benchmark: .venv/.installed  ## compare speed with other tools
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.blocks --gigabytes 1
	$(BIN)/python -m benchmarks.augmentation
	$(BIN)/python -m benchmarks.predict
	$(BIN)/python -m benchmarks.runner
	$(BIN)/python -m benchmarks.export
	$(BIN)/python -m benchmarks.tuning
	$(BIN)/python -m benchmarks.tuning_scale

clean:
	rm -rf .venv runs site build dist page/node_modules .pytest_cache .mypy_cache .ruff_cache
