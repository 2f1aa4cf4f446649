# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What quickstart and test share.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) # the source tree

step() {
	printf '\n==> %s\n' "$*"
}

say() {
	printf '    %s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# indent: standard input, four columns in.
indent() {
	sed 's/^/    /'
}

# progress LOG: standard input into LOG, with a dot on the terminal for every 20 lines.
progress() {
	tee -a "$1" | awk '
		NR == 1 { printf "    " }
		NR % 20 == 1 { printf "."; fflush() }
		END { if (NR) print "" }'
}

# missing_packages GROUP...: those of the groups that are not installed, one a line.
missing_packages() {
	local group package
	for group; do
		while read -r package; do
			if ! dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null |
				grep -qx installed; then
				echo "$package"
			fi
		done < <(awk -v group="$group" '$1 == group { print $2 }' "$root/scripts/packages")
	done
}

# install_packages LOG GROUP...
install_packages() {
	local log=$1 become_root=() missing
	shift
	: >"$log"
	command -v dpkg-query >/dev/null || die "this is not Debian: no dpkg-query." \
		"Install what scripts/packages lists, then build with: meson setup build && ninja -C build"
	mapfile -t missing < <(missing_packages "$@")
	if [ "${#missing[@]}" = 0 ]; then
		say "all there"
		return
	fi
	say "installing ${#missing[@]} packages: ${missing[*]}"
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || die "not root, and there is no sudo. As root, run:" \
			"apt-get install --no-install-recommends ${missing[*]}"
		say "with sudo, because only root may install"
		become_root=(sudo)
	fi
	"${become_root[@]}" "$root/scripts/lib/apt-install" "${missing[@]}" </dev/null 2>&1 |
		progress "$log" || {
		tail -n 20 "$log" >&2
		die "apt-get failed; all it said is in $log"
	}
}

# set_up_build DIRECTORY OPTION...: a meson build directory, made or brought to these options.
set_up_build() {
	local directory=$1
	shift
	if [ -f "$directory/build.ninja" ]; then
		meson configure "$directory" "$@"
	else
		meson setup "$directory" "$root" "$@"
	fi
}

# first_cpu: the number of the first CPU that this process may run on.
first_cpu() {
	sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status
}

# dpdk_runtime_dir: where DPDK keeps a folder for each --file-prefix.
dpdk_runtime_dir() {
	if [ "$(id -u)" = 0 ]; then
		echo /var/run/dpdk
	else
		echo "${XDG_RUNTIME_DIR:-/tmp}/dpdk"
	fi
}
