attempt() {
	# The kubelet gets this file from the API as the last thing of joining.
	if [ -e /etc/kubernetes/kubelet.conf ]; then
		say "this host has joined before"
		return 0
	fi
	clean_up || return
	await_api
	kubeadm join --config /etc/kubernetes/kubeadm.yaml
}

