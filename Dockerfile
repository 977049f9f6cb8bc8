# mbsync in a container that holds nothing else but what PassCmd needs: a shell and cat.
#
#   docker build -t mbsync .
#   docker run --rm --user "$(id -u):$(id -g)" \
#     -v ~/.mbsyncrc:/home/mbsync/.mbsyncrc:ro \
#     -v ~/Mail:/home/mbsync/Mail \
#     -v ~/.local/state/isync:/home/mbsync/.local/state/isync \
#     mbsync -a
#
# The state must outlive the container, as must the mail: without it, everything would be
# new in the next run. "SyncState *" keeps it with the mail. A password comes best from a
# secret:  PassCmd "cat /run/secrets/mail"

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# VERSION is for builds of what has no .git.
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
