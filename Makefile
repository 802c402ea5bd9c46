# make run    start cofferd, release build, on the embedded vault
# make test   everything that is checked before a change lands
# make bench  the table of ratios
# make soak   the long campaigns

BUILD_PACKAGES = build-essential pkg-config libprotobuf-c-dev libssl-dev libsqlite3-dev libyaml-dev libcurl4-openssl-dev \
	libpq-dev
TEST_PACKAGES = $(BUILD_PACKAGES) protobuf-compiler protobuf-c-compiler libprotobuf-dev cmake valgrind gdb \
	python3 python3-venv pgbouncer etcd-server etcd-client $(if $(wildcard /usr/lib/postgresql/*/bin/postgres),,postgresql) \
	$(if $(shell command -v node 2>/dev/null),,nodejs) $(if $(shell command -v tsc 2>/dev/null),,node-typescript)
BENCH_PACKAGES = $(BUILD_PACKAGES) memcached redis-server nginx libgrpc++-dev protobuf-compiler \
	protobuf-compiler-grpc libprotobuf-dev valgrind openssl python3 python3-venv

.PHONY: run build test bench soak proto

run: build
	.build/release/cofferd

build:
	@.ci/packages $(BUILD_PACKAGES)
	swift build -c release --product cofferd
	swift build -c release --product coffer

test:
	@.ci/packages $(TEST_PACKAGES) $(BENCH_PACKAGES)
	Tests/run.sh

soak:
	@.ci/packages $(TEST_PACKAGES) $(BENCH_PACKAGES)
	Tests/run.sh --soak

bench:
	@.ci/packages $(BENCH_PACKAGES)
	Benchmarks/bench.sh

# Generates again all that is generated from proto/.
proto:
	@.ci/packages $(TEST_PACKAGES)
	proto/generate.sh
