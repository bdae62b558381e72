# syntax=docker/dockerfile:1
# The service, with the filter inside. Envoy has an image of its own.

FROM rust:1.95-bookworm AS build
RUN rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo xtask build --release && cp target/dist/dragoman /dragoman
# A volume takes over owner and rights of the folder that it covers.
RUN install --directory --owner=65532 --group=65532 --mode=0700 /folders/dragoman \
 && install --directory --owner=65532 --group=65532 --mode=0755 /folders/dragoman-filter \
 && install --directory --owner=65532 --group=65532 --mode=0700 /folders/dragoman-spool

FROM debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /dragoman /usr/local/bin/dragoman
COPY --from=build --chown=65532:65532 /folders/ /var/lib/
USER 65532:65532
VOLUME ["/var/lib/dragoman", "/var/lib/dragoman-filter", "/var/lib/dragoman-spool"]
ENTRYPOINT ["dragoman"]
CMD ["serve", "--config=/etc/dragoman/config.yaml", "--state=/var/lib/dragoman"]
