#!/bin/sh
# Brings kube-proxy and CoreDNS to the version that the cluster's control planes have.
set -eu

said=$(kubeadm upgrade node phase addon all)
printf '%s\n' "$said"
# kubeadm ends well, too, when it has done nothing since some control plane has another version.
case "$said" in
*"Skipping upgrade of addons"*)
	echo "kubeadm has left kube-proxy and CoreDNS as they were" >&2
	exit 1
	;;
esac
