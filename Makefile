# `make` alone lists what there is to do.

GOLANGCI_VERSION    := v2.13.0
GOVULNCHECK_VERSION := v1.9.0
FUZZTIME            ?= 10s

GOLANGCI := bin/golangci-lint-$(GOLANGCI_VERSION)

# Whatever CI compiles, it compiles for the race detector: one build cache serves vet, the tests, the binaries that e2e
# drives, the linter and the generators, and SQLite's C is compiled once.
RACE = GOFLAGS="$(strip $(shell go env GOFLAGS) -race)"

# brotli comes last, because a build empties web/dist first. It is not built for the race detector: it would take minutes.
build_web = (cd web && npm run codegen && npm run build) && go run web/compress.go

say = @printf '\n== %s\n' '$(1)'

.NOTPARALLEL:

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## build and run the server, as `go run .` does
	go run .

.PHONY: build
build: ## build bin/lorebridge
	go build -o bin/lorebridge .

.PHONY: setup
setup: ## check Go, the C compiler, Node.js and Chromium, and install what the tests need
	$(call say,setup: what the tests need)
	@e2e/setup.sh

.PHONY: setup-web
setup-web: ## the same without a browser: what generating code and working on the app need
	$(call say,setup: what generating code and the app need)
	@e2e/setup.sh go web

.PHONY: test
test: setup ## set up, then run all tests: vet, Go with the race detector, the app's units, real clients and a browser against the real binary
	$(call say,go vet)
	go vet -race ./...
	$(call say,Go tests with the race detector)
	go test -race ./...
	$(call say,the binaries that the end-to-end tests drive: with the race detector too)
	go build -race -o bin/race/ . ./pusherserver/cmd/pusherserver ./examples/chat
	$(call say,the app: types, rules and units)
	cd web && npm run check && LOREBRIDGE_BIN='$(CURDIR)/bin/race/lorebridge' npm test
	$(call say,the package: packed, installed outside of this tree, type-checked and rendered)
	cd web && npm run check:package
	$(call say,end-to-end tests: real clients in Node.js and a browser against the real binary)
	cd e2e && GORACE=halt_on_error=1 \
		LOREBRIDGE_BIN='$(CURDIR)/bin/race/lorebridge' PUSHERSERVER_BIN='$(CURDIR)/bin/race/pusherserver' \
		CHAT_BIN='$(CURDIR)/bin/race/chat' node --test

.PHONY: lint
lint: $(GOLANGCI) ## run golangci-lint, installing the pinned version first where it is missing
	$(call say,golangci-lint $(GOLANGCI_VERSION))
	$(RACE) $(GOLANGCI) run

.PHONY: format
format: $(GOLANGCI) ## format all Go code
	$(GOLANGCI) fmt

$(GOLANGCI):
	$(call say,installing golangci-lint $(GOLANGCI_VERSION): this takes a minute or two)
	GOBIN='$(CURDIR)/bin' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv bin/golangci-lint $@

.PHONY: web
web: setup-web ## build the app and the playground into web/dist, which the server embeds
	$(build_web)

.PHONY: screenshots
screenshots: setup ## take bin/screenshots/, every page, light and dark, desktop and phone, and of them docs/screenshots/ anew
	go build -o bin/lorebridge .
	cd e2e && LOREBRIDGE_BIN='$(CURDIR)/bin/lorebridge' node screenshots.js

.PHONY: generate
generate: setup-web ## write ent/, graph/, docs/schema.graphql, web/src/gql and web/dist again from their sources
	go generate ./...
	$(build_web)

# The trees before and after are compared, not the work tree with HEAD: so it says the same before a commit as after it.
.PHONY: generated
generated: setup-web ## fail if generating changes, adds or removes a file
	$(call say,generated code is what its sources say)
	@tree() { index=$$(mktemp -d) && GIT_INDEX_FILE=$$index/i git add -A && GIT_INDEX_FILE=$$index/i git write-tree && rm -r "$$index"; }; \
	before=$$(tree) && $(RACE) go generate ./... && $(build_web) && after=$$(tree) || exit 1; \
	git --no-pager diff --stat --exit-code "$$before" "$$after" \
		|| { echo 'Generated code was not up to date. Now it is: commit these changes.' >&2; exit 1; }

.PHONY: migration
migration: ## write the migration from the last one to ent/schema: make migration name=add_avatar
	@[ -n '$(name)' ] || { echo 'Name it: make migration name=add_avatar' >&2; exit 1; }
	go run database/migrations/generate.go '$(name)'

# The program itself is never built for the race detector, with which it takes half a minute. What it calls is.
.PHONY: module
module: ## give the module another path, everywhere: make module path=example.org/you/lorebridge
	@go run -race=false ./e2e/module rename '$(path)'
	go generate ./...

.PHONY: renamed
renamed: ## fail if a copy with another module path does not work or cannot be imported, with flags in ARGS
	$(call say,the module under another path: in a copy and in an application that imports it)
	$(RACE) go run -race=false ./e2e/module check $(ARGS)

.PHONY: bench
bench: ## measure a server, with flags in ARGS: make bench ARGS=-help
	go run ./bench $(ARGS)

.PHONY: bench-bridge
bench-bridge: ## measure GraphQL subscriptions over Pusher, likewise
	go run ./bench bridge $(ARGS)

.PHONY: bench-ceiling
bench-ceiling: ## measure the server beside the smallest program that does the same by hand: make bench-ceiling ARGS='-old BIN'
	go run ./bench ceiling $(ARGS)

.PHONY: fuzz
fuzz: ## fuzz every Fuzz function, each for FUZZTIME (10s)
	@found=$$(grep -rEo --include='*_test.go' --exclude-dir=node_modules --exclude-dir=bin '^func Fuzz[A-Za-z0-9_]*' .) \
		|| { echo 'There is no Fuzz function.' >&2; exit 1; }; \
	echo "$$found" | while IFS=: read -r file func; do \
		printf '\n== %s %s\n' "$$file" "$${func#func }"; \
		go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime '$(FUZZTIME)' "$$(dirname "$$file")" || exit 1; \
	done

.PHONY: crash
crash: setup ## 100 ROUNDS of load, kill -9 and restart, planned by SEED: make crash ROUNDS=10 SEED=1
	go build -o bin/ . ./pusherserver/cmd/pusherserver
	cd e2e && LOREBRIDGE_BIN='$(CURDIR)/bin/lorebridge' PUSHERSERVER_BIN='$(CURDIR)/bin/pusherserver' node crash/run.js

.PHONY: upgrade
upgrade: ## the binary of a commit (45bcc50) is killed and this one goes on: make upgrade ARGS='-commit 45bcc50'
	go run ./e2e/upgrade $(ARGS)

.PHONY: suites
suites: ## what takes too long for every change: each Fuzz function for a minute, crashes, an upgrade, and a measured run that fails if an event is lost
	$(MAKE) fuzz FUZZTIME=1m
	$(MAKE) crash
	$(MAKE) upgrade
	go run ./bench -rounds 1

.PHONY: vuln
vuln: ## look for known vulnerabilities in what we call; needs the vulnerability database
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./... || { \
		echo 'Above are vulnerabilities, or the reason why nothing was checked:' >&2; \
		echo 'the database of vulnerabilities can be out of reach on a closed network.' >&2; exit 1; }

.PHONY: ci
ci: test lint generated renamed ## all that must pass before a change lands
	$(call say,all of it passed)
