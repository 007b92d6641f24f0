# shellcheck shell=bash
# Packages of a whole control plane, beside those of ../packages.sh.

# nova-compute-ironic is the one choice of nova-compute's hypervisors that brings no hypervisor.
readonly OPENSTACK_PACKAGES=(
  glance-api placement-api nova-api nova-conductor nova-scheduler nova-compute nova-compute-ironic neutron-server
  cinder-api cinder-scheduler cinder-volume manila-api barbican-api octavia-api octavia-worker ironic-api ironic-conductor
  python3-openstacksdk python3-octaviaclient python3-ironicclient python3-barbicanclient
  qemu-system-x86 isolinux syslinux-common genisoimage
)
WANTED+=("${OPENSTACK_PACKAGES[@]}")

# What each package asks before it would set itself up on this machine.
for name in glance placement nova neutron cinder manila barbican octavia ironic; do
  PRESEEDS+=("$name-common $name/configure_db boolean false" "$name-api $name/register-endpoint boolean false")
done
PRESEEDS+=(
  'placement-api placement/configure_db boolean false' 'neutron-server neutron/register-endpoint boolean false'
)

# What machines behind a BMC boot. It is not installed: this machine would boot it, too.
readonly GUEST_KERNEL=linux-image-cloud-amd64
readonly GUEST_KERNEL_FILE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/jeroboam/$GUEST_KERNEL.deb

# fetch_kernel keeps the package of that kernel in the user's cache. What fails is tried once more: the lists may be old.
fetch_kernel() {
  local folder log
  [[ ! -e $GUEST_KERNEL_FILE ]] || return 0
  say apt "fetching $GUEST_KERNEL"
  log=$(mktemp)
  mkdir -p "${GUEST_KERNEL_FILE%/*}"
  folder=$(mktemp -d "${GUEST_KERNEL_FILE%/*}/kernel.XXXXXX")
  { download_kernel "$folder" || { apt-get -q update && download_kernel "$folder"; }; } >"$log" 2>&1 </dev/null ||
    { tail -n 20 "$log" >&2 && rm -rf "$folder" && die 1 "there is no $GUEST_KERNEL to be had; all of it is in $log"; }
  mv "$folder"/*.deb "$GUEST_KERNEL_FILE"
  rm -rf "$folder" "$log"
}

# download_kernel FOLDER gets the package that the one of that name stands for.
download_kernel() {
  local name
  name=$(apt-cache depends --important "$GUEST_KERNEL" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ {print $2; exit}') &&
    [[ -n $name ]] && (cd "$1" && apt-get -q download "$name")
}
