# shellcheck shell=bash disable=SC2034
# Who is who: service users, the catalogue, the project and user of a tenant. One process writes it all down.

PROCESSES['identity']=
NEEDS['identity']=keystone

identity_make() {
  identity_plan | ensure_identity && write_clouds
}

# The password of every user in clouds.yaml.
identity_env() { export_line OPENSTACK_PASSWORD "$PASSWORD"; }

# ensure_identity reads a plan (see identity.py) and makes what is missing, as the cloud's administrator.
ensure_identity() {
  OS_AUTH_URL=$(keystone_url) OS_USERNAME=admin OS_PASSWORD=$PASSWORD OS_PROJECT_NAME=admin \
    OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default NEW_PASSWORD=$PASSWORD OS_REGION_NAME=RegionOne \
    python3 "$HERE/lib/openstack/identity.py"
}

# identity_plan has what every cloud has. Octavia and Barbican ask of a tenant's user roles of their own.
identity_plan() {
  local name
  printf 'role %s\n' service creator load-balancer_member load-balancer_admin
  printf 'project %s Default\n' service demo alt_demo
  for name in glance placement neutron nova cinder manila barbican octavia ironic; do
    printf '%s\n' "user $name Default" "grant admin $name Default service Default" \
      "grant service $name Default service Default"
  done
  for name in demo alt_demo; do
    printf '%s\n' "user $name Default" "grant member $name Default $name Default" \
      "grant creator $name Default $name Default" \
      "grant load-balancer_member $name Default $name Default"
  done
  printf '%s\n' 'grant admin admin Default demo Default' 'grant load-balancer_admin admin Default admin Default'
  cat <<PLAN
service image glance http://127.0.0.1:$GLANCE_PORT
service placement placement http://127.0.0.1:$PLACEMENT_PORT
service network neutron http://127.0.0.1:$NEUTRON_PORT
service compute nova http://127.0.0.1:$NOVA_PORT/v2.1
service volumev3 cinderv3 http://127.0.0.1:$CINDER_PORT/v3/%(project_id)s
service share manila http://127.0.0.1:$MANILA_PORT/v1/%(project_id)s
service sharev2 manilav2 http://127.0.0.1:$MANILA_PORT/v2
service key-manager barbican http://127.0.0.1:$BARBICAN_PORT
service load-balancer octavia http://127.0.0.1:$OCTAVIA_PORT
service baremetal ironic http://127.0.0.1:$IRONIC_PORT
PLAN
}

# write_clouds writes clouds.yaml: the administrator, two tenants who know nothing of each other, Jeroboam itself.
write_clouds() {
  {
    printf 'clouds:\n'
    cloud admin admin && cloud demo demo && cloud alt_demo alt_demo && cloud jeroboam service
  } >"$DIR/clouds.yaml"
}

# cloud USER PROJECT prints one cloud, which is called like its user.
cloud() {
  cat <<YAML
  $1:
    auth:
      auth_url: $(keystone_url)
      username: $1
      password: $PASSWORD
      project_name: $2
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
    identity_api_version: 3
YAML
}
