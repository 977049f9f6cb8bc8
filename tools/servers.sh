#!/bin/sh
# Provides what the tests start: Dovecot as the IMAP server to talk to, the
# C mbsync to compare with, Chromium to consent in, the password manager pass, and mandoc and groff to check the manual pages with, are installed; Cyrus and Courier, which do not get
# on with it, are unpacked by roots.sh. Only on Debian and its kin, only as root, and never
# a reason to fail: a test whose server is missing says so and is skipped.
# With CI=true such a test fails instead.
set -u

"$(dirname "$0")/roots.sh"

missing=
[ -x /usr/sbin/dovecot ] && [ -x /usr/lib/dovecot/imap ] || missing="$missing dovecot-imapd"
[ -x /usr/bin/mbsync ] || missing="$missing isync"
[ -x /usr/bin/chromium ] || missing="$missing chromium"
[ -x /usr/bin/pass ] || missing="$missing pass"
[ -x /usr/bin/mandoc ] || missing="$missing mandoc"
[ -x /usr/bin/groff ] || missing="$missing groff-base"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
	echo "tests that need them will be skipped:$missing (apt-get install$missing)" >&2
	exit 0
fi

# The package starts a mail server for the whole machine unless told not to.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086 # a list of words
if { apt-get -qq update && apt-get -qq -y -o DPkg::Lock::Timeout=120 install --no-install-recommends $missing; } >"$log" 2>&1; then
	echo "installed for the tests:$missing" >&2
else
	tail -n 5 "$log" >&2
	echo "could not install$missing; tests that need them will be skipped" >&2
fi
rm -f "$log"
exit 0
