# d ends on h3, destroyed and shut down: both hosts forget it
destroyed() { virsh_on h3 destroy d; }
shut_down() { in_guest d "(sleep 1; poweroff -f) > /dev/null 2>&1 &"; }
holds() { ours $1 | grep -E "$2" > /dev/null; }
for way in destroyed shut_down; do
  boot d h1
  expect_soon "T1 is up" tunnel_up h2 h1
  migrate d h1 h3
  expect_owner d h3
  $way
  expect_soon "the log says that d is stopped ($way)" record_is d state stopped
  for h in h1 h3; do
    expect_soon "$h holds nothing for d after $way" not holds $h '10\.9\.1\.100|fd00:9:1::100'
  done
done
expect cleartext -eq 0
