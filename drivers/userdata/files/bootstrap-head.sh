#!/bin/bash
# Makes this host a node of its cluster. It may be run any number of times, and be interrupted anywhere: it goes on until the
# host is a node, and does nothing from then on. cloud-init runs it on the first boot, jeroboam-bootstrap.service on any
# later boot that finds the work unfinished.
set -euo pipefail
export PATH=/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
umask 077

readonly pki=/etc/kubernetes/pki
readonly state=/var/lib/jeroboam
readonly done_mark=$state/bootstrapped
readonly log_file=/var/log/jeroboam-bootstrap.log
readonly patience=7200 # seconds from which on no further attempt is made

say() { printf 'jeroboam-bootstrap: %s\n' "$*"; }

# kubeadm reset empties the folder of the certificates, but the authorities in it came with cloud-init and come only once.
keep_pki() {
	if [ -e "$pki/ca.key" ] && [ ! -e "$state/pki" ]; then
		rm -rf "$state/pki.part"
		cp -a "$pki" "$state/pki.part"
		sync
		mv "$state/pki.part" "$state/pki"
	fi
}

# begun tells that kubeadm has been at work. Static pods of others are none of its traces.
begun() {
	local trace
	for trace in kubelet.conf bootstrap-kubelet.conf admin.conf manifests/kube-apiserver.yaml; do
		if [ -e "/etc/kubernetes/$trace" ]; then return 0; fi
	done
	return 1
}

# clean_up takes the host back to where kubeadm can start from the beginning.
clean_up() {
	if begun; then
		say "cleaning up after an attempt that ended half way"
		kubeadm reset --force || say "kubeadm reset ended with $?"
	fi
	if [ -e "$state/pki" ]; then
		# Without the certificates of that attempt, which may be cut short.
		rm -rf "$pki"
		cp -a "$state/pki" "$pki"
	fi
}

