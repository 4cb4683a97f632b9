# The kernel forwards, the daemon decides: killed and started again in every role, it finds what is there, and traffic goes on
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
migrate d h1 h3
expect_owner d h3
expect_soon "h1 holds the relay" reaches s d
traffic s d 50
traffic6 s d 50
expect_soon "h2 sends straight" paths_are h2 d vr-h3
traffic_stop
remember h1 h2 h3
traffic s d 50
for h in h1 h2 h3; do stop_relay $h KILL; done
sleep 2
for h in h1 h2 h3; do start_relay $h; done
expect_owner d h3
sleep 2
expect_as_remembered h1 h2 h3
traffic_stop
expect lost -eq 0

for h in h1 h3; do stop_relay $h; done
migrate d h3 h1
for h in h1 h3; do start_relay $h; done
expect_owner d h1
expect_ok "s reaches d, which came home while nobody looked" reaches s d 30
expect cleartext -eq 0
