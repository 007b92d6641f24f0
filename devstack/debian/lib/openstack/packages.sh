# shellcheck shell=bash
# Packages of a whole control plane, beside those of ../packages.sh.

# nova-compute-ironic is the one choice of nova-compute's hypervisors that brings no hypervisor.
readonly OPENSTACK_PACKAGES=(
  glance-api placement-api nova-api nova-conductor nova-scheduler nova-compute nova-compute-ironic neutron-server
  cinder-api cinder-scheduler cinder-volume barbican-api octavia-api octavia-worker ironic-api ironic-conductor
  python3-openstacksdk python3-octaviaclient python3-ironicclient python3-barbicanclient
)
WANTED+=("${OPENSTACK_PACKAGES[@]}")

# What each package asks before it would set itself up on this machine.
for name in glance placement nova neutron cinder barbican octavia ironic; do
  PRESEEDS+=("$name-common $name/configure_db boolean false" "$name-api $name/register-endpoint boolean false")
done
PRESEEDS+=(
  'placement-api placement/configure_db boolean false' 'neutron-server neutron/register-endpoint boolean false'
)
