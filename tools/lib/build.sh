# Sourced by the scripts in tools/.

# querymark_quietly WHAT COMMAND...: says WHAT on standard error, runs the command, and shows its
# output only when it fails.
querymark_quietly() {
  local what=$1 log
  shift
  echo "$what" >&2
  log=$(mktemp)
  if ! "$@" </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "failed: $*" >&2
    return 1
  fi
  rm -f "$log"
}
