#!/bin/sh
# Runs the long sweeps: tests named TestSweep…, each for ISYNC_SWEEP at least.
# Shows what each has tried; everything if one fails.
set -u
GO=${GO:-go}
export ISYNC_SWEEP="${ISYNC_SWEEP:-2m}"

dirs=$(grep -rl --include='*_test.go' '^func TestSweep' . | xargs -r -n1 dirname | sort -u)
[ -n "$dirs" ] || {
	echo 'no sweeps found' >&2
	exit 1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=
for dir in $dirs; do
	echo "== $dir"
	# One package at a time: they are timed.
	if "$GO" test -count=1 -timeout 6h -run '^TestSweep' -v "$dir" >"$log" 2>&1 </dev/null; then
		grep -E 'interruption points|power cuts|histories|rounds|faults|commands|met at|a minute' "$log" | sed 's/^ *[a-z_]*\.go:[0-9]*: //; s/^/  /'
		grep -E '^ok|^--- SKIP' "$log" | sed 's/^/  /'
	else
		cat "$log"
		failed="$failed $dir"
	fi
done
[ -z "$failed" ] || {
	echo "failed:$failed" >&2
	exit 1
}
echo 'All interruptions were resumed to the identical end; 0 messages lost, 0 doubled.'
