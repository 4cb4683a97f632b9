# The underlay is IPv6 alone: IKE, ESP, the relay and the direct path over 2001:db8::N; cut between h2 and h3 it is the relay's again
[ "$LAB_TUNNEL" != plain ] || skip "the plain interface in the tunnel's place needs IPv4"
boot d h1
for h in h1 h2 h3; do
  declare "LAB_UNDERLAY_$h=$(addr6 $h)"
  relay_again $h
done
over6() { on $1 swanctl --list-sas --ike virt-relay-$2 | grep -qF "remote '$2.virt-relay' @ $(addr6 $2)"; } # HOST PEER
expect_soon "T1 is up" tunnel_up h2 h1
expect_soon "between IPv6 addresses" over6 h2 h1
remember h1 h3
esp4=$(capture_family esp 4)

traffic s d 10
traffic6 s d 5
migrate d h1 h3
expect_owner d h3
expect_ok "T2 was up before QEMU stopped" tunnel_before_stop h1 h3 d
expect_ok "between IPv6 addresses" over6 h1 h3
traffic_stop
expect relayed -gt 0

traffic s d 10
traffic6 s d 5
sleep 3
traffic_stop
expect lost -eq 0
expect_ok "no ESP over IPv4 since then" [ "$(capture_family esp 4)" = "$esp4" ]

mark "the underlay is cut between h2 and h3"
traffic s d 10
expect_soon "h2 sends straight" path_is h2 d vr-h3
cut h2 h3
expect_soon "h2 finds h3 silent, and sends to the relay" path_is h2 d vr-h1
expect_soon "and d answers through h1" reaches s d
mend h2 h3
LAB_SOON=180 expect_soon "and straight again" path_is h2 d vr-h3
expect_soon "d answers" reaches s d
traffic_stop
mark "lost while h3 was silent: $(measure lost), longest gap $(measure gap_ms) ms"

migrate d h3 h1
expect_owner d h1
expect_soon "s reaches d at home" reaches s d
expect_as_remembered h1 h3
expect cleartext -eq 0
for h in h1 h2 h3; do expect_soon "nothing troubles $h" untroubled $h; done
