#!/bin/sh
# Starts the kubelet again, which goes on with the pods that it had.
set -eu

systemctl restart kubelet
