#!/bin/sh
# Runs every fuzz target of the given packages, one after the other, for
# FUZZTIME each. Fails if one fails; what it found is then in testdata/fuzz of
# its package, where the ordinary tests replay it from now on.
set -u
GO=${GO:-go}
FUZZTIME=${FUZZTIME:-30s}

# go vet has the word on whether it builds; here a broken package must not
# look like one without targets.
listing=$("$GO" test -run '^$' -list '^Fuzz' "$@") || {
	printf '%s\n' "$listing" >&2
	exit 1
}
targets=$(printf '%s\n' "$listing" | awk '
	/^Fuzz/      { names[n++] = $1 }
	$1 == "ok"   { for (i = 0; i < n; i++) print $2, names[i]; n = 0 }')
[ -n "$targets" ] || {
	echo 'no fuzz targets found' >&2
	exit 1
}

printf '%s\n' "$targets" | {
	failed=
	while read -r pkg name; do
		echo "== $name ($pkg)"
		"$GO" test -run '^$' -fuzz "^$name\$" -fuzztime "$FUZZTIME" "$pkg" </dev/null || failed="$failed $name"
	done
	[ -z "$failed" ] || {
		echo "failed:$failed" >&2
		exit 1
	}
}
