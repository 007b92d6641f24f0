# What an earlier attempt of this host leaves behind, and kubeadm would take for somebody else's.
readonly manifests=FileAvailable--etc-kubernetes-manifests
readonly leftovers=DirAvailable--var-lib-etcd,$manifests-kube-apiserver.yaml,$manifests-kube-controller-manager.yaml,$manifests-kube-scheduler.yaml,$manifests-etcd.yaml,Port-2379,Port-2380,Port-10250,Port-10257,Port-10259

# Once etcd has data, other hosts may have joined, even if kubeadm failed after that: nothing is ever taken back then, and
# kubeadm, whose phases all accept what is there, goes over it again.
attempt() {
	local tolerated=()
	if [ -e /var/lib/etcd/member ]; then
		say "etcd has data: going on in place"
		tolerated=(--ignore-preflight-errors="$leftovers,Port-$(sed -n 's/^ *bindPort: //p' /etc/kubernetes/kubeadm.yaml)")
	else
		clean_up || return
	fi
	kubeadm init --config /etc/kubernetes/kubeadm.yaml --skip-token-print "${tolerated[@]}"
}

