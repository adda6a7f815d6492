#!/bin/sh
# A TAP device for the machines of firecracker.json and cloud-hypervisor.sh: tap.sh [NAME [USER]], as root. The machine is 172.16.0.2 on it.
set -eu
name=${1:-tap0}
ip tuntap add dev "$name" mode tap user "${2:-$(id -un)}"
ip address add 172.16.0.1/24 dev "$name"
ip link set dev "$name" up
