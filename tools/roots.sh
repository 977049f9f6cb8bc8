#!/bin/sh
# Prepares what cannot be installed beside the rest: Cyrus, Courier, and the
# programs of Debian trixie (isync 1.5.1, Dovecot 2.4, Cyrus 3.10). Each gets a
# directory of its own that has the few programs and libraries it runs with,
# unpacked from Debian's packages and never installed. Tests run a server there
# with chroot, on a private copy; isync runs where it is, through its script
# "mbsync".
#
#   tools/roots.sh          prepares what is missing
#   tools/roots.sh -where   only says where the directories are
#
# Such a directory is complete if it is there: it is put together aside and
# renamed. Its file "versions" says what it was made of. It is never a reason to
# fail: a test whose server is missing says so and is skipped, or fails with
# CI=true. What has to agree with this script is in internal/testkit/jail.go.
set -u

# Goes up when the directories have to be made anew.
layout=1

cache=${ISYNC_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/isync-test}

if [ "${1-}" = -where ]; then
	echo "$cache"
	exit 0
fi

# What tests have left behind that were killed.
[ ! -d "$cache/run" ] || find "$cache/run" -mindepth 1 -maxdepth 1 -mmin +600 -exec rm -rf {} +

# "-trixie" behind a name says which suite it is from; without it, this system's.
wanted=
for server in cyrus courier isync-trixie dovecot-trixie cyrus-trixie; do
	[ -f "$cache/$server-$layout/versions" ] || wanted="$wanted $server"
done
[ -n "$wanted" ] || exit 0

for tool in apt-get dpkg-deb flock; do
	if ! command -v $tool >/dev/null; then
		echo "tests that need them will be skipped:$wanted ($tool is missing; they are made of Debian's packages)" >&2
		exit 0
	fi
done

packages() {
	case ${1%-trixie} in
	isync) echo isync ;;
	dovecot) echo dovecot-imapd libeatmydata1 ;;
	cyrus) echo cyrus-imapd sasl2-bin libeatmydata1 ;;
	courier) echo courier-imap gamin libeatmydata1 ;;
	esac
}

# What is started; the libraries are found by looking.
programs() {
	case ${1%-trixie} in
	isync) echo /usr/bin/mbsync /usr/bin/mdconvert ;;
	dovecot) echo /usr/sbin/dovecot /usr/bin/doveadm /usr/bin/doveconf ;;
	cyrus) echo /usr/lib/cyrus/bin/master /usr/lib/cyrus/bin/imapd /usr/lib/cyrus/bin/idled \
		/usr/lib/cyrus/bin/ctl_cyrusdb /usr/sbin/saslpasswd2 ;;
	courier) echo /usr/sbin/couriertcpd /usr/lib/courier/courier/imaplogin /usr/bin/imapd /usr/bin/couriertls \
		/usr/bin/maildirmake.courier /usr/lib/courier/courier-authlib/authdaemond \
		/usr/lib/courier/courier-authlib/makedatprog /usr/libexec/gam_server ;;
	esac
}

# What they load when they run, as patterns.
plugins() {
	[ "$1" = isync-trixie ] || echo '/usr/lib/*/libeatmydata.so*'
	case ${1%-trixie} in
	isync) for name in plain login crammd5 scram; do echo "/usr/lib/*/sasl2/lib$name.so*"; done ;;
	dovecot)
		for name in anvil auth config dict dict-expire dns-client doveadm-server imap imap-hibernate imap-login imap-urlauth \
			imap-urlauth-login imap-urlauth-worker indexer indexer-worker log script stats \
			modules/libssl_iostream_openssl.so; do
			echo "/usr/lib/dovecot/$name"
		done
		;;
	cyrus) for name in plain login crammd5 scram sasldb; do echo "/usr/lib/*/sasl2/lib$name.so*"; done ;;
	courier) echo '/usr/lib/courier-authlib/libauthuserdb.so*' ;;
	esac
}

# apt answers as on a machine where nothing is installed, so that it names all
# that is needed; and it leaves its caches alone. Another suite has lists of its
# own.
aptget() {
	# shellcheck disable=SC2086 # words
	apt-get -qq -o Dir::State::status="$work/status" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o Debug::NoLocking=1 -o APT::Sandbox::User=root --no-install-recommends $suite_options "$@"
}

# use_suite makes aptget look into a suite: this system's if there is no name.
use_suite() {
	suite_options=
	[ -n "$1" ] || return 0
	site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' | grep '/debian$' | head -n 1)
	[ -n "$site" ] || { echo "apt knows no archive of Debian" >&2; return 1; }
	dir=$cache/apt-$1
	mkdir -p "$dir/lists" "$dir/archives" || return
	keys=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -f "$keys" ] && keys="[signed-by=$keys]" || keys=
	echo "deb $keys $site $1 main" >"$dir/sources.list" || return
	suite_options="-o Dir::State::lists=$dir/lists -o Dir::Cache::archives=$dir/archives -o Dir::Etc::sourcelist=$dir/sources.list -o Dir::Etc::sourceparts=-"
	# Lists of yesterday name packages that may be gone.
	[ -n "$(find "$dir/fetched" -mmin -600 2>/dev/null)" ] || { aptget update && : >"$dir/fetched"; }
}

