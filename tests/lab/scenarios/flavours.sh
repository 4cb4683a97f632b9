# Every way to call virsh migrate: peer to peer, tunnelled, persistent with an XML of the administrator's own, not live
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
expect_soon "d carries a token" has_token d h1
xml=$LAB_RUN/d.xml
# xml_of H: made as docs/log.md says, just before; what is to be defined on the target need not have the metadata
xml_of() {
  virsh_on "$1" dumpxml --migratable d | sed "s|<name>d</name>|&<title>from $1</title>|" > "$xml"
  sed '/<metadata>/,/<\/metadata>/d' "$xml" > "$xml.persistent"
}
for options in --p2p "--p2p --tunnelled" "--persistent --undefinesource --xml $xml --persistent-xml $xml.persistent" --cold; do
  xml_of h1
  traffic s d 50
  migrate d h1 h3 $options
  expect_owner d h3
  expect_ok "h1 had h3's proof ($options)" proven d h1 h3
  traffic_stop
  expect_ok "s reaches d on h3 ($options)" reaches s d 30
  xml_of h3
  migrate d h3 h1 $options
  expect_owner d h1
  expect_ok "and h3 had h1's ($options)" proven d h3 h1
  expect_ok "s reaches d on h1 ($options)" reaches s d 30
done
expect_ok "d runs with the XML that it was given" eval '[ "$(virsh_on h1 desc d --title)" = "from h3" ]'
expect cleartext -eq 0
