#!/bin/sh
# Connects this host's pods: by a bridge, with the addresses that Kubernetes has given the host for them. The network routes
# these addresses to the host, so there is no overlay, and no address is translated on the way to other pods.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# The kubelet's own rights are enough to read its node, which is there once the host has joined. Until then a host has better
# things to do than to start kubectl.
kubelet=/etc/kubernetes/kubelet.conf
addresses() {
	[ -e "$kubelet" ] && kubectl --kubeconfig "$kubelet" --request-timeout 10s get node "$(hostname)" -o 'jsonpath={.spec.podCIDR}' 2>/dev/null
}

until pods=$(addresses) && [ -n "$pods" ]; do
	sleep 1
done
mkdir -p /etc/cni/net.d
cat >/etc/cni/net.d/.jeroboam.conflist <<CONFIG
{
  "cniVersion": "1.0.0",
  "name": "jeroboam",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
CONFIG
mv /etc/cni/net.d/.jeroboam.conflist /etc/cni/net.d/10-jeroboam.conflist
