# What an earlier attempt of this host leaves behind, and kubeadm would take for somebody else's.
readonly manifests=FileAvailable--etc-kubernetes-manifests kubelets=FileAvailable--etc-kubernetes
api_port=$(sed -n 's/^ *bindPort: *//p' /etc/kubernetes/kubeadm.yaml)
readonly leftovers=DirAvailable--var-lib-etcd,$kubelets-kubelet.conf,$kubelets-bootstrap-kubelet.conf,$manifests-kube-apiserver.yaml,$manifests-kube-controller-manager.yaml,$manifests-kube-scheduler.yaml,$manifests-etcd.yaml,Port-$api_port,Port-2379,Port-2380,Port-10250,Port-10257,Port-10259

