# d, paused by its user, migrates to h3, is resumed there and is reachable; so does it come home
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
remember h1 h3
virsh_on h1 suspend d
migrate d h1 h3
expect_owner d h3
expect_ok "h1 relays to h3" path_is h1 d vr-h3
expect_ok "d is still paused" state_is d h3 paused
expect_fail "d does not answer" reaches s d 1

virsh_on h3 resume d
expect_soon "s reaches d on h3" reaches s d
expect relayed -gt 0

traffic s d 50
virsh_on h3 suspend d
expect_soon "it is paused" state_is d h3 paused
expect_ok "a pause changes no owner" record_is d owner h3
virsh_on h3 resume d
traffic_stop
expect lost -eq 0

virsh_on h3 suspend d
migrate d h3 h1
expect_owner d h1
virsh_on h1 resume d
expect_soon "s reaches d at home" reaches s d
expect_as_remembered h1 h3
expect cleartext -eq 0
