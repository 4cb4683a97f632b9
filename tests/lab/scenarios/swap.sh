# d of h1 and e of h3 talk with each other and swap hosts at the same time; then d joins e, then both go home
boot d h1
boot e h3
remember h1 h3
LAB_REACH_h1='h2 h3' relay_again h1
expect_soon "h1 and h3 are joined" tunnel_up h1 h3
answers() { in_guest "$1" "ping -c 1 -w 2 $(addr "$2") && ping -6 -c 1 -w 2 $(addr6 "$2")" > /dev/null; }
expect_soon "d reaches e" answers d e
expect_soon "e reaches d" answers e d

migrate d h1 h3 &
migrate e h3 h1
wait $!
expect_owner d h3
expect_owner e h1
expect_soon "d reaches e after the swap" answers d e
expect_soon "e reaches d after the swap" answers e d

migrate e h1 h3
expect_owner e h3
expect_soon "d, away, reaches e, at home, on one bridge" answers d e
expect_soon "e reaches d on one bridge" answers e d

migrate d h3 h1
expect_owner d h1
expect_soon "d reaches e, both at home" answers d e
expect_soon "e reaches d, both at home" answers e d
expect expired -eq 0
expect cleartext -eq 0
gone e # not in the next scenario's way
