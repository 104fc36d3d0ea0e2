# make book     the site, in _build/html
# make test     every check
# Both set up what they need. make help lists the other verbs.

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers
JOBS ?= $(shell $(PYTHON) -c "import os; print(os.cpu_count() or 1)" 2>/dev/null || echo 1)
PORT ?= 8000

export PYTHONUNBUFFERED := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book test unit validate compare execute site site-test links pdf serve chapter exercises benchmarks lint format lock clean setup

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

book: execute site ## execute what changed and build the site to _build/html

test: lint execute site unit compare ## every check: style, chapters, site, unit tests, strict nbval
	@echo "make test: everything passed"

setup: $(READY) ## the environment in .venv, from the pinned versions

$(READY): requirements.txt requirements.lock pyproject.toml tools/setup_environment.py
	@$(PYTHON) tools/setup_environment.py $(VENV) $(TORCH_INDEX)

$(PEERS): $(READY)
	@$(PYTHON) tools/setup_environment.py --peers $(VENV)

execute: $(READY) ## run the chapters that are not up to date
	@$(PY) tools/execute.py --jobs $(JOBS)

site: $(READY) ## build the site from executed chapters
	@$(PY) tools/build.py

pdf: $(READY) ## the whole book as one PDF, _build/pdf/course.pdf, from the built site; needs Chromium
	@$(PY) tools/make_pdf.py

unit: $(READY) $(PEERS) ## unit tests, the exercises' and the site's tests
	@$(PY) -m pytest -n $(JOBS)

site-test: $(READY) $(PEERS) ## the built site in a browser without a network; needs Chromium
	@test -d _build/html || { echo "no site yet: run make book first"; exit 2; }
	@COURSE_BROWSER=required $(PY) -m pytest tests/site -n $(JOBS)

links: $(READY) ## list the links that lead out of the built site
	@$(PY) tools/links.py

compare: $(READY) ## strict nbval of what changed since it was compared, and of a draw from the rest
	@$(PY) tools/validate.py --due

validate: $(READY) ## strict nbval: run all executed chapters again and compare
	@$(PY) tools/validate.py

chapter: $(READY) ## one chapter, executed, validated, built: make chapter C=week01/chain_rule
	@test -n "$(C)" || { echo "C: expected a chapter such as C=week01/chain_rule, got nothing"; exit 2; }
	@$(PY) tools/execute.py $(C) && $(PY) tools/validate.py $(C) && $(PY) tools/execute.py --jobs $(JOBS) && $(PY) tools/build.py

exercises: $(READY) ## generate the student files from solutions/
	@$(PY) tools/make_exercises.py

serve: ## show the built site on http://localhost:$(PORT)
	@test -d _build/html || { echo "no site yet: run make book first"; exit 2; }
	@echo "http://localhost:$(PORT)/book/index.html"
	@$(PYTHON) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

benchmarks: $(READY) $(PEERS) ## our code beside other libraries: make benchmarks [B="sinkhorn kid"]
	@$(PY) -m benchmarks $(B)

lint: $(READY) ## style of the code
	@$(PY) -m ruff check src tests tools benchmarks solutions book/_ext
	@$(PY) -m ruff format --check -q src tests tools benchmarks book/_ext || { echo "make format puts this right"; exit 1; }

format: $(READY) ## put the style right
	@$(PY) -m ruff check --fix -q src tests tools benchmarks book/_ext; $(PY) -m ruff format src tests tools benchmarks book/_ext

lock: ## pin anew what requirements.txt brings along
	@$(PYTHON) tools/setup_environment.py --lock requirements.lock

clean: ## remove what was built, the environment too
	rm -rf _build $(VENV) src/*.egg-info
