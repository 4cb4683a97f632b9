# virt-relay starts on three hosts, and h1 and h2 are joined by its tunnel
boot d h1
expect_soon "s reaches d" reaches s d 5
for h in h1 h2 h3; do on $h virt-relay status; done
