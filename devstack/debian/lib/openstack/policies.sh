# shellcheck shell=bash
# The two forms of the policies that the packages bring: `legacy`, in which old rules count beside new ones, and `new`,
# in which the scope of a token and the rules by reader, member and admin alone do (secure RBAC).

# Where each service reads it. Nova's hosts ask nobody's rights, and only they and the scheduler ask Placement, whose new
# form wants them to log in to the whole system instead of a project: it stays as it is.
declare -rA POLICY_IN=(
  [keystone]=keystone.conf [glance]=glance-api.conf [neutron]=neutron.conf [nova]=control.conf [cinder]=cinder.conf
  [manila]=manila.conf [barbican]=.barbican/barbican.conf [octavia]=octavia.conf [ironic]=ironic.conf
)

# policies FORM has all APIs take a form, and starts them again.
policies() {
  local service process enforce
  case ${1:-} in
    new) enforce=true ;;
    legacy) enforce=false ;;
    *) die 2 "which form of the policies: legacy or new?" ;;
  esac
  [[ -e $DIR/made/snapshot ]] || die 2 "\`up\` has not come to its end"
  for service in "${!POLICY_IN[@]}"; do policy_of "$service" "$enforce" || die 1 "no configuration for $service"; done
  for service in "${!POLICY_IN[@]}"; do
    for process in $(processes "$service"); do
      if [[ $(port_of "$process") != - ]]; then finish "$process" TERM & fi
    done
  done
  wait
  trap 'end_jobs' EXIT
  exit_on_signals
  bring_up_all "${SERVICES[@]}" || die 1 "not everything came up again; the logs are in $DIR/log"
  trap - EXIT
}

# policy_of SERVICE ENFORCE makes it the end of the service's configuration. A Neutron of this age that enforces scopes
# hides all projects but their own from administrators, Octavia's user among them, which then makes no load balancers. Its
# new rules do so with security groups; those here are from later versions.
policy_of() {
  local kept scope=$2
  [[ $1 != neutron ]] || scope=false
  if [[ $1 == neutron ]]; then
    put neutron groups.yaml <<YAML || return 1
get_security_group: rule:admin_only or role:reader and project_id:%(project_id)s
delete_security_group: rule:admin_only or role:member and project_id:%(project_id)s
YAML
  fi
  kept=$(sed '/^\[oslo_policy\]$/,$d' "$DIR/$1/${POLICY_IN[$1]}") || return 1
  {
    printf '%s\n[oslo_policy]\nenforce_scope = %s\nenforce_new_defaults = %s\n' "$kept" "$scope" "$2"
    if [[ $1 == neutron && $2 == true ]]; then printf 'policy_file = %s\n' "$DIR/neutron/groups.yaml"; fi
    [[ $1 != glance ]] || printf '[DEFAULT]\nenforce_secure_rbac = %s\n' "$2"
  } | put "$1" "${POLICY_IN[$1]}"
}
