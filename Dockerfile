# coffer in an image of its own: the program, its configuration, and the directory of its store. docs/install.md has how to
# run it, contrib/container/compose.yaml an example.

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN contrib/package/static --out /built
RUN install -d -m 0700 /built/data

FROM scratch
COPY --from=build /built/coffer /usr/bin/coffer
COPY --from=build /source/contrib/container/config.toml /etc/coffer/config.toml
COPY --from=build --chown=65532:65532 /built/data /var/lib/coffer

# By number: an image without a list of users has no names for them.
USER 65532:65532
VOLUME ["/var/lib/coffer"]
EXPOSE 8080
STOPSIGNAL SIGTERM
# Without an interval of its own for the start, which builders before 2024, Debian 12's among them, do not know.
HEALTHCHECK --interval=15s --timeout=10s --start-period=5m --retries=3 \
    CMD ["/usr/bin/coffer", "--config", "/etc/coffer/config.toml", "health"]
ENTRYPOINT ["/usr/bin/coffer", "--config", "/etc/coffer/config.toml"]
CMD ["serve"]
