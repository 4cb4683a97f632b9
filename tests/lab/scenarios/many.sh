# Ten guests migrate at once between h1 and h3, five each way, and home again: each is reached from h2, none by two ways, nothing is left
first=(d e f g i) second=(h j k l m)
for i in "${!first[@]}"; do # in pairs: a guest boots on one processor
  boot ${first[i]} h1 &
  boot ${second[i]} h3
  wait $!
done
LAB_REACH_h2='h1 h3' relay_again h2
expect_soon "h2 and h3 are joined" tunnel_up h2 h3
remember h1 h3
all_reached() { for g in "${first[@]}" "${second[@]}"; do reaches s $g 10 || return; done; }
expect_soon "s reaches all ten" all_reached

all_migrate() { # A B: the first five from A to B, the others from B to A, all at the same time
  local g jobs=() job status=0
  for g in "${first[@]}"; do migrate $g $1 $2 & jobs+=($!); done
  for g in "${second[@]}"; do migrate $g $2 $1 & jobs+=($!); done
  for job in "${jobs[@]}"; do wait $job || status=1; done
  return $status
}
owners() { # A B
  for g in "${first[@]}"; do record_is $g owner $1 || return; done
  for g in "${second[@]}"; do record_is $g owner $2 || return; done
}
expect_ok "all ten migrate" all_migrate h1 h3
expect_soon "the log says so of each" owners h3 h1
expect_soon "s reaches all ten where they are" all_reached
expect_ok "all ten migrate home" all_migrate h3 h1
expect_soon "the log says so of each" owners h1 h3
expect_soon "s reaches all ten at home" all_reached
expect_as_remembered h1 h3
expect expired -eq 0
expect cleartext -eq 0
jobs=() # not in the next scenario's way
for g in "${first[@]:1}" "${second[@]}"; do gone $g & jobs+=($!); done
wait "${jobs[@]}"
