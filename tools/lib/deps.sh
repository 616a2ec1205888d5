# shellcheck shell=bash
# Sourced by the scripts in tools/: makes sure that Debian packages are there. Looks first, and
# touches neither the network nor the system when nothing is missing.
#
#   querymark_install_build_deps   what a build needs
#   querymark_install_test_deps    and what the tests need too
#   querymark_install_server       the programs of a PostgreSQL server, to start one of our own
#   querymark_install_clang        clang, and the runtime of its sanitizers
#   querymark_install_fuzz_deps    a build by clang, and its fuzzing runtime
#   querymark_install_tidy_deps    a build by clang, and clang-tidy
#   querymark_install_bench_deps   a build, and the peers that the benchmarks compare with

# Debian 12's own Boost (1.74) is too old, so it has a package of another name there.
querymark_boost_package=libboost-dev
querymark_server_packages=postgresql
case $(. /etc/os-release 2>/dev/null && echo "${ID:-}${VERSION_ID:-}") in
  debian12)
    querymark_boost_package=libboost1.81-dev
    querymark_server_packages=postgresql-15
    ;;
esac
querymark_build_packages="g++ cmake ninja-build pkg-config libsqlitecpp-dev libsqlite3-dev
  libpqxx-dev libpq-dev $querymark_boost_package libfmt-dev libssl-dev libzstd-dev libxxhash-dev libspdlog-dev
  libcli11-dev nlohmann-json3-dev libtomlplusplus-dev ccache"
querymark_test_packages="catch2 sqlite3 pgbouncer redis-server memcached openssl clang-format-19 locales util-linux
  python3-prometheus-client
  $querymark_server_packages"
querymark_clang_packages="clang-19 libclang-rt-19-dev llvm-19"  # llvm: what names the lines in a sanitizer's report
querymark_tidy_packages="clang-19 clang-tidy-19"
querymark_bench_packages="librocksdb-dev libtbb-dev libcuckoo-dev libhiredis-dev redis-server libmemcached-dev memcached
  xz-utils gzip valgrind $querymark_server_packages"

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

querymark_install() (
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This script installs packages with apt, which is not here." >&2
    echo "Install what these Debian packages hold, and build with CMake: $*" >&2
    exit 1
  fi
  missing=$(querymark_missing "$@")
  [ -n "$missing" ] || exit 0
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Missing packages, and neither root nor sudo to install them." >&2
      echo "As root: apt-get install --no-install-recommends $missing" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
  echo "installing: $missing" >&2
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # shellcheck disable=SC2086  # a list of words
  if "${apt[@]}" update </dev/null >"$log" 2>&1 &&
    "${apt[@]}" install -y --no-install-recommends $missing </dev/null >>"$log" 2>&1; then
    exit 0
  fi
  cat "$log" >&2
  echo "apt-get failed; missing: $missing" >&2
  exit 1
)

querymark_install_build_deps() {
  # shellcheck disable=SC2086
  querymark_install $querymark_build_packages
}

querymark_install_test_deps() {
  # shellcheck disable=SC2086
  querymark_install $querymark_build_packages $querymark_test_packages
}

querymark_install_server() {
  # shellcheck disable=SC2086
  querymark_install $querymark_server_packages
}

querymark_install_clang() {
  # shellcheck disable=SC2086
  querymark_install $querymark_clang_packages
}

querymark_install_fuzz_deps() {
  # shellcheck disable=SC2086
  querymark_install $querymark_build_packages $querymark_clang_packages
}

querymark_install_tidy_deps() {
  # The tests' too: the preset configures them.
  # shellcheck disable=SC2086
  querymark_install $querymark_build_packages $querymark_test_packages $querymark_tidy_packages
}

querymark_install_bench_deps() {
  # shellcheck disable=SC2086
  querymark_install $querymark_build_packages $querymark_bench_packages
}
