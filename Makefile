# Two commands for everyone: `make run` and `make test`. Both set up all they need.
PORT ?= 8080
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)

# Where this is set, as in many containers, nothing keeps what Python compiles: each server and each
# command that the tests start would compile all of its libraries again.
export PYTHONDONTWRITEBYTECODE =

SYNC = $(UV) sync --quiet --frozen --no-dev --no-group clients --extra webrtc --inexact

PYTEST := $(UV) run --frozen pytest

# Everything that npm installs: the web packages, and browsers' and Node's clients in the tests.
NPM := $(shell command -v npm 2>/dev/null)
NODE_PARTS := $(patsubst %/package-lock.json,%,$(wildcard web/package-lock.json tests/*/*/package-lock.json))
INSTALLED := node_modules/.package-lock.json
CONSOLE := src/antiphon/console/index.html
CLIENT := web/packages/client/dist/index.js
CONSOLE_SOURCES := $(shell find web/console web/packages \( -name node_modules -o -name dist \) -prune -o -type f -print)

# Tests that play and listen in real time, or start servers, browsers and other programs: mostly they wait. In
# three lanes of like length, each one process: what one loads or starts (the official clients, whose libraries take
# longer to load than all else together; a browser; a server) all of its tests share.
BROWSER := tests/browser
CLIENTS := $(addprefix tests/,clients e2e examples deploy/test_apps_on_services.py mock/test_clients.py)
CALLS := $(addprefix tests/,cli conformance/test_over_webrtc.py deploy docs mock/test_calls.py mock/test_on_a_port.py \
	processes/test_server.py server/test_tls.py talk/test_end_to_end.py talk/test_webrtc.py \
	transports/test_websocket.py transports/webrtc)
# Beside them nothing else runs, not even what gives way at once (chrt --idle): it takes the caches, and they are late.

# The others, in two lanes likewise: beside them there is time for what else is checked.
ENGINES := tests/engines

.PHONY: run mic example test test-real-time test-browser test-calls test-clients test-virtual-time test-engines test-all-else test-web build-web check fmt bench bench-peers dist setup setup-test clean

run: setup $(if $(NPM),$(CONSOLE))  ## serve on http://127.0.0.1:$(PORT)
	$(UV) run --no-sync antiphon serve --port $(PORT)

mic: setup  ## the library that `antiphon talk` needs for a microphone
	$(UV) pip install --quiet 'sounddevice>=0.5'

example: setup $(CLIENT)  ## one of the applications: make example NAME=escape_room
	$(UV) sync --quiet --frozen --no-dev --no-group clients --group examples --extra webrtc --inexact
	.venv/bin/python -m examples.$(NAME) $(OPTIONS)

test: setup-test  ## every check and every test
	@$(MAKE) --no-print-directory build-web
	@failed=0; \
	$(MAKE) --no-print-directory --keep-going -j3 test-virtual-time test-web check || failed=1; \
	$(MAKE) --no-print-directory --keep-going -j3 test-real-time || failed=1; \
	exit $$failed

test-real-time: test-browser test-calls test-clients

test-browser: setup-test
	$(PYTEST) $(BROWSER)

test-calls: setup-test
	$(PYTEST) $(CALLS) $(addprefix --ignore=,$(CLIENTS))

test-clients: setup-test
	$(PYTEST) $(CLIENTS)

test-virtual-time: test-engines test-all-else

test-engines: setup-test
	$(PYTEST) $(ENGINES)

test-all-else: setup-test
	$(PYTEST) $(addprefix --ignore=,$(ENGINES) $(BROWSER) $(CALLS) $(CLIENTS))

test-web: setup-test  ## the packages for web pages, where npm is there
ifneq ($(NPM),)
	cd web && npm run --silent check && npm test --silent
endif

build-web: setup-test
ifneq ($(NPM),)
	cd web && npm run --silent build && npm run --silent size
endif

check: setup-test  ## format, lint and types
	$(UV) run --frozen ruff format --check .
	$(UV) run --frozen ruff check .
	$(UV) run --frozen mypy

fmt: setup-test
	$(UV) run --frozen ruff format .
	$(UV) run --frozen ruff check --fix .

bench: setup  ## what a session costs, in two minutes (docs/reference/benchmarks.md)
	.venv/bin/python bench/sessions.py $(BENCH)

bench-peers: setup  ## beside other servers, in ten minutes on two quiet cores (docs/reference/peers.md)
	.venv/bin/python bench/peers/run.py --uv $(UV) $(BENCH)

dist: $(UV) $(CONSOLE)  ## the wheel and the sdist, with the console built
	$(UV) build --quiet --out-dir dist

# Without the extras `speech` and `paraphrases` the server understands less, and says so; it is no reason not to serve.
setup: $(UV)
	@$(SYNC) --extra speech --extra paraphrases || $(SYNC) --extra speech || { \
		echo "the extra 'speech' cannot be installed: free speech will be understood poorly" >&2; $(SYNC); }

setup-test: $(UV) $(if $(NPM),$(NODE_PARTS:%=%/$(INSTALLED)))
	$(UV) sync --quiet --frozen

# The page at /.  A server without it serves all the rest, so a Node that is too old is no failure.
$(CONSOLE): $(CONSOLE_SOURCES)
	@$(MAKE) --no-print-directory web/$(INSTALLED) && npm run --silent build --prefix web -w console \
		|| echo "the console was not built: it wants Node 20.19 or later" >&2

$(CLIENT): $(shell find web/packages/client/src -type f) | web/$(INSTALLED)
	npm run --silent build --prefix web -w packages/client

%/$(INSTALLED): %/package-lock.json
	npm ci --prefix $* --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==0.13.8

clean:
	rm -rf .venv .uv dist build
