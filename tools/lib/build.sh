# shellcheck shell=bash
# Sourced by the scripts in tools/.

# querymark_quietly WHAT COMMAND...: says WHAT on standard error, runs the command, and shows its
# output only when it fails.
querymark_quietly() (
  what=$1
  shift
  echo "$what" >&2
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  "$@" </dev/null >"$log" 2>&1 && exit 0
  cat "$log" >&2
  echo "failed: $*" >&2
  exit 1
)
