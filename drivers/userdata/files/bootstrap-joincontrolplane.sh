# kubeadm announces this host to the etcd of the others before it writes that manifest. A member that they know and that has
# lost its data never comes back, and keeps all others from joining, or worse, when it had a vote: nothing is taken back from
# here on, and kubeadm, whose phases all accept what is there, goes over it again.
attempt() {
	local tolerated=()
	if [ -e /var/lib/etcd/member ] || [ -e /etc/kubernetes/manifests/etcd.yaml ]; then
		say "etcd knows this host: going on in place"
		tolerated=(--ignore-preflight-errors="$leftovers")
	else
		clean_up || return
	fi
	await_api
	if ((${#tolerated[@]})); then
		# A node that reports is taken for another host of its name. It is silent after a while. Not before the API answers: it
		# may be for want of this host's vote that it does not, and after a boot nobody but the kubelet starts etcd.
		systemctl stop kubelet.service
	fi
	kubeadm join --config /etc/kubernetes/kubeadm.yaml "${tolerated[@]}"
}

