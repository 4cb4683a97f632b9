# d's XML names no address, nobody leased it one, and it has no agent: h1's neighbour table has its IPv4 address, libvirt says so, and it is d's wherever d runs
rate=100
[ "$LAB_TUNNEL" = plain ] || rate=6 # a guest that is emulated twice answers no more
gone d # what an earlier run learned stands in its XML
boot d h1 --unannounced
expect_soon "T1 is up" tunnel_up h2 h1
expect_fail "the XML that d was defined with names no address" grep '<virt-relay:address' $LAB_RUN/guests/d/domain.xml
expect_soon "d answers its own host" reaches h1 d
virsh_on h1 domifaddr d --source arp > "$RESULT/domifaddr" 2>&1 ||
  skip "this libvirt cannot read the neighbour table of this kernel ($(uname -r)): $(xargs < "$RESULT/domifaddr")"
knows() { on $1 virt-relay guests --json | jq -r '.[] | select(.name == "d") | .. | strings' | grep -xF "$2"; } # HOST ADDRESS
expect_fail "libvirt leased it none" eval 'virsh_on h1 domifaddr d --source lease | grep -F "$(addr d)"'
LAB_SOON=200
expect_soon "h1 learns it" knows h1 $(addr d)
expect_fail "and no IPv6 address: libvirt looks for none there" knows h1 $(addr6 d)
for h in h2 h3; do expect_soon "$h knows it from h1" knows $h $(addr d); done
remember h1 h3

traffic s d $rate --settle 60 --report 120
migrate d h1 h3
expect_owner d h3
expect_soon "h2 sends straight" path_is h2 d vr-h3
traffic_stop
expect lost -eq 0
expect relayed -gt 0
for h in h1 h2 h3; do expect_ok "$h knows d's address" knows $h $(addr d); done

migrate d h3 h1
expect_owner d h1
expect_soon "d answers s at home" on s $LAB_BIN/meter ask --to $(addr d) --wait 5
expect_ok "h1 still knows d's address" knows h1 $(addr d)
expect_as_remembered h1 h3
expect cleartext -eq 0
