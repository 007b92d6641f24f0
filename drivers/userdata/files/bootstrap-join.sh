# All hosts of a cluster boot at once, so the API may be long in coming. kubeadm itself waits for it, but looks every five
# seconds only, and so it does after ten minutes of this. What is read here is public, and believed in nothing but its being
# there: kubeadm verifies it.
await_api() {
	command -v curl >/dev/null || return 0
	local api token end=$((SECONDS + 600))
	api=$(sed -n "s/^ *apiServerEndpoint: *//p" /etc/kubernetes/kubeadm.yaml | tr -d "\"'")
	token=$(sed -n 's/^ *token: *"\{0,1\}\([a-z0-9]*\)\..*/\1/p' /etc/kubernetes/kubeadm.yaml)
	say "waiting for the API at $api"
	until curl --silent --insecure --globoff --noproxy '*' --max-time 5 "https://$api/api/v1/namespaces/kube-public/configmaps/cluster-info" | grep -q "jws-kubeconfig-$token"; do
		((SECONDS < end)) || return 0
		sleep 1
	done
}

attempt() {
	# A worker's kubelet gets this file from the API as the last thing of joining. A control plane has it before etcd.
	if [ -e /etc/kubernetes/kubelet.conf ] && [ ! -e "$state/pki" ]; then
		say "this host has joined before"
		return 0
	fi
	clean_up || return
	await_api
	kubeadm join --config /etc/kubernetes/kubeadm.yaml
}

