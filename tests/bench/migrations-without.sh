# Migrations under traffic, without virt-relay
# lab: without
BENCH_FORM=without
tunnel h1 h2
boot d h1
. "$VR_SRC/tests/bench/migrations.sh"
