# shellcheck shell=bash
# Jeroboam in the catalogue of a cloud: what an operator does once, whatever the cloud is made of.

# jeroboam_plan URL prints what Jeroboam needs in Keystone when its API is at URL: its own user, the domain in which it
# makes one user for each cluster, and the service that clients look for.
jeroboam_plan() {
  cat <<PLAN
role service
project service Default
user jeroboam Default
grant admin jeroboam Default project service Default
grant service jeroboam Default project service Default
domain jeroboam
grant admin jeroboam Default domain jeroboam
service container-infra magnum $1/v1
PLAN
}
