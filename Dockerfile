# A container with mbsync, and with sh and cat for PassCmd.
#
#   docker build -t mbsync .
#   docker run --rm --user "$(id -u):$(id -g)" \
#     -v ~/.mbsyncrc:/home/mbsync/.mbsyncrc:ro \
#     -v ~/Mail:/home/mbsync/Mail \
#     -v ~/.local/state/isync:/home/mbsync/.local/state/isync \
#     mbsync -a
#
# Keep the mail and the sync state outside of the container. "SyncState *" stores the sync
# state with the mail. Pass the password as a secret:  PassCmd "cat /run/secrets/mail"

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Set VERSION to build without .git.
ARG VERSION
RUN make build ${VERSION:+VERSION=$VERSION}
RUN mkdir -p /root-fs/tmp /root-fs/home/mbsync && chmod 1777 /root-fs/tmp /root-fs/home/mbsync

FROM busybox:musl AS shell

FROM scratch
COPY --from=build /root-fs/ /
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=shell /bin/busybox /bin/sh
COPY --from=shell /bin/busybox /bin/cat
COPY --from=build /src/bin/mbsync /usr/bin/mbsync
ENV HOME=/home/mbsync PATH=/usr/bin:/bin
WORKDIR /home/mbsync
USER 1000:1000
ENTRYPOINT ["/usr/bin/mbsync"]
CMD ["--help"]
