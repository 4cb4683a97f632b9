# d ends on h3, destroyed and shut down: both hosts forget it
holds() { ours $1 | grep -qE "$2"; }
for way in destroy shutdown; do
  boot d h1
  expect_soon "T1 is up" tunnel_up h2 h1
  migrate d h1 h3
  expect_owner d h3
  virsh_on h3 $way d
  expect_soon "the log says that d is stopped ($way)" record_is d state stopped
  for h in h1 h3; do
    expect_soon "$h holds nothing for d after $way" not holds $h '10\.9\.1\.100|fd00:9:1::100'
  done
done
expect cleartext -eq 0
