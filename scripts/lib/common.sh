# shellcheck shell=bash
# What the scripts share: where things are, how they speak, what a Debian machine can be given.
# To be sourced, after `set -euo pipefail`. Moves to the repository's root.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Everything that is fetched but is no environment: uv, an interpreter. Ignored by git.
CACHE=${PRIVACY_FIREWALL_CACHE:-$ROOT/.cache}
# shellcheck disable=SC2034 # Read by the scripts.
VENV=$ROOT/.venv VENV_NEWEST=$ROOT/.venv-newest VENV_ENGINE=$CACHE/engine-venv

SELF=$(cd "$(dirname "$0")" && pwd -P)/$(basename "$0")
cd "$ROOT" || exit
# Home Assistant compiled anew at each start costs ten seconds; the files stay in ignored folders.
unset PYTHONDONTWRITEBYTECODE

say() { echo "$(basename "$0"): $*" >&2; }

fail() {
  say "$@"
  exit 1
}

# The comment at a script's head is its help: from the second line to the first that is none.
help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$SELF"; }

have() { command -v "$1" >/dev/null 2>&1; }

# within SECONDS COMMAND…: where there is no `timeout`, without a limit.
within() {
  local seconds=$1
  shift
  if have timeout; then timeout "$seconds" "$@"; else "$@"; fi
}

# debian_packages PACKAGE…: installs them where that is ours to do; else returns 1.
debian_packages() {
  [[ $(id -u) -eq 0 ]] && have apt-get && [[ -r /etc/debian_version ]] || return 1
  local log=$CACHE/apt.log
  mkdir -p "$CACHE"
  say "installing Debian packages: $*"
  if ! (apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@") \
    >"$log" 2>&1; then
    tail -n 3 "$log" >&2
    return 1
  fi
}
