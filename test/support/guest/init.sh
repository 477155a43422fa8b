#!/bin/bash
# First process of the guest: mounts what it needs, starts iscsid, runs $WORK/steps.sh, ends. $WORK is on the kernel's command line.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/run
mount -t proc proc /proc
WORK=$(sed 's/.*reelmap_work=\([^ ]*\).*/\1/' /proc/cmdline)
exec >"$WORK/console" 2>&1
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
ip link set lo up
mkdir -p /run/modules/lib/modules /run/lock
ln -s "/usr/lib/uml/modules/$(uname -r)" /run/modules/lib/modules/
modprobe -d /run/modules -a scsi_mod sd_mod sg st ch iscsi_tcp
cp -a /etc/iscsi /run/iscsi
mount --bind /run/iscsi /etc/iscsi
rm -rf /etc/iscsi/nodes /etc/iscsi/send_targets
echo InitiatorName=iqn.2026-11.org.example:guest >/etc/iscsi/initiatorname.iscsi
iscsid -f &
bash "$WORK/steps.sh"
poweroff -f
