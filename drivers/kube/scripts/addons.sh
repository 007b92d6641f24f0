#!/bin/sh
# Brings kube-proxy and CoreDNS to the version that the cluster's control planes have.
set -eu

kubeadm upgrade node phase addon all
