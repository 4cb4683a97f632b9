# The destination's hook refuses, its QEMU is killed: d stays where it was, and nothing is left
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
remember h1 h3

on h3 bash -c 'printf "#!/bin/sh\n[ \"\$2\" != migrate ] || { echo refused >&2; exit 1; }\n" > /run/refuse; chmod +x /run/refuse; cp /run/refuse /etc/libvirt/hooks/qemu.d/zz-refuse'
expect_fail "virsh says that it was refused" migrate d h1 h3
on h3 rm /etc/libvirt/hooks/qemu.d/zz-refuse
expect_soon "the intent is withdrawn" record_is d incoming null
expect_as_remembered h1 h3

migrate_start d h1 h3
expect_soon "memory is being copied" migrating d h1
kill_qemu d h3
expect_fail "virsh says that it failed" migrate_end
expect_soon "the intent is withdrawn" record_is d incoming null
expect_as_remembered h1 h3
expect_ok "s reaches d" reaches s d 20
expect cleartext -eq 0
