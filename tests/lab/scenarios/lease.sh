# d's address is a lease of libvirt's own network, and its XML says nothing: h1 learns it, and it is d's address wherever d runs
# Its home has libvirt's bridge instead of br0; what is below puts br0 back, whatever happens.
network() { # HOST XML: the network "lan" there
  on $1 bash -c 'cat > /run/lan.xml && virsh -q net-define /run/lan.xml && virsh -q net-start lan' <<< "$2" > /dev/null
}
tidy() {
  gone d
  for h in h1 h3; do on $h bash -c 'virsh -q net-destroy lan; virsh -q net-undefine lan; rm -f /run/lan.xml' > /dev/null 2>&1; done
  on h1 ip -batch - <<< "address replace 10.9.1.1/24 dev br0
address replace fd00:9:1::1/64 dev br0 nodad"
}
trap tidy EXIT
lease=10.9.1.130
on h1 ip address flush dev br0
network h1 "<network><name>lan</name><forward mode='open'/><bridge name='lan0' stp='off' delay='0'/><mac address='02:00:00:09:01:09'/>
  <ip address='10.9.1.1' netmask='255.255.255.0'><dhcp><range start='$lease' end='$lease'/></dhcp></ip>
  <ip family='ipv6' address='fd00:9:1::1' prefix='64'/></network>"
network h3 "<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/></network>"
LAB_BRIDGE_h1=lan0 relay_again h1

boot d h1 --network lan --unannounced
knows() { on $1 virt-relay guests --json | jq -r '.[] | select(.name == "d") | .. | strings' | grep -xF $lease; } # HOST
answers() { on s $LAB_BIN/meter ask --to $lease --wait 5; }
expect_soon "T1 is up" tunnel_up h2 h1
expect_fail "the XML that d was defined with names no address" grep '<virt-relay:address' $LAB_RUN/guests/d/domain.xml
LAB_SOON=100
expect_soon "h1 learns d's lease from libvirt" knows h1
expect_soon "d answers s there" answers

migrate d h1 h3
expect_owner d h3
for h in h1 h2 h3; do expect_soon "$h knows the lease" knows $h; done
expect_soon "d answers s on h3" answers
expect_soon "h2 sends straight" path_is h2 d vr-h3
expect_ok "and d answers there" answers

migrate d h3 h1
expect_owner d h1
expect_soon "d answers s at home" answers
expect_ok "h1 still knows the lease" knows h1
expect cleartext -eq 0
