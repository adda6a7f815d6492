#!/bin/sh
# The server as a machine of cloud-hypervisor's: cloud-hypervisor.sh [IMAGE [STORE [TAP]]]. The TAP device is that of tap.sh.
set -eu
image=${1:-target/pasteur-unikernel}
store=${2:-store.img}
[ -e "$store" ] || truncate -s 1G "$store"

# Releases that know image_type do not let the first sector be written of what is not called raw; older ones do not know it: leave it out there.
exec cloud-hypervisor \
    --kernel "$image" \
    --cmdline "--ipv4 172.16.0.2/24 --gateway 172.16.0.1 --admin-listen [::]:9000" \
    --cpus boot=1 \
    --memory size=64M \
    --serial tty --console off \
    --rng src=/dev/urandom \
    --disk "path=$store,image_type=raw,serial=store" \
    --net "tap=${3:-tap0},mac=06:00:ac:10:00:02"
