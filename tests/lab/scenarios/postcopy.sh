# Post-copy: the switch happens when d runs at h3, while its memory is still on h1; when the copy breaks then, d's traffic stays at h3
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
remember h1 h3
traffic s d 50
traffic6 s d 20

migrate_start d h1 h3 --postcopy --postcopy-bandwidth 1
expect_soon "memory is being copied" migrating d h1
expect_soon "the target announced d" record_is d incoming h3
expect_ok "d belongs to h1 while it is copied" record_is d owner h1
virsh_on h1 migrate-postcopy d
expect_owner d h3
expect_ok "h1 relays to h3" path_is h1 d vr-h3
expect_soon "s reaches d" reaches s d
expect_ok "and its memory is still on its way" postcopying d h1

virsh_on h1 domjobabort --postcopy d
expect_fail "virsh says that the copy broke" migrate_end
expect_ok "d belongs to h3" record_is d owner h3
expect_ok "h1 still relays to h3" path_is h1 d vr-h3

expect_ok "the copy is taken up again, and ends" migrate d h1 h3 --postcopy --postcopy-resume
expect_ok "d belongs to h3 in the same epoch" record_is d owner h3
expect_ok "s reaches d" reaches s d 30
traffic_stop
expect duplicated -eq 0
expect cleartext -eq 0

migrate d h3 h1
expect_owner d h1
expect_ok "s reaches d at home" reaches s d 30
expect_as_remembered h1 h3
