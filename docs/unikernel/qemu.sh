#!/bin/sh
# The server as a machine of QEMU's: qemu.sh [IMAGE [STORE]]. ACCEL=tcg where there is no KVM.
set -eu
image=${1:-target/pasteur-unikernel}
store=${2:-store.img}
[ -e "$store" ] || truncate -s 1G "$store"

exec qemu-system-x86_64 -machine microvm -accel "${ACCEL:-kvm}" -cpu max -m 64M \
    -nodefaults -no-user-config -no-reboot -display none -serial stdio \
    -device isa-debug-exit,iobase=0xf4,iosize=4 \
    -global virtio-mmio.force-legacy=false \
    -device virtio-rng-device \
    -drive "if=none,id=store,format=raw,werror=report,rerror=report,file=$store" \
    -device virtio-blk-device,drive=store,serial=store \
    -netdev "user,id=net,hostfwd=tcp:127.0.0.1:${PORT:-8080}-:80,hostfwd=tcp:127.0.0.1:${ADMIN:-9000}-:9000" \
    -device virtio-net-device,netdev=net \
    -kernel "$image" -append "--admin-listen [::]:9000"
