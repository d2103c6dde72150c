# Everything a newcomer needs; `make help` lists it.
PORT ?= 8040
DATA ?= data
HOST ?= 127.0.0.1
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
STAMP := $(VENV)/.installed-server
DEV_STAMP := $(VENV)/.installed-dev
NODE_STAMP := tests/node/node_modules/.package-lock.json
S3 := $(VENV)/bin/versitygw
S3_VERSION := v1.8.0
AZURE := $(VENV)/azurite/node_modules/.bin/azurite-blob
AZURE_VERSION := 3.35.0
GOOGLE := $(VENV)/bin/fake-gcs-server
GOOGLE_VERSION := v1.56.1

.DEFAULT_GOAL := help
.PHONY: help serve test check format bench lock clean fuzz fuzz-parser

help: ## List what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(UV): requirements/bootstrap.txt
	@test -x $(PY) || python3 -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $(UV)

# The package itself is installed in place, so that a change of the code needs no new install.
$(STAMP): $(UV) requirements/server.txt requirements/build.txt pyproject.toml
	@$(UV) pip install --quiet --python $(PY) --require-hashes -r requirements/build.txt -r requirements/server.txt
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation -e .
	@touch $(STAMP)

$(DEV_STAMP): $(STAMP) requirements/dev.txt
	@$(UV) pip install --quiet --python $(PY) --require-hashes -r requirements/dev.txt
	@touch $(DEV_STAMP)

# Packages of others, for the tests that ask them; without Node those tests say loudly what they skip.
$(NODE_STAMP): tests/node/package-lock.json
	@if command -v npm >/dev/null; then cd tests/node && npm ci --silent && touch node_modules/.package-lock.json; \
	else echo "LOUD: npm is not here; tests against the packages of others will be skipped"; fi

# A real S3 server for the tests of remote storage; without Go those tests say loudly what they skip.
$(S3): $(UV)
	@if command -v go >/dev/null; then GOBIN=$(CURDIR)/$(VENV)/bin go install github.com/versity/versitygw/cmd/versitygw@$(S3_VERSION) \
	|| echo "LOUD: versitygw can't be had; tests of storage on S3 will be skipped"; \
	else echo "LOUD: Go is not here; tests of storage on S3 will be skipped"; fi

# Microsoft's emulator of Azure's store, for the tests of storage there.
$(AZURE): $(UV)
	@if command -v npm >/dev/null; then npm install --silent --no-save --prefix $(VENV)/azurite azurite@$(AZURE_VERSION) \
	|| echo "LOUD: azurite can't be had; tests of storage on Azure will be skipped"; \
	else echo "LOUD: npm is not here; tests of storage on Azure will be skipped"; fi

# A server of Google's storage API, for the tests of storage there; without gRPC it is built sooner.
$(GOOGLE): $(UV)
	@if command -v go >/dev/null; then GOBIN=$(CURDIR)/$(VENV)/bin go install -tags disable_grpc_modules -ldflags=-s github.com/fsouza/fake-gcs-server@$(GOOGLE_VERSION) \
	|| echo "LOUD: fake-gcs-server can't be had; tests of storage at Google's will be skipped"; \
	else echo "LOUD: Go is not here; tests of storage at Google's will be skipped"; fi

serve: $(STAMP) ## Serve http://127.0.0.1:8040 (PORT=, DATA=, HOST=)
	@exec $(VENV)/bin/doorward serve --host $(HOST) --port $(PORT) --data $(DATA)

test: $(DEV_STAMP) $(NODE_STAMP) $(S3) $(AZURE) $(GOOGLE) ## Install what is missing and run every test
	@$(PY) -m pytest -n auto --dist loadgroup

check: $(DEV_STAMP) $(NODE_STAMP) $(S3) $(AZURE) $(GOOGLE) ## Format, lint, types, layers, tests, coverage: what CI runs
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache
	@$(PY) -m pytest -n auto --dist loadgroup --cov --cov-report=
	@$(PY) -m coverage report --include='src/doorward/server/permission/*,src/doorward/clerk/*,src/doorward/identity/*' --fail-under=100
	@$(PY) -m coverage report --format=total --fail-under=75

format: $(DEV_STAMP) ## Format the code and mend what can be mended
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

bench: $(DEV_STAMP) $(NODE_STAMP) ## Measure against named peers in the same run, into bench/results/
	@$(PY) -m bench

fuzz: $(DEV_STAMP) $(NODE_STAMP) ## Compare 25,000 tokens with Clerk's own verifier, and rights with a model
	@DOORWARD_TEST_TOKENS=$${DOORWARD_TEST_TOKENS:-25000} DOORWARD_TEST_SEED=$${DOORWARD_TEST_SEED:-$$(date +%s)} \
		$(PY) -m pytest -q -s tests/clerk/differential
	@DOORWARD_TEST_EXAMPLES=$${DOORWARD_TEST_EXAMPLES:-500} $(PY) -m pytest -q tests/server/permission/test_stateful.py

fuzz-parser: $(DEV_STAMP) ## Mutate tokens, requests, webhooks and keys (FUZZ_SECONDS=60 a target)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && for target in tests/fuzz/fuzz_*.py; do \
		echo "$$target" && TMPDIR=$$folder $(PY) $$target -max_total_time=$${FUZZ_SECONDS:-60} \
			-artifact_prefix=$${FUZZ_FINDINGS:-./} -print_final_stats=1 -verbosity=0 || exit 1; done

lock: $(UV) ## Renew the hashed locks from pyproject.toml
	@$(UV) pip compile -q --universal --no-header --generate-hashes --no-emit-index-url requirements/bootstrap.in -o requirements/bootstrap.txt
	@$(UV) pip compile -q --universal --no-header --generate-hashes --no-emit-index-url requirements/build.in -o requirements/build.txt
	@$(UV) pip compile -q --universal --no-header --generate-hashes --no-emit-index-url --python-version 3.11 --extra server pyproject.toml -o requirements/server.txt
	@$(UV) pip compile -q --universal --no-header --generate-hashes --no-emit-index-url --python-version 3.11 --extra server --group dev pyproject.toml -o requirements/dev.txt

clean: ## Remove the environment and caches (data stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
