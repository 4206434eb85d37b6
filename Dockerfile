# The program alone, in an image that has a shell and certificates. `scripts/docker-steps.sh` runs these steps without an engine.
#
#   docker build -t sio-bench .
#   docker run --rm --network host sio-bench run fanout --target http://127.0.0.1:3000
#
# Servers of targets/ that need Node, Python and so on are not in it: it loads and checks servers that run elsewhere, and the
# reference server.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake gcc make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --profile dist --locked --bin sio-bench

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/dist/sio-bench /usr/local/bin/sio-bench
WORKDIR /work
ENTRYPOINT ["sio-bench"]
