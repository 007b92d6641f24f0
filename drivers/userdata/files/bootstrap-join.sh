# All hosts of a cluster boot at once, so the API may be long in coming: kubeadm itself waits for it within an attempt.
attempt() {
	# A worker's kubelet gets this file from the API as the last thing of joining. A control plane has it before etcd.
	if [ -e /etc/kubernetes/kubelet.conf ] && [ ! -e "$state/pki" ]; then
		say "this host has joined before"
		return 0
	fi
	clean_up || return
	kubeadm join --config /etc/kubernetes/kubeadm.yaml
}

