# Once etcd has data, other hosts may have joined, even if kubeadm failed after that: nothing is ever taken back then, and
# kubeadm, whose phases all accept what is there, goes over it again.
attempt() {
	local tolerated=()
	if [ -e /var/lib/etcd/member ]; then
		say "etcd has data: going on in place"
		tolerated=(--ignore-preflight-errors="$leftovers")
	else
		clean_up || return
	fi
	kubeadm init --config /etc/kubernetes/kubeadm.yaml --skip-token-print "${tolerated[@]}"
}

