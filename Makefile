# Duck's commands: `make help` lists them. Python's environment is .venv, made on first use (scripts/environment.sh).

PORT ?= 8787
SECONDS ?= 60
PYTHON = .venv/bin/python

.PHONY: help run test lint format package package-offline check-package bench fuzz lock clean environment pages clients

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | awk -F '|' '{ printf "%-22s %s\n", $$1, $$2 }'

run: environment pages ## start the plugin in the workbench with its demo apps (PORT=8787)
	@$(PYTHON) -m workbench --port $(PORT)

test: lint clients ## check style and types, run all tests
	$(PYTHON) -m pytest -n 3 --dist loadfile -m "not alone"
	$(PYTHON) -m pytest -m alone

lint: environment pages ## check style and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	@test ! -d pages/built || sh scripts/pages.sh check

format: environment ## put all code into its form
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix-only .

package: environment pages ## build dist/duck-<version>.difypkg
	@$(PYTHON) -m scripts.package

package-offline: environment pages ## build packages with all wheels inside, for a Dify without a way out
	@$(PYTHON) -m scripts.package_offline

check-package: environment pages ## check the package by the marketplace's published requirements
	@$(PYTHON) -m scripts.check_package

bench: environment ## measure the stream
	$(PYTHON) -m benchmarks.stream

fuzz: environment ## send requests made up to break it (SECONDS=60)
	$(PYTHON) -m fuzz --seconds $(SECONDS)

lock: ## pin all requirements anew (needs uv)
	$(PIN) requirements.in --output-file requirements.txt
	$(PIN) requirements-dev.in --output-file requirements-dev.txt
	$(PIN) tests/clients/requirements.in --output-file tests/clients/requirements.txt
	$(PIN) tests/clients/openai/requirements.in --output-file tests/clients/openai/requirements.txt
	$(PIN) tests/clients/openapi/requirements.in --output-file tests/clients/openapi/requirements.txt
	$(PIN) tests/clients/mcp/requirements.in --output-file tests/clients/mcp/requirements.txt
	$(PIN) tests/clients/dify/requirements.in --output-file tests/clients/dify/requirements.txt

PIN = uv pip compile --quiet --upgrade --universal --python-version 3.12 --generate-hashes \
	--custom-compile-command "make lock"

clean: ## remove all that these commands made
	rm -rf .venv .cache dist pages/built pages/node_modules tests/clients/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

environment:
	@sh scripts/environment.sh .venv requirements.txt requirements-dev.txt

pages: environment
	@sh scripts/pages.sh

clients:
	@sh scripts/clients.sh
