# Everything is made once and again only when what it is made from has changed.
#   PYTHON=python3.12   the interpreter that .venv is made with (default: the newest supported on the PATH)
#   ARGS="-k binary"    arguments for pytest; make bench ARGS="--cases echo" for the benchmarks
#   FASTSIO_DEBUG=1     compiled modules with bounds checks (make test FASTSIO_DEBUG=1)

VENV ?= .venv
EXTRAS ?= test,lint,bench,dist
ARGS ?=
PY = $(VENV)/bin/python

.PHONY: build bundle venv run test test-all lint lint-ruff lint-format lint-cython lint-mypy debug features \
	cluster-table faults autobahn fuzz fuzz-sessions starve asan soak misbehave stopped-reader handover workers-load \
	valkey cuts bench-cluster bench-workers bench-scaling bench bench-quick bench-micro gate gate-update dist clean distclean

build: venv bundle
	@$(PY) -W ignore setup.py --quiet build_ext --inplace

# The official client for browsers, from npm; without npm fastsio is built without it.
bundle: venv
	@$(PY) scripts/bundle.py

venv:
	@scripts/venv.sh $(VENV) $(EXTRAS)

run: build
	@scripts/npm-ci.sh examples/chat
	@$(PY) examples/chat/server_aio.py

test: build
	@scripts/npm-ci.sh tests
	@scripts/npm-ci.sh tests/clients
	@scripts/npm-ci.sh examples/chat
	@scripts/chromium.sh
	@scripts/redis-server.sh
	@scripts/rabbitmq-server.sh
	@scripts/iproute2.sh
	@scripts/python-socketio.sh $(VENV) 5.11.4
	$(PY) -m pytest $(ARGS)

test-all:
	@MAKE="$(MAKE)" scripts/test-all.sh

lint: lint-ruff lint-format lint-cython lint-mypy

lint-ruff: venv
	$(PY) -m ruff check .

lint-format: venv
	$(PY) -m ruff format --check .

lint-cython: venv
	PATH="$(VENV)/bin:$$PATH" cython-lint fastsio

lint-mypy: venv
	$(PY) -m mypy

# docs/features.md, from the marks of the tests; a test fails when it is out of date.
features: venv
	@$(PY) scripts/feature_table.py

# docs/reliability.md, from the marks of the tests and the results of the long runs.
faults: venv
	@$(PY) scripts/fault_table.py

# The table in docs/cluster.md of what is tested with which servers, from the tests.
cluster-table: venv
	@$(PY) scripts/cluster_table.py

debug:
	@$(MAKE) --no-print-directory build FASTSIO_DEBUG=1
	@echo "Built with bounds checks; run the tests on it with: make test FASTSIO_DEBUG=1"

autobahn: build
	@$(PY) tests/conformance/autobahn.py $(ARGS)

# Seconds for all targets together.
FUZZ_SECONDS ?= 600
fuzz: build
	@PYTHONPATH=.:tests $(PY) -m fuzz.campaign --seconds $(FUZZ_SECONDS) $(ARGS)

asan: build
	@PYTHONPATH=. $(PY) scripts/asan.py $(ARGS)

SOAK_SECONDS ?= 600
soak: build
	@$(PY) -m tests.soak.soak --seconds $(SOAK_SECONDS) --keep $(ARGS)

misbehave: build
	@$(PY) -m tests.soak.misbehave --keep $(ARGS)

stopped-reader: build
	@PYTHONPATH=.:tests $(PY) -m faults.stopped_reader --clients 2000 --stopped 20 --seconds 20 $(ARGS)

# Allocations that fail, one after the other, on every way through the server.
starve: build
	@PYTHONPATH=.:tests $(PY) tests/starving.py $(ARGS)

fuzz-sessions: build
	@PYTHONPATH=.:tests $(PY) tests/fuzz_sessions.py --seconds $(FUZZ_SECONDS) $(ARGS)

handover: build
	@PYTHONPATH=.:tests $(PY) tests/handover_load.py $(ARGS)

# 2,000 official clients of three generations at four workers, one of which is killed; with nginx where there is one.
workers-load: build
	@scripts/npm-ci.sh tests/clients
	@PYTHONPATH=.:tests $(PY) tests/workers_load.py --clients 2000 --settle 10 --pause 10 --tell 5 $(ARGS)

# Hosts of a cluster in network namespaces, cut off and healed again and again; needs root.
CUTS_SECONDS ?= 900
cuts: build
	@PYTHONPATH=.:tests $(PY) -m cluster.cut_soak --seconds $(CUTS_SECONDS) $(ARGS)

# The clusters' tests with a Valkey in the place of Redis.
valkey: build
	@scripts/npm-ci.sh tests
	FASTSIO_TEST_REDIS=$$(scripts/valkey-server.sh $(PY)) $(PY) -m pytest tests/cluster $(ARGS)

bench-cluster: build
	@$(PY) -m bench.cluster $(ARGS)

bench-workers: build
	@$(PY) -m bench.cluster.workers $(ARGS)

# docs/scaling.md, from what bench-cluster has measured.
bench-scaling: venv
	@$(PY) -m bench.cluster.scaling

bench: build
	@$(PY) -m bench.run $(ARGS)

bench-quick: build
	@$(PY) -m bench.quick

bench-micro: build
	@$(PY) -m bench.micro $(ARGS)

gate: build
	@$(PY) -m bench.gate $(ARGS)

gate-update: build
	@$(PY) -m bench.gate --update $(ARGS)

dist: venv
	rm -rf build/lib* build/bdist* dist
	FASTSIO_BUNDLE=require $(PY) -m build --outdir dist .

clean:
	rm -rf build dist *.egg-info fastsio/*.so fastsio/*.pyd fastsio/bundle
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .benchmarks
	find fastsio tests bench examples -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .venv-3.* bench/.venv bench/.venv-3.* bench/build bench/node_modules tests/node_modules tests/clients/node_modules examples/chat/node_modules bundle/node_modules
