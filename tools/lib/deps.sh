# Sourced by tools/demo and tools/test: makes sure that Debian packages are there. Looks first, and
# touches neither the network nor the system when nothing is missing.
#
#   querymark_install_build_deps   what a build needs
#   querymark_install_test_deps    and what the tests need too

querymark_build_packages="g++ cmake ninja-build pkg-config libsqlitecpp-dev libsqlite3-dev
  libpqxx-dev libpq-dev libboost1.81-dev libfmt-dev libssl-dev libxxhash-dev libspdlog-dev
  libcli11-dev
  nlohmann-json3-dev ccache"
querymark_test_packages="catch2 sqlite3 postgresql-15 clang-format-19 util-linux"

# Prints those of the given packages that are not installed.
querymark_missing() {
  local installed package
  # Fails when it does not know one of them; what it prints still counts.
  installed=" $(dpkg-query -W -f='${Package}=${db:Status-Status} ' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    case "$installed" in
      *" $package=installed "*) ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

querymark_install() {
  local missing log
  local -a as_root=()
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This script installs packages with apt, which is not here." >&2
    echo "Install what these Debian packages hold, and build with CMake: $*" >&2
    return 1
  fi
  missing=$(querymark_missing "$@")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Missing packages, and neither root nor sudo to install them." >&2
      echo "As root: apt-get install --no-install-recommends $missing" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
  echo "installing: $missing" >&2
  log=$(mktemp)
  # shellcheck disable=SC2086  # a list of words
  if ! { "${as_root[@]}" update && "${as_root[@]}" install -y --no-install-recommends $missing; } \
    </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "apt-get failed; missing: $missing" >&2
    return 1
  fi
  rm -f "$log"
}

querymark_install_build_deps() {
  # shellcheck disable=SC2086
  querymark_install $querymark_build_packages
}

querymark_install_test_deps() {
  # shellcheck disable=SC2086
  querymark_install $querymark_build_packages $querymark_test_packages
}
