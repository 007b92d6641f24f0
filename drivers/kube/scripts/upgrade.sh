#!/bin/sh
# Brings the node to another version of Kubernetes where it is. It may be run any number of times, and be interrupted
# anywhere: binaries are replaced as a whole, and kubeadm goes on where it stopped.
#
#   VERSION   of Kubernetes
#   FIRST     yes: this is the first control plane that is upgraded
#   URL       folder with kubeadm, kubelet and kubectl
#   SHA256    their names and checksums: "kubeadm=<hex> kubelet=<hex> kubectl=<hex>"
set -eu
umask 022
folder=/var/lib/jeroboam

if [ -e /etc/jeroboam/proxy.env ]; then
	while read -r line; do
		export "${line?}"
	done </etc/jeroboam/proxy.env
fi

# checked <name> <file>
checked() {
	sum=
	for pair in $SHA256; do
		if [ "${pair%%=*}" = "$1" ]; then
			sum=${pair#*=}
		fi
	done
	echo "$sum  $2" | sha256sum -c - >/dev/null
}

# get <name>: into the place where the host has it
get() {
	target=/usr/bin/$1
	if [ -e "/opt/bin/$1" ]; then
		target=/opt/bin/$1
	elif [ -e "/usr/local/bin/$1" ]; then
		target=/usr/local/bin/$1
	fi
	if [ -e "$target" ] && checked "$1" "$target" 2>/dev/null; then
		return
	fi
	mkdir -p "$folder"
	curl -fsSL --retry 3 -o "$folder/$1" "$URL/$1"
	if ! checked "$1" "$folder/$1"; then
		rm -f "$folder/$1"
		echo "$URL/$1 is not what its checksum says" >&2
		exit 1
	fi
	install -m 0755 "$folder/$1" "$target.new"
	mv "$target.new" "$target"
	rm -f "$folder/$1"
}

get kubeadm
if [ "$FIRST" = yes ]; then
	kubeadm upgrade apply --yes "$VERSION"
else
	kubeadm upgrade node
fi
get kubelet
get kubectl
systemctl daemon-reload
systemctl restart kubelet
