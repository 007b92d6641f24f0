"""seed.py CLOUD PREFIX

Makes networks, flavors, images, types of volumes and of shares, and bare-metal nodes, and prints the id of each: NAME
ID. The addresses of the networks begin with the prefix, such as 127.64. They are loopback addresses, so that whoever
dials a floating IP stays on this machine. Neutron takes them without DHCP.
"""

import sys

import openstack
from openstack import exceptions

FLAVORS = (("1", "c.tiny", 1, 512, 0), ("2", "m1.small", 2, 2048, 20), ("3", "m1.medium", 2, 4096, 40),
           ("4", "m1.large", 4, 8192, 80), ("5", "bm.general", 8, 16384, 200))
EXTRA_SPECS = {"bm.general": {"resources:CUSTOM_BAREMETAL": "1", "resources:VCPU": "0", "resources:MEMORY_MB": "0",
                              "resources:DISK_GB": "0"}}
IMAGES = {
    "ubuntu-24.04-kube-v1.37.2": {"os_distro": "ubuntu", "os_version": "24.04", "kube_version": "v1.37.2",
                                  "architecture": "x86_64", "min_disk": 10},
    "cirros": {"architecture": "x86_64"},
}
NETWORKS = (("public", "0.0/17", {"is_router_external": True}), ("lan", "128.0/17", {"is_shared": True}))
NODES = 8
RACKS = 4
TRAITS = ["CUSTOM_BIOS_VIRTUALIZATION", "HW_CPU_X86_VMX"]


def tell(kind, name, found):
    print("_".join((kind, name)).upper().translate(str.maketrans(".-", "__")), found.id)


def networks(c, prefix):
    for name, range_of, options in NETWORKS:
        network = c.network.find_network(name) or c.network.create_network(
            name=name, provider_network_type="flat", provider_physical_network=name, **options)
        c.network.find_subnet(name + "-subnet") or c.network.create_subnet(
            name=name + "-subnet", network_id=network.id, ip_version=4, cidr=f"{prefix}.{range_of}", is_dhcp_enabled=False)
        tell("network", name, network)
    name = "ironic-provisioning"
    tell("network", name, c.network.find_network(name) or c.network.create_network(name=name))


def flavors(c):
    for number, name, vcpus, ram, disk in FLAVORS:
        flavor = c.compute.find_flavor(name) or c.compute.create_flavor(
            id=number, name=name, vcpus=vcpus, ram=ram, disk=disk)
        if name in EXTRA_SPECS:
            c.compute.create_flavor_extra_specs(flavor, EXTRA_SPECS[name])
        tell("flavor", name, flavor)


def zones(c):
    """The second host is an availability zone of its own."""
    if not c.compute.find_aggregate("az2"):
        zone = c.compute.create_aggregate(name="az2", availability_zone="az2")
        c.compute.add_host_to_aggregate(zone, "compute2")


def images(c):
    for name, properties in IMAGES.items():
        tell("image", name, c.image.find_image(name) or c.create_image(
            name, data=b"nothing boots here\n", disk_format="raw", container_format="bare", visibility="public",
            wait=True, **properties))


def volume_types(c):
    for name in ("ssd", "hdd"):
        tell("volume_type", name, c.block_storage.find_type(name) or c.block_storage.create_type(name=name))


def share_types(c):
    """One type whose shares are on servers of the operator's, one whose shares bring their own."""
    there = {t["name"]: t["id"] for t in c.shared_file_system.get("/types").json()["share_types"]}
    for name, own in (("nfs", False), ("generic", True)):
        if name not in there:
            body = {"share_type": {"name": name, "extra_specs": {"driver_handles_share_servers": own}}}
            answer = c.shared_file_system.post("/types", json=body)
            exceptions.raise_from_response(answer)
            there[name] = answer.json()["share_type"]["id"]
        print(f"SHARE_TYPE_{name.upper()}", there[name])


def move(c, nodes, state, action, target):
    """Takes the nodes that are in a state to the next one."""
    moved = [n for n in map(c.baremetal.get_node, nodes) if n.provision_state == state]
    for node in moved:
        c.baremetal.set_node_provision_state(node, action)
    c.baremetal.wait_for_nodes_provision_state(moved, target, timeout=60)


def nodes(c):
    made = []
    for number in range(NODES):
        node = c.baremetal.find_node(f"bm{number}") or c.baremetal.create_node(
            name=f"bm{number}", driver="fake-hardware", resource_class="baremetal", provision_state="enroll",
            properties={"cpus": 8, "memory_mb": 16384, "local_gb": 200, "cpu_arch": "x86_64",
                        "rack": f"r{number % RACKS + 1}"})
        c.baremetal.set_node_traits(node, TRAITS)
        if not list(c.baremetal.ports(node=node.id)):
            c.baremetal.create_port(node_id=node.id, address=f"52:54:00:00:00:{number:02x}")
        made.append(node)
    move(c, made, "enroll", "manage", "manageable")
    for node in made:  # one whose power is unknown is never allocated
        c.baremetal.set_node_power_state(node, "power off")
        c.baremetal.wait_for_node_power_state(node, "power off", timeout=60)
    move(c, made, "manageable", "provide", "available")
    for node in made:
        tell("node", node.name, node)


def main():
    c = openstack.connect(cloud=sys.argv[1])
    networks(c, sys.argv[2])
    for make in (flavors, zones, images, volume_types, share_types, nodes):
        make(c)


if __name__ == "__main__":
    main()
