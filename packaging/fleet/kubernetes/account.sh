#!/bin/sh
# Prints the manifests of an account, for kubectl apply -f - : docs/fleet.md.
#
#   account.sh [-w] NAME IMAGE
#
# With -w, mbsync keeps running (--watch); else it is started every five minutes.
# NAME is the name of the account in the cluster: lower case letters, digits and hyphens.
# IMAGE is the image of mbsync, as in registry.example.org/mbsync:1.6.0.
set -eu
die() {
	echo "account.sh: $1" >&2
	exit 2
}
file=account.yaml
if [ "${1-}" = -w ]; then
	file=watch.yaml
	shift
fi
[ $# = 2 ] || die 'usage: account.sh [-w] NAME IMAGE'
case $1 in
'' | -* | *- | *[!a-z0-9-]*) die "'$1' is no name: use lower case letters, digits, and hyphens between them" ;;
esac
# The names of cron jobs, mbsync-NAME, have at most 52 characters.
[ ${#1} -le 45 ] || die "'$1' is longer than 45 characters"
case $2 in
'' | *[!A-Za-z0-9./:@_-]*) die "'$2' is no name of an image" ;;
esac
sum=$(printf %s "$1" | cksum)
minute=$((${sum%% *} % 5))
sed "s|MINUTE|$minute|; s|ACCOUNT|$1|g; s|IMAGE|$2|; /^ *#/d" "$(dirname "$0")/$file"
