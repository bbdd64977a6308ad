# make demo    the whole loop on footage it renders itself, then where the report lies
# make test    lint-free tests of everything, in a fresh environment that this file makes
# make wheel-test  the built wheel alone, without extras and without torch, passes the core's tests
# make lint    ruff, mypy
# make bench   the figures of the README
# make docs    the documentation, into site/

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)
USE_UV = $(or $(UV),$(BIN)/uv)
# The students are small: one thread per process is faster than two that wait for each other.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: demo test wheel-test lint bench docs clean

demo: $(VENV)/.ready
	$(BIN)/reelabel demo demo

test: $(VENV)/.ready
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder

wheel-test: $(VENV)/.ready
	rm -rf build/wheel && mkdir -p build/wheel
	echo "opencv-python ; sys_platform == 'never'" > build/wheel/overrides.txt
	$(USE_UV) build -q --wheel -o build/wheel .
	$(USE_UV) venv -q --python 3.11 build/wheel/venv
	$(USE_UV) pip install -q --python build/wheel/venv/bin/python -c constraints.txt \
		--overrides build/wheel/overrides.txt \
		build/wheel/*.whl pytest pytest-xdist hypothesis pycocotools supervision pandas
	build/wheel/venv/bin/python -m pytest -q -n 2 --dist loadfile -m "not train"

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.ready
	$(BIN)/python benchmarks/run_all.py

docs: $(VENV)/.ready
	$(BIN)/python docs/make_reference.py
	$(BIN)/mkdocs build --strict

# uv if it is there (seconds), else a venv with a uv of its own.
$(VENV)/.ready: pyproject.toml constraints.txt
ifeq ($(UV),)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[train,fetch,dev,docs]'
else
	test -x $(BIN)/python || $(UV) venv -q --python 3.11 $(VENV)
	$(UV) pip install -q --python $(BIN)/python -c constraints.txt -e '.[train,fetch,dev,docs]'
endif
	touch $@

clean:
	rm -rf $(VENV) site dist demo
