# shellcheck shell=bash
# Packages: what the services need from Debian, and how it comes onto the machine without anything being started.

readonly PACKAGES=(
  rabbitmq-server mariadb-server postgresql keystone uwsgi-plugin-python3 python3-pymysql
  python3-openstackclient python3-magnumclient python3-oslo.config python3-oslo.policy python3-oslo.messaging
  curl openssl procps util-linux nftables shellcheck
)

# What the suites of clients need beside those: `services install --clients`, `services run --clients`.
readonly CLIENT_PACKAGES=(
  tempest magnum-tempest-plugin python3-stestr python3-openstacksdk
  openstack-dashboard python3-magnum-ui chromium
)

# with_clients adds them.
with_clients() { WANTED+=("${CLIENT_PACKAGES[@]}"); }
WANTED=("${PACKAGES[@]}")

# What the packages ask, answered: they set nothing up on this machine.
PRESEEDS=()
for name in configure_db register-endpoint create-admin-tenant; do
  PRESEEDS+=("keystone keystone/$name boolean false")
done

# missing_packages prints what is not installed, one name per line.
missing_packages() {
  dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "${WANTED[@]}" 2>/dev/null |
    awk '/^ii/ {print $2}' | sort | comm -13 - <(printf '%s\n' "${WANTED[@]}" | sort)
}

# require_packages says in one line what is missing, and exits 2.
require_packages() {
  local missing
  command -v dpkg-query >/dev/null || die 2 "this takes Debian 12 and its packages ${WANTED[*]}"
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) || die 2 "missing, as root: apt-get install --no-install-recommends ${missing[*]}"
}

# install_packages brings in what is missing in one transaction. Without root it can only name it. What fails is tried once
# more: the lists may be old, and a package that could not be set up stands in the way of all others.
install_packages() {
  local missing log
  if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    require_packages
    return
  fi
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  say apt "installing ${missing[*]}"
  log=$(mktemp)
  (unstarted apt_install "${missing[@]}") >"$log" 2>&1 || {
    say apt "once more, with new lists and after \`dpkg --configure -a\`: $(grep -m 1 '^E: ' "$log" || echo 'it failed')"
    (unstarted apt_reinstall "${missing[@]}") >>"$log" 2>&1 || {
      tail -n 40 "$log" >&2
      die 1 "apt-get failed twice: its last lines are above, all of them in $log"
    }
  }
  rm -f "$log"
  say apt "installed"
}

# unstarted CMD… runs in a subshell of its own, so that its trap restores the machine's policy however it ends.
unstarted() {
  trap allow_service_starts EXIT
  trap 'exit 1' INT TERM HUP
  export DEBIAN_FRONTEND=noninteractive
  forbid_service_starts && printf '%s\n' "${PRESEEDS[@]}" | debconf-set-selections && "$@"
}

apt_install() {
  apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=900 -o Dpkg::Options::=--force-confold \
    -o Dpkg::Use-Pty=0 install "$@" </dev/null
}

# apt_reinstall goes on whatever becomes of its first two steps: the third has the last word.
apt_reinstall() {
  dpkg --force-confold --configure -a </dev/null || true
  apt-get -q update || true
  apt_install "$@"
}

# Packages start their services after installation, unless policy-rc.d answers 101. The machine's own policy, if it
# has one, is put aside and put back. A run that died in between is tidied by the next: ours carries a mark.
readonly POLICY=/usr/sbin/policy-rc.d POLICY_ASIDE=/usr/sbin/policy-rc.d.jeroboam-aside

forbid_service_starts() {
  allow_service_starts &&
    { [[ ! -e $POLICY ]] || mv -T "$POLICY" "$POLICY_ASIDE"; } &&
    printf '#!/bin/sh\n# jeroboam: no service starts while its test services are installed\nexit 101\n' >"$POLICY" &&
    chmod 755 "$POLICY"
}

allow_service_starts() {
  if grep -qs '^# jeroboam: ' "$POLICY"; then rm -f "$POLICY"; fi
  if [[ -e $POLICY_ASIDE ]]; then mv -T "$POLICY_ASIDE" "$POLICY"; fi
}
