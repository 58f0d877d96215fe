# The service as an image, configured by its environment, which the health check reads too.
#
#     docker build -t livekit-presence .

# Not the slim one, which has no make: jemalloc is built by it.
FROM rust:1.95-bookworm AS build
WORKDIR /build

# The dependencies, with nothing of ours in it: this layer stays until they change. Cargo.toml names the benchmark.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir -p src benches/service \
    && touch src/lib.rs \
    && echo 'fn main() {}' >src/main.rs \
    && cp src/main.rs benches/service/main.rs \
    && cargo build --release --locked

COPY config/default.toml config/
COPY src src
COPY web web
# Cargo goes by times, and files may be older than what was built in their place.
RUN find src web -type f -exec touch {} + \
    && cargo build --release --locked

# A C library and nothing to run but the service, as a user that owns nothing.
FROM gcr.io/distroless/cc-debian12:nonroot
# A release says which it is: docker build --build-arg VERSION=1.2.3 --build-arg REVISION=$(git rev-parse HEAD) …
ARG VERSION=unreleased
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="livekit-presence" \
    org.opencontainers.image.description="Who is in which LiveKit room, right now, in every browser that asks, without anyone polling." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.created="$CREATED"
COPY --from=build /build/target/release/livekit-presence /livekit-presence
EXPOSE 8080
# Streams end spread over `shutdown.drain` (10s): give it longer than that until it is killed.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=10s CMD ["/livekit-presence", "healthcheck"]
ENTRYPOINT ["/livekit-presence"]