# closure lists the packages of a server that can have a library or a program
# in them that we need; the servers depend on much more.
closure() {
	# shellcheck disable=SC2046 # words
	aptget -s install $(packages "$1") >"$work/plan" || return
	sed -n 's/^Inst \([^ ]*\) (\([^ ]*\).*/\1=\2/p' "$work/plan" |
		grep -E '^(lib|zlib|cyrus-|courier-|dovecot-|isync=|gamin=|sasl2-bin=)' | grep -Ev '^lib(perl|clamav|.*-perl=)'
}

# write_script prints the script that runs mbsync where it was unpacked.
write_script() {
	root=$cache/$server-$layout
	lib=$(cd "$work/full" && echo usr/lib/*-linux-gnu*)
	cat <<-END
	#!/bin/sh
	SASL_PATH='$root/$lib/sasl2' exec '$root$1' --argv0 mbsync --library-path '$root/$lib' '$root/usr/bin/mbsync' "\$@"
	END
}

make_root() {
	server=$1
	case $server in *-trixie) use_suite trixie ;; *) use_suite '' ;; esac || return
	closure "$server" >"$work/versions" && [ -s "$work/versions" ] || return
	mkdir -p "$work/deb" "$work/full" "$work/root" && rm -rf "$work/full" "$work/root" || return
	# shellcheck disable=SC2046 # words
	(cd "$work/deb" && rm -f ./*.deb && aptget download $(cat "$work/versions")) || return
	# Some packages still say /lib for /usr/lib.
	for tree in full root; do
		for dir in bin sbin lib lib64; do
			mkdir -p "$work/$tree/usr/$dir" && ln -s "usr/$dir" "$work/$tree/$dir" || return
		done
	done
	for deb in "$work"/deb/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$work/full" --keep-directory-symlink --no-same-owner --exclude './usr/share' || return
	done
	ld=$(cd "$work/full" && ls -d usr/lib64/ld-linux*.so.* usr/lib/ld-linux*.so.* usr/lib/*/ld-linux*.so.* 2>/dev/null | head -n 1)
	[ -n "$ld" ] || { echo "no dynamic linker in the packages of $server" >&2; return 1; }
	path="$(echo "$work"/full/usr/lib/*-linux-gnu*):$work/full/usr/lib:$work/full/usr/lib/dovecot"
	(
		cd "$work/full" || exit
		{
			programs "$server" | tr ' ' '\n'
			# shellcheck disable=SC2046 # patterns
			for p in $(plugins "$server"); do
				# shellcheck disable=SC2086 # a pattern
				ls -d .$p || exit
			done
		} | sed 's|^\.*/||' >"$work/elf"
		while read -r f; do
			"./$ld" --inhibit-cache --library-path "$path" --list "$f" || exit
		done <"$work/elf" | sed -n 's/^\t[^ ]* => \(.*\) (0x.*/\1/p; /not found/p' | sort -u >"$work/libs"
		if grep -v "^$work/full/" "$work/libs" | grep -v '/ld-linux' >&2; then
			echo "libraries of $server that are not in its packages" >&2
			exit 1
		fi
		{
			cat "$work/elf"
			sed -n "s|^$work/full/||p" "$work/libs"
			echo "$ld"
			[ ! -d lib64 ] || ls lib64/ld-linux*.so.* 2>/dev/null
			# Loaded by the C library itself.
			ls usr/lib/*/libnss_files.so.* 2>/dev/null
		} | sort -u >"$work/files"
		while read -r f; do
			mkdir -p "$work/root/$(dirname "$f")" && cp -L "$f" "$work/root/$f" || exit
		done <"$work/files"
	) || return
	if [ "$server" = isync-trixie ]; then
		write_script "/$ld" >"$work/root/mbsync" && chmod +x "$work/root/mbsync" || return
	fi
	sort "$work/versions" >"$work/root/versions"
	chmod -R a+rX,go-w "$work/root" && mv "$work/root" "$cache/$server-$layout"
}

mkdir -p "$cache" || exit 0
log=$(mktemp) || exit 0
trap 'rm -rf "$log" "${work-}"' EXIT
trap 'exit 1' INT TERM HUP
(
	flock 9
	# Left over from one that was interrupted.
	rm -rf "$cache"/work.*
	for server in $wanted; do
		[ ! -f "$cache/$server-$layout/versions" ] || continue
		work=$(mktemp -d "$cache/work.XXXXXX") || exit
		: >"$work/status"
		if make_root "$server" >"$log" 2>&1 || {
			# Perhaps the lists are old, or there are none.
			[ "$(id -u)" -eq 0 ] && apt-get -qq update >>"$log" 2>&1 && make_root "$server" >>"$log" 2>&1
		}; then
			echo "prepared for the tests: $server, in $cache/$server-$layout" >&2
		else
			tail -n 5 "$log" >&2
			echo "could not prepare $server; tests that need it will be skipped" >&2
		fi
		rm -rf "$work"
	done
) 9>"$cache/lock"
exit 0
